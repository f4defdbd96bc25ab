"""The guard in front of Gradio: refuses requests from other sites' pages, and those that the page does not need.

Gradio answers requests of any client, for any host name and from any page, fetches any address, and keeps what it is sent.
Here is the list of what is allowed; everything else is refused, in this version of Gradio and in later ones.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePath
from urllib.parse import parse_qs, unquote_to_bytes

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamina_ui.config.hosts import Hosts
from dreamina_ui.media.kinds import KINDS
from dreamina_ui.web.checks.addresses import ADDRESS, asking_address
from dreamina_ui.web.checks.calls import refusal
from dreamina_ui.web.saved_files import PROGRAM_PATH

__all__ = ["Guard"]

API = "/gradio_api"
UPLOAD, FILE = f"{API}/upload", f"{API}/file="
HEALTH = "/healthz"
SAFE = ("GET", "HEAD", "OPTIONS")

# What the page, gradio_client and the description of the endpoints ask for; under a name that ends in "/", all.
READ = {
    *(
        "/",
        "/config",
        HEALTH,
        "/favicon.ico",
        "/manifest.json",
        "/pwa_icon",
        "/robots.txt",
        "/theme.css",
        "/show",
        "/vote",
    ),
    *("/assets/", "/static/", "/svelte/", "/dreamina/", "/vote/", "/show/", "/collection/"),
    *(f"{API}/info", f"{API}/openapi.json", f"{API}/app_id", f"{API}/theme.css"),
    *(f"{API}/queue/data", f"{API}/call/", f"{API}/heartbeat/", f"{API}/upload_progress"),
    *("/login/huggingface", "/login/callback", "/logout", f"{API}/mcp", f"{API}/mcp/"),  # where they are turned on
}
WRITE = {
    *(UPLOAD, f"{API}/queue/join", f"{API}/cancel", f"{API}/reset"),
    *(f"{API}/call/", f"{API}/mcp", f"{API}/mcp/"),
    *("/vote", "/vote/"),
}
CALLED = (f"{API}/queue/", f"{API}/cancel", f"{API}/reset", f"{API}/call/")
READ_WITH_EFFECTS = {
    # Reading a stream takes its messages out of the queue, and leaving it ends what runs for it.
    *(f"{API}/queue/data", f"{API}/call/", f"{API}/heartbeat/", f"{API}/upload_progress"),
    *("/logout", f"{API}/mcp", f"{API}/mcp/"),
}
NO_DOCUMENT = ("text/javascript", "application/javascript", "text/css", "font/", "image/webp")
"""What holds no script of its own to be shown by, so that a page's rules mean nothing to it; eighty such files make a page."""
SHOWN = frozenset(kind.ending.removeprefix(".image") for kind in KINDS if kind.inline)
"""How the names of files end that browsers show, and that can run nothing while they do; posters are among them."""


POLICY = "Content-Security-Policy"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # An address may hold a share id: no other site is told it.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
FORWARDED = ("x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix")
PARAMETERS = (
    *("session_hash", "upload_id", "video", "collection", "n", "v", "inline", "page", "deep_link"),
    *("job", "as", "from", "to", "width", "fps", "tell"),
)
"""What routes read of a query."""
PARAMETERS_MOST = 1000
MANY = {*((path, "video") for path in ("/dreamina/zip", "/show", "/vote/new")), ("/dreamina/join", "job")}
"""Those that may be named many times."""
NAMING = (f"{API}/heartbeat/", f"{API}/call/")
"""Below these, each part of a path is a name."""
NAME_MOST, PART_MOST, PATH_MOST = 64, 255, 4000
"""Characters of a name, bytes of any part of a path, characters of the whole."""
ONCE = {
    **dict.fromkeys(("host", "origin", "sec-fetch-site", "content-type", "content-length", "transfer-encoding"), 512),
    **dict.fromkeys(("range", "authorization", "x-runcomfy-key"), 4096),
    **dict.fromkeys(("idempotency-key", "x-dreamina-function", "x-dreamina-resent"), 200),
    "mcp-session-id": NAME_MOST,
}
"""Headers that decide something, and their most characters."""
RANGES_MOST = 8
COOKIES_MOST = 8192
"""Characters of all cookies, beyond which only `OUR_COOKIES` are read."""
OUR_COOKIES = ("dreamina_", "__Host-dreamina_", "session=")
NO_VALUES: Mapping[str, object] = {}
Say = Callable[..., str]


