"""The library: only whole videos get a name, from where they may come, and nothing else stays behind."""

import asyncio
import errno
import os
import resource
import struct
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from dreamina_ui.errors import DiskFull, DownloadFailed, DreaminaError, LibraryError, NotAnOutput, OutputRefused
from dreamina_ui.media.library import Library, origin_of
from tests.rig import poster_of, saved, saved_with_poster, video_of

pytestmark = pytest.mark.anyio

URL = "https://videos.example.com/out/a.mp4?sig=1"
SHARE = "0123456789abcdef0123456789abcdef"
TRUSTED = "http://simulator.internal"
BEGINNING = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"
"""Of an MP4: more bytes may follow before it is judged as a whole."""


class Web:
    """The outputs' side of the network: answers as told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(500)
        self.requests: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self._handle)

    def gives(self, body: bytes, status: int = 200) -> None:
        self.answer = lambda _: httpx.Response(status, content=body, headers={"content-type": "video/mp4"})

    def streams(self, body: bytes, length: int | None = None) -> None:
        """In pieces, and without a length unless one is given."""
        headers = {} if length is None else {"content-length": str(length)}

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 1000):
                yield body[start : start + 1000]

        self.answer = lambda _: httpx.Response(200, content=pieces(), headers=headers)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)

    @property
    def asked(self) -> list[str]:
        return [str(request.url) for request in self.requests]


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
async def library(tmp_path: Path, web: Web) -> AsyncIterator[Library]:
    async with over(tmp_path, web) as library:
        yield library


def over(folder: Path, web: Web, **bounds: Any) -> Library:
    mounts = {"https://": web.transport, "http://": web.transport}
    return Library(folder / "videos", trusted_origins={TRUSTED}, mounts=mounts, room_needed=0, **bounds)


def drawn(folder: Path, frames: list[np.ndarray], *, index_first: bool = False) -> bytes:
    path = folder / "drawn.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"} if index_first else {}) as container:
        stream = container.add_stream("libx264", rate=24)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


async def assert_nothing_stays(library: Library, error: type[DreaminaError], url: str = URL) -> DreaminaError:
    with pytest.raises(error) as caught:
        await saved(library, SHARE, url)
    assert type(caught.value) is error
    assert list(library.folder.iterdir()) == []
    return caught.value


# Good videos


@pytest.mark.parametrize("way", ["with its length", "in pieces"])
async def test_a_video_is_saved_with_its_poster(library: Library, web: Web, clip: bytes, way: str) -> None:
    """The very bytes get their name, a poster stands beside them, and nothing else is in the folder."""
    web.gives(clip) if way == "with its length" else web.streams(clip)
    assert await saved_with_poster(library, SHARE, URL) == (64, 64, 0.5)
    assert video_of(library, SHARE).read_bytes() == clip
    with Image.open(poster_of(library, SHARE)) as poster:
        assert (poster.format, poster.size) == ("WEBP", (64, 64))
    assert {path.name for path in library.folder.iterdir()} == {f"{SHARE}.mp4", f"{SHARE}.webp"}
    assert web.asked == [URL]


@pytest.mark.parametrize(("width", "height", "poster"), [(1472, 832, (640, 362)), (832, 1472, (362, 640))])
async def test_size_and_duration_are_the_files_own(
    library: Library, web: Web, tmp_path: Path, width: int, height: int, poster: tuple[int, int]
) -> None:
    """Width, height and seconds are read from the file; the poster keeps the shape at 640 pixels."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2] = 200
    web.gives(drawn(tmp_path, [picture] * 25))
    assert await saved_with_poster(library, SHARE, URL) == (width, height, round(25 / 24, 3))
    with Image.open(poster_of(library, SHARE)) as image:
        assert image.size == poster


async def test_what_is_already_saved_is_not_fetched_again(library: Library, web: Web, clip: bytes) -> None:
    """A second save, after a crash between file and row, reads the file; the service is not asked."""
    web.gives(clip)
    first = await saved(library, SHARE, URL)
    web.gives(b"", 410)
    assert await saved(library, SHARE, URL) == first
    assert len(web.requests) == 1


