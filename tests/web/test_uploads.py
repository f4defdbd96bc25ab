"""Uploads to a real server: a wrong one is refused in one sentence, and leaves nothing on the disk."""

import http.client
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dreamina_ui.web.checks.upload_form import TABLE_MOST, VIDEO_MOST
from dreamina_ui.web.visitors import COOKIE
from dreamina_ui.wording import Words
from tests.servers import ROOT, Server, wait_for

MP4 = b"\0\0\0\x18ftypisom" + b"\0" * 100
PNG, JPEG, MP3 = b"\x89PNG\r\n\x1a\n" + bytes(50), b"\xff\xd8\xff\xe0" + bytes(50), b"ID3\x04" + bytes(50)
SIZE = Words().say("guard.upload.size", video_mb=64, table_mb=2)
KIND, ONE, BROKEN, TABLE, NO_RECORD = (
    Words().say(key)
    for key in (
        *("upload.kind", "guard.upload.one", "guard.upload.broken", "guard.upload.table"),
        "settings.no_record",
    )
)
CLOSED = Words().say("guard.closed")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio whose uploads go into a folder of their own."""
    folder = tmp_path_factory.mktemp("studio")
    server = Server(folder, GRADIO_TEMP_DIR=str(folder / "uploads"))
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log


@pytest.fixture
def client(studio: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=studio.address, trust_env=False, timeout=60) as client:
        client.get("/")  # sets the visitor's cookie, which an upload needs
        yield client


def stored(studio: Server) -> set[Path]:
    """The files on the disk."""
    return {path for path in (studio.data.parent / "uploads").rglob("*") if path.is_file()}


def form(*parts: bytes, end: bytes = b"--line--\r\n") -> bytes:
    return b"".join(b"--line\r\n" + part + b"\r\n" for part in parts) + end


def part(name: str = "a.csv", body: bytes = b"prompt\n", field: str = "files") -> bytes:
    return f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode() + body


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.mp4", MP4),
        ("A.MP4", MP4),
        ("big.mp4", MP4 + bytes(VIDEO_MOST - len(MP4))),
        ("a.mov", b"\0\0\0\x14ftypqt  " + bytes(50)),
        ("a.m4a", b"\0\0\0\x18ftypM4A " + bytes(50)),
        ("a.png", PNG),
        ("a.jpg", JPEG),
        ("really-a-picture.MP4", PNG),
        ("a.mp3", MP3),
        ("a.json", b' {"app": "dreamina-ui"}'),
        ("a.csv", b"prompt\na boat\n"),
        ("a.tsv", b"prompt\tseed\na boat\t1\n"),
        ("a.txt", "Schöne Grüße".encode()),
        ("a.csv", "prompt\n海\n".encode("utf-16")),
        ("a.csv", b""),
        ("big.csv", b"x" * TABLE_MOST),
    ],
)
def test_records_and_tables_can_be_uploaded(studio: Server, client: httpx.Client, name: str, body: bytes) -> None:
    """They arrive whole, up to their limit; only media can be read by the path in the response."""
    reply = client.post("/gradio_api/upload", files={"files": (name, body)})
    assert reply.status_code == 200
    [path] = map(Path, reply.json())
    assert path.read_bytes() == body
    fetched = client.get(f"/gradio_api/file={path}")
    is_media = path.suffix.lower() not in (".csv", ".tsv", ".txt", ".json")
    assert (fetched.content, fetched.status_code) == (body, 200) if is_media else fetched.status_code == 404


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    ("name", "body", "status", "sentence"),
    [
        *((name, MP4, 415, KIND) for name in ("a.html", "a.svg", "a.mp4.exe", "a", "", ".mp4", "a.mp4 ")),
        *(
            (name, body, 415, NO_RECORD)
            for name in ("a.mp4", "a.png", "a.json")
            for body in (
                b"",
                b"\0\0\0\x18",
                b"<html><script>1</script>",
                b"#EXTM3U\nhttp://x/",
                b"%PDF-1.7" + bytes(50),
            )
        ),
        *((name, b'{"app": 1}' + bytes(50), 415, NO_RECORD) for name in ("a.mp4", "a.mp3")),
        ("a.json", b"{" * (TABLE_MOST + 1), 413, SIZE),
        *(("a.csv", body, 415, TABLE) for body in (b"\x7fELF\2\1\1", b"\0", MP4, b"\x1f\x8b\x08")),
        ("a.csv", b"x" * (TABLE_MOST + 1), 413, SIZE),
        ("a.csv", b"x" * 10 * TABLE_MOST, 413, SIZE),
        ("a.mp4", MP4 + bytes(VIDEO_MOST), 413, SIZE),
    ],
)
def test_other_files_are_refused(
    studio: Server, client: httpx.Client, name: str, body: bytes, status: int, sentence: str, announced: bool
) -> None:
    """Refused: other endings, other first bytes, too many bytes, with and without a content length."""
    before = stored(studio)
    whole = form(part(name, body))
    pieces = iter([whole]) if announced else (whole[at : at + 50_000] for at in range(0, len(whole), 50_000))
    headers = {"Content-Type": "multipart/form-data; boundary=line"}
    if announced:
        headers["Content-Length"] = str(len(whole))
    reply = client.post("/gradio_api/upload", content=pieces, headers=headers)
    assert (reply.status_code, reply.text) == (status, sentence)
    assert stored(studio) == before


@pytest.mark.parametrize(
    ("kind", "body", "sentence"),
    [
        ("multipart/form-data; boundary=line", form(part(), part("b.csv")), ONE),
        ("multipart/form-data; boundary=line", form(part("a.mp4", MP4 + bytes(200_000)), part("b.html", MP4)), ONE),
        ("multipart/form-data; boundary=line", form(part(field="other")), BROKEN),
        ("multipart/form-data; boundary=line", form(b'Content-Disposition: form-data; name="files"\r\n\r\nx'), KIND),
        ("multipart/form-data; boundary=line", form(b"X: y\r\n\r\nx"), BROKEN),
        ("multipart/form-data; boundary=line", form(), BROKEN),
        ("multipart/form-data; boundary=line", form(part("a.mp4", MP4 + bytes(200_000)), end=b""), BROKEN),
        ("multipart/form-data; boundary=line", b"", BROKEN),
        ("multipart/form-data; boundary=line", b"nonsense" * 20_000, BROKEN),
        ("multipart/form-data; boundary=line", form(b"X: " + b"y" * 100_000 + b"\r\n\r\nx"), BROKEN),
        ("multipart/form-data; boundary=line; charset=utf-16", form(part()), BROKEN),
        ("multipart/form-data", form(part()), BROKEN),
        ("text/csv", b"prompt\n", BROKEN),
        ("", b"prompt\n", BROKEN),
    ],
)
def test_other_forms_are_refused(studio: Server, client: httpx.Client, kind: str, body: bytes, sentence: str) -> None:
    """Refused: two files, none, a truncated form, no form; each with one sentence, and nothing is stored."""
    before = stored(studio)
    reply = client.post("/gradio_api/upload", content=body, headers={"Content-Type": kind})
    assert reply.status_code in (400, 415)
    assert reply.text == sentence
    assert stored(studio) == before


@pytest.mark.parametrize("cookie", ["", f"{COOKIE}=0123456789abcdef0123456789abcdef.forged"])
def test_an_upload_needs_the_visitors_cookie(studio: Server, cookie: str) -> None:
    """Nobody, and somebody with a forged one, uploads nothing; and the sentence says what is missing."""
    before = stored(studio)
    headers = {"Cookie": cookie} if cookie else {}
    address = f"{studio.address}/gradio_api/upload"
    reply = httpx.post(address, headers=headers, files={"files": ("a.csv", b"prompt\na boat\n")})
    assert (reply.status_code, reply.text) == (403, Words().say("guard.upload.stranger"))
    assert stored(studio) == before


def test_cancelled_upload_is_deleted(studio: Server, client: httpx.Client) -> None:
    """The part of an upload that arrived before the client disconnected is deleted."""
    before = stored(studio)
    connection = http.client.HTTPConnection(studio.address.removeprefix("http://"))
    connection.putrequest("POST", "/gradio_api/upload")
    connection.putheader("Content-Type", "multipart/form-data; boundary=line")
    connection.putheader("Content-Length", str(10_000_000))
    connection.putheader("Cookie", f"{COOKIE}={client.cookies[COOKIE]}")
    connection.endheaders(form(part("a.mp4", MP4 + bytes(300_000)), end=b""))
    wait_for(lambda: "it is being written" if stored(studio) != before else "")
    connection.close()
    wait_for(lambda: "it is gone" if stored(studio) == before else "")


def test_files_of_the_server_are_not_served(studio: Server, client: httpx.Client) -> None:
    """No spelling of a path reads the database, the secret, settings, source or files of the system."""
    data = studio.data
    (data / "videos" / ".env").write_text("RUNCOMFY_API_TOKEN=x")
    (data / "videos" / "a.mp4").write_bytes(MP4)
    assert (
        client.get(f"/gradio_api/file={data / 'videos' / 'a.mp4'}").status_code == 404
    )  # it has an address of its own
    secrets = [
        *(data / "dreamina.sqlite3", data / "secret", data / "owners", data, data / "videos", data / "videos" / ".env"),
        *(ROOT / ".env", ROOT / "app.py", ROOT / "README.md", ROOT / "dreamina_ui" / "settings.py", ROOT / "assets"),
        *(studio.data.parent / "server.log", Path("/etc/passwd"), Path("/proc/self/environ")),
    ]
    for path in secrets:
        for spelt in (f"{path}", f"{data}/videos/../../{path}", f"{data}/videos/%2e%2e/{path.name}", f"//{path}"):
            assert client.get(f"/gradio_api/file={spelt}").status_code in (403, 404), spelt


def test_the_server_fetches_no_address(client: httpx.Client) -> None:
    """An address instead of a path is refused before any request."""
    for path in ("file=http://127.0.0.1:9/a.mp4", "file=https://example.com/a.png", "proxy=https://x.hf.space/a"):
        reply = client.get(f"/gradio_api/{path}")
        assert (reply.status_code, reply.text) == (404, CLOSED)


def test_the_guard_is_the_outermost_middleware(client: httpx.Client) -> None:
    """It refuses before Gradio's own handling of other origins and before the health check."""
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    preflight = client.options("/gradio_api/queue/join", headers=asked)
    assert "nosniff" in preflight.headers["x-content-type-options"]
    assert not [name for name in preflight.headers if name.startswith("access-control-")]
    call, evil = {"data": [5, 0]}, {"Origin": "https://evil.example"}
    assert client.post("/gradio_api/call/history", headers=evil, json=call).status_code == 403
    assert client.post("/gradio_api/call/history", json=call).status_code == 200
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    well = client.get("/healthz")
    assert well.json() == {"status": "ok", "engine": "ok", "database": "ok", "disk": "ok"}
    assert "set-cookie" not in well.headers


def test_descriptions_reveal_nothing_internal(studio: Server, client: httpx.Client) -> None:
    """Neither the page nor the API description has the data folder, the value of a key, or private endpoints."""
    for path in ("/", "/config", "/gradio_api/info", "/gradio_api/openapi.json", "/manifest.json"):
        text = client.get(path).text
        assert str(studio.data) not in text, path
        assert "sqlite" not in text, path
        assert not re.search(r"DREAMINA_SECRET|DATABASE_URL", text), path
    described = client.get("/gradio_api/openapi.json").text
    called = set(re.findall(r"/gradio_api/call/(?:v2/)?(\w+)", described))
    others = {"batch", "star", "collections", "collect", "share_collection", "join", "export"}
    assert called == {"generate", "submit", "job", "cancel", "history", "models", "run", *others}
