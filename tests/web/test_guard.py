"""The guard, with a small app behind it: foreign pages, foreign names, closed routes, files, headers."""

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dreamina_ui.config.hosts import Hosts
from dreamina_ui.errors import SettingError
from dreamina_ui.settings import Settings
from dreamina_ui.web.callers import words_for
from dreamina_ui.web.guard import Guard
from dreamina_ui.web.visitors import COOKIE, VisitorCookie, Visitors
from dreamina_ui.wording import Words

pytestmark = pytest.mark.anyio
JOIN = "/gradio_api/queue/join"
OWN = "http://127.0.0.1:7860"
NAME = "studio.example.com"
SPACE = "me-studio.hf.space"
STRICTER = "default-src 'none'; sandbox"
FOREIGN = Words().say("guard.foreign")
UNKNOWN = Words().say("guard.host")
CLOSED = Words().say("guard.closed")


def sentence_of(reply: httpx.Response) -> str:
    """The sentence of a refusal; calls of the page's own get it as JSON, of which Gradio's browser side shows the detail."""
    is_json = reply.status_code != 200 and "json" in reply.headers.get("content-type", "")
    return str(reply.json()["detail"]) if is_json else reply.text


async def reached(request: Request) -> PlainTextResponse:
    """The app behind: says what it was told of the way the request took."""
    headers = [request.url.scheme, *(request.headers.get(f"x-forwarded-{name}", "-") for name in ("host", "proto"))]
    if request.url.path == "/dreamina/upload/stricter":
        return PlainTextResponse("", headers={"Content-Security-Policy": STRICTER, "Referrer-Policy": "no-referrer"})
    kind = request.headers.get("x-kind", "text/plain")
    return PlainTextResponse(" ".join([*headers, request.headers.get("x-gradio-server", "-")]), media_type=kind)


BEHIND = Starlette(
    routes=[Route("/{path:path}", reached, methods=["GET", "POST", "PUT", "DELETE"])],
    middleware=[
        # As open as Gradio's own: every origin may read along.
        Middleware(CORSMiddleware, allow_origin_regex=".*", allow_credentials=True, allow_methods=["*"]),
        Middleware(VisitorCookie, visitors=Visitors("a-secret-of-16-or-more")),
    ],
)


def guarded(folders: list[Path] | None = None, *, names: set[str] | None = None, on_space: bool = False) -> Guard:
    return Guard(
        BEHIND,
        hosts=Hosts(names or ()),
        folders=folders or [],
        say=lambda request, key, **values: words_for(request).say(key, **values),
        behind_proxy=bool(names),
        on_space=on_space,
    )


async def ask(guard: Guard, method: str, path: str, base: str = OWN, **headers: str | None) -> httpx.Response:
    """The answer; `Sec_Fetch_Site="…"` is that header, and one that is None is not sent."""
    sent = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url=base) as client:
        return await client.request(method, path, headers=sent)


@pytest.mark.parametrize(
    ("origin", "site", "passes"),
    [
        (None, None, True),  # curl, gradio_client
        ("http://127.0.0.1:7860", None, True),
        ("http://127.0.0.1:7860", "same-origin", True),
        (None, "same-origin", True),
        (None, "none", True),
        ("https://evil.example", "cross-site", False),
        ("https://evil.example", None, False),
        (None, "cross-site", False),
        ("http://127.0.0.1:7860", "cross-site", False),
        ("http://127.0.0.1:3000", "same-site", False),  # another program of this machine
        (None, "same-site", False),
        ("http://127.0.0.1", None, False),
        ("http://localhost:7860", None, False),
        ("null", None, False),
        ("", None, False),
        ("http://127.0.0.1:7860.evil.example", None, False),
        ("http://127.0.0.1:7860@evil.example", None, False),
        ("http://127.0.0.1:7860, https://evil.example", None, False),
        ("ftp://127.0.0.1:7860", None, False),
        ("chrome-extension://abcdef", None, False),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", JOIN), ("GET", "/gradio_api/queue/data?session_hash=x")])
async def test_pages_of_others_change_nothing(
    method: str, path: str, origin: str | None, site: str | None, passes: bool
) -> None:
    """Only our own page, or a program without a page, gets through; reading a stream takes from it, and so counts."""
    reply = await ask(guarded(), method, path, Origin=origin, Sec_Fetch_Site=site)
    assert (reply.status_code, sentence_of(reply) == FOREIGN) == ((200, False) if passes else (403, True))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "NONSENSE"])
