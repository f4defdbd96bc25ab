"""Files and addresses in a request's input: what the service takes and refuses, what is rendered, what is kept how long."""

import base64
import hashlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from dreamina_ui.simulator import RenderJob, SubprocessRenderer, create_app, inputs
from dreamina_ui.simulator.drawing.renderers import Fetch
from tests.media.files import make
from tests.simulator.conftest import Calling
from tests.simulator.test_service import Gate, reach, result

pytestmark = pytest.mark.anyio

RULES = [
    {"validation_rule": "width_pixels>", "validation_value": 40, "validation_error": "At least 41 pixels wide."},
    {"validation_rule": "width/height<=", "validation_value": 3},
    {"validation_rule": "file_size_mb<", "validation_value": 1},
    {"validation_rule": "nobody knows this", "validation_value": 1},
]
CARD: Mapping[str, Any] = {
    "model_id": "maker/pictures",
    "title": "Pictures",
    "input_schema": {
        "type": "object",
        "required": ["prompt"],
        "properties": {
            "prompt": {"type": "string"},
            "end_image_url": {"type": "string", "format": "image_uri"},
            "image_url": {"type": "string", "format": "image_uri", "validations": RULES},
            "more": {"type": "array", "format": "image_uris"},
            "video": {"type": "string", "format": "video_uri"},
            "speech": {"type": "string", "format": "uri"},
            "loras": {"type": "array", "items": {"type": "string", "format": "uri"}},
        },
    },
}
POST = "/v1/models/maker/pictures"
A, B = "https://pictures.example.org/a.png", "https://pictures.example.org/b.png"


def data(path: Path, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(path.read_bytes()).decode()}"


def image(path: Path, size: tuple[int, int] = (64, 48)) -> Path:
    Image.new("RGB", size, (20, 90, 160)).save(path, "PNG")
    return path


async def submit(client: httpx.AsyncClient, model_id: str = "maker/pictures", **given: Any) -> str:
    answer = await client.post(f"/v1/models/{model_id}", content=json.dumps({"prompt": "A kite", **given}))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["request_id"])


async def test_a_file_is_kept_until_its_request_has_ended(tmp_path: Path, clip: Path, calling: Calling) -> None:
    """The renderer finds it, also after a restart; the record has its digest alone, and afterwards nothing is left of it."""
    path, gate = image(tmp_path / "a.png"), Gate(clip)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    kept = tmp_path / "data" / "inputs"
    async with calling(create_app(tmp_path / "data", cards=[CARD], queue_s=0, render=gate)) as client:
        request_id = await submit(client, image_url=data(path), more=[data(path)])
        await reach(client, request_id, "in_progress")
    gate.open.set()
    async with calling(create_app(tmp_path / "data", cards=[CARD], queue_s=0, render=gate)) as client:
        waiting = await submit(client, image_url=data(path))
        await reach(client, request_id, "completed")
        entry = (await client.get("/_simulator/ledger")).json()["requests"][0]
        named = f"data:image/png;sha256,{digest}"
        assert entry["input"] == {"prompt": "A kite", "image_url": named, "more": [named]}
        assert (await result(client, request_id))["status"] == "succeeded"
        await reach(client, waiting, "completed")
        await result(client, waiting)
    for job in gate.jobs:
        assert all(Path(each).parent == kept for each in job.media)
    assert [len(job.media) for job in gate.jobs] == [2, 2, 1]
    assert list(kept.iterdir()) == []


