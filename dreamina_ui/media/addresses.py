"""Which addresses an output may come from; pure. Whatever is not plainly an address of the open net is refused.

Two doors, and an output passes both: `read_address` judges the text before any name is looked up, `why_not` judges
every number a name was looked up to before anything is connected to it.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from dreamina_ui.errors import OutputRefused

__all__ = ["Address", "origin_of", "read_address", "why_not"]

URL_LONGEST = 8192
# What parsers read differently: some end the host at a backslash, some drop tabs and line ends, some trim the edges.
AMBIGUOUS = re.compile(r"[\x00-\x1f\x7f-\x9f\\]|^\s|\s$")
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{LABEL}\.)+{LABEL}", re.ASCII)
"""At least two labels, no dot at the end. Names of other scripts have their ASCII form, `xn--…`; only that is read."""
NUMBER_AT_END = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)", re.ASCII)
"""What browsers and C libraries read as an IPv4 number: 2130706433, 0177.0.0.1, 0x7f.1, 127.1."""
LOCAL_NAMES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "lan",
    "home.arpa",
    "onion",
    "test",
    "invalid",
)
"""Ends of names that mean this machine, its network, or nothing (RFC 6761, RFC 6762, RFC 7686, RFC 8375, ICANN)."""

V4_REFUSED = tuple(
    IPv4Network(network)
    for network in (
        "100.64.0.0/10",  # carrier-grade NAT; a cloud's metadata at 100.100.100.200
        "168.63.129.16/32",  # Azure's own services, which answer inside its machines only
        "192.0.0.0/24",  # protocol assignments; a cloud's metadata at 192.0.0.192
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "240.0.0.0/4",  # reserved, broadcast
    )
)
V6_OPEN = IPv6Network("2000::/3")
"""All unicast that is given out. Mapped, compatible and translated IPv4, NAT64 and local addresses lie outside."""
V6_REFUSED = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo and its wrapped IPv4 among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: a wrapped IPv4
        "3fff::/20",  # documentation
    )
)


@dataclass(frozen=True, slots=True)
class Address:
    """An address that has passed the first door: `url` as it came, the host in lower case and without brackets."""

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
    if not trusted and (reason := _why_not_host(host, bracketed="[" in parts.netloc)):
        raise OutputRefused(reason)
    return Address(url, parts.scheme, host, port)


def why_not(number: str) -> str | None:
    """Why nothing may be fetched from this IP address, or None if it is one of the open net."""
    try:
        address = ip_address(number)
    except ValueError:
        return "not an address"
    return None if _is_open(address) else "an address of this machine or its network"


def _is_open(address: IPv4Address | IPv6Address) -> bool:
    # `is_global` alone lets multicast through, and its tables differ between versions of Python.
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in V4_REFUSED)
    return address.scope_id is None and address in V6_OPEN and not any(address in network for network in V6_REFUSED)


def _why_not_host(host: str, *, bracketed: bool) -> str | None:
    if bracketed or NUMBER_AT_END.fullmatch(host):
        return why_not(host)
    if host in LOCAL_NAMES or host.endswith(tuple(f".{name}" for name in LOCAL_NAMES)):
        return "an address of this machine or its network"
    return None if NAME.fullmatch(host) else "not a plain host name"
