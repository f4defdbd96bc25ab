"""What a service answers and delivers, from the click to the end: all that was paid for is kept, and nothing is paid twice."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dreamina_ui.jobs import HOLDER, Job, State
from dreamina_ui.wording import Words
from tests.media.files import FILES, make
from tests.replies import CASES, Case
from tests.rig import Rig, make_clip, rigged
from tests.scripted import ORIGIN, Scripted

pytestmark = pytest.mark.anyio
DEADLINE_S = 60.0
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the table's placeholders, by path."""
    folder = tmp_path_factory.mktemp("served")
    clip = make_clip(folder / "clip.mp4").read_bytes()
    second = make_clip(folder / "second.mp4", frames=6).read_bytes()
    sound = make("mp3", folder / "sound").read_bytes()
    names = {"clip.mp4": clip, "second.mp4": second, "my clip.mp4": clip, "files/17": clip}
    return {**names, "poster.png": PNG, "sound.mp3": sound}


def places(served: dict[str, bytes]) -> dict[str, str]:
    return {
        "URL": f"{ORIGIN}/clip.mp4",
        "SECOND": f"{ORIGIN}/second.mp4",
        "FILE": f"{ORIGIN}/files/17",
        "POSTER": f"{ORIGIN}/poster.png",
        "SOUND": f"{ORIGIN}/sound.mp3",
        "DATA": "data:video/mp4;base64," + base64.b64encode(served["clip.mp4"]).decode(),
        "HOST": ORIGIN.removeprefix("http://"),
        "ORIGIN": ORIGIN,
    }


async def ended(rig: Rig) -> Job:
    [job] = await rig.engine.submit("ann", {"prompt": "a lighthouse", "seed": 7})
    return await rig.finish(job)


def said(job: Job) -> str:
    return Words().explain(job)


async def judge(case: Case, job: Job, rig: Rig, script: Scripted) -> None:
    files = rig.library.files(job)
    there = [address for address in case.outputs if "gone" not in address]
    match case.right:
        case "saved" | "part":
            assert (job.state, len(files)) == (State.SUCCEEDED, len(there)), said(job)
            assert case.says in said(job)
            assert all(count == 1 for path, count in script.fetched.items() if "gone" not in path), script.fetched
            if len(there) < len(case.outputs):
                assert "1 of 2 files are here; missing: number 2 (HTTP 404)" in said(job)
                assert job.can_resume
        case "empty":
            assert (job.state, files) == (State.SUCCEEDED, [])
            assert [remark.code for remark in job.remarks] == ["no_file_found"]
            assert case.came in said(job)
            assert job.can_resume
            assert script.asked["result"] > 3
        case "failed":
            assert job.state is State.FAILED
            assert job.failure is not None
            assert job.failure.code == "generation_failed"
            assert case.says in said(job)
        case "cancelled":
            assert job.state is State.CANCELLED
        case "refused":
            assert (job.state, job.request_id) == (State.FAILED, None)
            assert said(job).endswith("Nothing was charged.")
        case "uncertain":
            assert (job.state, job.request_id) == (State.UNCERTAIN, None)
            assert case.says in said(job)
        case "waits" | "goes on":
            # Asked until the deadline, and then not called lost: it can be looked for again.
            assert job.can_resume
            assert (job.finished_at or 0.0) - job.created_at >= DEADLINE_S
            assert case.right == "goes on" or State.IN_PROGRESS not in {snapshot.state for snapshot in rig.seen}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_every_reply_ends_as_a_person_would_want(tmp_path: Path, served: dict[str, bytes], case: Case) -> None:
    """Over a service that answers so: how it ends, what is kept, what is said; one POST, and no word of money that is wrong."""
    if case.right in ("waits", "goes on") and case.result == Case(name="", right="saved").result:
        case = replace(case, result=({"status": "in_progress"},))  # the table means that the job is not done
    script = Scripted(case, served, places(served))
    async with rigged(tmp_path, service_app=script.app, deadline_s=DEADLINE_S) as rig:
        job = await ended(rig)
        await judge(case, job, rig, script)
    assert script.asked["submit"] == 1
    if job.request_id is not None:
        assert job.request_id == case.request_id
        assert "othing was charged" not in said(job)
    if case.cost_usd is not None:
        assert job.cost_usd == case.cost_usd


@pytest.mark.parametrize("status", [{"status": "polishing"}, b"<html>", {}], ids=["unknown word", "page", "nothing"])
async def test_what_cannot_be_read_of_the_status_is_asked_of_the_result(
    tmp_path: Path, served: dict[str, bytes], status: Any
) -> None:
    """A status that says nothing for ever hides no end: the result is asked now and then, and its video is saved."""
    case = Case(name="mute", right="saved", status=(status,), outputs=("{URL}",))
    script = Scripted(case, served, places(served))
    async with rigged(tmp_path, service_app=script.app, deadline_s=DEADLINE_S) as rig:
        job = await ended(rig)
        assert (job.state, len(rig.library.files(job))) == (State.SUCCEEDED, 1)


async def test_a_cost_that_comes_later_is_asked_for(tmp_path: Path, served: dict[str, bytes]) -> None:
    """A result without a cost is asked once more after the download, and the cost is shown in the end."""
    case = next(case for case in CASES if case.name == "cost later")
    script = Scripted(case, served, places(served))
    async with rigged(tmp_path, service_app=script.app) as rig:
        assert (await ended(rig)).cost_usd == 0.7
    assert script.asked["result"] == 2


def delivering(name: str) -> Case:
    body = {"status": "succeeded", "output": {"videos": [f"{ORIGIN}/{name}"]}, "cost": 0.42}
    return Case(name=name, right="saved", result=(body,), outputs=(f"{ORIGIN}/{name}",))


