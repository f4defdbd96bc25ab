"""The eight MCP tools. A client sees the jobs of its key or, without a key, of its session, and no others."""

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import anyio
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.requests import Request

from dreamina_ui.api.arguments import (
    PAGE,
    STARRED,
    arguments_of,
    fields_of_models,
    input_schema,
    truth,
    whole_number,
)
from dreamina_ui.api.continuing import PARENT, continued, model_of, parent_of
from dreamina_ui.api.files import with_files
from dreamina_ui.api.job_json import KEY_HEADER, WORDS, job_response, model_json, problem_json, view_address
from dreamina_ui.api.mcp import BODY_MOST, IDLE_S
from dreamina_ui.api.rows import read_rows, webhook_of
from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.models import Models
from dreamina_ui.cards.names import same_name
from dreamina_ui.cards.problems import shown
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.engine.curation.exports import FORMATS, Export, Wanted
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError, InvalidInput
from dreamina_ui.jobs import HOLDER, Job
from dreamina_ui.storage.job_queries import Search
from dreamina_ui.web.callers import CALL_KEY_LEAST
from dreamina_ui.web.checks.addresses import ADDRESS
from dreamina_ui.web.exports import export_json
from dreamina_ui.web.visitors import Visitors

__all__ = ["Tools"]

WAIT_S = 45.0
"""Seconds that `generate_video` waits for its video: clients give up after a minute."""
SESSIONS_MOST = 1000
LOG = logging.getLogger(__name__)

_JOB_ID = Field("job_id", "job_id", WORDS.say("mcp.job_id"), "text", required=True, default=None)
_KEY = Field(
    "idempotency_key", "idempotency_key", WORDS.say("mcp.idempotency_key"), "text", required=False, default=None
)
_PARENT = Field(PARENT, PARENT, WORDS.say("mcp.parent"), "text", required=False, default=None)
_SEARCH = Field("search", "search", WORDS.say("mcp.search"), "text", required=False, default=None)
_JOB_IDS = Field(
    "job_ids", "job_ids", WORDS.say("mcp.job_ids"), "list", required=True, default=None,
    item=Field("job_id", "job_id", "", "text", required=True, default=None),
)  # fmt: skip
_EXPORTED = (
    Field("format", "format", WORDS.say("mcp.format"), "choice", required=False, default="mp4", choices=tuple(FORMATS)),
    Field("from_s", "from_s", WORDS.say("mcp.from_s"), "number", required=False, default=None),
    Field("to_s", "to_s", WORDS.say("mcp.to_s"), "number", required=False, default=None),
    Field("width", "width", WORDS.say("mcp.width"), "integer", required=False, default=None),
    Field("fps", "fps", WORDS.say("mcp.fps"), "integer", required=False, default=None),
)
_ROWS = Field("rows", "rows", WORDS.say("mcp.rows"), "json", required=True, default=None)
_WEBHOOK = Field("webhook", "webhook", WORDS.say("mcp.webhook"), "text", required=False, default=None)
_KEY_MOST = 200
MAKING = ("generate_video", "generate_batch")
"""The tools that send something."""
MODEL = "model"
Tool = Callable[[dict[str, Any], Request], Awaitable[dict[str, Any]]]


