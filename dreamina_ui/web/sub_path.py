"""The studio under a path of its host, such as `https://example.com/studio/`."""

from starlette.datastructures import URL, Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dreamina_ui.config.hosts import SUB_PATH

__all__ = ["SubPath"]

PREFIX_HEADER = "x-forwarded-prefix"


class SubPath:
    """Middleware, to stand outermost: everything inside sees paths without the sub-path, which is the `root_path` of the scope.

    The path is `root_path`, or else what the header X-Forwarded-Prefix says, if the proxy is `believed`. It does not matter
    whether the proxy takes it off the requests that it passes on.
    """

    def __init__(self, app: ASGIApp, root_path: str = "", *, believed: bool = False) -> None:
        self._app = app
        self._root_path = root_path
        self._believed = believed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix = self._prefix(scope) if scope["type"] == "http" else ""
        if not prefix:
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path == prefix:  # the page's own addresses are relative to a folder
            await RedirectResponse(URL(scope=scope).replace(scheme="", netloc="", path=f"{prefix}/"), 308)(
                scope, receive, send
            )
            return
        inner = {**scope, "root_path": prefix}
        if path.startswith(f"{prefix}/"):
            inner["path"] = path.removeprefix(prefix)
            if raw := scope.get("raw_path"):
                inner["raw_path"] = raw.removeprefix(prefix.encode())
        await self._app(inner, receive, send)

    def _prefix(self, scope: Scope) -> str:
        if self._root_path or not self._believed:
            return self._root_path
        told = Headers(scope=scope).get(PREFIX_HEADER, "").split(",")[0].strip().rstrip("/")
        return told if SUB_PATH.fullmatch(told) else ""
