"""Votes on videos as rows: what a presenter has opened, and one ballot for each voter."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dreamina_ui.errors import TooManyVotes, VoteClosed, VoteNotFound
from dreamina_ui.storage.database import Database

__all__ = ["Ballot", "Vote", "VoteStore"]

_votes = sa.table(
    "votes",
    sa.column("vote_id", sa.Text),
    sa.column("presenter", sa.Text),
    sa.column("title", sa.Text),
    sa.column("ranked", sa.Boolean),
    sa.column("candidates", sa.Text),
    sa.column("opened_at", sa.Double),
    sa.column("closed_at", sa.Double),
)
_ballots = sa.table(
    "ballots",
    sa.column("vote_id", sa.Text),
    sa.column("voter", sa.Text),
    sa.column("address", sa.Text),
    sa.column("choice", sa.Text),
    sa.column("cast_at", sa.Double),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """`candidates` are share ids; `ranked` asks for an order instead of one. Times are in seconds since the epoch."""

    vote_id: str
    presenter: str
    title: str
    ranked: bool
    candidates: tuple[str, ...]
    opened_at: float
    closed_at: float | None = None

    @property
    def is_open(self) -> bool:
        return self.closed_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """`choice` are share ids, the best first."""

    voter: str
    choice: tuple[str, ...]
    cast_at: float


class VoteStore:
    """Every method may raise `StoreError`; those that take a `vote_id` raise `VoteNotFound`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, vote: Vote, *, most: int) -> None:
        """Write a new vote. Raises `TooManyVotes` if its presenter has `most` already."""

        def work(connection: sa.Connection) -> None:
            self._database.serialise(connection)
            mine = sa.select(sa.func.count()).where(_votes.c.presenter == vote.presenter)
            if (connection.scalar(mine) or 0) >= most:
                raise TooManyVotes(limit=most, scope="presenter")
            row = {name: getattr(vote, name) for name in _votes.c.keys()}  # noqa: SIM118  a collection of columns
            connection.execute(sa.insert(_votes).values({**row, "candidates": json.dumps(vote.candidates)}))

        await self._database.run(work)

    async def get(self, vote_id: str) -> Vote:
        return await self._database.read(lambda connection: _vote(connection, vote_id))

    async def of_presenter(self, presenter: str) -> list[Vote]:
        """A presenter's votes, the newest first."""
        query = sa.select(_votes).where(_votes.c.presenter == presenter).order_by(_votes.c.opened_at.desc())
        return await self._database.read(lambda connection: [_read(row) for row in connection.execute(query)])

    async def close(self, vote_id: str, presenter: str, at: float | None) -> None:
        """Close a vote at a time, or open it again with None."""
        change = sa.update(_votes).where(_mine(vote_id, presenter)).values(closed_at=at)
        await self._database.run(lambda connection: _found(connection.execute(change).rowcount))

    async def delete(self, vote_id: str, presenter: str) -> None:
        """Delete a vote with its ballots."""

        def work(connection: sa.Connection) -> None:
            _found(connection.execute(sa.delete(_votes).where(_mine(vote_id, presenter))).rowcount)
            connection.execute(sa.delete(_ballots).where(_ballots.c.vote_id == vote_id))

        await self._database.run(work)

    async def cast(self, vote_id: str, ballot: Ballot, address: str, *, most: int) -> None:
        """Write a voter's ballot in the place of an earlier one.

        Raises `VoteClosed`, or `TooManyVotes` where `address` has brought `most` voters already.
        """

        def work(connection: sa.Connection) -> None:
            self._database.serialise(connection)
            if not _vote(connection, vote_id).is_open:
                raise VoteClosed
            this = sa.and_(_ballots.c.vote_id == vote_id, _ballots.c.voter == ballot.voter)
            values = {"choice": json.dumps(ballot.choice), "cast_at": ballot.cast_at}
            if connection.execute(sa.update(_ballots).where(this).values(values)).rowcount:
                return
            here = sa.and_(_ballots.c.vote_id == vote_id, _ballots.c.address == address)
            if (connection.scalar(sa.select(sa.func.count()).where(here)) or 0) >= most:
                raise TooManyVotes(limit=most, scope="address")
            row = {"vote_id": vote_id, "voter": ballot.voter, "address": address, **values}
            connection.execute(sa.insert(_ballots).values(row))

        await self._database.run(work)

    async def ballots(self, vote_id: str) -> list[Ballot]:
        """All ballots, in the order in which they were cast."""
        query = sa.select(_ballots).where(_ballots.c.vote_id == vote_id).order_by(_ballots.c.cast_at)
        return await self._database.read(lambda connection: [_ballot(row) for row in connection.execute(query)])

    async def ballot_of(self, vote_id: str, voter: str) -> Ballot | None:
        """A voter's ballot, or None."""
        query = sa.select(_ballots).where(_ballots.c.vote_id == vote_id, _ballots.c.voter == voter)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else _ballot(row)


def _mine(vote_id: str, presenter: str) -> sa.ColumnElement[bool]:
    return sa.and_(_votes.c.vote_id == vote_id, _votes.c.presenter == presenter)


def _found(count: int) -> None:
    if not count:
        raise VoteNotFound


def _vote(connection: sa.Connection, vote_id: str) -> Vote:
    row = connection.execute(sa.select(_votes).where(_votes.c.vote_id == vote_id)).first()
    if row is None:
        raise VoteNotFound
    return _read(row)


def _read(row: Any) -> Vote:
    values = row._asdict()
    return Vote(**{**values, "candidates": _texts(values["candidates"])})


def _ballot(row: Any) -> Ballot:
    return Ballot(voter=row.voter, choice=_texts(row.choice), cast_at=row.cast_at)


def _texts(text: str) -> tuple[str, ...]:
    listed: Sequence[str] = json.loads(text)
    return tuple(listed)