class Tools:
    """`now` gives seconds since the epoch; `wait_s` is how long `generate_video` waits before it returns an unfinished job."""

    def __init__(self, engine: Engine, visitors: Visitors, now: Callable[[], float], *, wait_s: float = WAIT_S) -> None:
        self._engine = engine
        self._visitors = visitors
        self._now = now
        self._wait_s = wait_s
        self._tools: dict[str, Tool] = {
            "list_models": self._models,
            "generate_video": self._generate,
            "generate_batch": self._generate_batch,
            "job_status": self._status,
            "cancel_job": self._cancel,
            "list_videos": self._list,
            "join_videos": self._join,
            "export_video": self._export,
        }
        self._fields = fields_of_models(engine.models)
        taken = {field.name for field in self._fields}
        of_call = (_model_field(engine.models), _PARENT, _KEY)
        self._of_call = [field for field in of_call if field.name not in taken]
        self._arguments: dict[str, Sequence[Field]] = {
            "list_models": [_SEARCH],
            "generate_video": [*self._fields, *self._of_call],
            "generate_batch": [_ROWS, _model_field(engine.models), _WEBHOOK, _KEY],
            "job_status": [_JOB_ID],
            "cancel_job": [_JOB_ID],
            "list_videos": [*PAGE, STARRED],
            "join_videos": [_JOB_IDS],
            "export_video": [_JOB_ID, *_EXPORTED],
        }
        self._specs: dict[str, Any] = {}
        for card in reversed(list(engine.models)):
            self._specs |= card.source["input_schema"]["properties"]
        self._server: Server[Any, Request] = Server("dreamina-ui", instructions=WORDS.say("mcp.instructions"))
        self._server.list_tools()(self.list_tools)  # type: ignore[no-untyped-call]
        # The card validates the values: its errors are one sentence each.
        self._server.call_tool(validate_input=False)(self._call)

    def manager(self) -> StreamableHTTPSessionManager:
        # The library would log what clients send, and a traceback for each client that disconnects.
        logging.getLogger("mcp.server.lowlevel.server").setLevel(logging.ERROR)
        logging.getLogger("mcp.server.streamable_http").addFilter(_is_not_disconnect)
        return StreamableHTTPSessionManager(
            self._server,
            session_idle_timeout=IDLE_S,
            max_request_body_size=BODY_MOST,
            max_sessions=SESSIONS_MOST,
        )

    async def list_tools(self) -> list[types.Tool]:
        """The tools, described with the price that is known now."""
        read = types.ToolAnnotations(readOnlyHint=True, openWorldHint=False)
        make = types.ToolAnnotations(
            readOnlyHint=False, destructiveHint=False, idempotentHint=False, openWorldHint=True
        )
        cancel = types.ToolAnnotations(
            readOnlyHint=False, destructiveHint=True, idempotentHint=True, openWorldHint=True
        )
        model = self._engine.card.title
        return [
            self._tool("list_models", read),
            self._tool("generate_video", make, model=model, price=await self._price()),
            self._batch_tool(make, await self._price()),
            self._tool("job_status", read),
            self._tool("cancel_job", cancel),
            self._tool("list_videos", read),
            self._tool("join_videos", read),
            self._tool("export_video", read),
        ]

    def _tool(self, name: str, annotations: types.ToolAnnotations, **values: object) -> types.Tool:
        description = WORDS.say(f"mcp.{name}", **values)
        inputs = input_schema(self._arguments[name], self._specs)
        return types.Tool(name=name, description=description, inputSchema=inputs, annotations=annotations)

    def _batch_tool(self, annotations: types.ToolAnnotations, price: str) -> types.Tool:
        """Its rows have the arguments of `generate_video`."""
        tool = self._tool("generate_batch", annotations, price=price)
        of_row = [*self._fields, *(field for field in self._of_call if field is not _KEY)]
        rows = {"type": "array", "description": _ROWS.description, "items": input_schema(of_row, self._specs)}
        inputs = {**tool.inputSchema, "properties": {**tool.inputSchema["properties"], _ROWS.name: rows}}
        return tool.model_copy(update={"inputSchema": inputs})

    async def _price(self) -> str:
        if not self._engine.backend.charges:
            return WORDS.say("mcp.price.free")
        card = self._engine.card
        usd = await self._engine.money.estimate_usd(card, {field.name: field.default for field in card.fields})
        if usd is not None:
            return WORDS.say("mcp.price.about", usd=f"{usd:.2f}")
        price = await self._engine.money.price(card)
        if not price.note and price.base_price_usd is None:
            return WORDS.say("mcp.price.unknown")
        base = WORDS.price(self._engine.backend, None, base_usd=price.base_price_usd, unit=price.unit)
        return WORDS.say("mcp.price.base", base=base, note=WORDS.price_note(price.note)).strip()

    async def _call(self, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        request = self._server.request_context.request
        try:
            if name not in self._tools or request is None:
                return _error_result(
                    {"code": "unknown_tool", "message": WORDS.say("mcp.unknown", given=ascii(name[:40])[1:-1])}
                )
            values, ignored = arguments_of(await self._arguments_of(name, arguments), arguments)
            answer = await self._tools[name](values, request)
            if ignored:
                said = WORDS.say("mcp.ignored", names=", ".join(ignored))
                answer |= {"ignored_arguments": ignored, "next": " ".join(filter(None, (answer.get("next"), said)))}
            return _result(answer)
        except DreaminaError as error:
            return _error_result(problem_json(error, sent=False if name in MAKING else None))
        except Exception:
            # The library would send the text of the exception to the client.
            LOG.exception("a tool failed")
            return _error_result(problem_json(DreaminaError()))

    async def _arguments_of(self, name: str, arguments: Mapping[str, Any]) -> Sequence[Field]:
        """The arguments of a call; those of `generate_video` are of its model. Raises `InvalidInput` or `JobNotFound`."""
        if name != "generate_video":
            return self._arguments[name]
        of_model = [given for given in arguments if same_name(given, MODEL) or same_name(given, PARENT)]
        call, _ = arguments_of(self._of_call, {given: arguments[given] for given in of_model})
        return [*(await self._model(call)).fields, *self._of_call]

    async def _model(self, call: Mapping[str, Any]) -> Card:
        """The model of a call of `generate_video`."""
        return model_of(self._engine, call.get(MODEL), await self._parent(call))

    async def _parent(self, call: Mapping[str, Any]) -> Job | None:
        return await parent_of(self._engine, call.get(PARENT) if _PARENT in self._of_call else None)

    async def _models(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        words = str(values.get(_SEARCH.name) or "").casefold().split()
        found = [card for card in self._engine.models if all(word in _named(card) for word in words)]
        return {"models": [await model_json(self._engine, card) for card in found]}

    async def _generate(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        key, owner = request.headers.get(KEY_HEADER), self._owner(request)
        call_key = values.pop(_KEY.name, None)
        call_id = None if call_key is None else self._call_id(call_key, owner if key else "")
        address = request.scope.get(ADDRESS, "")
        call = {field.name: values.pop(field.name, None) for field in self._of_call}
        card, parent = await self._model(call), await self._parent(call)
        values = await with_files(self._engine, owner, card.model_id, values, address=address)
        if parent is not None:
            values = await continued(self._engine, owner, card, values, parent, address=address)
        [job] = await self._engine.submit(owner, values, model=card.model_id, call_id=call_id, key=key, parent=parent)
        try:
            async with asyncio.timeout(self._wait_s):
                changes = 0
                async for snapshot in self._engine.watch(HOLDER, job.job_id):
                    job, changes = snapshot, changes + 1
                    await self._progress(job, changes)
        except TimeoutError:
            pass
        return await self._response(job, request)

    async def _generate_batch(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        key, owner = request.headers.get(KEY_HEADER), self._owner(request)
        call_key = values.get(_KEY.name)
        call_id = None if call_key is None else self._call_id(call_key, owner if key else "")
        if _ROWS.name not in values:
            raise InvalidInput(_ROWS.name, "missing", message="")
        webhook = webhook_of(values.get(_WEBHOOK.name))
        rows, models = await read_rows(self._engine, owner, values[_ROWS.name], values.get(MODEL), _by_field)
        batch_id = call_id or secrets.token_hex(16)
        jobs = await self._engine.batches.submit(
            owner, rows, batch_id, models, is_call=call_id is not None, key=key, webhook=webhook
        )
        videos = [await self._response(job, request) for job in jobs]
        return {"videos": videos, "next": WORDS.say("mcp.next.batch")}

    async def _status(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        job_id = await self._job_id(values, request)
        return await self._response(await self._engine.job(HOLDER, job_id), request)

    async def _cancel(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        job_id = await self._job_id(values, request)
        return await self._response(await self._engine.cancel(HOLDER, job_id), request)

    async def _list(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        limit, offset = (whole_number(field, values.get(field.name)) for field in PAGE)
        search = Search(starred=truth(STARRED, values.get(STARRED.name)))
        jobs = await self._engine.history.listed(self._owner(request), limit, offset, search)
        return {"videos": [await self._response(job, request) for job in jobs]}

    async def _join(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        job_ids = values.get(_JOB_IDS.name)
        if isinstance(job_ids, str):  # as models without lists write one
            job_ids = [part.strip("\"'[]") for part in job_ids.replace(",", " ").split()]
        if not isinstance(job_ids, list):
            raise InvalidInput(_JOB_IDS.name, "not_list", given=shown(job_ids), message="")
        return await self._made(self._engine.exports.join(job_ids, **self._share(request)), request)

    async def _export(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        job_id = await self._job_id(values, request)
        wanted = Wanted.of(*(values.get(field.name) for field in _EXPORTED))
        return await self._made(self._engine.exports.export(job_id, wanted, **self._share(request)), request)

    async def _made(self, making: Awaitable[Export], request: Request) -> dict[str, Any]:
        """What was made; if that takes long, it goes on, and the next call with the same arguments gets it."""
        try:
            async with asyncio.timeout(self._wait_s):
                made = export_json(await making)
        except TimeoutError:
            return {"file": None, "next": WORDS.say("mcp.next.making")}
        return {"file": {**made, "url": f"{str(request.base_url).rstrip('/')}{made['url']}"}}

    def _share(self, request: Request) -> dict[str, Any]:
        return {"visitor_id": self._owner(request), "address": request.scope.get(ADDRESS, "")}

    async def _job_id(self, values: dict[str, Any], request: Request) -> str:
        """The id that is named; a job that waits for its caller's key gets it. Whoever holds a job id owns the job."""
        job_id = values.get("job_id")
        if job_id is None:
            raise InvalidInput("job_id", "missing", message="")
        if not isinstance(job_id, str):
            raise InvalidInput("job_id", "not_text", given=shown(job_id), message="")
        job_id = job_id.strip()
        if (key := request.headers.get(KEY_HEADER)) is not None:
            await self._engine.keys.bring_for(job_id, key)
        return job_id

    def _call_id(self, key: Any, owner: str) -> str | None:
        """The id of the call with this idempotency key: the owner's, or of whoever has it. None for an empty key."""
        if not isinstance(key, str):
            raise InvalidInput(_KEY.name, "not_text", given=shown(key), message="")
        key = key.strip()
        if not key:
            return None
        if len(key) > _KEY_MOST:
            raise InvalidInput(_KEY.name, "too_long", given=len(key), limit=_KEY_MOST, message="")
        if not owner and len(key) < CALL_KEY_LEAST:
            raise InvalidInput(_KEY.name, "too_short", given=len(key), limit=CALL_KEY_LEAST, message="")
        return self._visitors.call_id(key, owner)

    def _owner(self, request: Request) -> str:
        if key := request.headers.get(KEY_HEADER):
            return self._visitors.of_mcp_client(f"key {key}")
        # The session id is 128 random bits that only this client knows.
        return self._visitors.of_mcp_client(f"session {request.headers[MCP_SESSION_ID_HEADER]}")

    async def _response(self, job: Job, request: Request) -> dict[str, Any]:
        first = next(iter(await self._engine.files(job)), None)
        base = str(request.base_url).rstrip("/")
        url = f"{base}{view_address(job, first)}" if first else None
        next_step = "mcp.next.ended" if job.ended else "mcp.next.status"
        return {
            "job": await job_response(self._engine, job, self._now()),
            "video_url": url,
            "next": WORDS.say(next_step),
        }

    async def _progress(self, job: Job, changes: int) -> None:
        context = self._server.request_context
        token = context.meta.progressToken if context.meta else None
        if token is not None:
            words = WORDS.explain(job) or WORDS.state_line(job)
            if changes == 1:
                words = WORDS.say("mcp.first", message=words, job_id=job.job_id)
            related = str(context.request_id)
            # The caller may end its session meanwhile; the job goes on.
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                await context.session.send_progress_notification(
                    token, changes, None, words, related_request_id=related
                )


def _by_field(card: Card, values: dict[str, Any]) -> dict[str, Any]:
    """The values of a row by the card's fields; what is none of them stays, and is refused: to ask again costs nothing."""
    known, _ = arguments_of(card.fields, values)
    others = {name: value for name, value in values.items() if not any(same_name(name, each) for each in known)}
    return {**known, **others}


def _named(card: Card) -> str:
    return f"{card.model_id} {card.title} {card.source.get('task', '')}".casefold()


def _model_field(models: Models) -> Field:
    ids = tuple(card.model_id for card in models)
    default = models.default.model_id
    return Field(MODEL, MODEL, WORDS.say("mcp.model"), "choice", required=False, default=default, choices=ids)


def _is_not_disconnect(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], anyio.ClosedResourceError))


def _result(answer: dict[str, Any]) -> types.CallToolResult:
    text = types.TextContent(type="text", text=json.dumps(answer))
    return types.CallToolResult(content=[text], structuredContent=answer)


def _error_result(problem: dict[str, str]) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=json.dumps(problem))], isError=True)