async def test_every_method_but_the_reading_ones_can_change(method: str) -> None:
    """What is not known to be harmless is not."""
    reply = await ask(guarded(), method, "/", Origin="https://evil.example")
    assert (reply.status_code, sentence_of(reply)) == (403, FOREIGN)


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_what_changes_nothing_stays_open_but_unread(method: str) -> None:
    """A link from elsewhere opens the page; a script from elsewhere is not let read it, whatever the app allows."""
    headers = {
        "Origin": "https://evil.example",
        "Sec_Fetch_Site": "cross-site",
        "Access_Control_Request_Method": "POST",
    }
    reply = await ask(guarded(), method, "/config", **headers)
    assert reply.status_code == 200
    assert not [name for name in reply.headers if name.startswith("access-control-")]
    headers = {"Origin": OWN, "Access_Control_Request_Method": "POST"}
    own = await ask(guarded(), method, "/config", **headers)
    assert own.headers["access-control-allow-origin"] == "http://127.0.0.1:7860"


@pytest.mark.parametrize(
    ("host", "names", "passes"),
    [
        ("127.0.0.1:7860", set(), True),
        ("localhost:7860", set(), True),
        ("LOCALHOST", set(), True),
        ("[::1]:7860", set(), True),
        ("192.168.1.20:7860", set(), True),  # a rebinding takes a name
        ("[fe80::1]", set(), True),
        ("evil.example", set(), False),
        ("evil.example:7860", set(), False),
        ("localhost.evil.example", set(), False),
        ("127.0.0.1.evil.example", set(), False),
        ("127.0.0.1.nip.io", set(), False),
        ("2130706433", set(), False),
        ("0x7f.1", set(), False),
        (NAME, set(), False),
        (NAME, {NAME}, True),
        (f"{NAME}.:443", {NAME}, True),
        (NAME.upper(), {NAME}, True),
        ("evil.example", {NAME}, False),
        (f"x{NAME}", {NAME}, False),
        (f"a.{NAME}", {f"*.{NAME}"}, True),
        (NAME, {f"*.{NAME}"}, False),
        (f"evil{NAME}", {f"*.{NAME}"}, False),
        ("", set(), False),
        ("a b", set(), False),
        ("127.0.0.1:7860:1", set(), False),
        ("127.0.0.1/evil.example", set(), False),
        ("::1", set(), False),
        ("[localhost]", set(), False),
    ],
)
async def test_only_known_names_are_answered(host: str, names: set[str], passes: bool) -> None:
    """Numbers, this machine and configured names; to any other the sentence says what to set."""
    reply = await ask(guarded(names=names), "GET", "/", Host=host)
    assert (reply.status_code, sentence_of(reply) == UNKNOWN) == ((200, False) if passes else (403, True))
    assert "DREAMINA_ALLOWED_HOSTS" in UNKNOWN


async def test_the_sentence_is_in_the_askers_language() -> None:
    """German for who asks for it."""
    reply = await ask(guarded(), "GET", "/", Host="evil.example", Accept_Language="de-AT,de;q=0.9")
    assert sentence_of(reply) == Words("de").say("guard.host")


async def test_nobodys_word_is_taken_for_a_proxys() -> None:
    """Without names to be asked by there is no proxy: what it would have said is not even passed on."""
    forged = {
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Proto": "https",
        "X_Gradio_Server": "https://evil.example",
    }
    reply = await ask(guarded(), "POST", JOIN, **forged)
    assert reply.text == "http - - -"
    assert "Secure" not in reply.headers["set-cookie"]
    reply = await ask(guarded(), "POST", JOIN, Origin="https://evil.example", **forged)
    assert sentence_of(reply) == FOREIGN