async def test_a_cancelled_requests_file_goes(tmp_path: Path, clip: Path, calling: Calling) -> None:
    """And what a crash left between a file and its record goes at the next start."""
    kept = tmp_path / "data" / "inputs"
    kept.mkdir(parents=True)
    (kept / f"00000000-0000-0000-0000-000000000000.{'0' * 64}").write_bytes(b"left")
    async with calling(create_app(tmp_path / "data", cards=[CARD], queue_s=0, render=Gate(clip))) as client:
        running = await submit(client)
        await reach(client, running, "in_progress")
        queued = await submit(client, image_url=data(image(tmp_path / "a.png")))
        assert [path.name.partition(".")[0] for path in kept.iterdir()] == [queued]
        await client.post(f"/v1/requests/{queued}/cancel")
        assert list(kept.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_url", "not a url"),
        ("image_url", "file:///etc/hostname"),
        ("image_url", "http://pictures.example.org/a.png"),
        ("image_url", "https://localhost/a.png"),
        ("image_url", "https://user@pictures.example.org/a.png"),
        ("image_url", "https://[::1/a.png"),
        ("more", ["ftp://pictures.example.org/a.png"]),
        ("image_url", "data:image/png;base64,"),
        ("image_url", "data:image/png;base64,%%%"),
        ("image_url", "data:text/plain;base64,aGVsbG8="),
        ("image_url", "data:image/png;base64,aGVsbG8="),
        ("image_url", "data:image/svg+xml;base64,PHN2Zy8+"),
        ("video", "data:video/mp4;base64,aGVsbG8="),
        ("speech", "data:audio/wav;base64,aGVsbG8="),
    ],
)
async def test_what_is_no_file_is_refused(tmp_path: Path, calling: Calling, name: str, value: Any) -> None:
    """With the place, and nothing accepted."""
    async with calling(create_app(tmp_path, cards=[CARD])) as client:
        answer = await client.post(POST, json={"prompt": "x", name: value})
        assert (answer.status_code, answer.json()["error_code"]) == (422, 422001)
        [detail] = answer.json()["detail"]
        assert detail["loc"] == ["body", name, *([0] if isinstance(value, list) else [])]
        assert (await client.get("/_simulator/ledger")).json()["counters"]["posts_accepted"] == 0
    assert not (tmp_path / "inputs").exists()


async def test_a_text_is_no_file(tmp_path: Path, clip: Path, calling: Calling) -> None:
    """Whatever a prompt begins with; a file in a field that says nothing of files is one."""
    gate = Gate(clip)
    gate.open.set()
    properties = {"prompt": {"type": "string"}, "start": {"type": "string"}}
    card = {"model_id": "maker/plain", "input_schema": {"type": "object", "properties": properties}}
    async with calling(create_app(tmp_path / "data", cards=[card], queue_s=0, render=gate)) as client:
        given = {"prompt": "data: the sea, https://a", "start": data(image(tmp_path / "a.png"))}
        answer = await client.post("/v1/models/maker/plain", json=given)
        assert answer.status_code == 200, answer.text
        await reach(client, answer.json()["request_id"], "completed")
    assert (gate.jobs[0].prompt, len(gate.jobs[0].media)) == (given["prompt"], 1)


@pytest.mark.parametrize(
    ("size", "said"),
    [((40, 30), "At least 41 pixels wide."), ((400, 100), "width/height<= 3"), ((7000, 5000), "could not be read")],
)
async def test_a_picture_is_held_to_the_models_rules(
    tmp_path: Path, calling: Calling, size: tuple[int, int], said: str
) -> None:
    """Too small, too wide, too many pixels: in the service's words."""
    async with calling(create_app(tmp_path / "data", cards=[CARD])) as client:
        answer = await client.post(POST, json={"prompt": "x", "image_url": data(image(tmp_path / "a.png", size))})
        assert answer.status_code == 422
        assert said in answer.json()["detail"][0]["msg"]


