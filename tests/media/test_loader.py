"""Loading what the addresses in an input lead to, for the simulator: from the open net, and from nowhere else."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from dreamina_ui.errors import DownloadFailed, LibraryError, NotAnOutput, OutputRefused
from dreamina_ui.media.download import loader as module
from dreamina_ui.media.download.loader import Loader
from dreamina_ui.simulator import create_app
from tests.media.files import make
from tests.outside import HOST, URL, Outside, redirect, reply
from tests.waiting import until

pytestmark = pytest.mark.anyio


async def test_a_file_of_the_open_net_is_loaded(outside: Outside, tmp_path: Path) -> None:
    """Its bytes are in the file; no cookie and no key goes with the request."""
    content = make("png", tmp_path / "a.png").read_bytes()
    outside.replies = [reply(content)]
    loader = Loader(transport=outside.transport())
    await loader.load(URL, tmp_path / "loaded")
    await loader.load(URL, tmp_path / "again")
    await loader.aclose()
    assert (tmp_path / "loaded").read_bytes() == (tmp_path / "again").read_bytes() == content
    assert not {"authorization", "cookie"} & outside.asked[0].headers.keys()


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("not a url", OutputRefused),
        ("file:///etc/hostname", OutputRefused),
        ("http://pictures.example.net/a.png", OutputRefused),
        ("https://127.0.0.1/a.png", OutputRefused),
        ("https://[::1]/a.png", OutputRefused),
        ("https://localhost/a.png", OutputRefused),
        ("https://router.lan/a.png", OutputRefused),
        ("https://169.254.169.254/latest/meta-data", OutputRefused),
        ("https://inside.example.net/a.png", OutputRefused),
        ("https://me:secret@pictures.example.net/a.png", OutputRefused),
    ],
)
async def test_only_the_open_net_is_connected_to(
    address: str, error: type[LibraryError], outside: Outside, tmp_path: Path
) -> None:
    """Neither this machine nor its network, by number or by name: nobody is connected to."""
    outside.names = {"inside.example.net": [["10.0.0.7"]]}
    outside.replies = [reply(b"secret")]
    loader = Loader(transport=outside.transport())
    with pytest.raises(error):
        await loader.load(address, tmp_path / "loaded")
    await loader.aclose()
    assert (outside.connected, outside.asked) == ([], [])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (redirect("https://127.0.0.1/secret"), OutputRefused),
        (reply(b"x" * 2000), OutputRefused),
        (reply(b"<!doctype html><html><body>Sign in</body></html>"), NotAnOutput),
        (reply(b"gone", status="404 Not Found"), DownloadFailed),
    ],
    ids=["inside", "large", "page", "gone"],
)
async def test_what_is_loaded_is_checked(
    answer: bytes, error: type[LibraryError], outside: Outside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redirects to the inside, what is too large, a web page, and what is not there."""
    monkeypatch.setattr(module, "SIZE_MOST", 1000)
    outside.replies = [answer]
    loader = Loader(transport=outside.transport())
    with pytest.raises(error):
        await loader.load(URL, tmp_path / "loaded")
    await loader.aclose()


@pytest.mark.parametrize("is_there", [True, False])
async def test_the_simulator_says_what_it_could_not_load(is_there: bool, outside: Outside, tmp_path: Path) -> None:
    """A picture at an address becomes a video; one that is away is the reason of a failed result."""
    content = make("png", tmp_path / "a.png").read_bytes()
    outside.replies = [reply(content) if is_there else reply(b"gone", status="404 Not Found")]
    properties = {"prompt": {"type": "string"}, "image": {"type": "string", "format": "image_uri"}}
    properties |= {"size": {"type": "string"}, "frames": {"type": "integer"}}
    card: dict[str, Any] = {"model_id": "m", "input_schema": {"type": "object", "properties": properties}}
    loader = Loader(transport=outside.transport())
    app = create_app(tmp_path / "simulator", cards=[card], queue_s=0, fetch=loader.load)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://simulator") as client:
        body = {"prompt": "x", "image": URL, "size": "64x64", "frames": 2}
        request_id = (await client.post("/v1/models/m", json=body)).json()["request_id"]

        async def ended() -> bool:
            status = await client.get(f"/v1/requests/{request_id}/status")
            return bool(status.json()["status"] == "completed")

        await until(ended)
        result = (await client.get(f"/v1/requests/{request_id}/result")).json()
        await app.state.simulator.aclose()
    await loader.aclose()
    assert result["status"] == ("succeeded" if is_there else "failed")
    assert is_there or result["error"] == f"The file could not be loaded from {URL} (HTTP 404)"
    assert outside.looked_up == [HOST]
