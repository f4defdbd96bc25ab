"""The way out of this machine: proxies and certificates, as the environment names them for every program."""

import asyncio
import re
import ssl
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import httpcore
import httpx

from dreamina_ui.errors import SettingError
from dreamina_ui.masking import masked

__all__ = ["DIRECT", "Network", "Proxy", "ProxyProgress", "drop_unusable"]

PROXY_NAMES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
SOCKS_ANSWER_S = 10.0
PLACE = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?/?")


@dataclass(frozen=True, slots=True)
class Proxy:
    url: str
    """`http`, `https`, `socks5` or `socks5h`, host and port; without name and password."""
    auth: tuple[str, str] | None = field(default=None, repr=False)
    """Name and password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How to reach an address: through which proxy, and trusting which certificates. The default asks no proxy."""

    http_proxy: Proxy | None = None
    https_proxy: Proxy | None = None
    no_proxy: tuple[str, ...] = ()
    """Hosts that are reached directly: `*`, names (their subdomains too), numbers, networks, each with or without a port."""
    cert_file: str | None = None
    cert_dir: str | None = None
    """Certificates of authorities in PEM, in place of the usual ones."""

    @classmethod
    def from_env(cls, env: Mapping[str, str], *, strict: bool = True) -> Self:
        """Read `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, also in lower case, which goes first; `SSL_CERT_FILE`
        and `SSL_CERT_DIR`.

        Raises `SettingError`; if not `strict`, leaves out what cannot be used.
        """
        if not strict:
            env = dict(env)
            drop_unusable(env)
        found = {name: _proxy(*named) if (named := _named(env, name)) else None for name in PROXY_NAMES}
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            _check_certificates(name, env.get(name, ""))
        _, direct = _named(env, "NO_PROXY") or ("", "")
        return cls(
            http_proxy=found["HTTP_PROXY"] or found["ALL_PROXY"],
            https_proxy=found["HTTPS_PROXY"] or found["ALL_PROXY"],
            no_proxy=tuple(part.lower() for part in re.split(r"[,\s]+", direct) if part),
            cert_file=env.get("SSL_CERT_FILE") or None,
            cert_dir=env.get("SSL_CERT_DIR") or None,
        )

    def direct(self) -> "Network":
        """The same without a proxy."""
        return Network(cert_file=self.cert_file, cert_dir=self.cert_dir)

    def proxy_of(self, url: str) -> Proxy | None:
        """The proxy for an address; None is the direct way. This machine is never asked for at a proxy."""
        parts = urlsplit(url)
        proxy = self.https_proxy if parts.scheme == "https" else self.http_proxy
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or PORTS.get(parts.scheme)
        if proxy is None or _is_this_machine(host) or any(_covers(entry, host, port) for entry in self.no_proxy):
            return None
        return proxy

    def tls(self) -> ssl.SSLContext:
        """A context that trusts the certificates; the first call reads them, and blocks."""
        return _certificates(self.cert_file, self.cert_dir)


DIRECT = Network()
"""No proxy, and the usual certificates."""


class ProxyProgress:
    """Follows one request through a proxy, as httpx's and httpcore's extension `trace`.

    Only what is seen counts. If a later httpcore names its steps otherwise, a lost request is one that may have been sent.
    """

    def __init__(self) -> None:
        self.is_asking_proxy = False
        """Whether it has come no further than asking the proxy, or the handshake behind it: nothing of it was sent."""
        self._socks: _SocksBound | None = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if "setup_socks5_connection" in event:
            self.is_asking_proxy = not event.endswith(".complete")
            if event.endswith(".started"):
                self._socks = _SocksBound(info["stream"])
            elif self._socks is not None:
                await self._socks.end(failed=self.is_asking_proxy)
        elif isinstance(request := info.get("request"), httpcore.Request):
            self.is_asking_proxy = request.method == b"CONNECT"


class _SocksBound:
    """Closes the connection to a SOCKS proxy that says nothing, or no: httpcore waits for ever, and keeps it open."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._closing = asyncio.create_task(self._close_late())

    async def end(self, *, failed: bool) -> None:
        self._closing.cancel()
        if failed:
            await self._stream.aclose()

    async def _close_late(self) -> None:
        await asyncio.sleep(SOCKS_ANSWER_S)
        await self._stream.aclose()


def drop_unusable(env: MutableMapping[str, str]) -> list[SettingError]:
    """Remove the proxies and certificates that cannot be used, and say which: libraries read them, too, and die of them."""
    faults = []
    for name in (*PROXY_NAMES, *map(str.lower, PROXY_NAMES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
        value = env.get(name, "").strip()
        try:
            if name.startswith("SSL"):
                _check_certificates(name, value)
            elif value:
                _proxy(name, value)
        except SettingError as fault:
            faults.append(fault)
            del env[name]
    return faults


def _named(env: Mapping[str, str], name: str) -> tuple[str, str] | None:
    """The name that is set, and its value. The lower-case name goes first, as with curl."""
    values = ((spelled, env.get(spelled, "").strip()) for spelled in (name.lower(), name))
    return next((found for found in values if found[1]), None)


def _proxy(name: str, value: str) -> Proxy:
    scheme, _, rest = (value if "://" in value else f"http://{value}").partition("://")
    userinfo, at, place = rest.rpartition("@")
    # GNOME's settings say socks:// and mean version 5.
    scheme = {"socks": "socks5"}.get(scheme.lower(), scheme.lower())
    found = PLACE.fullmatch(place)
    user, _, password = (unquote(part) for part in userinfo.partition(":"))
    port = int(found[2]) if found and found[2] else PORTS.get(scheme, 0)
    plain = f"{user}{password}".isprintable() and len(user.encode()) < 256 and len(password.encode()) < 256
    if found is None or scheme not in PORTS or not 0 < port < 65536 or not plain:
        allowed = "an address such as http://proxy.example.com:3128 or socks5h://proxy.example.com:1080, "
        allowed += "a name and a password before it percent-encoded"
        raise SettingError(name, masked(value) if at else value, allowed)
    return Proxy(f"{scheme}://{found[1]}:{port}", (user, password) if at else None)


def _check_certificates(name: str, value: str) -> None:
    if not value:
        return
    try:
        if name == "SSL_CERT_DIR":
            if not any(Path(folder).is_dir() for folder in re.split(r"(?<!^[A-Za-z])[:;]", value)):
                raise SettingError(name, value, "a folder of certificates")
        else:
            ssl.create_default_context(cafile=value)
    except OSError as error:  # ssl.SSLError is one
        reason = "it holds none" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingError(name, value, f"a file of certificates in PEM ({reason})") from error


def _is_this_machine(host: str) -> bool:
    number = _number(host)
    return number.is_loopback if number else host == "localhost" or host.endswith(".localhost")


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of `NO_PROXY` means this host."""
    if entry == "*":
        return True
    found = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^:\[\]]+):([0-9]+)", entry)
    if found:
        if int(found[2]) != port:
            return False
        entry = found[1]
    entry = entry.strip("[]")
    number = _number(host)
    if number is not None:
        try:
            return number in ip_network(entry, strict=False)
        except ValueError:
            return False
    name = entry.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _number(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


@cache
def _certificates(file: str | None, folder: str | None) -> ssl.SSLContext:
    """One context for each file and folder in PEM, or for the usual authorities: reading them takes 30 ms."""
    if file is None and folder is None:
        return httpx.create_ssl_context(trust_env=False)
    return ssl.create_default_context(cafile=file, capath=folder)