async def test_two_saves_of_one_video_at_once_leave_one_whole_file(library: Library, web: Web, clip: bytes) -> None:
    """Two replicas that save the same output at once both end well, with one whole file."""
    web.gives(clip)
    assert await asyncio.gather(*(saved_with_poster(library, SHARE, URL) for _ in range(5))) == [(64, 64, 0.5)] * 5
    assert video_of(library, SHARE).read_bytes() == clip
    assert len(list(library.folder.iterdir())) == 2


@pytest.mark.parametrize("black", [1, 12, 22])
async def test_the_poster_is_the_first_frame_with_something_on_it(
    library: Library, web: Web, tmp_path: Path, black: int
) -> None:
    """A video that begins in black, or fades in from it, has a poster that shows something."""
    dark, bright = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)
    bright[8:40, 8:40] = (250, 180, 60)
    web.gives(drawn(tmp_path, [dark] * black + [bright] * 12))
    await saved_with_poster(library, SHARE, URL)
    with Image.open(poster_of(library, SHARE)) as poster:
        assert np.asarray(poster.convert("RGB")).max() > 200


async def test_a_black_video_is_still_a_video(library: Library, web: Web, tmp_path: Path) -> None:
    """Where no frame shows anything, the poster is black, and the video is saved."""
    web.gives(drawn(tmp_path, [np.zeros((64, 64, 3), np.uint8)] * 30))
    assert await saved_with_poster(library, SHARE, URL) == (64, 64, 1.25)
    assert poster_of(library, SHARE).exists()


# Downloads that fail


@pytest.mark.parametrize("status", [204, 206, 401, 403, 404, 410, 429, 500, 503])
async def test_an_answer_that_is_no_video_is_told_by_its_status(library: Library, web: Web, status: int) -> None:
    """Every status but 200 is a failed download that carries it, so that a dead link can be told from a busy host.

    It costs one request.
    """
    web.gives(b"", status)
    error = await assert_nothing_stays(library, DownloadFailed)
    assert error.facts["status_code"] == status
    assert len(web.requests) == 1


async def test_fewer_bytes_than_announced_are_a_failed_download(library: Library, web: Web, clip: bytes) -> None:
    """A connection that ends early gives no file, even where the bytes that came would play."""
    web.streams(clip, len(clip) + 1)
    error = await assert_nothing_stays(library, DownloadFailed)
    assert error.message == f"{len(clip)} of {len(clip) + 1} bytes came"


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x"), httpx.ReadError("x")]
)
async def test_a_broken_connection_is_a_failed_download(library: Library, web: Web, error: Exception) -> None:
    """What the network does to a download is told by one name, before and in the middle of the bytes."""

    def breaks(_: httpx.Request) -> httpx.Response:
        raise error

    async def pieces() -> AsyncIterator[bytes]:
        yield BEGINNING + b"\0" * 1000
        raise error

    web.answer = breaks
    await assert_nothing_stays(library, DownloadFailed)
    web.answer = lambda _: httpx.Response(200, content=pieces())
    await assert_nothing_stays(library, DownloadFailed)


