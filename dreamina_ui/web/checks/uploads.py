"""Passes an upload on while it is checked: of a known visitor, within the quota, and of a form that may be."""

from collections import deque
from collections.abc import Callable
from functools import partial

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamina_ui.web.checks.addresses import ADDRESS
from dreamina_ui.web.checks.upload_form import (
    KINDS,
    KINDS_WITH_MEDIA,
    TABLE_MOST,
    VIDEO_MOST,
    UploadForm,
    UploadRefused,
)
from dreamina_ui.web.checks.upload_quota import UploadQuota

__all__ = ["Uploads"]

PATH = "/gradio_api/upload"
Say = Callable[..., str]


class Uploads:
    """Middleware: of the upload's route, passes nothing on before visitor, quota, name, kind and announced size are checked.

    `visitor_of` gives the visitor of a request, or None. With `media`, pictures, videos and sounds are accepted, too. A fault
    that is found later ends the upload; Gradio then deletes its temporary file.
    """

    def __init__(
        self,
        app: ASGIApp,
        say: Say,
        *,
        quota: UploadQuota,
        visitor_of: Callable[[Scope], str | None],
        media: bool = False,
    ) -> None:
        self._app = app
        self._say = say
        self._quota = quota
        self._visitor_of = visitor_of
        self._kinds = KINDS_WITH_MEDIA if media else KINDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body, upload, is_kept = _Body(receive), None, False
        try:
            if (visitor_id := self._visitor_of(scope)) is None:
                raise UploadRefused(403, "guard.upload.stranger")
            form = UploadForm(Headers(scope=scope), self._kinds)
            upload = await self._quota.begin(visitor_id, form.announced, scope.get(ADDRESS, ""))
            form.count = partial(self._quota.add, upload)
            await body.read_ahead(form)
            if not body.is_disconnected:
                await self._app(scope, body.receive, body.unless_over(send))
                is_kept = not body.is_over
        except UploadRefused as error:
            body.refused = error
        except MultiPartException:
            if not body.is_over:
                raise
        finally:
            if upload is not None:
                self._quota.end(upload, is_kept=is_kept)
        if body.refused:
            await body.drain()
            sizes = {"video_mb": VIDEO_MOST // 2**20, "table_mb": TABLE_MOST // 2**20}
            sentence = self._say(Request(scope), body.refused.key, **sizes)
            await PlainTextResponse(sentence, body.refused.status)(scope, receive, send)


class _Body:
    """The request's body, which `UploadForm` checks before Gradio gets it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read_ahead: deque[Message] = deque()
        self._form: UploadForm | None = None
        self._more = True
        self.refused: UploadRefused | None = None
        self.is_disconnected = False

    @property
    def is_over(self) -> bool:
        return self.is_disconnected or self.refused is not None

    async def read_ahead(self, form: UploadForm) -> None:
        """Read until the kind of the file is known. Raises `UploadRefused`."""
        self._form = form
        while not (form.file_is_known or self.is_disconnected):
            self._read_ahead.append(await self._next(form))

    async def receive(self) -> Message:
        """The app's `receive`. It raises `MultiPartException`, the only exception for which Gradio deletes its temporary file."""
        if self._read_ahead:
            return self._read_ahead.popleft()
        if not self._more or self._form is None:
            return await self._receive()
        try:
            message = await self._next(self._form)
        except UploadRefused as error:
            self.refused = error
            raise MultiPartException("refused") from error
        if self.is_disconnected:
            raise MultiPartException("the client has disconnected")
        return message

    def unless_over(self, send: Send) -> Send:
        async def send_unless_over(message: Message) -> None:
            if not self.is_over:
                await send(message)

        return send_unless_over

    async def drain(self) -> None:
        """Read the rest, up to a limit: a browser whose connection ends while it sends does not read the response."""
        read = 0
        while self._more and read <= VIDEO_MOST:
            message = await self._read()
            read += len(message.get("body", b""))

    async def _next(self, form: UploadForm) -> Message:
        message = await self._read()
        if not self.is_disconnected:
            form.feed(message.get("body", b""), last=not self._more)
        return message

    async def _read(self) -> Message:
        message = await self._receive()
        self.is_disconnected = message["type"] == "http.disconnect"
        self._more = not self.is_disconnected and bool(message.get("more_body"))
        return message
