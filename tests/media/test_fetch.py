"""Fetching an output: whom it connects to, what it sends, and when it stops. Real TLS, on this machine."""

import asyncio
import gzip
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dreamina_ui.errors import DownloadFailed, LibraryError, NotAnOutput, OutputRefused
from dreamina_ui.media.download.pinned import look_up
from dreamina_ui.media.library import Library
from tests.outside import FTYP, GOOD, HOST, OTHER, URL, Outside, library_of, redirect, reply
from tests.rig import saved, video_of

pytestmark = pytest.mark.anyio

SHARE = "0123456789abcdef0123456789abcdef"
SAVED = (64, 64, 0.5)


async def fails(library: Library, error: type[LibraryError], url: str = URL) -> LibraryError:
    with pytest.raises(LibraryError) as caught:
        await saved(library, SHARE, url)
    assert type(caught.value) is error
    assert list(library.folder.iterdir()) == []
    return caught.value


# Whom it connects to


async def test_the_number_is_connected_to_and_tls_names_the_host(outside: Outside, clip: bytes, tmp_path: Path) -> None:
    """One look-up, one connection to a number; TLS asks for the name, and so does the Host header."""
    outside.replies = [reply(clip)]
    async with library_of(outside, tmp_path) as library:
        assert await saved(library, SHARE, URL) == SAVED
        assert video_of(library, SHARE).read_bytes() == clip
    assert (outside.looked_up, outside.connected) == ([HOST], [(GOOD, 443)])
    assert outside.server_names == [HOST]
    assert [(asked.target, asked.headers["host"]) for asked in outside.asked] == [("/out/a.mp4?sig=1", HOST)]


@pytest.mark.parametrize("identity", ["other.example.com", GOOD, "127.0.0.1"])
async def test_a_certificate_for_another_is_refused(clip: bytes, tmp_path: Path, identity: str) -> None:
    """A certificate must be the name's, not the called number's: no request is sent to another's."""
    async with Outside(replies=[reply(clip)]).serving(identity) as outside, library_of(outside, tmp_path) as library:
        await fails(library, DownloadFailed)
    assert (outside.connected, outside.asked) == ([(GOOD, 443)], [])


async def test_a_certificate_of_an_unknown_authority_is_refused(outside: Outside, clip: bytes, tmp_path: Path) -> None:
    """The right name from an authority that is not trusted gets no request."""
    outside.replies = [reply(clip)]
    async with library_of(outside, tmp_path, transport=outside.transport(trust=False)) as library:
        await fails(library, DownloadFailed)
    assert outside.asked == []


async def test_a_name_that_changes_is_not_looked_up_again(outside: Outside, clip: bytes, tmp_path: Path) -> None:
    """A name that turns to this machine after the first look is not looked up again."""
    outside.names = {HOST: [[GOOD], ["127.0.0.1"]]}
    outside.replies = [reply(clip)]
    async with library_of(outside, tmp_path) as library:
        assert await saved(library, SHARE, URL) == SAVED
    assert (outside.looked_up, outside.connected) == ([HOST], [(GOOD, 443)])


async def test_a_name_that_has_changed_is_checked_again(outside: Outside, clip: bytes, tmp_path: Path) -> None:
    """A new connection to the same name, here for a redirect, is made to what the name means now, or not at all."""
    outside.names = {HOST: [[GOOD], ["127.0.0.1"]]}
    outside.replies = [redirect("/again"), reply(clip)]
    async with library_of(outside, tmp_path) as library:
        await fails(library, OutputRefused)
    assert (outside.looked_up, outside.connected) == ([HOST, HOST], [(GOOD, 443)])


async def test_a_number_that_does_not_answer_is_passed_over(outside: Outside, clip: bytes, tmp_path: Path) -> None:
    """Of a name's numbers, all of them judged, the next one is called; in the order the look-up gave."""
    outside.names, outside.dead = {HOST: [[OTHER, GOOD]]}, {OTHER}
    outside.replies = [reply(clip)]
    async with library_of(outside, tmp_path) as library:
        assert await saved(library, SHARE, URL) == SAVED
    assert outside.connected == [(OTHER, 443), (GOOD, 443)]


async def test_a_name_of_no_number_is_a_failed_download(outside: Outside, tmp_path: Path) -> None:
    """A name that is not found may be found at the next try."""
    outside.names = {HOST: [[]]}
    async with library_of(outside, tmp_path) as library:
        await fails(library, DownloadFailed)
    assert outside.connected == []


async def test_a_number_in_the_address_is_called_without_a_look_up(clip: bytes, tmp_path: Path) -> None:
    """An open number needs no look-up, and its certificate must be the number's."""
    async with Outside(replies=[reply(clip)]).serving(GOOD) as outside, library_of(outside, tmp_path) as library:
        assert await saved(library, SHARE, f"https://{GOOD}:8443/a.mp4") == SAVED
    assert (outside.looked_up, outside.connected) == ([], [(GOOD, 8443)])


async def test_the_system_looks_names_up() -> None:
    """Without another look-up the system's own is used: this machine's name gives this machine's number."""
    assert "127.0.0.1" in await look_up("localhost", 443)