async def test_a_download_that_never_ends_is_given_up(tmp_path: Path, web: Web) -> None:
    """A host that stops sending cannot hold a job for ever."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"\0"
        await asyncio.Event().wait()

    web.answer = lambda _: httpx.Response(200, content=pieces())
    async with over(tmp_path, web, time_most_s=0.05) as library:
        await assert_nothing_stays(library, DownloadFailed)


async def test_a_save_that_is_stopped_leaves_nothing(library: Library, web: Web) -> None:
    """A program that ends in the middle of a download takes its unfinished file away."""
    coming = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield BEGINNING + b"\0" * 2**20
        coming.set()
        await asyncio.Event().wait()

    web.answer = lambda _: httpx.Response(200, content=pieces())
    saving = asyncio.create_task(saved(library, SHARE, URL))
    await coming.wait()
    assert [path.suffix for path in library.folder.iterdir()] == [".part"]
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert list(library.folder.iterdir()) == []


@pytest.mark.parametrize("announced", [True, False])
async def test_more_than_the_most_is_refused(tmp_path: Path, web: Web, clip: bytes, announced: bool) -> None:
    """A file above the cap is given up while it comes, whatever length it announced; one of just that size is kept."""
    web.gives(clip) if announced else web.streams(clip)
    async with over(tmp_path, web, size_most=len(clip) - 1) as library:
        await assert_nothing_stays(library, OutputRefused)
    web.gives(clip) if announced else web.streams(clip)
    async with over(tmp_path, web, size_most=len(clip)) as library:
        assert await saved(library, SHARE, URL) == (64, 64, 0.5)


# What comes in place of a video


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "an empty file"),
        (b"<!doctype html><html><body>Please log in</body></html>" * 50, "a web page"),
        (b"\xef\xbb\xbf\n<!-- cached --><HTML><body>Please log in", "a web page"),
    ],
    ids=["empty", "HTML", "HTML after a mark and a comment"],
)
async def test_a_login_page_is_no_output(library: Library, web: Web, body: bytes, message: str) -> None:
    """A web page or an empty file with status 200 never gets a name."""
    web.gives(body)
    assert (await assert_nothing_stays(library, NotAnOutput)).message == message


@pytest.mark.parametrize(
    ("body", "ending"),
    [
        (b"\0", ".bin"),
        (b'{"error": "expired"}', ".bin"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n#EXT-X-ENDLIST\n", ".bin"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", ".bin"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>', ".bin"),
        (b"\x7fELF\2\1\1" + b"\0" * 100, ".bin"),
        (bytes(range(256)) * 64, ".bin"),
        (b"PK\3\4" + b"\0" * 100, ".zip"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, ".image.png"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", ".mp4"),
    ],
    ids=["one byte", "JSON", "HLS", "concat", "SVG", "ELF", "noise", "ZIP", "PNG?", "only a beginning"],
)
async def test_bytes_that_do_not_play_are_kept_as_a_file(library: Library, web: Web, body: bytes, ending: str) -> None:
    """It was paid for, so it is kept as it came, under an ending that its bytes tell, and without a poster; nothing runs it."""
    web.gives(body)
    file, facts = await library.save(SHARE, 1, URL)
    assert (file.path.name, file.path.read_bytes()) == (f"{SHARE}{ending}", body)
    assert [path.name for path in library.folder.iterdir()] == [file.path.name]
    assert facts.problem or not file.kind.inline
    assert len(web.requests) == 1


@pytest.mark.parametrize("part", [0.5, 0.9, 0.99])
async def test_a_cut_video_is_kept_at_last(library: Library, web: Web, tmp_path: Path, part: float) -> None:
    """A file whose index points past its end is worth another try; where no other comes, it is kept and said to be cut."""
    noise = np.random.default_rng(7).integers(0, 255, (48, 64, 64, 3), dtype=np.uint8)
    whole = drawn(tmp_path, list(noise), index_first=True)
    web.gives(whole[: int(len(whole) * part)])
    assert (await assert_nothing_stays(library, NotAnOutput)).message == "a file that is cut short"
    file, facts = await library.save(SHARE, 1, URL, at_last=True)
    assert (file.path.stat().st_size, facts.problem) == (int(len(whole) * part), "cut short")


async def test_a_frame_too_large_to_decode_is_kept_unread(library: Library, web: Web) -> None:
    """Sixty kilobytes that unpack to 64 million pixels are told by their header, and not unpacked."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side = 8000
    pixels = zlib.compress(bytes(side * (side + 1)))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    web.gives(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    file, facts = await library.save(SHARE, 1, URL)
    assert not facts.has_poster
    assert (facts.width, facts.problem) == (8000, "too large")
    assert file.path.exists()


# Where a video may come from


@pytest.mark.parametrize(
    "url",
    [
        "http://videos.example.com/a.mp4",
        "HTTP://videos.example.com/a.mp4",
        "http://simulator.internal.example.com/a.mp4",
        "http://simulator.internal:81/a.mp4",
        "http://simulator.internal@videos.example.com/a.mp4",
        "https://me:secret@videos.example.com/a.mp4",
        "https://@videos.example.com/a.mp4",
        "https:///a.mp4",
        "https://videos.example.com:port/a.mp4",
        "https://[::1/a.mp4",
        "https://localhost/a.mp4",
        "https://127.0.0.1:7860/a.mp4",
        "https://[::1]/a.mp4",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/a.mp4",
        "file:///etc/passwd",
        "ftp://videos.example.com/a.mp4",
        "javascript:alert(1)",
        "//videos.example.com/a.mp4",
        "/etc/passwd",
        "",
    ],
)
async def test_an_address_it_may_not_come_from_is_never_asked(
    library: Library, web: Web, clip: bytes, url: str
) -> None:
    """Outputs come over https from the open net, without a name and password; everything else is refused unasked."""
    web.gives(clip)
    await assert_nothing_stays(library, OutputRefused, url)
    assert web.requests == []


@pytest.mark.parametrize("url", [f"{TRUSTED}/a.mp4", f"{TRUSTED}:80/a.mp4", "http://SIMULATOR.internal/a.mp4"])
async def test_a_trusted_origin_may_use_http(library: Library, web: Web, clip: bytes, url: str) -> None:
    """The simulator, and what the settings trust, may be plain http."""
    web.gives(clip)
    assert await saved(library, SHARE, url) == (64, 64, 0.5)


async def test_a_trusted_origin_may_be_of_this_machine(tmp_path: Path, web: Web, clip: bytes) -> None:
    """An origin of this machine is refused only as long as nobody trusts it."""
    web.gives(clip)
    mounts = {"http://": web.transport}
    async with Library(tmp_path / "own", trusted_origins={"http://127.0.0.1:8188"}, mounts=mounts) as library:
        assert await saved(library, SHARE, "http://127.0.0.1:8188/a.mp4") == (64, 64, 0.5)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Videos.Example.com/a.mp4", "https://videos.example.com"),
        ("https://videos.example.com:443", "https://videos.example.com"),
        ("http://videos.example.com:80/", "http://videos.example.com"),
        ("http://videos.example.com:443/", "http://videos.example.com:443"),
        ("HTTPS://me:pw@videos.example.com:8443/x", "https://videos.example.com:8443"),
        ("http://[::1]:7860/x", "http://[::1]:7860"),
    ],
)
def test_origins_are_compared_in_one_form(url: str, origin: str) -> None:
    """Scheme, host and port, in lower case, without the port that goes without saying."""
    assert origin_of(url) == origin