class Guard:
    """Middleware, to stand outermost; streams pass through it as they come.

    `named` are parameters that the page reads of a link. `folders` hold the files that may be had by their path; `say` gives the
    sentence of a key in the asker's language. `behind_proxy`: the proxy's word for the host and scheme it was asked by is
    believed. `on_space`: that proxy alone can be reached, and asks by names of its own; and the page may be shown in the Space's
    frame.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Hosts,
        folders: Collection[Path],
        say: Say,
        named: Collection[str] = (),
        behind_proxy: bool = False,
        on_space: bool = False,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._folders = {path for folder in folders for path in (folder, folder.resolve())}
        self._say = say
        self._named = {*PARAMETERS, *named}
        self._short = {*PARAMETERS} - {*named}  # a card may have a field that is called so
        self._behind_proxy = behind_proxy
        self._on_space = on_space
        self._policy = _policy(on_space)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = self._believed(scope)
        headers = Headers(scope=scope)
        address, is_outside = asking_address(scope, headers, behind_proxy=self._behind_proxy)
        scope[ADDRESS] = address if is_outside else ""
        hosts = [host for host in (_first(headers, "x-forwarded-host"), headers.get("host")) if host]
        foreign = self._is_foreign(scope, headers, hosts)
        send = self._with_headers(send, foreign)
        if refused := self._refusal(scope, hosts, foreign) or self._unclear(scope, headers):
            await self._answer(scope, *refused)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _answer(self, scope: Scope, status: int, key: str, values: Mapping[str, object] = NO_VALUES) -> Response:
        sentence = self._say(Request(scope), key, **values)
        if scope["path"].startswith(CALLED):
            return refusal(status, key.replace(".", "_"), sentence)
        return PlainTextResponse(sentence, status)

    def _believed(self, scope: Scope) -> Scope:
        """The request with the headers of the proxy that is trusted; without a proxy, with none of such headers."""
        headers = MutableHeaders(raw=list(scope["headers"]))
        del headers["x-gradio-server"]
        # Each is joined to one header, so that all parsers behind read the same: all cookies, and what the outermost proxy says.
        if cookies := "; ".join(value for value in headers.getlist("cookie") if value):
            headers["cookie"] = cookies if len(cookies) <= COOKIES_MOST else _ours(cookies)
        for name in FORWARDED:
            if name in headers:
                headers[name] = _first(headers, name)
        if headers.get("range", "").count(",") >= RANGES_MOST:
            del headers["range"]  # whoever asks for many pieces gets the whole
        if not self._behind_proxy:
            # uvicorn has by now set the scheme by what a proxy on this very machine says.
            for name in FORWARDED:
                del headers[name]
        https = scope["scheme"] == "https" or _first(headers, "x-forwarded-proto") == "https"
        return {**scope, "headers": headers.raw, "scheme": "https" if https else "http"}

    def _is_foreign(self, scope: Scope, headers: Headers, hosts: Collection[str]) -> bool:
        """Whether a browser says that the request was made by a page that is not ours. A program says nothing."""
        origin = headers.get("origin")
        if origin is not None and not self._hosts.is_own(origin, hosts, https=scope["scheme"] == "https"):
            return True
        return headers.get("sec-fetch-site") in ("cross-site", "same-site")

    def _refusal(self, scope: Scope, hosts: list[str], foreign: bool) -> tuple[int, str] | None:
        """Status and sentence, if the request goes no further."""
        path, safe = scope["path"], scope["method"] in SAFE
        if path == HEALTH and safe:
            return (
                None  # a platform's probe asks by whatever name it likes, or none; the answer says nothing of anybody
            )
        named = hosts[:1] if self._on_space else hosts
        if not named or not all(map(self._hosts.knows, named)):
            return 403, "guard.host"
        if foreign and (not safe or _is_in(path, READ_WITH_EFFECTS)):
            return 403, "guard.foreign"
        if path.startswith(FILE):
            name = path.removeprefix(FILE)
            return None if safe and (_is_saved(name) or self._may_be_had(name)) else (404, "guard.closed")
        return None if _is_in(path, READ if safe else WRITE) else (404, "guard.closed")

    def _unclear(self, scope: Scope, headers: Headers) -> tuple[int, str, Mapping[str, object]] | None:
        """Status, sentence and its values for a request that names something twice, too long, or in no letters.

        Readers behind would each take another one of two, or fail.
        """
        path: str = scope["path"]
        parts = path.split("/")
        if len(path) > PATH_MOST or not _is_text(scope) or any(len(part.encode()) > PART_MOST for part in parts):
            return 404, "guard.closed", {}
        named = parts[3:] if path.startswith(NAMING) else []
        try:
            query = scope["query_string"].decode("latin-1")
            given = parse_qs(query, keep_blank_values=True, max_num_fields=PARAMETERS_MOST)
        except ValueError:
            return 404, "guard.closed", {}
        for name, values in given.items():
            if name in self._named and len(values) > 1 and (path, name) not in MANY:
                return 400, "guard.twice", {"name": name}
            if name in self._short:
                named += values
        if any(len(value) > NAME_MOST for value in named):
            return 400, "guard.name", {"limit": NAME_MOST}
        for name, most in ONCE.items():
            values = headers.getlist(name)
            if len(values) > 1:
                return 400, "guard.twice", {"name": name}
            if values and len(values[0]) > most:
                return 400, "guard.name", {"limit": most}
        return None

    def _may_be_had(self, file: str) -> bool:
        """Whether it is the path of a file that is no secret: never an address, nor a way out of the folders."""
        path = PurePath(file)
        if path.suffix.lower() not in SHOWN:
            return False  # a page, an archive, a job's record: what is no picture, video or sound has its own address
        if ".." in path.parts or "\x00" in file or not path.is_absolute():
            return False
        return any(
            path.is_relative_to(folder) and not any(part.startswith(".") for part in path.relative_to(folder).parts)
            for folder in self._folders
        )

    def _with_headers(self, send: Send, foreign: bool) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = list(message.get("headers", ()))
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith(NO_DOCUMENT):
                    headers["X-Content-Type-Options"] = "nosniff"
                else:
                    # Of two policies a browser follows both: a route's own is not weakened, nor is ours.
                    headers.append(POLICY, self._policy)
                    for name, value in HEADERS.items():
                        headers.setdefault(name, value)
                if foreign:
                    # Gradio lets every origin read along, once it is not asked by a name of this machine.
                    for name in [name for name in headers if name.startswith("access-control-")]:
                        del headers[name]
            await send(message)

        return send_with_headers


def _is_saved(name: str) -> bool:
    """Whether the route of saved files answers it, and not Gradio's own; that route reads the name itself."""
    return name.startswith(PROGRAM_PATH) and "/" not in name.removeprefix(PROGRAM_PATH)