async def test_a_proxy_is_believed() -> None:
    """With a configured name: the scheme, and so the cookie; the name it was asked by, if it is a known one."""
    guard = guarded(names={NAME, "upstream"})
    headers = {"X_Forwarded_Host": NAME, "X_Forwarded_Proto": "https, http"}
    reply = await ask(guard, "POST", JOIN, "http://upstream:7860", Origin=f"https://{NAME}", **headers)
    assert reply.text.startswith(f"https {NAME} https")
    cookie = reply.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "Secure", "SameSite=None", "Partitioned"))
    reply = await ask(guard, "POST", JOIN, f"http://{NAME}", Origin=f"http://{NAME}", **headers)
    assert sentence_of(reply) == FOREIGN  # over https, a page of plain http is not ours
    for host, forwarded in ((NAME, "evil.example"), ("evil.example", NAME)):
        reply = await ask(guard, "GET", "/", Host=host, X_Forwarded_Host=forwarded)
        assert sentence_of(reply) == UNKNOWN  # a rebound page can send this header, but not that of another host


async def test_a_proxy_that_tells_nothing() -> None:
    """The name that was configured is our origin even if the proxy asks by its own; one of a whole domain is not."""
    guard = guarded(names={NAME, "*.example.org"})
    assert (await ask(guard, "POST", JOIN, Origin=f"https://{NAME}")).status_code == 200
    for origin in (f"https://{NAME}:8443", "https://a.example.org", "http://localhost", "https://a.studio.example.com"):
        assert sentence_of(await ask(guard, "POST", JOIN, Origin=origin)) == FOREIGN


async def test_on_a_space() -> None:
    """It knows its own name, whatever it is asked by behind its proxy; another Space is another site."""
    settings = Settings.from_env({"SPACE_ID": "me/studio", "SPACE_HOST": SPACE})
    guard = guarded(names=set(settings.allowed_hosts), on_space=settings.on_space)
    headers = {"X_Forwarded_Host": SPACE, "X_Forwarded_Proto": "https"}
    for host in (SPACE, "10.20.30.40:7860", "r-me-studio-abc"):
        reply = await ask(guard, "POST", JOIN, f"http://{host}", Origin=f"https://{SPACE}", **headers)
        assert reply.status_code == 200
        assert "Partitioned" in reply.headers["set-cookie"]
    assert (
        sentence_of(await ask(guard, "POST", JOIN, f"http://{SPACE}", Origin="https://other.hf.space", **headers))
        == FOREIGN
    )
    assert (await ask(guard, "GET", "/", "http://10.20.30.40:7860")).status_code == 200  # its health check
    assert sentence_of(await ask(guard, "GET", "/", "http://evil.example")) == UNKNOWN
    frames = reply.headers["content-security-policy"].split("frame-ancestors ")[1]
    assert frames == "'self' https://huggingface.co"  # 'self' is the Space's own name; another Space is a stranger


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/gradio_api/proxy=https://x.hf.space/a",
            "/gradio_api/deep_link?session_hash=x",
            "/gradio_api/file/etc/passwd",
        ),
        *(
            "/gradio_api/stream/a/b/c/playlist.m3u8",
            "/gradio_api/custom_component/a/client/b/c.js",
            "/gradio_api/token",
        ),
        *("/gradio_api/dev/reload", "/gradio_api/vibe-code", "/gradio_api/runs", "/gradio_api/run-history/records"),
        *("/gradio_api/profiling/traces", "/gradio_api/queue/status", "/gradio_api/user", "/monitoring"),
        *("/monitoring/summary", "/monitoring/x", "/docs", "/redoc", "/openapi.json", "/login", "/.env"),
        *("/gradio_api", "/gradio_api/", "/gradio_api/anything-new", "/configx", "/static", "/gradio_api/queue/data/"),
    ],
)
async def test_what_the_page_does_not_need_is_closed(path: str) -> None:
    """No route is open but those that are listed: not to GET, and not to POST."""
    for method in ("GET", "POST"):
        reply = await ask(guarded(), method, path)
        assert (reply.status_code, sentence_of(reply)) == (404, CLOSED)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/gradio_api/run/predict",
            "/gradio_api/api/submit",
            "/gradio_api/component_server",
            "/gradio_api/process_recording",
        ),
        *("/gradio_api/vibe-edit", "/gradio_api/stream/x", "/gradio_api/run-history/connect", "/login", "/"),
        *("/config", "/gradio_api/info", "/gradio_api/heartbeat/x", "/gradio_api/file=/x", "/dreamina/zip"),
    ],
)
async def test_what_is_not_written_to_is_closed_to_post(path: str) -> None:
    """Events come by the queue alone, which bounds them; a route that is read is not written to."""
    reply = await ask(guarded(), "POST", path)
    assert (reply.status_code, sentence_of(reply)) == (404, CLOSED)


