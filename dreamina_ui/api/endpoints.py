"""The public endpoints, for programs: Gradio's own API, with inputs named as in the model card."""

import inspect
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

import gradio as gr

from dreamina_ui.api.arguments import PAGE, whole_number
from dreamina_ui.api.job_json import KEY_HEADER, shown_address_of, spoken, told
from dreamina_ui.cards.model_card import Field
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError
from dreamina_ui.jobs import HOLDER, Job
from dreamina_ui.web.callers import Asking
from dreamina_ui.web.saved_files import PROGRAM_PATH

__all__ = ["add_endpoints"]

_TYPES = {"text": str, "address": str, "integer": int, "number": float, "boolean": bool}


class _Endpoints:
    def __init__(self, engine: Engine, asking: Asking) -> None:
        self._engine = engine
        self._asking = asking

    async def generate(self, *values: Any) -> AsyncIterator[tuple[dict[str, Any], dict[str, Any] | None]]:
        """Make a video and follow it: streams [job, video] at each change; video is null until it is there.

        A caller who goes away loses nothing: the job goes on, and /job tells of it.
        """
        job = await self._submit(values)
        try:
            async for snapshot in self._engine.watch(HOLDER, job.job_id):
                yield await self._answer(snapshot)
        except DreaminaError as error:
            raise spoken(error) from None

    async def submit(self, *values: Any) -> dict[str, Any]:
        """Make a video and return its job at once; ask /job with its job_id how it is going."""
        return await told(self._engine, await self._submit(values), self._asking.now())

    async def job(
        self,
        job_id: str,
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """How a job is going: [job, video]; video is null until it is there. Whoever holds a job_id owns the job."""
        try:
            await self._take_key(job_id, request)
            return await self._answer(await self._engine.job(HOLDER, job_id))
        except DreaminaError as error:
            raise spoken(error) from None

    async def cancel(
        self,
        job_id: str,
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in
    ) -> dict[str, Any]:
        """Take a job back while it is queued. The state tells whether it was: a running one arrives, and is paid."""
        try:
            await self._take_key(job_id, request)
            return await told(self._engine, await self._engine.cancel(HOLDER, job_id), self._asking.now())
        except DreaminaError as error:
            raise spoken(error) from None

    async def history(
        self,
        limit: int = 24,
        offset: int = 0,
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it in, and wants it last
    ) -> list[dict[str, Any]]:
        """The asking visitor's own jobs (by cookie), newest first; at most 100 at once."""
        try:
            numbers = (whole_number(field, given) for field, given in zip(PAGE, (limit, offset), strict=True))
            jobs, _ = await self._engine.history.page(self._asking.visitor(request), *numbers)
        except DreaminaError as error:
            raise spoken(error) from None
        return [await told(self._engine, job, self._asking.now()) for job in jobs]

    async def _submit(self, values: tuple[Any, ...]) -> Job:
        *inputs, request = values
        named = {
            field.name: value for field, value in zip(_required_first(self._engine.card.fields), inputs, strict=True)
        }
        try:
            # A program that is not sure whether its call arrived sends it again with the same key, and pays once.
            key = request.headers.get(KEY_HEADER)
            click = self._asking.click_of(request, request.headers.get("idempotency-key"), key)
            [job] = await self._engine.submit(self._asking.visitor(request), named, key=key, **click)
            return job
        except DreaminaError as error:
            raise spoken(error, sent=False) from None

    async def _take_key(self, job_id: str, request: gr.Request) -> None:
        """A job that waits for its caller's key, after a restart, gets it with any call about it."""
        if (key := request.headers.get(KEY_HEADER)) is not None:
            await self._engine.keys.bring_for(job_id, key)

    async def _answer(self, job: Job) -> tuple[dict[str, Any], dict[str, Any] | None]:
        first = next(iter(await self._engine.files(job)), None)
        file = None
        if first:
            file = {
                "path": PROGRAM_PATH + first.path.name,
                "url": shown_address_of(job, first),
                "orig_name": first.path.name,
                "mime_type": first.kind.media_type,
                "meta": {"_type": "gradio.FileData"},
            }
        return await told(self._engine, job, self._asking.now()), file


def add_endpoints(engine: Engine, asking: Asking) -> None:
    """Place the five endpoints in the Gradio blocks of the caller."""
    endpoints = _Endpoints(engine, asking)
    job, video = dict[str, Any], dict[str, Any] | None

    async def generate(*values: Any) -> AsyncIterator[tuple[dict[str, Any], dict[str, Any] | None]]:
        async for answer in endpoints.generate(*values):
            yield answer

    async def submit(*values: Any) -> dict[str, Any]:
        return await endpoints.submit(*values)

    _shape(generate, engine.card.fields, tuple[job, video], endpoints.generate.__doc__)  # type: ignore[valid-type]
    _shape(submit, engine.card.fields, job, endpoints.submit.__doc__)
    for function in (generate, submit, endpoints.job, endpoints.cancel, endpoints.history):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


def _shape(function: Any, fields: Sequence[Field], returns: Any, doc: str | None) -> None:
    """Give a function the card's fields as its parameters: Gradio makes an endpoint's description from these."""
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
    """A field's kind as Python says it, with None where nothing is an answer, too."""
    kind: Any = Literal[field.choices] if field.choices else _TYPES.get(field.kind, Any)
    if field.kind == "list" and field.item is not None:
        kind = list[_annotation(field.item)]  # type: ignore[misc]
    return kind | None if field.can_be_empty and kind is not Any else kind


def _required_first(fields: Sequence[Field]) -> list[Field]:
    """Python wants parameters without a default before those with one."""
    return sorted(fields, key=lambda field: not field.required)
