"""The certificates of the known authorities. Reading them takes 30 ms, so all clients share them."""

import ssl
from functools import cache

import httpx

__all__ = ["certificates"]


@cache
def certificates() -> ssl.SSLContext:
    """The same context each time; the first call reads a file, and blocks."""
    return httpx.create_ssl_context(trust_env=False)
