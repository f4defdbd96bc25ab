"""Hostile files that strangers drop, or have made: nobody else waits for them."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle
from pathlib import Path

import pytest

from tests.media.hostile import HOSTILE
from tests.security.crowd import besieged, unharmed
from tests.security.gradio_wire import API, Talker
from tests.security.hostile_service import hostile_prompt
from tests.servers import Server, wait_for

OUTPUTS = ("samples", "frames that grow to what is allowed", "a large WebP", "packed texts", "tracks", "scans")
"""Of `HOSTILE`, what the service delivers to strangers: endless samples, oversized frames, huge counts."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with besieged(tmp_path_factory.mktemp("files"), OUTPUTS) as server:
        yield server


@pytest.mark.parametrize("kind", ["samples", "texts", "records"])
def test_hostile_dropped_files_hold_up_nobody(server: Server, tmp_path: Path, kind: str) -> None:
    """A tiny MP4 with millions of samples, an MP3 and a PNG of 63 MB full of near-records, from two strangers at once."""
    path = tmp_path / "dropped"
    HOSTILE[kind].make(path)

    def drop(stranger: Talker, name: str) -> None:
        fill = next(event for event in stranger.events() if event.name == "fill_from_file")
        for number in range(2 if kind == "samples" else 1):
            with path.open("rb") as file:
                sent = stranger.http.post(f"{API}/upload", files={"files": ("dropped.mp4", file, "video/mp4")})
            sent.raise_for_status()
            dropped = {"path": sent.json()[0], "orig_name": "dropped.mp4", "meta": {"_type": "gradio.FileData"}}
            assert stranger.ask(fill, [dropped], f"{kind}-{name}-{number}")

    with (
        unharmed(server, f"dropped {kind}"),
        Talker(server.address) as one,
        Talker(server.address) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        list(pool.map(drop, [one, other], ["one", "other"]))


def test_hostile_outputs_hold_up_nobody(server: Server) -> None:
    """Jobs of two strangers whose videos are hostile files; another visitor's click reaches the service while they are read."""
    with unharmed(server, "outputs") as measured, Talker(server.address) as one, Talker(server.address) as other:
        made: dict[str, list[str]] = {kind: [] for kind in OUTPUTS}
        for kind, stranger in zip(OUTPUTS, cycle((one, other)), strict=False):
            answer = stranger.call("submit", [hostile_prompt(kind), "1440×1440(1:1)", 121, 7])[1]
            made[kind] += re.findall(r'"job_id": "(\w+)"', answer)

        def states(kind: str) -> set[str]:
            answers = [one.call("job", [job_id])[1] for job_id in made[kind]]
            return {found for answer in answers for found in re.findall(r'"state": "(\w+)"', answer)}

        def is_read(kind: str) -> bool:
            return states(kind) == {"succeeded"}

        for kind in OUTPUTS[:-1]:
            measured()
            wait_for(partial(is_read, kind))
        wait_for(lambda: states(OUTPUTS[-1]) != {"in_queue"})
        measured()
        assert states(OUTPUTS[-1]) <= {"saving", "succeeded"}  # they are being read, for their facts or for a poster