async def test_files_come_from_the_folders_and_from_nowhere_else(tmp_path: Path) -> None:
    """A path below a folder is passed on; an address, a way out, a hidden or a relative name is not."""
    videos, beside = tmp_path / "videos", tmp_path / "videos-beside"
    guard = guarded([videos])
    (tmp_path / "linked").symlink_to(videos)
    for good in (videos / "a.mp4", videos / "b" / "c.webp"):
        assert (await ask(guard, "GET", f"/gradio_api/file={good}")).status_code == 200
    bad = [
        *(
            "http://example.com/a.mp4",
            "https://example.com/",
            "//example.com/a",
            "file:///etc/passwd",
            "ftp://x/y",
            "data:,x",
        ),
        *("/etc/passwd", "etc/passwd", "a.mp4", "", ".", "/", "C:/Windows/win.ini", "\\\\host\\share"),
        *(f"{videos}/../secret", f"{videos}/%2e%2e/secret", f"{videos}/b/../../secret", f"{videos}/.a.part"),
        *(
            f"{videos}/b/.env",
            str(beside / "a.mp4"),
            str(tmp_path / "secret"),
            f"{videos}/a.mp4%00.txt",
            f"{videos}%00",
        ),
    ]
    for path in bad:
        reply = await ask(guard, "GET", f"/gradio_api/file={path}")
        assert (reply.status_code, sentence_of(reply)) == (404, CLOSED), path


@pytest.mark.parametrize("path", ["/", "/monitoring", "/healthz", "/assets/a.js", "/gradio_api/info"])
async def test_every_answer_has_the_headers(path: str) -> None:
    """Given and refused ones: no guessing of types, no share id to other sites, no frame but our own, no devices."""
    for host in ("localhost", "evil.example"):
        headers = (await ask(guarded(), "GET", path, Host=host)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        policy = headers["content-security-policy"].split("; ")
        assert {"object-src 'none'", "base-uri 'self'", "form-action 'self'", "frame-ancestors 'self'"} <= set(policy)
        assert not any("https:" in part or "*" in part for part in policy)


async def test_what_is_no_document_carries_no_rules_for_documents() -> None:
    """A script or a style sheet is only kept from being taken for something else."""
    for kind in ("text/javascript; charset=utf-8", "text/css", "font/woff2", "image/webp"):
        headers = (await ask(guarded(), "GET", "/assets/a.js", X_Kind=kind)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "content-security-policy" not in headers
    for kind in ("image/svg+xml", "text/html"):
        assert "content-security-policy" in (await ask(guarded(), "GET", "/assets/a.js", X_Kind=kind)).headers


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/", True),
        ("/config", True),
        (JOIN, True),
        ("/healthz", False),
        ("/assets/a.js", False),
        ("/favicon.ico", False),
    ],
)
async def test_a_cookie_is_given_where_it_is_of_use(path: str, given: bool) -> None:
    """Not with what is the same for everybody, nor to what watches the server."""
    reply = await ask(guarded(), "POST" if path == JOIN else "GET", path)
    assert reply.status_code == 200
    assert (COOKIE in reply.headers.get("set-cookie", "")) is given


