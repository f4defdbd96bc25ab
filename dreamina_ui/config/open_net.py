"""Which hosts are plainly on the open net; pure. Everything else is this machine, its network, or not a host."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

__all__ = ["INSIDE", "why_not", "why_not_host"]

INSIDE = "an address of this machine or its network"
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


def why_not(number: str) -> str | None:
    """Why nothing may be fetched from this IP address, or None if it is one of the open net."""
    try:
        address = ip_address(number)
    except ValueError:
        return "not an address"
    return None if _is_open(address) else INSIDE


def _is_open(address: IPv4Address | IPv6Address) -> bool:
    # `is_global` alone lets multicast through, and its tables differ between versions of Python.
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in V4_REFUSED)
    return address.scope_id is None and address in V6_OPEN and not any(address in network for network in V6_REFUSED)


def why_not_host(host: str, *, bracketed: bool = False) -> str | None:
    """The same of a host in an address, in lower case: a name, or a number, which is `bracketed` if it is one of IPv6."""
    if bracketed or NUMBER_AT_END.fullmatch(host):
        return why_not(host)
    if host in LOCAL_NAMES or host.endswith(tuple(f".{name}" for name in LOCAL_NAMES)):
        return INSIDE
    return None if NAME.fullmatch(host) else "not a plain host name"