async def test_many_are_fetched_at_once(outside: Outside, clip: bytes, tmp_path: Path) -> None:
    """Thirty jobs that end together are fetched together: each host answers only once all have asked."""
    all_asked = asyncio.Event()

    async def together(_: str) -> AsyncIterator[bytes]:
        if len(outside.asked) == 30:
            all_asked.set()
        await all_asked.wait()
        yield reply(clip)

    outside.replies = [together]
    async with library_of(outside, tmp_path) as library:
        names = [f"{number:032x}" for number in range(30)]
        assert await asyncio.gather(*(saved(library, name, URL) for name in names)) == [SAVED] * 30


# Trust


async def test_a_trusted_origin_is_not_judged(clip: bytes, tmp_path: Path) -> None:
    """What the settings trust is connected to by its name, wherever that leads; its certificate is still checked."""
    async with (
        Outside(replies=[reply(clip)]).serving("videos.lan") as outside,
        library_of(outside, tmp_path, trusted_origins={"https://videos.lan"}) as library,
    ):
        assert await saved(library, SHARE, "https://videos.lan/a.mp4") == SAVED
    assert (outside.looked_up, outside.connected) == ([], [("videos.lan", 443)])
    assert outside.server_names == ["videos.lan"]


@pytest.mark.parametrize(
    "url", ["https://videos.lan:8443/a.mp4", "http://videos.lan/a.mp4", "https://a.videos.lan/a.mp4"]
)
async def test_trust_is_for_one_origin(tmp_path: Path, url: str) -> None:
    """Another port, scheme or host is another origin."""
    outside = Outside()
    async with library_of(outside, tmp_path, trusted_origins={"https://videos.lan"}) as library:
        await fails(library, OutputRefused, url)
    assert (outside.looked_up, outside.connected) == ([], [])


async def test_an_address_with_two_meanings_is_refused(tmp_path: Path) -> None:
    """Trust or not: where the checking and the connecting reader see different hosts, nothing is connected."""
    outside = Outside()
    async with library_of(outside, tmp_path, trusted_origins={"https://bücher.example"}) as library:
        await fails(library, OutputRefused, "https://bücher.example/a.mp4")
    assert (outside.looked_up, outside.connected) == ([], [])


async def test_the_open_net_does_not_lead_to_what_is_trusted(outside: Outside, tmp_path: Path) -> None:
    """A redirect from a strange host to a trusted one of this network is judged as if nobody trusted it."""
    outside.replies = [redirect("https://videos.lan/a.mp4")]
    async with library_of(outside, tmp_path, trusted_origins={"https://videos.lan"}) as library:
        await fails(library, OutputRefused)
    assert outside.connected == [(GOOD, 443)]


async def test_a_trusted_host_may_lead_out(clip: bytes, tmp_path: Path) -> None:
    """A redirect from a trusted host into the open net is followed, and judged."""
    async with (
        Outside(replies=[redirect(URL), reply(clip)]).serving("videos.lan", HOST) as outside,
        library_of(outside, tmp_path, trusted_origins={"https://videos.lan"}) as library,
    ):
        assert await saved(library, SHARE, "https://videos.lan/a.mp4") == SAVED
    assert (outside.looked_up, outside.connected) == ([HOST], [("videos.lan", 443), (GOOD, 443)])


# What it sends