def test_names_are_set_by_a_setting() -> None:
    """Separated by commas, in any case; a Space adds its own, and elsewhere there are none."""
    assert Settings.from_env({"SPACE_HOST": SPACE}).allowed_hosts == frozenset()
    settings = Settings.from_env({"DREAMINA_ALLOWED_HOSTS": f" {NAME.upper()}, *.lan ,"})
    assert settings.allowed_hosts == {NAME, "*.lan"}
    on_space = Settings.from_env({"SPACE_ID": "me/studio", "SPACE_HOST": SPACE, "DREAMINA_ALLOWED_HOSTS": NAME})
    assert on_space.allowed_hosts == {NAME, SPACE, "*.hf.space"}


@pytest.mark.parametrize("value", ["https://a.example", "a.example:80", "*", "*.", "a b", "a.example/", "a,*b"])
def test_a_name_that_is_none_stops_the_start(value: str) -> None:
    """What is no name would be silently of no use."""
    with pytest.raises(SettingError, match="DREAMINA_ALLOWED_HOSTS"):
        Settings.from_env({"DREAMINA_ALLOWED_HOSTS": value})


@pytest.mark.parametrize("host", ["10.1.2.3:8080", "pod-7.internal", "evil.example", "a b", ""])
async def test_a_probe_may_ask_by_any_name(host: str) -> None:
    """`/healthz` answers by each Host; the page, and anything but reading, does not."""
    guard = guarded()
    assert (await ask(guard, "GET", "/healthz", Host=host)).status_code == 200
    assert (await ask(guard, "HEAD", "/healthz", Host=host)).status_code == 200
    if host != "10.1.2.3:8080":
        assert (await ask(guard, "GET", "/", Host=host)).status_code == 403
        assert (await ask(guard, "POST", "/healthz", Host=host)).status_code == 403


def test_a_space_with_a_domain_of_its_own() -> None:
    """Hugging Face then sets both names in one variable."""
    env = {"SPACE_ID": "me/studio", "SPACE_HOST": "studio.example.com,me-studio.hf.space"}
    assert Settings.from_env(env).allowed_hosts == {"studio.example.com", "me-studio.hf.space", "*.hf.space"}


async def test_a_stricter_policy_of_a_route_stays() -> None:
    """A browser follows every policy that it is sent: the route's, and the guard's beside it."""
    headers = (await ask(guarded(), "GET", "/dreamina/upload/stricter")).headers
    policies = headers.get_list("content-security-policy")
    assert policies[0] == STRICTER
    assert "frame-ancestors 'self'" in policies[1]
    assert headers["referrer-policy"] == "no-referrer"
    assert len((await ask(guarded(), "GET", "/")).headers.get_list("content-security-policy")) == 1


