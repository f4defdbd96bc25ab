"""Votes as rows, in both databases: one ballot for each voter, also when many come at once to two replicas."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest

from dreamina_ui.errors import TooManyVotes, VoteClosed, VoteNotFound
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.vote_store import Ballot, Vote, VoteStore

pytestmark = pytest.mark.anyio
VOTE = Vote(
    vote_id="ABCDEFGH", presenter="ann", title="Which?", ranked=False, candidates=("a" * 32, "b" * 32), opened_at=1.0
)


@pytest.fixture
def stores(url: str) -> Iterator[tuple[VoteStore, VoteStore]]:
    """Two replicas over one database."""
    with ExitStack() as stack:
        databases = [stack.enter_context(closing(Database(url))) for _ in range(2)]
        for database in databases:
            database.prepare()
        yield VoteStore(databases[0]), VoteStore(databases[1])


def ballot(voter: str, choice: str = "a", at: float = 2.0) -> Ballot:
    return Ballot(voter=voter, choice=(choice * 32,), cast_at=at)


async def test_a_voter_has_one_ballot(stores: tuple[VoteStore, VoteStore]) -> None:
    """The last one counts, whichever replica took it; another voter's stays."""
    one, other = stores
    await one.open(VOTE, most=5)
    assert await other.get(VOTE.vote_id) == VOTE
    await one.cast(VOTE.vote_id, ballot("v"), "here", most=9)
    await other.cast(VOTE.vote_id, ballot("w", "b", 3.0), "here", most=9)
    await other.cast(VOTE.vote_id, ballot("v", "b", 4.0), "elsewhere", most=9)
    assert await one.ballots(VOTE.vote_id) == [ballot("w", "b", 3.0), ballot("v", "b", 4.0)]
    assert await one.ballot_of(VOTE.vote_id, "v") == ballot("v", "b", 4.0)
    assert await one.ballot_of(VOTE.vote_id, "x") is None


async def test_an_address_brings_so_many_voters(stores: tuple[VoteStore, VoteStore]) -> None:
    """Of forty at once, at two replicas, ten are taken; who was taken may still change the choice; others come from elsewhere."""
    one, other = stores
    await one.open(VOTE, most=5)
    cast = [stores[n % 2].cast(VOTE.vote_id, ballot(f"voter {n}"), "here", most=10) for n in range(40)]
    results = await asyncio.gather(*cast, return_exceptions=True)
    refused = [result for result in results if result is not None]
    assert [type(error) for error in refused] == [TooManyVotes] * 30
    taken = await other.ballots(VOTE.vote_id)
    assert len(taken) == 10
    await one.cast(VOTE.vote_id, ballot(taken[0].voter, "b"), "here", most=10)
    await one.cast(VOTE.vote_id, ballot("another"), "elsewhere", most=10)
    assert len(await other.ballots(VOTE.vote_id)) == 11


async def test_a_vote_is_closed_opened_again_and_deleted_by_its_presenter(stores: tuple[VoteStore, VoteStore]) -> None:
    """Nobody else can; what came before stays until it is deleted."""
    one, other = stores
    await one.open(VOTE, most=5)
    await one.cast(VOTE.vote_id, ballot("v"), "here", most=9)
    for act in (
        other.close(VOTE.vote_id, "bob", 5.0),
        other.delete(VOTE.vote_id, "bob"),
        other.close("ZZZZZZZZ", "ann", 5.0),
    ):
        with pytest.raises(VoteNotFound):
            await act
    await other.close(VOTE.vote_id, "ann", 5.0)
    with pytest.raises(VoteClosed):
        await one.cast(VOTE.vote_id, ballot("w"), "here", most=9)
    await one.close(VOTE.vote_id, "ann", None)
    await one.cast(VOTE.vote_id, ballot("w"), "here", most=9)
    assert len(await one.ballots(VOTE.vote_id)) == 2
    await one.delete(VOTE.vote_id, "ann")
    with pytest.raises(VoteNotFound):
        await other.get(VOTE.vote_id)
    with pytest.raises(VoteNotFound):
        await other.cast(VOTE.vote_id, ballot("x"), "here", most=9)
    assert await other.ballots(VOTE.vote_id) == []


async def test_a_presenter_has_so_many_votes(stores: tuple[VoteStore, VoteStore]) -> None:
    """The newest first; another presenter's are not among them."""
    one, _ = stores
    for number in range(3):
        await one.open(replace(VOTE, vote_id=f"ABCDEFG{number}", opened_at=float(number)), most=3)
    with pytest.raises(TooManyVotes):
        await one.open(VOTE, most=3)
    await one.open(replace(VOTE, presenter="bob"), most=3)
    assert [vote.vote_id for vote in await one.of_presenter("ann")] == ["ABCDEFG2", "ABCDEFG1", "ABCDEFG0"]