async def test_only_what_is_needed_is_sent_and_no_cookie_comes_back(
    outside: Outside, clip: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a redirect to the same host and a second save: four headers, no cookie, no key, no proxy of this machine."""
    monkeypatch.setenv("RUNCOMFY_API_TOKEN", "rc-canary-0123456789abcdef")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    cookie = "Set-Cookie: id=1; Path=/"
    outside.replies = [redirect("/b.mp4", cookie), reply(clip, cookie)]
    async with library_of(outside, tmp_path) as library:
        await saved(library, SHARE, URL)
        await saved(library, "f" * 32, URL)
    assert len(outside.asked) == 3
    for asked in outside.asked:
        assert set(asked.headers) == {"host", "accept", "accept-encoding", "user-agent"}
        assert asked.headers["accept-encoding"] == "identity"
        assert "canary" not in repr(asked)


# When it stops


async def test_an_announced_length_above_the_cap_is_refused_early(outside: Outside, tmp_path: Path) -> None:
    """Not one byte of a file that says it is too large is taken."""
    taken: list[str] = []

    async def passed(step: str) -> None:
        taken.append(step)

    outside.replies = [reply(FTYP * 100, length=10**12)]
    async with library_of(outside, tmp_path, passed=passed) as library:
        assert (await fails(library, OutputRefused)).message == "larger than 500 MB"
    assert taken == []


@pytest.mark.parametrize("beginning", [FTYP, b"\x1a\x45\xdf\xa3" + b"\0" * 28], ids=["MP4", "WebM"])
async def test_an_endless_file_ends_at_the_size_limit(outside: Outside, tmp_path: Path, beginning: bytes) -> None:
    """A body without an end, and without a length, is given up as soon as it is too large."""

    async def endless(_: str) -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n" + beginning
        while True:
            yield b"\0" * 2**16

    outside.replies = [endless]
    async with library_of(outside, tmp_path, size_most=3 * 2**20) as library:
        assert (await fails(library, OutputRefused)).message == "larger than 3 MB"


@pytest.mark.parametrize("header", [b"", b"Content-Length: 1000000\r\n"], ids=["no length", "a length"])
async def test_a_slow_download_ends_at_the_time_limit(outside: Outside, tmp_path: Path, header: bytes) -> None:
    """A host that always sends one more byte, so that it is never silent, is left when the time is up."""

    async def drip(_: str) -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n" + header + b"\r\n" + FTYP
        while True:
            yield b"\0"
            await asyncio.sleep(0.001)

    outside.replies = [drip]
    async with library_of(outside, tmp_path, time_most_s=0.3) as library:
        assert (await fails(library, DownloadFailed)).message == "it took too long"
    assert len(outside.asked) == 1


async def test_a_look_up_without_an_answer_ends_at_the_time_limit(tmp_path: Path) -> None:
    """The time of the look-up counts, too."""

    class Silent(Outside):
        async def look_up(self, host: str, port: int) -> list[str]:
            await asyncio.Event().wait()
            return [GOOD]

    async with library_of(Silent(), tmp_path, time_most_s=0.05) as library:
        assert (await fails(library, DownloadFailed)).message == "it took too long"


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip"])
async def test_a_packed_file_is_kept_packed(outside: Outside, tmp_path: Path, encoding: str) -> None:
    """64 MB of nothing in 64 KB, unasked for: not one byte of it is unpacked."""
    bomb = gzip.compress(FTYP + b"\0" * 64 * 2**20, 1)
    outside.replies = [reply(bomb, f"Content-Encoding: {encoding}")]
    async with library_of(outside, tmp_path) as library:
        file, _ = await library.save(SHARE, 1, URL)
        assert (file.kind.ending, file.path.read_bytes()) == (".gz", bomb)


@pytest.mark.parametrize("encoding", ["aws-chunked", "utf-8", "UTF-8", "binary", "none", "identity", "nonsense"])
async def test_an_encoding_that_means_nothing_is_passed_over(
    outside: Outside, clip: bytes, tmp_path: Path, encoding: str
) -> None:
    """Stores put words into Content-Encoding that pack nothing; the bytes are what they are."""
    outside.replies = [reply(clip, f"Content-Encoding: {encoding}")]
    async with library_of(outside, tmp_path) as library:
        assert await saved(library, SHARE, URL) == SAVED


async def test_a_web_page_is_refused_at_its_first_bytes(outside: Outside, tmp_path: Path) -> None:
    """An endless page is recognised by its beginning: neither the size nor the time has to run out."""

    async def page(_: str) -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n<!doctype html><html>"
        await asyncio.Event().wait()

    outside.replies = [page]
    async with library_of(outside, tmp_path) as library:
        await fails(library, NotAnOutput)


@pytest.mark.parametrize("broken", ["data:video/mp4;base64", "data:video/mp4;base64,A"])
async def test_a_data_address_that_holds_nothing_is_a_failed_download(
    outside: Outside, tmp_path: Path, broken: str
) -> None:
    """An address that should hold the file itself, and does not."""
    async with library_of(outside, tmp_path) as library:
        await fails(library, DownloadFailed, broken)
    assert outside.asked == []


async def test_a_file_that_comes_byte_by_byte_is_whole(outside: Outside, clip: bytes, tmp_path: Path) -> None:
    """However the network cuts a file, its kind is known and its bytes are kept in order."""
    cuts = random.Random(5)

    async def pieces(_: str) -> AsyncIterator[bytes]:
        yield f"HTTP/1.1 200 OK\r\nContent-Length: {len(clip)}\r\n\r\n".encode()
        start = 0
        while start < len(clip):
            end = start + cuts.randint(1, 7 if start < 64 else 900)
            yield clip[start:end]
            start = end

    outside.replies = [pieces]
    async with library_of(outside, tmp_path) as library:
        assert await saved(library, SHARE, URL) == SAVED
        assert video_of(library, SHARE).read_bytes() == clip


@pytest.mark.parametrize("length", [32, 5000])
async def test_a_connection_that_ends_early_is_a_failed_download(outside: Outside, tmp_path: Path, length: int) -> None:
    """Fewer bytes than announced are no file."""
    outside.replies = [reply(FTYP * (length // 32), length=length + 1)]
    async with library_of(outside, tmp_path) as library:
        await fails(library, DownloadFailed)


@pytest.mark.parametrize("status", ["304 Not Modified", "300 Multiple Choices", "302 Found", "103 Early Hints"])
async def test_a_redirect_to_nowhere_is_asked_once(outside: Outside, tmp_path: Path, status: str) -> None:
    """A 3xx that names no place is a failed download, not a circle."""
    outside.replies = [reply(status=status)]
    async with library_of(outside, tmp_path) as library:
        await fails(library, DownloadFailed)
    assert len(outside.asked) == 1
