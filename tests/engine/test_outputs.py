"""Models that make several videos, images or sounds: all of it is saved, shown, downloaded and deleted together."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from dreamina_ui.api.job_json import job_response
from dreamina_ui.cards.model_card import Card, card_of, load_card
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.media import library
from dreamina_ui.media.examine import Facts
from dreamina_ui.media.kinds import AVI, GIF, HEIC, MP3, MP4, PNG, WEBM, ZIP, Kind
from dreamina_ui.media.reading import read_output
from dreamina_ui.media.record import file_name
from dreamina_ui.storage.maintenance import _measure
from dreamina_ui.ui.html.outputs import addresses_html, outputs_html, undecodable_html
from dreamina_ui.ui.html.shown import Shown, playable, shown_files
from dreamina_ui.ui.html.stage import actions_html, screen_html, status_html
from dreamina_ui.web.downloads import Downloads
from dreamina_ui.wording import Words
from tests.filled import past_job
from tests.replies import Case
from tests.rig import CARD, Rig, make_clip, rigged
from tests.scripted import ORIGIN, Scripted

pytestmark = pytest.mark.anyio
WORDS = Words("en")
COMPOSER = load_card(Path(__file__).parents[1] / "cards" / "text-to-audio.json")
URIS = {"type": "array", "items": {"type": "string", "format": "uri"}}


def making(*names: str) -> Card:
    """The bundled card, of a model whose results stand under these names."""
    return card_of(
        "test.json", {**CARD.source, "output_schema": {"type": "object", "properties": dict.fromkeys(names, URIS)}}
    )


async def made(rig: Rig) -> Job:
    [job] = await rig.engine.submit("anna", {"prompt": "a lighthouse at dawn", "seed": 4})
    return await rig.settle(await rig.finish(job))


@pytest.mark.parametrize(
    ("names", "endings"),
    [
        (("video",), [".mp4"]),
        (("videos",), [".mp4", "-2.mp4"]),
        (("images",), [".image.png", "-2.image.png"]),
        (("image",), [".image.png"]),
        (("audio",), [".mp3"]),
        (("audios",), [".mp3", "-2.mp3"]),
        (("video", "image"), [".mp4"]),
    ],
)
async def test_all_that_was_made_is_saved(tmp_path: Path, names: tuple[str, ...], endings: list[str]) -> None:
    """Each output has its file and, unless it is a sound, its poster, and nothing else is in the folder."""
    async with rigged(tmp_path, card=making(*names)) as rig:
        job = await made(rig)
        assert job.state is State.SUCCEEDED, job.failure
        files = rig.library.files(job)
        assert job.files == tuple(file.suffix for file in files) == tuple(endings)
        posters = {file.poster.name for file in files if file.kind is not MP3}
        assert {path.name for path in rig.library.folder.iterdir()} == {file.path.name for file in files} | posters
        assert (job.width, job.height) == ((None, None) if files[0].kind is MP3 else (64, 64))
        assert (job.duration_s is None) == (files[0].kind is PNG)


async def test_a_program_is_told_of_all_files(tmp_path: Path) -> None:
    """The job names the address and the kind of each, and each can be had there; the zip holds them all."""
    async with rigged(tmp_path, card=making("images")) as rig:
        job = await made(rig)
        files = (await job_response(rig.engine, job, 0.0))["files"]
        assert [file["media_type"] for file in files] == ["image/png", "image/png"]
        downloads = Downloads(rig.engine.queries, rig.engine.collections.store, rig.library, lambda _, key: key)
        app = Starlette(routes=downloads.routes)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio.test") as client:
            for number, file in enumerate(files, start=1):
                reply = await client.get(file["url"])
                assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
                assert reply.content == rig.library.files(job)[number - 1].path.read_bytes()
            assert (await client.get(f"/dreamina/video/{job.share_id}?n=3")).status_code == 404
            assert (await client.get(f"/dreamina/video/{job.share_id}?n=x")).status_code == 404
            zipped = await client.get(f"/dreamina/zip?video={job.share_id}")
        names = zipfile.ZipFile(io.BytesIO(zipped.content)).namelist()
        assert [name.removeprefix(names[0].removesuffix(".png")) for name in names] == [".png", "-2.png"]


async def test_a_sound_has_the_length_that_was_asked_for(tmp_path: Path) -> None:
    """The simulator plays another piece for another seed, and the same one for the same."""
    pieces = set()
    async with rigged(tmp_path, card=COMPOSER) as rig:
        for seed in (3, 3, 4):
            [job] = await rig.engine.submit("anna", {"prompt": "calm piano", "duration": 6, "seed": seed})
            job = await rig.finish(job)
            assert job.duration_s == pytest.approx(6, abs=0.1)
            [file] = rig.library.files(job)
            assert file_name(job, 1, file.kind.ending, file.kind.family).endswith(f"-calm-piano-{seed}.mp3")
            async with httpx.AsyncClient(transport=rig.gate) as client:
                pieces.add((await client.get(job.outputs[0])).content)
    assert len(pieces) == 2


async def test_a_kept_file_is_not_examined_at_each_try_for_a_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is decoded when it is saved; the tries that follow fetch what is missing, and nothing else."""
    examined: list[Path] = []

    async def counted(part: Path, *others: Any, **named: Any) -> tuple[Facts, bool]:
        examined.append(part)
        return await read_output(part, *others, **named)

    monkeypatch.setattr(library, "read_output", counted)
    addresses = [f"{ORIGIN}/{name}" for name in ("gone.mp4", "clip.mp4")]
    case = Case(name="gone", right="saved", result=({"status": "succeeded", "output": {"videos": addresses}},))
    service = Scripted(case, {"clip.mp4": make_clip(tmp_path / "clip.mp4").read_bytes()}, {})
    async with rigged(tmp_path, service_app=service.app) as rig:
        job = await made(rig)
    assert (job.state, job.files, job.width) == (State.SUCCEEDED, ("-2.mp4",), 64)
    assert service.fetched["gone.mp4"] > service.fetched["clip.mp4"] == 1
    assert len(examined) == 1


