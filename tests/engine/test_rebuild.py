"""The videos can do without the database: each carries its job's record, and a start rebuilds the history from them."""

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import pytest

from dreamina_ui.engine.history import rebuild
from dreamina_ui.jobs import Job, State
from dreamina_ui.media.embed import read_record
from dreamina_ui.media.library import Library
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.storage.job_store import JobStore
from tests.databases import opened
from tests.rig import RECORDS, Clock, make_clip, recorded, rigged, video_of

pytestmark = pytest.mark.anyio

PROMPT = '海の灯台 🌊 «l\'été»\n"quotes" \\ </script> ; DROP TABLE jobs; --'
RECORD: Mapping[str, Any] = {
    "app": "dreamina-ui",
    "settings": {"prompt": "a lighthouse", "frames": 121, "seed": 7},
    "model_id": "bytedance/dreamina",
    "backend": "simulator",
    "visitor_id": "ann",
    "request_id": "request-1",
    "created_at": 1700000000.25,
    "submitted_at": 1700000001.5,
    "started_at": 1700000002.0,
    "finished_at": 1700000060.0,
    "cost_usd": 0.3,
    "cancel_requested": True,
}


def forget(folder: Path) -> None:
    """The database's files are deleted."""
    for path in folder.glob("dreamina.sqlite3*"):
        path.unlink()


def new_name() -> str:
    return secrets.token_hex(16)


def frames_of(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in container.decode(video=0)]


def packets_of(path: Path) -> list[tuple[Any, ...]]:
    with av.open(str(path)) as container:
        return [
            (packet.stream.type, packet.pts, packet.dts, packet.duration, packet.is_keyframe, bytes(packet))
            for packet in container.demux()
            if packet.dts is not None
        ]


async def test_history_is_rebuilt_from_the_files(tmp_path: Path) -> None:
    """With the database deleted, a start finds every video again: payload, share id, times, visitor and cost."""
    clock = Clock()
    async with rigged(tmp_path, clock=clock) as rig:
        made = []
        for visitor_id, values in (("ann", {"prompt": PROMPT}), ("ann", {"seed": 8}), ("bob", {"frames": 241})):
            made.append(await rig.finish(await rig.submit(visitor_id, **values)))
            clock.at += 10
    forget(tmp_path)
    async with rigged(tmp_path, clock=clock) as restarted:
        found = {
            job.share_id: job
            for visitor in ("ann", "bob")
            for job in (await restarted.engine.history.page(visitor, 9))[0]
        }
        assert set(found) == {job.share_id for job in made}
        for before in made:
            after = found[before.share_id]
            kept = "share_id visitor_id backend model_id payload state request_id created_at submitted_at started_at"
            for name in [*kept.split(), "width", "height", "duration_s", "cost_usd", "cancel_requested"]:
                assert getattr(after, name) == getattr(before, name), name
            assert after.finished_at == pytest.approx(before.finished_at, abs=1)
            # Whoever was given a file holds no key to the job.
            assert after.job_id != before.job_id
        assert [job.payload["seed"] for job in (await restarted.engine.history.page("ann", 9))[0]] == [8, 7]
        assert restarted.gate.requests == []


async def test_a_second_start_adds_nothing(tmp_path: Path) -> None:
    """What is known is not made again, by a restart or by a start that rebuilt."""
    async with rigged(tmp_path) as rig:
        await rig.finish(await rig.submit())
    for _ in range(2):
        async with rigged(tmp_path) as rig:
            assert (await rig.engine.history.page("ann", 9))[1] == 1
    forget(tmp_path)
    for _ in range(2):
        async with rigged(tmp_path) as rig:
            assert (await rig.engine.history.page("ann", 9))[1] == 1


async def test_replicas_that_rebuild_at_once_make_each_job_once(url: str, tmp_path: Path) -> None:
    """Two replicas start over one library and a new database: both come up, and the history has everything once."""
    library = Library(tmp_path / "videos")
    library.prepare()
    for number in range(3):
        recorded(make_clip(video_of(library, new_name())), {**RECORD, "created_at": number})
    with opened(url) as one, opened(url) as other:
        added = await asyncio.gather(rebuild(one, library, RECORDS), rebuild(other, library, RECORDS))
        assert sum(added) == 3
        assert len(await one.share_ids()) == 3


