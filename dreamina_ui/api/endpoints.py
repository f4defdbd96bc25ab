"""The public endpoints of Gradio's API.

The inputs of `/generate` and `/submit` have the names of the default model's fields; `/run` takes any model's by name.
"""

import inspect
import secrets
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import gradio as gr

from dreamina_ui.api.arguments import PAGE, STARRED, truth, whole_number
from dreamina_ui.api.continuing import continued, model_of, parent_of
from dreamina_ui.api.files import with_files
from dreamina_ui.api.job_json import KEY_HEADER, api_error, collection_json, job_response, model_json, view_address
from dreamina_ui.api.rows import read_rows, webhook_of
from dreamina_ui.cards.model_card import Field
from dreamina_ui.cards.problems import shown
from dreamina_ui.engine.curation.collections import Collection
from dreamina_ui.engine.curation.exports import Wanted
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError, InvalidInput
from dreamina_ui.jobs import HOLDER, Job
from dreamina_ui.storage.job_queries import Search
from dreamina_ui.web.callers import Callers
from dreamina_ui.web.exports import export_json
from dreamina_ui.web.saved_files import PROGRAM_PATH

__all__ = ["TAKING_FILES", "TAKING_MANY", "add_endpoints"]

TAKING_FILES = ("generate", "submit", "run", "batch")
"""The endpoints whose inputs may be uploaded files."""
TAKING_MANY = ("batch",)
"""Those that take as much as the page's batch."""

SHARED = Field("shared", "shared", "", "boolean", required=False, default=True)
_TYPES = {"text": str, "address": str, "integer": int, "number": float, "boolean": bool}


@contextmanager
def _api_errors(*, sent: bool | None = None) -> Iterator[None]:
    """Raise the errors of the engine as programs get them; `sent` is as for `Words.sentence`."""
    try:
        yield
    except DreaminaError as error:
        raise api_error(error, sent=sent) from None


