"""Which `Host` and `Origin` headers belong to this app. Pure."""

import ipaddress
import re
from collections.abc import Collection, Iterable

__all__ = ["HOST_NAME", "SUB_PATH", "Hosts"]

HOST_NAME = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
"""A host name in the settings: `studio.example.com`, or `*.example.com` for all subdomains."""
SUB_PATH = re.compile(r"(/[A-Za-z0-9._~-]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
"""A path of a host that an app is served under, such as `/studio`: no slash at its end, no part that is `.` or `..`."""

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}


class Hosts:
    """The app's hosts: `names`, in lower case, and always `localhost` and IP addresses.

    This prevents DNS rebinding: a page on another domain that resolves to this machine would have the same origin as
    our page, and could do everything that it can.
    """

    def __init__(self, names: Collection[str] = ()) -> None:
        self._exact = {name for name in names if not name.startswith("*.")} | {"localhost"}
        self._suffixes = tuple(name[1:] for name in names if name.startswith("*."))

    def knows(self, host: str) -> bool:
        """Whether a `Host` header names this app."""
        found = _parts(host)
        if found is None:
            return False
        name, _ = found
        return name in self._exact or (bool(self._suffixes) and name.endswith(self._suffixes)) or _is_address(name)

    def lists(self, host: str) -> bool:
        """Whether a `Host` header has one of the few names that stand in the settings, or this machine's own."""
        found = _parts(host)
        return found is not None and (found[0] in self._exact or found[0] in ("127.0.0.1", "[::1]"))

    def is_own(self, origin: str, hosts: Iterable[str], *, https: bool) -> bool:
        """Whether an `Origin` header is a page's on one of `hosts`, which the request was sent to.

        `https` means that the request came by https, so that an origin with http is another one. An exact configured
        name also counts, for proxies that do not pass the `Host` header on.
        """
        scheme, _, rest = origin.lower().partition("://")
        parts = _parts(rest)
        if parts is None or scheme not in _PORTS or (https and scheme != "https"):
            return False
        name, port = parts[0], parts[1] or _PORTS[scheme]
        for host in hosts:
            found = _parts(host)
            if found is not None and (found[0], found[1] or _PORTS[scheme]) == (name, port):
                return True
        return name != "localhost" and name in self._exact and port == _PORTS[scheme]


def _parts(host: str) -> tuple[str, int | None] | None:
    """The name in lower case without a final dot, and the port, of `name[:port]`; None if it is something else."""
    found = _HOST.fullmatch(host.lower())
    return (found[1].rstrip("."), int(found[2]) if found[2] else None) if found else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