def redirects(web: Web, clip: bytes, *ways: str, status: int = 302) -> None:
    """The first address leads along `ways`, and the last of them to the clip."""
    left = list(ways)

    def answer(_: httpx.Request) -> httpx.Response:
        if left:
            return httpx.Response(status, headers={"location": left.pop(0)})
        return httpx.Response(200, content=clip)

    web.answer = answer


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_three_redirects_are_followed(library: Library, web: Web, clip: bytes, status: int) -> None:
    """Absolute and relative ways are followed up to three times, always with a GET."""
    redirects(web, clip, "https://cdn.example.net/1/x", "../2", "//third.example.org/a.mp4", status=status)
    assert await saved(library, SHARE, URL) == (64, 64, 0.5)
    assert web.asked[1:] == [
        "https://cdn.example.net/1/x",
        "https://cdn.example.net/2",
        "https://third.example.org/a.mp4",
    ]
    assert {request.method for request in web.requests} == {"GET"}


async def test_a_fourth_redirect_is_refused(library: Library, web: Web, clip: bytes) -> None:
    """A host that sends in circles is left after three turns."""
    redirects(web, clip, *["/again"] * 4)
    await assert_nothing_stays(library, OutputRefused)
    assert len(web.requests) == 4


@pytest.mark.parametrize(
    "way",
    [
        "http://videos.example.com/a.mp4",
        "file:///etc/passwd",
        "ftp://videos.example.com/a.mp4",
        "https://me:secret@videos.example.com/a.mp4",
        "https://127.0.0.1/a.mp4",
    ],
)
async def test_every_redirect_is_checked(library: Library, web: Web, clip: bytes, way: str) -> None:
    """A good address that leads to one it may not come from is followed no further."""
    redirects(web, clip, "/ok", way)
    await assert_nothing_stays(library, OutputRefused)
    assert web.asked == [URL, "https://videos.example.com/ok"]