class _Endpoints:
    def __init__(self, engine: Engine, callers: Callers) -> None:
        self._engine = engine
        self._callers = callers

    async def generate(self, *values: Any) -> AsyncIterator[tuple[dict[str, Any], dict[str, Any] | None]]:
        """Make a video and stream [job, video] at each change of the job; video is null until it is saved.

        The job goes on when the caller disconnects; /job returns it.
        """
        *inputs, request = values
        async for response in self._watch(await self._submit(self._named(inputs), request)):
            yield response

    async def submit(self, *values: Any) -> dict[str, Any]:
        """Start a video and return its job at once; /job returns its status later."""
        *inputs, request = values
        job = await self._submit(self._named(inputs), request)
        return await job_response(self._engine, job, self._callers.now())

    async def run(
        self,
        model: str,
        settings: dict[str, Any],
        parent: str = "",
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in; it has to be last
    ) -> AsyncIterator[tuple[dict[str, Any], dict[str, Any] | None]]:
        """As /generate, with any model of /models: its model_id (empty is the default's), and its settings by their names.

        With the job_id of a `parent`, the video continues that one: it begins with its last frame and has its prompt, unless the
        settings have another; an empty model is then one that takes a picture.
        """
        job = await self._submit(settings, request, model, parent)
        async for response in self._watch(job):
            yield response

    async def batch(
        self,
        rows: list[dict[str, Any]],
        model: str = "",
        webhook: str = "",
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in; it has to be last
    ) -> list[dict[str, Any]]:
        """Start up to 200 videos, all or none, and return their jobs in the same order; each is sent when its turn comes.

        Each of rows has the settings of one video by their names, and may name its model: a model_id of /models; else it is
        the model that is given for all (empty is the default). webhook is an https address that is told the end of the batch.
        """
        with _api_errors(sent=False):
            key = request.headers.get(KEY_HEADER)
            click_id, call_id = self._callers.click_of(request, request.headers.get("idempotency-key"), key)
            visitor_id = self._callers.visitor(request)
            address = webhook_of(webhook)
            videos, models = await read_rows(self._engine, visitor_id, rows, model)
            jobs = await self._engine.batches.submit(
                visitor_id,
                videos,
                call_id or click_id or secrets.token_hex(16),
                models,
                is_call=call_id is not None,
                key=key,
                webhook=address,
            )
        return [await job_response(self._engine, job, self._callers.now()) for job in jobs]

    async def models(self) -> list[dict[str, Any]]:
        """The models that /run takes, the default first: the JSON Schema of their settings, and the price of the default ones.

        Prices are in US dollars; null is unknown. With a pricing_note, the base price is not the total.
        """
        return [await model_json(self._engine, card) for card in self._engine.models]

    async def job(
        self,
        job_id: str,
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """The status of a job: [job, video]; video is null until it is saved. Whoever has a job_id may use the job."""
        with _api_errors():
            await self._take_key(job_id, request)
            return await self._job_and_video(await self._engine.job(HOLDER, job_id))

    async def cancel(
        self,
        job_id: str,
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in
    ) -> dict[str, Any]:
        """Cancel a queued job. The state in the response says whether it worked: a rendering job arrives, and is charged."""
        with _api_errors():
            await self._take_key(job_id, request)
            return await job_response(self._engine, await self._engine.cancel(HOLDER, job_id), self._callers.now())

    async def history(
        self,
        limit: int = 24,
        offset: int = 0,
        starred: bool = False,
        collection_id: str = "",
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in; it has to be last
    ) -> list[dict[str, Any]]:
        """The asking visitor's own jobs (by cookie), newest first; at most 100 at once.

        With `starred` only those with a star; with a `collection_id` those of the collection, in its order.
        """
        with _api_errors():
            limit, offset = (whole_number(field, given) for field, given in zip(PAGE, (limit, offset), strict=True))
            visitor_id = self._callers.visitor(request)
            search = Search(starred=truth(STARRED, starred))
            if collection_id not in ("", None):
                one = await self._engine.collections.get(visitor_id, collection_id)
                search = replace(search, collection_id=one.collection_id)
            jobs = await self._engine.history.listed(visitor_id, limit, offset, search)
        return [await job_response(self._engine, job, self._callers.now()) for job in jobs]

    async def star(
        self,
        job_id: str,
        starred: bool = True,
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in
    ) -> dict[str, Any]:
        """Give a job a star, or with false take it away. Whoever has a job_id may use the job."""
        with _api_errors():
            job = await self._engine.star(HOLDER, job_id, starred=truth(STARRED, starred))
            return await job_response(self._engine, job, self._callers.now())

    async def collections(
        self,
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in
    ) -> list[dict[str, Any]]:
        """The asking visitor's own collections (by cookie), by name; /history lists the jobs of one."""
        with _api_errors():
            visitor_id = self._callers.visitor(request)
            counts = await self._engine.collections.counts(visitor_id)
            found = await self._engine.collections.listed(visitor_id)
            return [collection_json(one, counts.get(one.collection_id, 0)) for one in found]

    async def collect(
        self,
        name: str,
        job_ids: list[str],
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in
    ) -> dict[str, Any]:
        """Put finished videos of the asking visitor (by cookie) at the end of the collection of this name.

        It is made if there is none. Other visitors' jobs are left out.
        """
        with _api_errors():
            visitor_id = self._callers.visitor(request)
            if not isinstance(job_ids, list):
                raise InvalidInput("job_ids", "not_list", "job_ids: no list", given=shown(job_ids))
            return await self._collection(visitor_id, self._engine.collections.collect(visitor_id, name, job_ids))

    async def share_collection(
        self,
        collection_id: str,
        shared: bool = True,
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in
    ) -> dict[str, Any]:
        """Give the asking visitor's collection a link, in `url`; or with false withdraw it, after which it shows nothing."""
        with _api_errors():
            visitor_id = self._callers.visitor(request)
            collections = self._engine.collections
            change = collections.share if truth(SHARED, shared) else collections.withdraw
            return await self._collection(visitor_id, change(visitor_id, collection_id))

    async def _collection(self, visitor_id: str, change: Awaitable[Collection]) -> dict[str, Any]:
        one = await change
        counts = await self._engine.collections.counts(visitor_id)
        return collection_json(one, counts.get(one.collection_id, 0))

    async def join(
        self,
        job_ids: list[str],
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in
    ) -> dict[str, Any]:
        """Join the videos of 2 to 200 finished jobs into one MP4, in this order, free of charge.

        They are copied as they are where they can be, else encoded anew in the size and frame rate of the first. Returns the
        file's url, name, size in bytes, seconds, width and height.
        """
        with _api_errors():
            if not isinstance(job_ids, list):
                raise InvalidInput("job_ids", "not_list", "job_ids: no list", given=shown(job_ids))
            return export_json(await self._engine.exports.join(job_ids, **self._share(request)))

    async def export(
        self,
        job_id: str,
        format: Literal["mp4", "webm", "gif"] = "mp4",
        from_s: float | None = None,
        to_s: float | None = None,
        width: int | None = None,
        fps: int | None = None,
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in
    ) -> dict[str, Any]:
        """Make a file of a finished job's video, or of its part between two seconds, free of charge.

        An MP4 keeps size and frame rate; a WebM (at most 60 s) and a GIF (at most 15 s) take the most pixels of their width and
        the most frames a second. Returns as /join.
        """
        with _api_errors():
            wanted = Wanted.of(format, from_s, to_s, width, fps)
            return export_json(await self._engine.exports.export(job_id, wanted, **self._share(request)))

    def _share(self, request: gr.Request) -> dict[str, Any]:
        """Whose share of the work it is."""
        return {"visitor_id": self._callers.visitor(request), "address": self._callers.address(request)}

    def _named(self, inputs: Sequence[Any]) -> dict[str, Any]:
        fields = _required_first(self._engine.card.fields)
        return {field.name: value for field, value in zip(fields, inputs, strict=True)}

    async def _watch(self, job: Job) -> AsyncIterator[tuple[dict[str, Any], dict[str, Any] | None]]:
        with _api_errors():
            async for snapshot in self._engine.watch(HOLDER, job.job_id):
                yield await self._job_and_video(snapshot)

    async def _submit(
        self, values: Any, request: gr.Request, model: str | None = None, parent_id: str | None = None
    ) -> Job:
        with _api_errors(sent=False):
            if not isinstance(values, Mapping):
                raise InvalidInput("settings", "not_object", "settings: no object", given=shown(values))
            # A program that is not sure whether its call arrived sends it again with the same key, and pays once.
            key = request.headers.get(KEY_HEADER)
            click_id, call_id = self._callers.click_of(request, request.headers.get("idempotency-key"), key)
            visitor_id = self._callers.visitor(request)
            address = self._callers.address(request)
            parent = await parent_of(self._engine, parent_id)
            card = model_of(self._engine, model, parent)
            values = await with_files(self._engine, visitor_id, card.model_id, values, address=address)
            if parent is not None:
                values = await continued(self._engine, visitor_id, card, values, parent, address=address)
            [job] = await self._engine.submit(
                visitor_id,
                values,
                model=card.model_id,
                key=key,
                click_id=click_id,
                call_id=call_id,
                parent=parent,
            )
            return job

    async def _take_key(self, job_id: str, request: gr.Request) -> None:
        """After a restart, a job may wait for its caller's key; any call about the job that has the key continues it."""
        if (key := request.headers.get(KEY_HEADER)) is not None:
            await self._engine.keys.bring_for(job_id, key)

    async def _job_and_video(self, job: Job) -> tuple[dict[str, Any], dict[str, Any] | None]:
        first = next(iter(await self._engine.files(job)), None)
        file = None
        if first:
            file = {
                "path": PROGRAM_PATH + first.path.name,
                "url": view_address(job, first),
                "orig_name": first.path.name,
                "mime_type": first.kind.media_type,
                "meta": {"_type": "gradio.FileData"},
            }
        return await job_response(self._engine, job, self._callers.now()), file


def add_endpoints(engine: Engine, callers: Callers) -> None:
    """Add the endpoints to the Gradio blocks that are open."""
    endpoints = _Endpoints(engine, callers)
    job, video = dict[str, Any], dict[str, Any] | None

    async def generate(*values: Any) -> AsyncIterator[tuple[dict[str, Any], dict[str, Any] | None]]:
        async for response in endpoints.generate(*values):
            yield response

    async def submit(*values: Any) -> dict[str, Any]:
        return await endpoints.submit(*values)

    _set_signature(generate, engine.card.fields, tuple[job, video], endpoints.generate.__doc__)  # type: ignore[valid-type]
    _set_signature(submit, engine.card.fields, job, endpoints.submit.__doc__)
    for function in (
        generate,
        submit,
        endpoints.job,
        endpoints.cancel,
        endpoints.history,
        endpoints.models,
        endpoints.run,
        endpoints.star,
        endpoints.collections,
        endpoints.collect,
        endpoints.share_collection,
        endpoints.batch,
        endpoints.join,
        endpoints.export,
    ):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


def _set_signature(function: Any, fields: Sequence[Field], returns: Any, doc: str | None) -> None:
    """Give a function the card's fields as parameters: Gradio describes an endpoint by its function's signature."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [
        inspect.Parameter(
            field.name,
            kind,
            default=inspect.Parameter.empty if field.required else field.default,
            annotation=_annotation(field),
        )
        for field in _required_first(fields)
    ]
    parameters.append(inspect.Parameter("request", kind, default=None, annotation=gr.Request))
    function.__signature__ = inspect.Signature(parameters, return_annotation=returns)
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    function.__doc__ = doc


def _annotation(field: Field) -> Any:
    """The Python type of a field; `| None` if the field can be empty."""
    kind: Any = Literal[field.choices] if field.choices else _TYPES.get(field.kind, Any)
    if field.kind == "list" and field.item is not None:
        kind = list[_annotation(field.item)]  # type: ignore[misc]
    return kind | None if field.can_be_empty and kind is not Any else kind


def _required_first(fields: Sequence[Field]) -> list[Field]:
    """In Python, parameters without a default come before those with one."""
    return sorted(fields, key=lambda field: not field.required)
