"""The certificates of the authorities to trust. Reading them takes 30 ms, so all clients share them."""

import ssl
from functools import cache

import httpx

__all__ = ["certificates"]


@cache
def certificates(file: str | None = None, folder: str | None = None) -> ssl.SSLContext:
    """The same context each time for a file and a folder in PEM, or for the usual authorities; the first call blocks."""
    if file is None and folder is None:
        return httpx.create_ssl_context(trust_env=False)
    return ssl.create_default_context(cafile=file, capath=folder)
