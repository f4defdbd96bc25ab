"""Dialects whose engines share their compiled statements.

Each test has engines of its own. Compiling the same statements for each of them would take most of its time.
"""

from collections.abc import MutableMapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

__all__ = ["Psycopg", "SQLite", "share_compiled_statements"]

_COMPILED: MutableMapping[Any, Any] = {}


class _Shared:
    """A compiled statement is found by its dialect: all dialects of one kind are alike."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: sa.Engine) -> None:
        engine.update_execution_options(compiled_cache=_COMPILED)


class SQLite(_Shared, SQLiteDialect_pysqlite):
    supports_statement_cache = True


class Psycopg(_Shared, PGDialect_psycopg):
    supports_statement_cache = True


def share_compiled_statements() -> None:
    """From now on, in this process, all engines for the addresses that the program uses."""
    for name, kind in (("sqlite", SQLite), ("postgresql.psycopg", Psycopg)):
        sa.dialects.registry.register(name, __name__, kind.__name__)