def shown(number: int, kind: Kind, *, poster: bool = False, size: int = 3_140_000) -> Shown:
    path = Path(f"/videos/{number}{kind.ending}")
    return Shown(number, path, kind, f"a-{number}{kind.ending}", size, path.with_suffix(".webp") if poster else None)


JOB = past_job(7, "anna", prompt="a <b>lighthouse</b> at dawn")


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        (shown(1, PNG), ["<img ", "?n=1&amp;inline=1"]),
        (shown(2, GIF), ["<img ", "?n=2&amp;inline=1"]),
        (shown(1, MP3), ["<audio controls", "?n=1&amp;inline=1", "a-1.mp3</span>"]),
        (
            shown(2, WEBM, poster=True),
            ["<video controls", ' poster="dreamina/saved/2.webp"', "data-undecodable"],
        ),
        (shown(1, AVI, poster=True), ["dreamina/saved/1.webp", "Video (AVI), 3.1 MB: this browser cannot play it."]),
        (shown(1, HEIC), ["Picture (HEIC), 3.1 MB: this browser cannot show it."]),
        (shown(1, ZIP, size=900), ["File (ZIP), 1 KB"]),
    ],
    ids=lambda value: value.kind.name if isinstance(value, Shown) else "",
)
def test_each_kind_is_shown_as_browsers_can(file: Shown, parts: list[str]) -> None:
    """With a download each, its prompt as text, and none of the server's paths but a poster's."""
    html = str(outputs_html(JOB, [file], WORDS))
    assert all(part in html for part in parts), html
    assert html.count(" download=") == 1
    assert html.count("dreamina/saved/") == bool(file.poster)
    assert "<b>" not in html


