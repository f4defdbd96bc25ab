"""What a vote of a full room costs: `python -m benchmarks.votes [--report docs/performance.md]`.

The voters' phones open the page with its posters, vote, and look again, within a few seconds, while the presenter's page asks for
the tally each second. Beside it, in the same run, as many requests for `/healthz`: what a request costs by itself.

Then scripts vote, each time as another visitor, from a few addresses; meanwhile people vote from addresses of their own, and
newcomers open the page.
"""

import argparse
import asyncio
import re
import secrets
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path

import httpx

from benchmarks.figures import Figure, machine, p95, publish, table
from benchmarks.visits import MeasuredServer
from dreamina_ui.config.signing import signing_secret
from dreamina_ui.engine.curation.votes import VOTERS_MOST
from dreamina_ui.web.visitors import COOKIE, Visitors
from tests.filled import known_visitor, past_job, write_past
from tests.rig import make_clip

LIMITS = httpx.Limits(max_connections=None, keepalive_expiry=1.0)
"""The program closes a connection that rests for some seconds: at the same moment nothing must be sent on it."""
CANDIDATES = 4
SCRIPTED, SCRIPTS_AT_ONCE, OF_ADDRESS = 10_000, 32, 2_500
"""The votes of scripts, how many are under way at a time, and how many come from one address."""
OTHERS_EACH_S = 0.25
TALLY_LATE_MOST_S, VOTE_MOST_S, PAGE_MOST_S = 2.0, 1.0, 1.0


async def voter(client: httpx.AsyncClient, code: str, after_s: float) -> float:
    """Votes after so many seconds, as a phone does; how long the vote itself took, in seconds."""
    await asyncio.sleep(after_s)
    page = await client.get(f"/vote/{code}")
    for poster in re.findall(r'poster="([^"]+)"', page.text):
        (await client.get(f"/{poster}")).raise_for_status()
    choice = re.findall(r'name="choice" value="([0-9a-f]{32})"', page.text)[0]
    begun = time.monotonic()
    answer = await client.post(f"/vote/{code}", data={"choice": choice}, follow_redirects=True)
    answer.raise_for_status()
    assert "is counted" in answer.text
    return time.monotonic() - begun


async def vote(
    server: MeasuredServer, cookie: str, share_ids: Sequence[str], voters: int, within_s: float
) -> list[Figure]:
    limits = LIMITS
    async with httpx.AsyncClient(base_url=server.address, cookies={COOKIE: cookie}, trust_env=False) as presenter:
        opened = await presenter.post("/vote", data={"video": list(share_ids)})
        code = opened.headers["location"].split("/")[-2]
        phones = [
            httpx.AsyncClient(base_url=server.address, trust_env=False, limits=limits, timeout=60)
            for _ in range(voters)
        ]
        try:
            begun, spent = time.monotonic(), server.cpu_s
            voting = [voter(phone, code, index * within_s / voters) for index, phone in enumerate(phones)]
            cast = asyncio.gather(*voting)
            cast_at: float | None = None
            while True:
                counts = (await presenter.get(f"/vote/{code}/counts")).json()
                if cast.done() and cast_at is None:
                    cast_at = time.monotonic()
                if sum(counts["points"].values()) == voters:
                    break
                await asyncio.sleep(1)
            late_s = time.monotonic() - (cast_at or time.monotonic())
            took, work = await cast, server.cpu_s - spent
            until_s = time.monotonic() - begun
            begun, spent = time.monotonic(), server.cpu_s
            requests = voters * (3 + CANDIDATES)
            for _ in range(requests):
                await presenter.get("/healthz")
            plain = server.cpu_s - spent
        finally:
            for phone in phones:
                await phone.aclose()
    return [
        Figure("from the vote to its page, median", "s", statistics.median(took)),
        Figure("from the vote to its page, 95 %", "s", p95(took), most=VOTE_MOST_S),
        Figure("from the last vote to the whole tally", "s", late_s, most=TALLY_LATE_MOST_S),
        Figure("from the first voter to the whole tally", "s", until_s),
        Figure(
            "processor time per voter, beside as many requests for /healthz",
            "ms",
            work / voters * 1000,
            plain / voters * 1000,
        ),
    ]


async def script(client: httpx.AsyncClient, code: str, choice: str, cookies: Iterator[tuple[str, str]]) -> Counter[int]:
    """Votes as one visitor after the other, each from an address; the answers by their status."""
    answers: Counter[int] = Counter()
    for address, cookie in cookies:
        headers = {"X-Forwarded-For": address, "Cookie": f"{COOKIE}={cookie}"}
        answer = await client.post(f"/vote/{code}", data={"choice": choice}, headers=headers)
        answers[answer.status_code] += 1
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            assert f"{VOTERS_MOST} have come from here already" in answer.text
    return answers


