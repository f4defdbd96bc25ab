"""Which addresses an output may come from; pure. Whatever is not plainly an address of the open net is refused.

There are two checks, and an output has to pass both: `read_address` checks the text before its name is looked up, and `why_not`
checks each number that the name was looked up to, before anything is connected to it.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from dreamina_ui.config.open_net import why_not, why_not_host
from dreamina_ui.errors import OutputRefused

__all__ = ["Address", "origin_of", "read_address", "why_not"]

URL_LONGEST = 8192
# What parsers read differently: some end the host at a backslash, some drop tabs and line ends, some trim the edges.
AMBIGUOUS = re.compile(r"[\x00-\x1f\x7f-\x9f\\]|^\s|\s$")


@dataclass(frozen=True, slots=True)
class Address:
    """An address whose text was checked: `url` as it came, the host in lower case and without brackets."""

    url: str
    scheme: str
    host: str
    port: int


def origin_of(url: str) -> str:
    """Scheme, host and port in lower case, the port only where it is not the scheme's own."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port and parts.port != {"http": 80, "https": 443}.get(parts.scheme) else ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}".lower()


def read_address(url: str, *, trusted: bool = False) -> Address:
    """Raises `OutputRefused`. A `trusted` address may be http and of any host, but has no name and password either."""
    if AMBIGUOUS.search(url) or len(url) > URL_LONGEST:
        raise OutputRefused("not an address")
    try:
        parts = urlsplit(url)
        port = {"https": 443, "http": 80}.get(parts.scheme, 0) if parts.port is None else parts.port
    except ValueError as error:
        raise OutputRefused("not an address") from error
    host = parts.hostname or ""
    if parts.scheme not in (("https", "http") if trusted else ("https",)):
        raise OutputRefused("not an https address")
    if "@" in parts.netloc:
        raise OutputRefused("an address with a name or password in it")
    if not host or not port:
        raise OutputRefused("not an address")
    if not trusted and (reason := why_not_host(host, bracketed="[" in parts.netloc)):
        raise OutputRefused(reason)
    return Address(url, parts.scheme, host, port)
