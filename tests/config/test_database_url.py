"""The address of a PostgreSQL database, as hosters and people write it."""

import pytest

from dreamina_ui.config.database_url import read_postgres


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("me:pw@host/db", {"user": "me", "password": "pw", "host": "host", "dbname": "db"}),
        ("me:pw@host:6543/db", {"user": "me", "password": "pw", "host": "host", "port": "6543", "dbname": "db"}),
        ("me:p%40%2F%25@host", {"user": "me", "password": "p@/%", "host": "host"}),
        ("me:p@ss@host/db", {"user": "me", "password": "p@ss", "host": "host", "dbname": "db"}),
        ("me:p/s?s#w@host/db", {"user": "me", "password": "p/s?s#w", "host": "host", "dbname": "db"}),
        ("me:12/3@host/db", {"user": "me", "password": "12/3", "host": "host", "dbname": "db"}),
        ("me:a:b@[::1]:5432/db", {"user": "me", "password": "a:b", "host": "::1", "port": "5432", "dbname": "db"}),
        ("postgres:@/test?host=/run/pg", {"user": "postgres", "dbname": "test", "host": "/run/pg"}),
        ("host/db?user=me&password=a+b@c", {"host": "host", "dbname": "db", "user": "me", "password": "a+b@c"}),
        ("/db", {"dbname": "db"}),
    ],
)  # fmt: skip
def test_an_address_is_read(scheme: str, rest: str, expected: dict[str, str]) -> None:
    """In each of its spellings, with a password as it is where only one reading is possible."""
    assert read_postgres(f"{scheme}://{rest}").parameters == expected


@pytest.mark.parametrize(
    ("query", "used", "left_out"),
    [
        ("sslmode=require&channel_binding=require", {"sslmode": "require", "channel_binding": "require"}, ()),
        (
            "pgbouncer=true&connection_limit=1&sslmode=require",
            {"sslmode": "require"},
            ("pgbouncer", "connection_limit"),
        ),
        ("options=endpoint%3Dep-cool-1", {"options": "endpoint=ep-cool-1"}, ()),
        ("ssl=true", {"sslmode": "require"}, ()),
        ("ssl=true&sslmode=verify-full", {"sslmode": "verify-full"}, ()),
        ("schema=studio&supa=base-pooler.x", {}, ("schema", "supa")),
        ("connect_timeout=10&application_name=", {"connect_timeout": "10"}, ()),
    ],
)
def test_what_follows_an_address(query: str, used: dict[str, str], left_out: tuple[str, ...]) -> None:
    """What libpq knows is used, and the rest is named; encryption that was asked for is never dropped."""
    read = read_postgres(f"postgresql://me:pw@host/db?{query}")
    assert read.parameters == {"user": "me", "password": "pw", "host": "host", "dbname": "db", **used}
    assert read.left_out == left_out


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:100%sure@host/db",
        "postgresql://me:canary/x@host/db?options=a@b",
        "postgresql://me:canary@host:99999/db",
        "postgresql://me:canary@ho st/db",
        "postgresql://me:canary@host:port/db",
        "postgresql:me:canary@host/db",
    ],
)
def test_a_doubtful_address(url: str) -> None:
    """One sentence says what to write, and shows no part of the address."""
    with pytest.raises(ValueError, match=r".") as caught:
        read_postgres(url)
    assert not [piece for piece in ("canary", "sure", "host") if piece in str(caught.value).replace("HOST", "")]
