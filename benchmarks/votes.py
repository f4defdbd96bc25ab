"""What a vote of a full room costs: `python -m benchmarks.votes [--report docs/performance.md]`.

The voters' phones open the page with its posters, vote, and look again, within a few seconds, while the presenter's page asks for
the tally each second. Beside it, in the same run, as many requests for `/healthz`: what a request costs by itself.
"""

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from benchmarks.figures import Figure, machine, p95, publish, table
from benchmarks.visits import MeasuredServer
from dreamina_ui.web.visitors import COOKIE
from tests.filled import known_visitor, past_job, write_past
from tests.rig import make_clip

CANDIDATES = 4
TALLY_LATE_MOST_S, VOTE_MOST_S = 2.0, 1.0


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
    limits = httpx.Limits(max_connections=None)
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


def measure(folder: Path, voters: int, within_s: float) -> list[Figure]:
    data = folder / "data"
    visitor_id, cookie = known_visitor(data)
    made = [past_job(number, visitor_id, prompt=f"candidate {number}") for number in range(CANDIDATES)]
    write_past(data, made, make_clip(folder / "clip.mp4"))
    server = MeasuredServer(folder)
    server.start()
    try:
        return asyncio.run(vote(server, cookie, [job.share_id for job in made], voters, within_s))
    finally:
        server.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.votes", description=__doc__)
    parser.add_argument("--voters", type=int, default=300)
    parser.add_argument("--within", type=float, default=10.0, help="seconds within which they open the page")
    parser.add_argument("--short", action="store_true", help="few voters, to see that it runs")
    parser.add_argument("--report", type=Path, help="a page of the documentation to write the table into")
    args = parser.parse_args(arguments)
    voters, within_s = (12, 1.0) if args.short else (args.voters, args.within)
    with tempfile.TemporaryDirectory(prefix="dreamina-votes-") as folder:
        figures = measure(Path(folder), voters, within_s)
    publish(
        "votes", f"{machine()}; {voters} voters within {within_s:g} s.\n\n{table(figures, 'ours', 'peer')}", args.report
    )


if __name__ == "__main__":
    main()
