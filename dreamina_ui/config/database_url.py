"""Reads the address of a PostgreSQL database, as hosters, poolers and people write it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

__all__ = ["POSTGRES_SCHEMES", "PostgresAddress", "read_postgres"]

POSTGRES_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")

PLACE = re.compile(
    r"(?P<host>(\[[0-9a-fA-F:.%]+\]|[^\s/@?#:\[\]]+)?)(:(?P<port>[0-9]{1,5}))?(/(?P<dbname>[^/@?#]*))?(\?(?P<query>[^#]*))?"
)
"""What may stand behind the user, in an address without doubt."""
USER = re.compile(r"(?P<user>[^:/?#@]*)(:(?P<password>.*))?")
HALF_ENCODED = re.compile(r"%(?![0-9a-fA-F]{2})")
DOUBTFUL = "write @ / ? # and % in the password as %40 %2F %3F %23 and %25"


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    parameters: Mapping[str, str] = field(repr=False)
    """As libpq names them; the password is one."""
    left_out: tuple[str, ...] = ()
    """The names of those libpq does not know."""


def read_postgres(url: str) -> PostgresAddress:
    """A password may hold `@`, `/`, `?` or `#` as it is, where only one reading is possible.

    Raises `ValueError` with what is wrong, which holds no part of the address.
    """
    scheme, mark, rest = url.partition("://")
    if not mark or scheme not in POSTGRES_SCHEMES:
        raise ValueError("postgresql://USER:PASSWORD@HOST/NAME")
    userinfo, place = _parted(rest)
    user = USER.fullmatch(userinfo)
    found = PLACE.fullmatch(place)
    assert user is not None, "`_parted` looked"
    assert found is not None, "`_parted` looked"
    texts = {**user.groupdict(), **found.groupdict()}
    if any(HALF_ENCODED.search(texts[name] or "") for name in ("user", "password", "dbname")):
        raise ValueError(DOUBTFUL)
    if texts["port"] and not 0 < int(texts["port"]) < 65536:
        raise ValueError("a port from 1 to 65535")
    # To libpq a plus is a plus.
    query = dict(parse_qsl((texts.pop("query") or "").replace("+", "%2B"), keep_blank_values=True))
    texts["host"] = (texts["host"] or "").strip("[]")
    given = {name: unquote(text) for name, text in texts.items() if text}
    known = _known_to_libpq()
    asked = {name: value for name, value in query.items() if name in known and value}
    left_out = tuple(name for name in query if name not in known)
    if query.get("ssl", "").lower() in ("true", "1", "require"):
        # As the drivers of other languages write it. To leave it out would send the password in the open.
        asked.setdefault("sslmode", "require")
        left_out = tuple(name for name in left_out if name != "ssl")
    return PostgresAddress({**given, **asked}, left_out)


def _parted(rest: str) -> tuple[str, str]:
    """User with password, and what stands behind their `@`."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    as_written = [authority.rfind("@")]
    # Where the standard's reading makes no sense, a delimiter stands in the password.
    others = [found.start() for found in re.finditer("@", rest)]
    for places in (as_written, others):
        readings = [(rest[: max(at, 0)], rest[at + 1 :]) for at in places]
        readings = [(user, place) for user, place in readings if USER.fullmatch(user) and PLACE.fullmatch(place)]
        if len(readings) == 1:
            return readings[0]
    raise ValueError(DOUBTFUL if others else "postgresql://USER:PASSWORD@HOST/NAME")


def _known_to_libpq() -> set[str]:
    # Imported only where a PostgreSQL is named.
    from psycopg import pq

    return {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
