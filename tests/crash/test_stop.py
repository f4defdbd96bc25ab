"""Stops that are no crash, and a database that is away at the wrong moment: neither may cost a job its truth."""

import asyncio
from pathlib import Path
from typing import Any

from dreamina_ui.errors import StoreUnavailable
from dreamina_ui.jobs import Job, State
from tests.soak.studio import served, started
from tests.virtual import run_virtually


def test_a_stop_between_intent_and_post_still_sends(tmp_path: Path) -> None:
    """What is written down as being sent is sent before the program ends, and its answer kept."""
    reached, released = asyncio.Event(), asyncio.Event()

    async def passed(point: str) -> None:
        if point == "after_intent":
            reached.set()
            await released.wait()

    async def run() -> tuple[State, int]:
        async with served(tmp_path, render_s=lambda: 1.0) as service:
            async with started(tmp_path, service, 1, passed=passed) as studio:
                job = await studio.click("click")
                await reached.wait()
                asyncio.get_running_loop().call_later(1.0, released.set)
            async with started(tmp_path, service, 1) as studio:
                return (await studio.finish(job)).state, service.gate.posts

    assert run_virtually(run()) == (State.SUCCEEDED, 1)


def test_a_click_is_no_error_once_its_row_is_written(tmp_path: Path) -> None:
    """A database that fails right after the row does not tell its visitor that nothing was sent: it is sent soon."""

    async def run() -> tuple[Job, int]:
        async with served(tmp_path, render_s=lambda: 1.0) as service, started(tmp_path, service, 1) as studio:
            claim, failures = studio.leases.claim, iter([StoreUnavailable("locked")])

            async def claim_later(**places: Any) -> list[Job]:
                for failure in failures:
                    raise failure
                return await claim(**places)

            studio.leases.claim = claim_later  # type: ignore[method-assign]
            return await studio.finish(await studio.click("click")), service.gate.posts

    job, posts = run_virtually(run())
    assert (job.state, posts) == (State.SUCCEEDED, 1)