async def test_the_caps_of_the_vendors_programs_hold(
    tmp_path: Path, calling: Calling, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a picture, of a video, and of the whole body."""
    monkeypatch.setattr(inputs, "_MOST", {"image": 100, "video": 100, "audio": 100})
    async with calling(create_app(tmp_path / "data", cards=[CARD])) as client:
        for name, value in (("image_url", data(image(tmp_path / "a.png"))), ("video", data(clip, "video/mp4"))):
            answer = await client.post(POST, json={"prompt": "x", name: value})
            assert (answer.status_code, answer.json()["detail"][0]["msg"]) == (422, "The file is too large.")
        answer = await client.post(POST, content=b" " * (inputs.BODY_MOST + 1))
        assert (answer.status_code, answer.json()["error_code"]) == (413, 413001)


class Shop:
    """What is found at addresses; everything else is away."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self.asked: list[str] = []

    async def fetch(self, address: str, path: Path) -> None:
        self.asked.append(address)
        if address not in self._files:
            raise OSError("no way out")
        path.write_bytes(self._files[address].read_bytes())


def told(tmp_path: Path, fetch: Fetch | None = None) -> SubprocessRenderer:
    """A renderer that writes down the media it gets, in the place of a video."""
    program = tmp_path / "renderer.py"
    program.write_text(
        "import hashlib, json, sys, pathlib\norder = json.load(sys.stdin)\n"
        "digests = [hashlib.sha256(pathlib.Path(each).read_bytes()).hexdigest() for each in order['media']]\n"
        "pathlib.Path(order['path']).write_text(json.dumps(digests))"
    )
    return SubprocessRenderer((sys.executable, str(program)), fetch)


async def test_addresses_are_loaded_in_the_order_of_the_video(tmp_path: Path, calling: Calling) -> None:
    """Each once; a picture for the end comes last; what is no picture, video or sound is not asked for; nothing is left."""
    files = {A: image(tmp_path / "a.png"), B: image(tmp_path / "b.png", (50, 50))}
    shop = Shop(files)
    app = create_app(tmp_path / "data", cards=[CARD], queue_s=0, render=told(tmp_path, shop.fetch))
    async with calling(app) as client:
        lora = "https://files.example.org/lora"
        request_id = await submit(client, end_image_url=B, image_url=A, more=[B, A], loras=[lora])
        await reach(client, request_id, "completed")
        done = await result(client, request_id)
        seen = (await client.get(done["output"]["video"])).json()
    digest = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    assert seen == [digest[A], digest[B], digest[A], digest[B]]
    assert sorted(shop.asked) == [A, B]
    assert [path.suffix for path in (tmp_path / "data" / "outputs").iterdir()] == [".mp4"]


@pytest.mark.parametrize("has_network", [True, False])
async def test_an_address_that_cannot_be_loaded_fails_the_request(
    has_network: bool, tmp_path: Path, calling: Calling
) -> None:
    """The result says which one, as the service does; so it does without a network."""
    render = told(tmp_path, Shop({}).fetch if has_network else None)
    async with calling(create_app(tmp_path / "data", cards=[CARD], queue_s=0, render=render)) as client:
        request_id = await submit(client, image_url=A)
        await reach(client, request_id, "completed")
        failed = await result(client, request_id)
        assert failed["status"] == "failed"
        assert failed["error"].startswith(f"The file could not be loaded from {A}")
    assert list((tmp_path / "data" / "outputs").iterdir()) == []


async def test_an_own_output_is_an_input_without_a_network(tmp_path: Path, clip: Path, calling: Calling) -> None:
    """A video that was made here goes on in the next one; one that has expired cannot be loaded."""
    now, gate = [1_800_000_000.0], Gate(clip)
    gate.open.set()
    app = create_app(tmp_path, cards=[CARD], queue_s=0, render=gate, clock=lambda: now[0])
    async with calling(app) as client:
        first = await submit(client)
        await reach(client, first, "completed")
        made = (await result(client, first))["output"]["video"]
        second = await submit(client, video=made)
        await reach(client, second, "completed")
        assert [Path(each).name for each in gate.jobs[1].media] == [f"{first}.mp4"]
        now[0] += 3700
        third = await submit(client, video=made)
        await reach(client, third, "completed")
        assert "could not be loaded" in (await result(client, third))["error"]


MODELS: Sequence[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = (
    # The schema's properties, what is given, and what follows from that.
    (
        {
            "duration": {"type": "string", "enum": ["auto", "6", "8"], "default": "6"},
            "fps": {"type": "integer", "enum": [24, 25, 50], "default": 25},
            "resolution": {"type": "string", "default": "2160p"},
            "aspect_ratio": {"type": "string", "default": "16:9"},
            "generate_audio": {"type": "boolean", "default": True},
            "guidance": {"type": "float", "minimum": 1, "exclusiveMinimum": True, "default": 3.5},
        },
        {"fps": 50, "guidance": 1.5},
        {"frames": 301, "frames_per_second": 50, "width": 2560, "height": 1440, "has_sound": True, "adapts": False},
    ),
    (
        {
            "aspect_ratio": {"type": "string", "default": "adaptive"},
            "resolution": {"type": "string", "default": "480p"},
            "duration": {"type": "integer", "default": 5},
            "enable_audio": {"type": "boolean", "default": True},
        },
        {"enable_audio": False, "duration": 2},
        {"frames": 49, "frames_per_second": 24, "width": 852, "height": 480, "has_sound": False, "adapts": True},
    ),
    ({"voice_url": {"type": "string", "format": "audio_uri"}}, {"voice_url": A}, {"has_sound": True, "media": (A,)}),
    ({"size": {"type": "string", "default": "1024*576"}}, {}, {"width": 1024, "height": 576, "has_sound": False}),
)


@pytest.mark.parametrize(("properties", "given", "follows"), MODELS)
async def test_each_model_has_its_own_parameters(
    properties: dict[str, Any], given: dict[str, Any], follows: dict[str, Any],
    tmp_path: Path, clip: Path, calling: Calling,
) -> None:  # fmt: skip
    """Length, frame rate, size, shape and sound come from whichever fields its schema has, also beside other models."""
    properties = {"prompt": {"type": "string"}, **properties}
    card = {"model_id": "maker/one", "input_schema": {"type": "object", "properties": properties}}
    gate = Gate(clip)
    gate.open.set()
    async with calling(create_app(tmp_path, cards=[CARD, card], queue_s=0, render=gate)) as client:
        request_id = await submit(client, "maker/one", **given)
        other = await submit(client)
        await reach(client, other, "completed")
        assert (await result(client, request_id))["status"] == "succeeded"
        wrong = await client.post("/v1/models/maker/one", json={**given, "guidance": 1, "unknown": 2})
        assert wrong.status_code == 422
    job: RenderJob = gate.jobs[0]
    assert {name: getattr(job, name) for name in follows} == follows
    assert (gate.jobs[1].width, gate.jobs[1].frames) == (1280, 121)


@pytest.mark.parametrize(
    ("properties", "given", "ending", "starts", "media_type"),
    [
        ({}, {}, "mp3", b"\xff\xfb", "audio/mpeg"),
        ({"output_format": {"type": "string", "enum": ["mp3", "wav"], "default": "wav"}}, {}, "wav", b"RIFF", "audio/wav"),
        ({"audio_format": {"type": "string"}}, {"audio_format": "FLAC_44100"}, "flac", b"fLaC", "audio/flac"),
    ],
)  # fmt: skip
async def test_a_sound_is_made_as_the_file_that_is_asked_for(
    properties: dict[str, Any], given: dict[str, Any], ending: str, starts: bytes, media_type: str,
    tmp_path: Path, clip: Path, calling: Calling,
) -> None:  # fmt: skip
    """A model without outputs on its card makes what its id says."""
    properties = {"prompt": {"type": "string"}, "duration": {"type": "integer", "default": 2}, **properties}
    card = {"model_id": "maker/some/text-to-audio", "input_schema": {"type": "object", "properties": properties}}
    gate = Gate(clip)
    gate.open.set()
    async with calling(create_app(tmp_path, cards=[card], queue_s=0, render=gate)) as client:
        request_id = await submit(client, "maker/some/text-to-audio", **given)
        await reach(client, request_id, "completed")
        address = (await result(client, request_id))["output"]["audio"]
        assert address.endswith(f".1.{ending}")
        reply = await client.get(address)
    assert reply.headers["content-type"] == media_type
    assert reply.content.startswith((starts, b"ID3") if ending == "mp3" else starts)


async def test_a_picture_and_a_sound_become_a_real_video(tmp_path: Path, calling: Calling) -> None:
    """By the renderer's own process: the first frame is the picture, and the sound is in the file."""
    path = image(tmp_path / "a.png", (96, 64))
    schema = {**CARD["input_schema"]["properties"], "frames": {"type": "integer"}, "size": {"type": "string"}}
    card = {**CARD, "input_schema": {"type": "object", "properties": schema}}
    async with calling(create_app(tmp_path / "data", cards=[card], queue_s=0)) as client:
        sound = data(make("wav", tmp_path / "a.wav"), "audio/wav")
        request_id = await submit(client, image_url=data(path), speech=sound, frames=3, size="96x64")
        await reach(client, request_id, "completed")
        done = await result(client, request_id)
        content = (await client.get(done["output"]["video"])).content
    with av.open(io.BytesIO(content), "r") as container:
        assert len(container.streams.audio) == 1
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert abs(first.astype(int) - (20, 90, 160)).max() <= 6
