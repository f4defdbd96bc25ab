"""Votes on finished videos: a presenter opens one, whoever has its code votes, and the tally is counted from the ballots."""

import hashlib
import hmac
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from dreamina_ui.clock import Clock
from dreamina_ui.engine.curation.plain_names import plain_line
from dreamina_ui.engine.history import History
from dreamina_ui.errors import ChoiceUnclear, VoteNotFound, VoteSize
from dreamina_ui.jobs import Job
from dreamina_ui.storage.vote_store import Ballot, Vote, VoteStore

__all__ = ["CANDIDATES_MOST", "TITLE_MOST", "Place", "Votes"]

CANDIDATES_MOST = 24
TITLE_MOST = 120
VOTES_MOST = 200
"""Of one presenter."""
VOTERS_MOST = 500
"""From one address of the open net: a room full of people may share one."""
UNKNOWN_MOST = 5_000
"""Together, where the address is not known."""
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Of a code, without those that look alike; eight of them are 40 random bits, and are read aloud or typed."""
CODE_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A candidate's place in a tally: `first` counts who put it first; `points` are one for each other candidate behind it on a
    ballot. Without ranking, points are the first places."""

    job: Job
    first: int
    points: int


class Votes:
    """`secret` makes digests of voters, so that no row tells who has voted how.

    Every method may raise `StoreError`; those that take a code, `VoteNotFound`.
    """

    def __init__(self, *, store: VoteStore, history: History, secret: str, clock: Clock) -> None:
        self._store = store
        self._history = history
        self._secret = secret.encode()
        self._clock = clock

    async def open(self, presenter: str, share_ids: Sequence[str], title: str = "", *, ranked: bool = False) -> Vote:
        """Open a vote on videos. Raises `VoteSize` or `TooManyVotes`."""
        jobs = await self._history.shown(list(dict.fromkeys(share_ids))[: CANDIDATES_MOST + 1])
        if not 2 <= len(jobs) <= CANDIDATES_MOST:
            raise VoteSize(given=len(jobs), limit=CANDIDATES_MOST)
        vote = Vote(
            vote_id="".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH)),
            presenter=presenter,
            title=plain_line(title)[:TITLE_MOST],
            ranked=ranked,
            candidates=tuple(job.share_id for job in jobs),
            opened_at=self._clock.now(),
        )
        await self._store.open(vote, most=VOTES_MOST)
        return vote

    async def get(self, code: str) -> Vote:
        """The vote of a code, as people type it: in any case, with spaces or hyphens."""
        plain = "".join(letter for letter in code.upper() if letter.isalnum())
        if len(plain) != CODE_LENGTH or not set(plain) <= set(LETTERS):
            raise VoteNotFound
        return await self._store.get(plain)

    async def of_presenter(self, presenter: str) -> list[Vote]:
        return await self._store.of_presenter(presenter)

    async def candidates(self, vote: Vote, visitor_id: str | None = None) -> list[Job]:
        """The videos of a vote that are still there; in an order of each visitor's own, or in the presenter's."""
        jobs = await self._history.shown(vote.candidates)
        if visitor_id is not None:
            random.Random(self._voter(vote, visitor_id)).shuffle(jobs)  # noqa: S311  nothing secret
        return jobs

    async def cast(self, vote: Vote, visitor_id: str, choice: Sequence[str], address: str) -> None:
        """Count a visitor's choice, the best first, in the place of an earlier one.

        Raises `ChoiceUnclear` if it is not one candidate (with ranking: each once); `VoteClosed`; `TooManyVotes`.
        """
        there = {job.share_id for job in await self.candidates(vote)}
        wanted = len(there) if vote.ranked else 1
        if len(choice) != wanted or len(set(choice)) != wanted or not there.issuperset(choice):
            raise ChoiceUnclear(given=len(choice), wanted=wanted)
        ballot = Ballot(voter=self._voter(vote, visitor_id), choice=tuple(choice), cast_at=self._clock.now())
        most = VOTERS_MOST if address else UNKNOWN_MOST
        await self._store.cast(vote.vote_id, ballot, self._digest(f"{vote.vote_id} {address}"), most=most)

    async def choice_of(self, vote: Vote, visitor_id: str) -> tuple[str, ...]:
        """What a visitor has chosen; empty if nothing."""
        ballot = await self._store.ballot_of(vote.vote_id, self._voter(vote, visitor_id))
        return ballot.choice if ballot else ()

    async def tally(self, vote: Vote) -> tuple[list[Place], int]:
        """The candidates that are still there, the best first, and the count of voters.

        Where a video was deleted, those behind it move up.
        """
        jobs = await self.candidates(vote)
        there = {job.share_id for job in jobs}
        first, points = dict.fromkeys(there, 0), dict.fromkeys(there, 0)
        ballots = await self._store.ballots(vote.vote_id)
        for ballot in ballots:
            choice = [share_id for share_id in ballot.choice if share_id in there]
            for index, share_id in enumerate(choice):
                first[share_id] += index == 0
                points[share_id] += len(choice) - 1 - index if vote.ranked else index == 0
        places = [Place(job=job, first=first[job.share_id], points=points[job.share_id]) for job in jobs]
        return sorted(places, key=lambda place: (-place.points, -place.first)), len(ballots)

    async def ballots(self, vote: Vote) -> list[Ballot]:
        """All ballots, in the order in which they were cast; voters are digests."""
        return await self._store.ballots(vote.vote_id)

    async def close(self, vote: Vote, presenter: str) -> None:
        """End it: no ballot is counted any more, and all see the tally. Raises `VoteNotFound` for another presenter's."""
        await self._store.close(vote.vote_id, presenter, self._clock.now())

    async def reopen(self, vote: Vote, presenter: str) -> None:
        """Count ballots again. Raises `VoteNotFound` for another presenter's."""
        await self._store.close(vote.vote_id, presenter, None)

    async def delete(self, vote: Vote, presenter: str) -> None:
        """Delete it with its ballots. Raises `VoteNotFound` for another presenter's."""
        await self._store.delete(vote.vote_id, presenter)

    def _voter(self, vote: Vote, visitor_id: str) -> str:
        return self._digest(f"{vote.vote_id} voter {visitor_id}")

    def _digest(self, text: str) -> str:
        return hmac.digest(self._secret, b"vote " + text.encode(errors="replace"), hashlib.sha256).hex()[:32]