def _is_in(path: str, names: Collection[str]) -> bool:
    return path in names or any(name.endswith("/") and path.startswith(name) and name != "/" for name in names)


def _first(headers: Headers, name: str) -> str:
    """Of several proxies' words the first, which is the outermost one's."""
    return headers.get(name, "").split(",")[0].strip()


def _is_text(scope: Scope) -> bool:
    """Whether a path is letters, however it was written."""
    try:
        unquote_to_bytes(scope.get("raw_path") or b"").decode()
    except UnicodeDecodeError:
        return False
    path: str = scope["path"]
    return path.isprintable() or not any(letter < " " or letter == "\x7f" for letter in path)


def _ours(cookies: str) -> str:
    """Of many cookies, such as other programs of the same host have set, those that something here reads."""
    named = (part.strip() for part in cookies.split(";"))
    ours = [part for part in named if part.startswith(OUR_COOKIES)]
    return "; ".join(ours)[-COOKIES_MOST:]


def _policy(on_space: bool) -> str:
    # huggingface.co shows a Space in a frame; another Space may not.
    framed_by = " https://huggingface.co" if on_space else ""
    policy = {
        "default-src": "'self'",
        # Gradio's page is made of scripts and styles within itself, and makes functions of what `js=` gives it.
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "media-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self' data: blob:",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": f"'self'{framed_by}",
    }
    return "; ".join(f"{name} {sources}" for name, sources in policy.items())
