"""The names this program goes by, and whether a request comes from a page of its own. Pure."""

import ipaddress
import re
from collections.abc import Collection, Iterable

__all__ = ["HOST_NAME", "Hosts"]

HOST_NAME = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
"""A name as it is configured: `studio.example.com`, or `*.example.com` for all below one."""

_ASKED = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}


class Hosts:
    """`names` are those it was given, in lower case. `localhost` and addresses in numbers need none.

    Who lets a name of their own point at this machine (DNS rebinding) has a page of the same origin, and could do
    all that our page can. That takes a name, and one that we do not have.
    """

    def __init__(self, names: Collection[str] = ()) -> None:
        self._exact = {name for name in names if not name.startswith("*.")} | {"localhost"}
        self._below = tuple(name[1:] for name in names if name.startswith("*."))

    def knows(self, host: str) -> bool:
        """Whether a `Host` header names this program."""
        found = _parts(host)
        if found is None:
            return False
        name, _ = found
        return name in self._exact or (bool(self._below) and name.endswith(self._below)) or _is_address(name)

    def is_own(self, origin: str, hosts: Iterable[str], *, https: bool) -> bool:
        """Whether an `Origin` header is that of a page from one of these hosts, which the request was sent to.

        With `https` it was certainly sent by https, and so an origin of plain http is another one. Behind a proxy that
        does not hand on the name it was asked for, a configured name is as good (but not one of a whole domain).
        """
        scheme, _, rest = origin.lower().partition("://")
        asking = _parts(rest)
        if asking is None or scheme not in _PORTS or (https and scheme != "https"):
            return False
        name, port = asking[0], asking[1] or _PORTS[scheme]
        for host in hosts:
            found = _parts(host)
            if found is not None and (found[0], found[1] or _PORTS[scheme]) == (name, port):
                return True
        return name != "localhost" and name in self._exact and port == _PORTS[scheme]


def _parts(host: str) -> tuple[str, int | None] | None:
    """`name[:port]` as a name in lower case, without a final dot, and the port; None if it is nothing like that."""
    found = _ASKED.fullmatch(host.lower())
    return (found[1].rstrip("."), int(found[2]) if found[2] else None) if found else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