LONG = "a" * 65


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/gradio_api/queue/data?session_hash=a&session_hash=b", 400),
        ("/gradio_api/queue/data?session_hash=a&session_hash=", 400),
        (f"/gradio_api/queue/data?session_hash={LONG}", 400),
        (f"/gradio_api/heartbeat/{LONG}", 400),
        (f"/gradio_api/call/submit/{LONG}", 400),
        (f"/gradio_api/upload_progress?upload_id={LONG}", 400),
        ("/?video=a&video=b", 400),
        ("/?prompt=a&prompt=b", 400),
        (f"/dreamina/zip?video=a&video={LONG}", 400),
        (f"/dreamina/join?job=a&job={LONG}", 400),
        ("/dreamina/export?job=a&job=b", 400),
        ("/dreamina/export?job=a&from=1&from=2", 400),
        (f"/dreamina/export?job=a&to={'9' * 5000}", 400),
        (f"/dreamina/video/a?n={'9' * 5000}", 400),
        ("/dreamina/video/%00", 404),
        ("/assets/%ff", 404),
        ("/assets/a%0ab", 404),
        (f"/assets/{'a' * 256}", 404),
        ("/?" + "a&" * 1001, 404),
        (f"/assets/{'ä' * 200}", 404),
        (f"/assets/{'a/' * 3000}", 404),
        # What people and pages send:
        ("/dreamina/zip?video=a&video=b&video=a", 200),
        ("/dreamina/join?job=a&job=b&job=a", 200),
        ("/?prompt=a+boat&seed=7&utm_source=a&utm_source=b", 200),
        (f"/?prompt={'a' * 5000}", 200),
        (f"/?inline=https://a.example/{'a' * 500}", 200),  # a field of the card
        (f"/gradio_api/heartbeat/{LONG[1:]}", 200),
        (f"/assets/{'ä' * 100}%20100%25.js", 200),
        ("/?%zz=%&=", 200),
    ],
)
async def test_what_a_request_names_is_clear(path: str, status: int) -> None:
    """What is read is named once, in letters, and by a name; the page's calls are told in JSON."""
    guard = Guard(BEHIND, hosts=Hosts(), folders=[], say=lambda _, key, **__: key, named=["prompt", "inline"])
    reply = await ask(guard, "GET", path)
    assert reply.status_code == status
    if status == 400 and path.startswith("/gradio_api/queue"):
        assert reply.json()["detail"] in ("guard.twice", "guard.name")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("idempotency-key", "a" * 16), ("idempotency-key", "b" * 16)], 400),
        ([("x-runcomfy-key", "a"), ("X-RunComfy-Key", "b")], 400),
        ([("x-dreamina-function", "a"), ("x-dreamina-function", "b")], 400),
        ([("origin", OWN), ("origin", "https://evil.example")], 400),
        ([("idempotency-key", "a" * 201)], 400),
        ([("mcp-session-id", LONG)], 400),
        ([("idempotency-key", "a" * 200), ("x-runcomfy-key", "b" * 512), ("origin", OWN)], 200),
        ([("accept", "a"), ("accept", "b"), ("via", "1.1 a"), ("via", "1.1 b")], 200),
    ],
)
async def test_a_header_that_decides_is_sent_once(headers: list[tuple[str, str]], status: int) -> None:
    """Two keys, two pages: it is not clear which one is meant. What decides nothing may be repeated."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded()), base_url=OWN) as client:
        reply = await client.post(JOIN, headers=headers)
    assert reply.status_code == status, reply.text
    if status == 400:
        assert "nothing was done" in reply.json()["detail"]


async def test_everybody_behind_reads_the_same() -> None:
    """Cookies in several lines are one line, of several proxies' words the first is the only one, many ranges are none."""
    seen: list[Request] = []

    async def keep(request: Request) -> PlainTextResponse:
        seen.append(request)
        return PlainTextResponse("")

    app = Starlette(routes=[Route("/", keep)])
    guard = Guard(app, hosts=Hosts({NAME}), folders=[], say=lambda _, key, **__: key, behind_proxy=True)
    headers = [("cookie", "a=1"), ("cookie", "b=2; a=3"), ("x-forwarded-host", f"{NAME}, b"), ("x-forwarded-host", "c")]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url=f"http://{NAME}") as client:
        await client.get("/", headers=[*headers, ("range", "bytes=0-1,3-4")])
        others = "; ".join(f"other{number}={'x' * 100}" for number in range(500))
        await client.get("/", headers=[("cookie", f"{others}; dreamina_visitor=a; {others}; session=b")])
        await client.get("/", headers=[("range", "bytes=" + ",".join(f"{at}-{at}" for at in range(0, 900, 2)))])
    few, crumbs, many = seen
    assert few.headers.getlist("cookie") == ["a=1; b=2; a=3"]
    assert few.headers.getlist("x-forwarded-host") == [NAME]
    assert few.headers["range"] == "bytes=0-1,3-4"
    assert crumbs.headers["cookie"] == "dreamina_visitor=a; session=b"
    assert "range" not in many.headers