async def scripted(server: MeasuredServer, cookie: str, share_ids: Sequence[str], count: int) -> list[Figure]:
    """What scripts do to a vote, and to those who come meanwhile."""
    visitors, choice = Visitors(signing_secret(server.data, None)), share_ids[0]
    votes = ((f"1.2.3.{n // OF_ADDRESS + 1}", visitors.cookie_of(secrets.token_hex(16))) for n in range(count))
    limits = LIMITS
    async with AsyncExitStack() as stack:

        def browser(**headers: str) -> Awaitable[httpx.AsyncClient]:
            client = httpx.AsyncClient(
                base_url=server.address, trust_env=False, limits=limits, timeout=60, headers=headers
            )
            return stack.enter_async_context(client)

        presenter, scripts = await browser(Cookie=f"{COOKIE}={cookie}"), await browser()
        opened = await presenter.post("/vote", data={"video": list(share_ids)})
        code = opened.headers["location"].split("/")[-2]
        begun, spent = time.monotonic(), server.cpu_s
        attack = asyncio.gather(*(script(scripts, code, choice, votes) for _ in range(SCRIPTS_AT_ONCE)))
        people: list[float] = []
        pages: list[float] = []
        while not attack.done() or not people:
            person = await browser(**{"X-Forwarded-For": f"1.2.4.{len(people) % 250 + 1}"})
            people.append(await voter(person, code, OTHERS_EACH_S))
            asked = time.monotonic()
            (await (await browser()).get("/")).raise_for_status()
            pages.append(time.monotonic() - asked)
        answers = sum(await attack, Counter())
        took_s, work = time.monotonic() - begun, server.cpu_s - spent
        counted, refused = answers[HTTPStatus.SEE_OTHER], answers[HTTPStatus.TOO_MANY_REQUESTS]
        assert counted + refused == count, answers
        tally = sum((await presenter.get(f"/vote/{code}/counts")).json()["points"].values())
    addresses = (count - 1) // OF_ADDRESS + 1
    return [
        Figure(f"counted of {count:,} from {addresses} addresses", "votes", counted, most=addresses * VOTERS_MOST),
        Figure("others' votes that are in the tally", "votes", tally - counted, least=len(people)),
        Figure("from another's vote to its page, 95 %", "s", p95(people), most=VOTE_MOST_S),
        Figure("the studio's page for a newcomer, 95 %", "s", p95(pages), most=PAGE_MOST_S),
        Figure("from the first scripted vote to the last", "s", took_s),
        Figure("processor time of a scripted vote, with all that comes beside it", "ms", work / count * 1000),
    ]


def measure(folder: Path, voters: int, within_s: float, scripts: int) -> tuple[list[Figure], list[Figure]]:
    data = folder / "data"
    visitor_id, cookie = known_visitor(data)
    made = [past_job(number, visitor_id, prompt=f"candidate {number}") for number in range(CANDIDATES)]
    write_past(data, made, make_clip(folder / "clip.mp4"))
    # Behind a proxy, which says what addresses there are.
    server, share_ids = (
        MeasuredServer(folder, DREAMINA_ALLOWED_HOSTS="studio.example.com"),
        [job.share_id for job in made],
    )
    server.start()
    try:
        room = asyncio.run(vote(server, cookie, share_ids, voters, within_s)) if voters else []
        return room, asyncio.run(scripted(server, cookie, share_ids, scripts)) if scripts else []
    finally:
        server.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.votes", description=__doc__)
    parser.add_argument("--voters", type=int, default=300)
    parser.add_argument("--scripted", type=int, default=SCRIPTED, help="votes of scripts")
    parser.add_argument("--within", type=float, default=10.0, help="seconds within which they open the page")
    parser.add_argument("--short", action="store_true", help="few voters, to see that it runs")
    parser.add_argument("--report", type=Path, help="a page of the documentation to write the table into")
    args = parser.parse_args(arguments)
    voters, within_s, scripts = (12, 1.0, 520) if args.short else (args.voters, args.within, args.scripted)
    with tempfile.TemporaryDirectory(prefix="dreamina-votes-") as folder:
        room, attack = measure(Path(folder), voters, within_s, scripts)
    parts = [f"{machine()}; {voters} voters within {within_s:g} s.", table(room, "ours", "peer")] if room else []
    parts += [f"{scripts:,} votes of scripts, {SCRIPTS_AT_ONCE} at a time:", table(attack, "ours")] if attack else []
    publish("votes", "\n\n".join(parts), args.report)


if __name__ == "__main__":
    main()