@pytest.mark.parametrize("way", ["data:video/mp4;base64,AAAA", "https://[nowhere", "", "\\"])
async def test_a_redirect_to_nowhere_fails(library: Library, web: Web, clip: bytes, way: str) -> None:
    """A way that is no web address ends the download by one of the library's own errors."""
    web.answer = lambda _: httpx.Response(302, headers={"location": way})
    with pytest.raises((OutputRefused, DownloadFailed)):
        await saved(library, SHARE, URL)
    assert list(library.folder.iterdir()) == []


async def test_no_key_cookie_or_password_reaches_the_outputs_host(
    library: Library, web: Web, clip: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key, no cookie, no password of this machine: the host gets what is needed to send a file, and no more."""
    (tmp_path / ".netrc").write_text("default login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("RUNCOMFY_API_TOKEN", "rc-canary-0123456789abcdef")
    redirects(web, clip, "https://cdn.example.net/a.mp4", "https://videos.example.com/b.mp4")
    await saved(library, SHARE, URL)
    for request in web.requests:
        assert set(request.headers) == {"host", "accept", "accept-encoding", "user-agent"}
        assert "canary" not in repr(request.headers.raw)


# The disk


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """The system itself refuses to let any file of this process grow further."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_disk_that_takes_no_more_is_full(library: Library, web: Web) -> None:
    """A write the system refuses in the middle of a download is a full disk, and the part is taken away."""
    web.streams(BEGINNING + b"\0" * 64 * 2**20)
    with files_at_most(32 * 2**20):
        await assert_nothing_stays(library, DiskFull)


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EIO, LibraryError)]
)
@pytest.mark.parametrize("after", [0, 1])
async def test_a_disk_that_fails_late_is_told_by_its_reason(
    library: Library,
    web: Web,
    clip: bytes,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: type[LibraryError],
    after: int,
) -> None:
    """Where the system tells only at the flush (of video or folder), the reason still decides the name."""
    real, calls = os.fsync, iter(range(100))

    def fsync(handle: int) -> None:
        if next(calls) == after:
            raise OSError(number, os.strerror(number))
        real(handle)

    web.gives(clip)
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(LibraryError) as caught:
        await saved(library, SHARE, URL)
    assert type(caught.value) is error
    assert list(library.folder.glob(".*")) == []
    assert await saved(library, SHARE, URL) == (64, 64, 0.5)


async def test_room_is_checked_before_anything_is_paid(tmp_path: Path) -> None:
    """Too little free space is a full disk with both figures; enough leaves no trace of the check."""
    async with Library(tmp_path / "videos", room_needed=2**60) as library:
        with pytest.raises(DiskFull) as caught:
            await library.check_room()
    assert caught.value.facts["needed_mb"] == 2**40
    async with Library(tmp_path / "videos", room_needed=1) as library:
        await library.check_room()
        assert list(library.folder.iterdir()) == []


async def test_a_folder_that_went_away_is_an_error_of_the_library(library: Library, web: Web, clip: bytes) -> None:
    """Without its folder the library says so, at the check and at the save."""
    web.gives(clip)
    library.folder.rmdir()
    with pytest.raises(LibraryError):
        await library.check_room()
    with pytest.raises(LibraryError):
        await saved(library, SHARE, URL)


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file in the folder's place is named in one line, and stays."""
    (tmp_path / "videos").write_text("mine")
    with pytest.raises(LibraryError) as caught:
        async with Library(tmp_path / "videos"):
            pass
    assert str(tmp_path / "videos") in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert (tmp_path / "videos").read_text() == "mine"


async def test_a_start_clears_what_a_crash_left(tmp_path: Path) -> None:
    """Old unfinished files go; young ones may be another replica's, and videos and posters are never touched."""
    names = {".a.1.part", ".a.1.webp.part", ".b.2.part", "c.mp4", "c.webp"}
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    long_ago = time.time() - 86_400
    for name in (".a.1.part", ".a.1.webp.part", "c.mp4", "c.webp"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    async with Library(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {".b.2.part", "c.mp4", "c.webp"}