def test_the_player_has_the_first_video_that_browsers_play() -> None:
    """What comes before it is listed like what comes after it."""
    avi, mp4, webm = shown(1, AVI), shown(2, MP4), shown(3, WEBM)
    assert playable([avi, mp4, webm]) is mp4
    assert playable([avi, shown(2, MP3)]) is None
    assert "?n=2" in actions_html(JOB, [avi, mp4], mp4, "?", WORDS)
    assert "?n=" not in actions_html(JOB, [mp4, webm], mp4, "?", WORDS)


def test_a_video_that_cannot_be_decoded_has_a_sentence_and_a_download() -> None:
    """The sentence is hidden until the browser says so."""
    html = str(undecodable_html(JOB, shown(1, MP4), "player", WORDS))
    assert "(MP4)" in html
    assert ' data-undecodable="player" hidden>' in html
    assert html.count(" download=") == 1


# A job whose files are missing

ADDRESSES = (
    "https://cdn.test/1.png?sig=<b>",
    "data:image/png;base64," + "A" * 5000,
    "ftp://x/\u202egnp.exe\n",
    "x" * 9000,
)


def without(code: str, **facts: str | int) -> Job:
    return replace(JOB, remarks=(Failure(code, "a page", facts),), outputs=ADDRESSES, duration_s=None)


def test_a_job_without_a_file_says_so_in_the_videos_place() -> None:
    """The sentence stands on the screen and not twice; nothing leads to a download or a link that finds nothing."""
    job = without("no_file_found")
    assert "Finished without a file" in screen_html(job, WORDS)
    assert "It sent: a page." in screen_html(job, WORDS)
    status = str(status_html(job, 0.0, WORDS))
    assert "Finished without a file" in status
    assert "a page" not in status
    actions = str(actions_html(job, [], None, "?prompt=x", WORDS))
    assert " download=" not in actions
    assert "?video=" not in actions
    assert job.can_resume


def test_addresses_are_only_text() -> None:
    """Escaped and never links; of one that is a file itself, its type; nothing that turns the text around."""
    html = str(addresses_html(without("no_file_found"), WORDS))
    assert html.count("<code>") == len(ADDRESSES)
    assert "https://cdn.test/1.png?sig=&lt;b&gt;" in html
    assert "<code>data:image/png,…</code>" in html
    assert "\u202e" not in html
    assert "<a " not in html
    assert len(html) < 6000


@pytest.mark.parametrize(("missing", "numbers"), [("2, 4", [2, 4]), ("", []), ("9, x, -1, 0", []), ("1" * 99, [])])
def test_only_the_missing_addresses_are_named(missing: str, numbers: list[int]) -> None:
    """By their numbers, whatever an old row says."""
    html = str(addresses_html(without("not_all_saved", kept=2, count=4, missing=missing), WORDS))
    assert [number for number in range(20) if f'<li value="{number}">' in html] == numbers
    assert bool(html) == bool(numbers)


def test_no_more_than_sixteen_addresses_are_shown() -> None:
    job = replace(without("no_file_found"), outputs=tuple(f"https://x.test/{number}" for number in range(40)))
    assert str(addresses_html(job, WORDS)).count("<code>") == 16


async def test_a_file_that_is_gone_is_not_shown(tmp_path: Path) -> None:
    """A job whose files somebody has taken from the disk says so, and has no download."""
    async with rigged(tmp_path, card=making("video")) as rig:
        job = await made(rig)
        files = await rig.engine.files(job)
        [file] = shown_files(job, files)
        assert (file.kind, file.size, file.poster is not None) == (MP4, file.path.stat().st_size, True)
        file.path.unlink()
        assert shown_files(job, files) == [] == await rig.engine.files(job)
        assert "no longer on this server" in screen_html(job, WORDS)


async def test_they_are_deleted_together(tmp_path: Path) -> None:
    """Removing a job's files leaves none of them, and they count together before."""
    async with rigged(tmp_path, card=making("videos")) as rig:
        job = await made(rig)
        size = sum(path.stat().st_size for path in rig.library.folder.iterdir())
        assert _measure(rig.library, [job.share_id]) == (1, size)
        assert rig.library.remove([job.share_id]) == 1
        assert list(rig.library.folder.iterdir()) == []