async def test_files_that_are_not_ours_are_left_alone(tmp_path: Path, caplog: Any) -> None:
    """No record, somebody else's comment, no video, another name: no row is made, and no byte changes."""
    library = Library(tmp_path / "videos")
    library.prepare()
    make_clip(video_of(library, new_name()))
    for comment in (
        "Made with love",
        '{"app": "other"}',
        "[1, 2]",
        '"dreamina-ui"',
        '{"app": "dreamina-ui"}',
        "{" * 9999,
    ):
        commented(video_of(library, new_name()), comment)
    video_of(library, new_name()).write_bytes(b"no video at all")
    video_of(library, new_name()).write_bytes(b"")
    whole = recorded(make_clip(tmp_path / "whole.mp4"), RECORD).read_bytes()
    video_of(library, new_name()).write_bytes(whole[: len(whole) // 2])
    (library.folder / "a copy of mine.mp4").write_bytes(whole)
    before = {path: path.read_bytes() for path in library.folder.iterdir()}
    with opened(f"sqlite:///{tmp_path / 'dreamina.sqlite3'}") as store, caplog.at_level(logging.WARNING):
        assert await rebuild(store, library, RECORDS) == 0
        assert await store.share_ids() == set()
    assert {path: path.read_bytes() for path in library.folder.iterdir()} == before
    assert caplog.records == []


def commented(path: Path, comment: str) -> Path:
    """A clip with this comment, whoever wrote it."""
    clip = make_clip(path.with_name("unmarked.mp4"))
    with av.open(str(clip)) as source, av.open(str(path), "w", format="mp4") as target:
        target.metadata["comment"] = comment
        copy = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    clip.unlink()
    return path


HOSTILE: list[dict[str, Any]] = [
    {"request_id": ["a", "list"]},
    {"request_id": {"$ne": None}},
    {"request_id": "x" * 10_000},
    {"visitor_id": "ann\0bob"},
    {"visitor_id": None},
    {"visitor_id": "\ud800"},
    {"backend": 7},
    {"model_id": "a\nb"},
    {"settings": "a prompt"},
    {"settings": [["prompt", "pairs"]]},
    {"settings": {"prompt": "\ud800"}},
    {"settings": {"strength": float("nan")}},
    {"created_at": "yesterday"},
    {"created_at": float("nan")},
    {"created_at": float("inf")},
    {"created_at": 1e300},
    {"created_at": True},
    {"submitted_at": "1700000000"},
    {"started_at": []},
    {"finished_at": None},
    {"finished_at": -1},
    {"cost_usd": "free"},
    {"cost_usd": -1e9},
    {"cost_usd": 10**400},
]


@pytest.mark.parametrize("wrong", HOSTILE, ids=[ascii(wrong)[:40] for wrong in HOSTILE])
async def test_a_record_that_is_none_makes_no_row(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """A value that no record of ours can hold: the file is left alone, the start goes well, the others are found."""
    library = Library(tmp_path / "videos")
    library.prepare()
    # As it stands in a file, with every letter escaped: so half of a pair comes through as well.
    commented(video_of(library, new_name()), json.dumps({**RECORD, **wrong}))
    good = new_name()
    recorded(make_clip(video_of(library, good)), RECORD)
    with opened(f"sqlite:///{tmp_path / 'dreamina.sqlite3'}") as store:
        assert await rebuild(store, library, RECORDS) == 1
        assert await store.share_ids() == {good}


async def test_a_hostile_record_is_only_data(url: str, tmp_path: Path) -> None:
    """SQL, markup, other jobs' ids and states in a record are text in a row of its own, and nothing else happens."""
    library = Library(tmp_path / "videos")
    library.prepare()
    hostile = {
        **RECORD,
        "settings": {
            "prompt": "'); DROP TABLE jobs; -- <img src=x onerror=alert(1)> \0 \u202e",
            "aspect_ratio": "\0' OR '1'='1",
            "frames": 10**30,
            "job_id": "job-1",
        },
        "job_id": "job-1",
        "share_id": "share-1",
        "state": "waiting",
        "generation": 99,
        "lease_owner": "me",
        "visitor_id": "ann' OR '1'='1",
    }
    name = new_name()
    commented(video_of(library, name), json.dumps(hostile))
    with opened(url) as store:
        victim = Job(
            job_id="job-1",
            share_id="share-1",
            visitor_id="ann",
            backend="simulator",
            model_id="m",
            payload={},
            created_at=1.0,
        )
        await store.add([victim])
        assert await rebuild(store, library, RECORDS) == 1
        assert await store.get("job-1") == victim
        with closing(Database(url)) as database:
            [job] = await JobQueries(database).shared([name])
        assert (job.state, job.generation, job.visitor_id) == (State.SUCCEEDED, 0, "ann' OR '1'='1")
        assert job.job_id not in ("job-1", name)
        assert job.payload == hostile["settings"]
        assert [unfinished.job_id for unfinished in await store.unfinished()] == ["job-1"]


async def test_a_record_leaves_the_pictures_alone(tmp_path: Path) -> None:
    """Every packet is the same with the record, and so is every decoded frame."""
    clip = make_clip(tmp_path / "clip.mp4", frames=48)
    labelled = recorded(make_clip(tmp_path / "labelled.mp4", frames=48), RECORD)
    assert packets_of(labelled) == packets_of(clip)
    assert frames_of(labelled) == frames_of(clip)
    assert read_record(labelled) == RECORD


async def test_the_saved_video_is_the_services(tmp_path: Path) -> None:
    """From the service to the library no picture changes."""
    async with rigged(tmp_path) as rig:
        job = await rig.finish(await rig.submit())
        saved = video_of(rig.library, job.share_id)
    assert packets_of(saved) == packets_of(tmp_path / "clip.mp4")
    assert frames_of(saved) == frames_of(tmp_path / "clip.mp4")


async def test_no_job_id_is_in_a_file(tmp_path: Path) -> None:
    """Who holds a job id owns the job, and files are passed around: neither the tags nor the bytes hold one, nor its maker."""
    async with rigged(tmp_path) as rig:
        jobs = await rig.engine.submit("ann", {"prompt": PROMPT, "seed": 7}, count=3, click_id="click-of-ann")
        jobs = [await rig.settle(job) for job in jobs]
        assert len(list(rig.library.folder.iterdir())) == 6
        for path in rig.library.folder.iterdir():
            content = path.read_bytes()
            for job in jobs:
                assert job.job_id.encode() not in content
                assert bytes.fromhex(job.job_id) not in content
            assert b"click-of-ann" not in content
        for job in jobs:
            with av.open(str(video_of(rig.library, job.share_id))) as container:
                tags = json.dumps([container.metadata, *(stream.metadata for stream in container.streams)])
            assert not any(other.job_id in tags for other in jobs)
            assert "job_id" not in RECORDS.of(job, job.finished_at or 0)
            assert job.request_id is not None
            assert job.request_id not in tags
            assert not {"visitor_id", "request_id", "cost_usd"} & set(read_record(video_of(rig.library, job)) or {})


async def test_a_lost_database_costs_no_limit(tmp_path: Path) -> None:
    """A rebuilt history is finished: nothing of it runs, is sent, or counts as active."""
    async with rigged(tmp_path) as rig:
        await rig.finish(await rig.submit())
    forget(tmp_path)
    async with rigged(tmp_path) as rig:
        with closing(Database(f"sqlite:///{tmp_path / 'dreamina.sqlite3'}")) as database:
            assert await JobStore(database).unfinished() == []
        assert (await rig.finish(await rig.submit())).state is State.SUCCEEDED
        assert (rig.gate.posts, rig.accepted) == (1, 2)


async def test_a_lost_database_keeps_who_a_visitor_has_become(tmp_path: Path) -> None:
    """The files name who made them; an own key made another visitor of that one, and then another, before the database was lost.

    The file that tells so names nobody to who reads it, and has each move once; who had nothing is not noted.
    """
    async with rigged(tmp_path) as rig:
        first = await rig.finish(await rig.submit("ann"))
        for former, visitor_id in (("ann", "ann-2"), ("ann", "ann-2"), ("ann-2", "ann-3"), ("nobody", "ann-4")):
            assert await rig.engine.history.follow(former, visitor_id)
        later = await rig.finish(await rig.submit("ann-3"))
    lines = (tmp_path / "moves").read_bytes()
    assert lines.count(b"\n") == 2
    assert b"ann" not in lines
    (tmp_path / "moves").write_bytes(lines + b"no line of ours\n\xff\n")
    forget(tmp_path)
    async with rigged(tmp_path) as rig:
        found, count = await rig.engine.history.page("ann-3", 10)
        assert {job.share_id for job in found} == {first.share_id, later.share_id}
        assert (count, (await rig.engine.history.page("ann", 10))[1]) == (2, 0)


async def test_a_move_that_cannot_be_noted_is_tried_again(tmp_path: Path) -> None:
    """Until then, all belongs to the former visitor."""
    async with rigged(tmp_path) as rig:
        await rig.finish(await rig.submit("ann"))
        (tmp_path / "moves").mkdir()
        assert not await rig.engine.history.follow("ann", "ann-2")
        assert (await rig.engine.history.page("ann", 10))[1] == 1
        (tmp_path / "moves").rmdir()
        assert await rig.engine.history.follow("ann", "ann-2")
        assert (await rig.engine.history.page("ann-2", 10))[1] == 1