NOT_OUTPUTS = {"html", "empty"}
"""What no service means as an output: it is asked again."""


@pytest.mark.parametrize("name", sorted(FILES))
async def test_every_file_is_kept_as_it_came(tmp_path: Path, name: str) -> None:
    """Whatever a service delivers is on the disk in the end, with its record in it or beside it, and can be rebuilt."""
    body = make(name, tmp_path / "made").read_bytes()
    script = Scripted(delivering(name), {name: body}, {})
    async with rigged(tmp_path, service_app=script.app) as rig:
        job = await ended(rig)
        files = rig.library.files(job)
        assert job.state is State.SUCCEEDED, job.failure
        if name in NOT_OUTPUTS:
            assert (files, [remark.code for remark in job.remarks]) == ([], ["no_file_found"])
            assert script.fetched[name] > 1
            return
        [file] = files
        [(record, _, _)] = rig.library.records([job.share_id]).values()
        assert record["settings"]["prompt"] == "a lighthouse"
        if (rig.library.folder / f"{job.share_id}.record.json").exists():
            assert file.path.read_bytes() == body
        else:
            assert file.path.stat().st_size > len(body)
    for path in tmp_path.glob("dreamina.sqlite3*"):
        path.unlink()
    async with rigged(tmp_path, service_app=script.app) as rig:
        [found], _ = await rig.engine.history.page("ann", 24)
        assert (found.files, found.width, found.duration_s) == (job.files, job.width, job.duration_s)
        assert rig.library.files(found) == [file]
    assert script.asked["submit"] == 1


async def test_a_part_that_is_read_late_keeps_its_reason(tmp_path: Path, served: dict[str, bytes]) -> None:
    """The result cannot be read at first, so the job is being saved already when it names a part: the reason is shown."""
    part = {"status": "failed", "error": "1 of 2 videos failed", "output": ["{URL}"]}
    case = Case(name="late part", right="part", result=(b"<html>", b"<html>", b"<html>", part))
    script = Scripted(case, served, places(served))
    async with rigged(tmp_path, service_app=script.app) as rig:
        job = await ended(rig)
        assert (job.state, len(rig.library.files(job))) == (State.SUCCEEDED, 1)
        assert "1 of 2 videos failed" in said(job)


async def test_what_is_missing_is_fetched_again_without_the_rest(tmp_path: Path, served: dict[str, bytes]) -> None:
    """One of two files is gone; looking again fetches that one alone, into the same job, and sends nothing."""
    case = next(case for case in CASES if case.name == "two, one of them gone")
    files = dict(served)
    script = Scripted(case, files, places(served))
    async with rigged(tmp_path, service_app=script.app) as rig:
        job = await ended(rig)
        assert [remark.code for remark in job.remarks] == ["not_all_saved"]
        files["gone.mp4"] = served["second.mp4"]
        resumed = await rig.engine.resume(HOLDER, job.job_id)
        assert (resumed.job_id, resumed.state) == (job.job_id, State.SAVING)
        done = await rig.finish(resumed)
        assert (done.state, done.remarks, len(rig.library.files(done))) == (State.SUCCEEDED, (), 2)
    assert script.fetched["clip.mp4"] == 1
    assert script.asked["submit"] == 1


async def test_a_file_that_was_not_there_is_found_later(tmp_path: Path, served: dict[str, bytes]) -> None:
    """Finished without a file; the service names one the next day, and looking again finds it."""
    answers: list[Any] = [{"status": "succeeded", "output": None}] * 12
    bodies = (*answers, {"status": "succeeded", "output": "{URL}"})
    script = Scripted(Case(name="late", right="saved", result=bodies), served, places(served))
    async with rigged(tmp_path, service_app=script.app) as rig:
        job = await ended(rig)
        assert [remark.code for remark in job.remarks] == ["no_file_found"]
        assert rig.library.files(job) == []
        for _ in range(3):
            job = await rig.finish(await rig.engine.resume(HOLDER, job.job_id)) if job.can_resume else job
        assert (job.state, job.remarks, len(rig.library.files(job))) == (State.SUCCEEDED, (), 1)
    assert script.asked["submit"] == 1


async def test_more_than_sixteen_files_are_said(tmp_path: Path, served: dict[str, bytes]) -> None:
    """The first sixteen are kept; that there are more, and where, is said."""
    names = [f"clip-{number}.mp4" for number in range(20)]
    body = {"status": "succeeded", "output": [f"{ORIGIN}/{name}" for name in names]}
    script = Scripted(Case(name="many", right="saved", result=(body,)), dict.fromkeys(names, served["clip.mp4"]), {})
    async with rigged(tmp_path, service_app=script.app) as rig:
        job = await ended(rig)
        assert len(rig.library.files(job)) == 16
        assert "The service made 20 files; the first 16 are here" in said(job)


@pytest.mark.parametrize(
    "address",
    [
        "http://10.0.0.1/a.mp4",
        "https://169.254.169.254/a",
        "https://me:pw@videos.example.com/a.mp4",
        "https://localhost/a",
    ],
)
async def test_what_is_refused_is_said_with_the_way_to_it(
    tmp_path: Path, served: dict[str, bytes], address: str
) -> None:
    """An address of the inside is never asked; the job is paid and finished, and says where its file is to be found."""
    body = {"status": "succeeded", "output": {"videos": ["{URL}", address]}}
    script = Scripted(Case(name="inside", right="saved", result=(body,)), served, places(served))
    async with rigged(tmp_path, service_app=script.app) as rig:
        job = await ended(rig)
        assert (job.state, len(rig.library.files(job))) == (State.SUCCEEDED, 1)
        assert "missing: number 2" in said(job)
        assert job.outputs[1] == address
    assert script.fetched["clip.mp4"] == 1
