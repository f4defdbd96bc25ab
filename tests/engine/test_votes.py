"""Votes: who may vote for what, and how it is counted."""

from pathlib import Path

import pytest

from dreamina_ui.engine.curation import votes as module
from dreamina_ui.engine.curation.votes import CANDIDATES_MOST, TITLE_MOST
from dreamina_ui.errors import ChoiceUnclear, TooManyVotes, VoteNotFound, VoteSize
from dreamina_ui.jobs import Job
from tests.rig import Rig, rigged

pytestmark = pytest.mark.anyio


async def finished(rig: Rig, count: int) -> list[Job]:
    return [await rig.finish(await rig.submit(prompt=f"boat {number}")) for number in range(count)]


async def test_choices_are_counted(tmp_path: Path) -> None:
    """One for each voter, who may change it; the best comes first; each voter has an order of their own, always the same."""
    async with rigged(tmp_path) as rig:
        votes, (one, two, three) = rig.engine.votes, await finished(rig, 3)
        vote = await votes.open("ann", [job.share_id for job in (one, two, three)], "Which?")
        for voter, choice in (("a", one), ("b", two), ("c", two), ("a", three), ("d", two)):
            await votes.cast(vote, voter, [choice.share_id], "")
        places, voters = await votes.tally(vote)
        assert ([(place.job.share_id, place.points) for place in places], voters) == (
            [(two.share_id, 3), (three.share_id, 1), (one.share_id, 0)],
            4,
        )
        assert await votes.choice_of(vote, "a") == (three.share_id,)
        assert await votes.choice_of(vote, "nobody") == ()
        orders = {voter: [job.share_id for job in await votes.candidates(vote, voter)] for voter in map(str, range(40))}
        assert len({tuple(order) for order in orders.values()}) == 6
        assert [job.share_id for job in await votes.candidates(vote, "7")] == orders["7"]


async def test_ranks_are_counted_and_a_deleted_video_leaves(tmp_path: Path) -> None:
    """A point for each one behind; when the winner is deleted, the others move up, and restored it is back."""
    async with rigged(tmp_path) as rig:
        votes, (one, two, three) = rig.engine.votes, await finished(rig, 3)
        vote = await votes.open("ann", [job.share_id for job in (one, two, three)], ranked=True)
        for voter, order in (("a", (one, two, three)), ("b", (one, three, two)), ("c", (two, one, three))):
            await votes.cast(vote, voter, [job.share_id for job in order], "")

        async def counted() -> list[tuple[str, int, int]]:
            return [(place.job.prompt, place.points, place.first) for place in (await votes.tally(vote))[0]]

        before = [("boat 0", 5, 2), ("boat 1", 3, 1), ("boat 2", 1, 0)]
        assert await counted() == before
        await rig.engine.history.delete("ann", [one.job_id])
        assert await counted() == [("boat 1", 2, 2), ("boat 2", 1, 1)]
        with pytest.raises(ChoiceUnclear):
            await votes.cast(vote, "d", [job.share_id for job in (one, two, three)], "")
        await votes.cast(vote, "d", [three.share_id, two.share_id], "")
        await rig.engine.history.restore("ann", [one.job_id])
        assert (await counted())[0] == before[0]


async def test_what_is_no_choice_is_not_counted(tmp_path: Path) -> None:
    """Nothing, two of one, a video of no candidate's, texts; and with ranking a place that is missing or given twice."""
    async with rigged(tmp_path) as rig:
        votes, (one, two, three) = rig.engine.votes, await finished(rig, 3)
        vote = await votes.open("ann", [one.share_id, two.share_id])
        ranked = await votes.open("ann", [one.share_id, two.share_id], ranked=True)
        for choice in ([], [""], ["x" * 10_000], [three.share_id], [one.share_id, two.share_id], [one.share_id] * 2):
            with pytest.raises(ChoiceUnclear):
                await votes.cast(vote, "v", choice, "")
        for choice in ([], [one.share_id], [one.share_id] * 2, [one.share_id, three.share_id]):
            with pytest.raises(ChoiceUnclear):
                await votes.cast(ranked, "v", choice, "")
        assert (await votes.tally(vote))[1] == (await votes.tally(ranked))[1] == 0


async def test_codes_and_titles_as_people_write_them(tmp_path: Path) -> None:
    """A code in any case and with spaces; a title on one line, of any script, without what turns its direction."""
    async with rigged(tmp_path) as rig:
        votes, made = rig.engine.votes, await finished(rig, 2)
        share_ids = [job.share_id for job in made]
        title = "<b>Welches</b>\n 🌊 \u202everkehrt\u200b" + "x" * 5_000
        vote = await votes.open("ann", share_ids, title)
        assert vote.title.startswith("<b>Welches</b> 🌊 verkehrtxx")
        assert len(vote.title) == TITLE_MOST
        code = vote.vote_id
        for typed in (code.lower(), f" {code[:4]}-{code[4:]} ", f"{code[:4]} {code[4:]}"):
            assert (await votes.get(typed)).vote_id == code
        for typed in ("", "x", code[:-1], f"{code}A", "new", "I" * 8, "ß" * 8, "\ud800" * 8, "\0" * 8, "A" * 100_000):
            with pytest.raises(VoteNotFound):
                await votes.get(typed)
        for few in ([], share_ids[:1], share_ids[:1] * 2, ["x", "y"], ["0" * 32] * 3):
            with pytest.raises(VoteSize):
                await votes.open("ann", few)
        assert CANDIDATES_MOST == 24


async def test_many_voters_of_one_address_are_taken_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address of the open net has its own limit, and all that are not known have one together."""
    monkeypatch.setattr(module, "VOTERS_MOST", 3)
    monkeypatch.setattr(module, "UNKNOWN_MOST", 5)
    async with rigged(tmp_path) as rig:
        votes, made = rig.engine.votes, await finished(rig, 2)
        vote = await votes.open("ann", [job.share_id for job in made])

        async def taken(address: str, count: int) -> int:
            refused = 0
            for number in range(count):
                try:
                    await votes.cast(vote, f"{address} {number}", [made[0].share_id], address)
                except TooManyVotes:
                    refused += 1
            return count - refused

        assert [await taken(address, 7) for address in ("203.0.113.7", "203.0.113.8", "")] == [3, 3, 5]


async def test_votes_outlive_a_restart(tmp_path: Path) -> None:
    """With all ballots, and a voter is still the same one."""
    async with rigged(tmp_path) as rig:
        made = await finished(rig, 2)
        vote = await rig.engine.votes.open("ann", [job.share_id for job in made])
        await rig.engine.votes.cast(vote, "v", [made[0].share_id], "")
    async with rigged(tmp_path) as rig:
        vote = await rig.engine.votes.get(vote.vote_id)
        await rig.engine.votes.cast(vote, "v", [made[1].share_id], "")
        places, voters = await rig.engine.votes.tally(vote)
        assert (places[0].job.share_id, places[0].points, voters) == (made[1].share_id, 1, 1)
