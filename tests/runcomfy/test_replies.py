"""The contract's replies, one table a call: what the service answers → the value, or the exception."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamina_ui import errors
from dreamina_ui.runcomfy.client import Cancellation, Outcome, Phase, Price, Result, RunComfy, Status, Submitted
from dreamina_ui.runcomfy.replies import Reply, clean, result_in
from tests.replies import CASES, Case, filled
from tests.virtual import NoWait

pytestmark = pytest.mark.anyio

BASE = "https://api.test/v1"
KEY = "rc-key-0123456789abcdef"
VIDEO, OTHER, IMAGE = "https://o.test/a.mp4", "http://o.test/b.mp4", "https://o.test/c.png"
HTML = b"<html>502</html>"
NO_REQUEST_IDS: Sequence[object] = (None, "", True, -7, 1.5, [], "a/b", "../x", "r 1", "r-1\n", "é", "a" * 129)
NO_POSITIONS: Sequence[object] = (None, True, -1, 1.5, "x", float("nan"), float("inf"), 10**400, 2**31, [])
NO_STATUSES: Sequence[object] = (None, "", 3, [], {"a": "failed"})
NO_COSTS: Sequence[object] = (
    *(None, True, "free", -1, float("nan"), float("inf"), 10**400, {}, "-0.3", "€0.42", "1,234", "5 credits"),
)
NO_OUTPUTS: Sequence[object] = (None, [], {}, "")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


Call = Callable[[RunComfy], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "submit": lambda api: api.submit("maker/model", {"prompt": "a fox"}, key=KEY),
    "status": lambda api: api.status("r-1", key=KEY),
    "result": lambda api: api.result("r-1", key=KEY),
    "cancel": lambda api: api.cancel("r-1", key=KEY),
    "price": lambda api: api.price("maker/model", key=KEY),
    "balance": lambda api: api.balance(key=KEY),
}


async def answer(call: str, status: int, body: object, headers: dict[str, str] | None = None) -> Any:
    """What a call makes of one reply; `body` is bytes as they are, or a JSON value."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=content, headers=headers)

    async with RunComfy(BASE, transport=httpx.MockTransport(reply), clock=NoWait()) as api:
        return await CALLS[call](api)


async def expect(call: str, status: int, body: object, expected: object) -> None:
    if isinstance(expected, type):
        with pytest.raises(errors.ServiceError) as caught:
            await answer(call, status, body)
        assert type(caught.value) is expected
        assert caught.value.status_code == status
    else:
        assert await answer(call, status, body) == expected


ORIGIN = "https://o.test"
PLACES = {
    "ORIGIN": ORIGIN,
    "HOST": "o.test",
    "URL": ORIGIN + "/clip.mp4",
    "SECOND": ORIGIN + "/second.mp4",
    "FILE": ORIGIN + "/files/17",
    "POSTER": ORIGIN + "/poster.png",
    "SOUND": ORIGIN + "/sound.mp3",
    "DATA": "data:video/mp4;base64,AAAAIGZ0eXBpc29t",
}


async def followed(case: Case) -> tuple[str, Result | None, str]:
    """How a job ends with these replies, for whoever asks the status and, once it ended, the result: three times each.

    Gives one of `Right`, the last result, and what a person is told.
    """
    given = {"submit": case.submit, "status": case.status, "result": case.result}
    http = {"submit": case.submit_http, "status": case.status_http, "result": case.result_http}
    asked = dict.fromkeys(given, 0)

    async def reply(request: httpx.Request) -> httpx.Response:
        call = "submit" if request.method == "POST" else request.url.path.rpartition("/")[2]
        body = filled(given[call][min(asked[call], len(given[call]) - 1)], **PLACES)
        asked[call] += 1
        return httpx.Response(http[call], content=body if isinstance(body, bytes) else json.dumps(body).encode())

    async with RunComfy(ORIGIN + "/v1", transport=httpx.MockTransport(reply), clock=NoWait()) as api:
        try:
            request_id = (await api.submit("maker/model", {}, key=KEY)).request_id
        except errors.Refusal as refusal:
            return "refused", None, refusal.message
        except errors.OutcomeUnknown as unknown:
            assert case.facts.items() <= unknown.facts.items()
            assert ("answered" in unknown.facts) == ("answered" in case.facts)
            return "uncertain", None, unknown.message
        assert request_id == case.request_id
        right, result = "goes on", None
        for _ in range(3):
            try:
                status = await api.status(request_id, key=KEY)
            except errors.ServiceError:
                continue
            if status.phase is not Phase.ENDED:
                right = {Phase.IN_QUEUE: "waits", Phase.CANCELLED: "cancelled"}.get(status.phase, "goes on")
                continue
            try:
                result = await api.result(request_id, key=KEY)
            except errors.ServiceError:
                if status.says_failed:
                    return "failed", None, status.error
                continue
            if result.outcome is Outcome.SUCCEEDED:
                right = "saved" if result.outputs else "empty"
            elif result.outcome is Outcome.FAILED:
                right = "part" if result.outputs else "failed"
            else:
                right = {Outcome.IN_QUEUE: "waits", Outcome.CANCELLED: "cancelled"}.get(result.outcome, "goes on")
        return right, result, result.error if result else ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_replies_to_paid_jobs(case: Case) -> None:
    """Each reply of the table is read as what it means."""
    right, result, said = await followed(case)
    assert right == case.right
    assert case.says in said
    if right in ("saved", "part"):
        assert result is not None
        assert result.outputs == tuple(filled(case.outputs, **PLACES))
    if result is not None:
        assert result.came == case.came
        if len(case.result) == 1:
            assert result.cost_usd == case.cost_usd


def code(number: object) -> dict[str, object]:
    return {"error_code": number, "error_message": "no"}


REFUSALS: list[tuple[int, object, type]] = [
    *(
        (status, code(number), kind)
        for status in (200, 400, 401, 404, 500)
        for number, kind in [
            (400001, errors.UnknownModel),
            (400002, errors.NoBalance),
            (400004, errors.KeyRefused),
            (403001, errors.PermissionDenied),
            (422001, errors.InputRefused),
            ("400002", errors.NoBalance),
        ]
    ),
    (400, {"message": "no"}, errors.Refusal),
    (400, {}, errors.Refusal),
    (401, {}, errors.KeyRefused),
    (402, {}, errors.NoBalance),
    (403, {}, errors.PermissionDenied),
    (422, {}, errors.InputRefused),
    (429, {}, errors.TooManyRequests),
    (400, code(499999), errors.Refusal),
    (402, code("E_PAY"), errors.NoBalance),
    (200, code(400099), errors.Refusal),
    (200, code(401099), errors.KeyRefused),
    (200, code(429001), errors.TooManyRequests),
    (401, b"", errors.KeyRefused),
    (401, HTML, errors.KeyRefused),
    (429, HTML, errors.TooManyRequests),
]
"""Said no: not accepted, not charged; the same on every call."""

UNAVAILABLE: list[tuple[int, object]] = [
    (500, {}),
    (502, HTML),
    (503, b""),
    (504, {"request_id": "r-1", "status": "completed", "output": {"video": VIDEO}}),
    (200, code(500001)),
]
UNREADABLE: list[tuple[int, object]] = [
    (200, HTML),
    (200, b""),
    (200, b'{"request_id": "r-1", "sta'),
    (200, b"\xff\xfe\x00"),
    (200, b"[" * 100_000),
    (200, b'{"cost": ' + b"9" * 5000 + b"}"),
    (200, b'{"request_id": "r-1", "x": "' + b"x" * (1 << 20) + b'"}'),
    (200, []),
    (200, "perhaps"),
    (200, None),
    (204, b""),
    (200, code("WEIRD")),
    (200, code(True)),
    (200, code(7)),
    (302, {}),
    (307, b""),
    (400, HTML),
    (402, HTML),
    (403, HTML),
    (404, HTML),
    (404, b""),
    (422, "no"),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("status", "body", "kind"), REFUSALS)
async def test_a_refusal(call: str, status: int, body: object, kind: type) -> None:
    """A refusal is told by its error code first, then by the HTTP status, on every call."""
    await expect(call, status, body, kind)


@pytest.mark.parametrize("call", ["submit", "cancel", "price"])
async def test_a_conflict(call: str) -> None:
    """Only a status and a result can be asked for too early."""
    await expect(call, 409, {}, errors.Refusal)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("status", "body"), [(200, code(404001)), (400, code(404001)), (404, {})])
async def test_not_found(call: str, status: int, body: object) -> None:
    """What was not found is the model where a model was named, and the request elsewhere."""
    kind = errors.UnknownModel if call in ("submit", "price") else errors.UnknownRequest
    await expect(call, status, body, kind)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("status", "body"), UNAVAILABLE)
async def test_unavailable(call: str, status: int, body: object) -> None:
    """A 5xx is a service that is away, and on a submit an unknown outcome."""
    await expect(call, status, body, errors.OutcomeUnknown if call == "submit" else errors.Unavailable)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("status", "body"), UNREADABLE)
async def test_unreadable(call: str, status: int, body: object) -> None:
    """A reply outside the contract is unreadable, and on a submit an unknown outcome."""
    await expect(call, status, body, errors.OutcomeUnknown if call == "submit" else errors.UnreadableReply)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"request_id": "r-1", "status_url": "x", "result_url": "y"}, Submitted("r-1")),
        (202, {"request_id": "A_b-9" * 25}, Submitted("A_b-9" * 25)),
        (200, {"request_id": "r-1", "error_code": None}, Submitted("r-1")),
        (200, {"request_id": "r-1", "error_code": 0}, Submitted("r-1")),
        (200, {"request_id": "r-1"} | code(400002), errors.NoBalance),
        *((200, {"request_id": unfit}, errors.OutcomeUnknown) for unfit in NO_REQUEST_IDS),
        (200, {}, errors.OutcomeUnknown),
        (200, {"id": "r-1"}, Submitted("r-1")),
        (200, {"id": "r-1", "status_url": f"{BASE}/requests/r-2/status"}, Submitted("r-2")),
        (200, {"urls": {"get": f"{BASE}/requests/r-2"}, "id": "r-1"}, Submitted("r-2")),
        (200, {"status_url": f"{BASE}/requests/{'a' * 129}/status"}, errors.OutcomeUnknown),
        (200, {"request": {"prompt": "x", "task_id": "t-1"}}, errors.OutcomeUnknown),
        (200, {"request_id": 10**18}, Submitted(str(10**18))),
        (200, [{"request_id": "r-1"}], Submitted("r-1")),
        (200, '{"request_id": "r-1"}', Submitted("r-1")),
        (200, {"success": False, "request_id": "log-1", "message": "no credits"}, errors.OutcomeUnknown),
        (200, {"code": 7, "request_id": "r-1", "status": "queued", "message": "odd"}, Submitted("r-1")),
        (302, {"request_id": "r-1"}, errors.OutcomeUnknown),
    ],
)
async def test_submit(status: int, body: object, expected: object) -> None:
    """A submit is a usable request id, a refusal, or an unknown outcome."""
    await expect("submit", status, body, expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": "in_queue", "queue_position": 3}, Status(Phase.IN_QUEUE, 3, "in_queue")),
        ({"status": "in_queue", "queue_position": 0}, Status(Phase.IN_QUEUE, 0, "in_queue")),
        *(
            ({"status": "in_queue", "queue_position": odd}, Status(Phase.IN_QUEUE, None, "in_queue"))
            for odd in NO_POSITIONS
        ),
        ({"status": "IN-QUEUE "}, Status(Phase.IN_QUEUE, None, "IN-QUEUE")),
        ({"status": "in_progress", "queue_position": 2}, Status(Phase.IN_PROGRESS, None, "in_progress")),
        *(({"status": w}, Status(Phase.ENDED, None, w)) for w in ("completed", "succeeded", "failed", "ERROR", "done")),
        *(({"status": w}, Status(Phase.CANCELLED, None, w)) for w in ("cancelled", "canceled")),
        *(
            ({"status": w}, Status(Phase.IN_PROGRESS, None, w))
            for w in ("starting", "processing", "cancelling", "retrying_after_error", "postProcessing")
        ),
        *(
            ({"status": w}, Status(Phase.IN_PROGRESS, None, w, is_known=False))
            for w in ("polishing", "not_completed", "no_error", "unknown", "成功")
        ),
        *(
            ({"status": w}, Status(Phase.IN_QUEUE, None, w))
            for w in ("pending", "waiting", "Not Started", "TASK_STATUS_QUEUED")
        ),
        ({"queue_position": 3}, Status(Phase.IN_QUEUE, 3, "")),
        ({"status": "failed"} | code(500001), Status(Phase.ENDED, None, "failed", "no")),
        ({"status": "failed", "error": "too dark"}, Status(Phase.ENDED, None, "failed", "too dark")),
        ({"status": "generation_failed", "message": "dark"}, Status(Phase.ENDED, None, "generation_failed", "dark")),
        ({"status": "completed", "message": "take it"}, Status(Phase.ENDED, None, "completed")),
        ("completed", Status(Phase.ENDED, None, "completed")),
        ([{"status": "in_queue", "queue_position": 1}], Status(Phase.IN_QUEUE, 1, "in_queue")),
        ({"status": "in_progress", "code": 7, "message": "odd"}, Status(Phase.IN_PROGRESS, None, "in_progress")),
        ({"status": "error"} | code(400004), errors.KeyRefused),
        ({"status": "error", "code": 404, "message": "gone"}, errors.UnknownRequest),
        ({"code": 401, "message": "token expired"}, errors.KeyRefused),
        ({"code": 500, "message": "oops"}, errors.Unavailable),
        ({"status": "completed"} | code(400004), errors.KeyRefused),
        *(({"status": odd}, errors.UnreadableReply) for odd in NO_STATUSES),
        ({}, errors.UnreadableReply),
    ],
)
async def test_status(body: object, expected: object) -> None:
    """A status word is a phase; one nobody knows is "still running", never an end."""
    await expect("status", 200, body, expected)


def succeeded(*outputs: str, cost: float | None = None, word: str = "succeeded", came: str = "") -> Result:
    return Result(Outcome.SUCCEEDED, outputs, "", cost, word, came)


def failed(error: str, word: str = "failed", *outputs: str) -> Result:
    return Result(Outcome.FAILED, outputs, error, None, word)


def going_on(word: str = "not ready") -> Result:
    return Result(Outcome.IN_PROGRESS, (), "", None, word)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": "succeeded", "output": {"video": VIDEO}, "cost": 0.35}, succeeded(VIDEO, cost=0.35)),
        ({"status": "succeeded", "output": {"video": VIDEO}, "cost": 0}, succeeded(VIDEO, cost=0.0)),
        *(({"status": "succeeded", "output": {"video": VIDEO}, "cost": odd}, succeeded(VIDEO)) for odd in NO_COSTS),
        *(
            ({"status": "succeeded", "output": {"video": VIDEO}, "cost": odd}, succeeded(VIDEO, cost=1234.5))
            for odd in ("1234.5", "US$ 1,234.50", "1234,5", {"usd": 1234.5}, {"cost": {"total": "$1234.5"}})
        ),
        ({"status": "succeeded", "output": {"video": [VIDEO]}}, succeeded(VIDEO)),
        ({"status": "succeeded", "output": {"videos": VIDEO}}, succeeded(VIDEO)),
        ({"status": "succeeded", "output": {"videos": [VIDEO, OTHER, VIDEO]}}, succeeded(VIDEO, OTHER)),
        (
            {"status": "succeeded", "output": {"images": [IMAGE], "videos": [OTHER], "video": VIDEO}},
            succeeded(OTHER, VIDEO),
        ),
        ({"status": "succeeded", "output": {"image": IMAGE}}, succeeded(IMAGE)),
        ({"status": "succeeded", "output": {"videos": [None, 3, "ftp://x/y", VIDEO]}}, succeeded(VIDEO)),
        *(({"status": "succeeded", "output": odd}, succeeded()) for odd in NO_OUTPUTS),
        *(
            (
                {"status": "succeeded", "output": {"video": odd}},
                succeeded(came=json.dumps({"video": odd}).replace(" ", "")),
            )
            for odd in (
                None,
                "",
                "https://",
                "http://[",
                "javascript:x",
                "file:///etc/passwd",
                "xyz",
                "/9j/" + "A" * 400,
            )
        ),
        ({"status": "succeeded", "output": {"video": "https://a b"}}, succeeded(came='{"video":"https://a b"}')),
        ({"status": "succeeded", "output": {"video": "https://a/\ud800"}}, succeeded(came='{"video":"https://a/"}')),
        ({"status": "succeeded", "output": {"video": "/a.mp4"}}, succeeded("https://api.test/a.mp4")),
        ({"status": "succeeded", "output": {"video": "a.mp4"}}, succeeded(came='{"video":"a.mp4"}')),
        ({"status": "succeeded", "output": {"video": "../../../o/a.mp4"}}, succeeded("https://api.test/o/a.mp4")),
        ({"status": "succeeded", "output": "x" * 600}, succeeded(came="x" * 499 + "…")),
        ({"status": "succeeded", "output": {"x": f"at {KEY}"}}, succeeded(came='{"x":"at …"}')),
        (
            {"status": "succeeded", "output": {"video": f"{VIDEO}?key={KEY}"}},
            succeeded(came=f'{{"video":"{VIDEO}?key=…"}}'),
        ),
        ({"status": "succeeded", "error": "lost"}, failed("lost", "succeeded")),
        ({"status": "succeeded", "error": "lost", "output": {"video": VIDEO}}, succeeded(VIDEO)),
        ({"status": "failed", "error": "too dark"}, failed("too dark")),
        ({"status": "failed", "error": {"message": "too dark", "code": 7}}, failed("too dark")),
        ({"status": "failed", "error": {"kind": "nsfw", "code": 7}}, failed("kind: nsfw; code: 7")),
        ({"status": "failed", "error_message": "too dark"}, failed("too dark")),
        ({"status": "failed", "message": "too dark"}, failed("too dark")),
        ({"status": "failed", "error": None}, failed("")),
        ({"status": "failed", "output": {"video": VIDEO}}, failed("", "failed", VIDEO)),
        ({"status": "failed", "error": f"see {VIDEO}", "message": VIDEO}, failed(f"see {VIDEO}")),
        ({"status": "failed", "error": "E1", "message": "too dark"}, failed("too dark (E1)")),
        ({"status": "failed", "error": {"a": {"b": ["x", {"msg": "y"}]}}}, failed("a: b: x; y")),
        ({"status": "failed", "output": "Error: too dark"}, failed("Error: too dark")),
        ({"status": "failed", "code": 50999}, failed("50999")),
        ({"status": "failed", "error": "Error: boom\n    at run (a.js:1:2)\n    at b (b.js:2)"}, failed("Error: boom")),
        ({"status": "partial", "output": [VIDEO]}, succeeded(VIDEO, word="partial")),
        ({"status": "error", "code": 500, "message": "no GPU"}, failed("no GPU", "error")),
        ({"status": "failed"} | code(500001), failed("no")),
        (
            {"status": "completed", "output": {"video": VIDEO}, "error": None},
            succeeded(VIDEO, word="completed"),
        ),
        ({"status": "completed", "error": "too dark"}, failed("too dark", "completed")),
        ({"status": "completed", "message": "done"}, succeeded(word="completed")),
        ({"status": "completed"}, succeeded(word="completed")),
        ({"status": "in_queue"}, Result(Outcome.IN_QUEUE, (), "", None, "in_queue")),
        ({"status": "in_progress"}, Result(Outcome.IN_PROGRESS, (), "", None, "in_progress")),
        ({"status": "cancelled"}, Result(Outcome.CANCELLED, (), "", None, "cancelled")),
        ({"status": "canceled"}, Result(Outcome.CANCELLED, (), "", None, "canceled")),
        (
            {"status": "polishing", "output": {"video": VIDEO}},
            Result(Outcome.IN_PROGRESS, (), "", None, "polishing"),
        ),
        ({"status": "succeeded", "output": {"video": VIDEO}} | code(400004), errors.KeyRefused),
        ({"output": {"video": VIDEO}}, succeeded(VIDEO, word="")),
        ({"message": "a moment, please"}, errors.UnreadableReply),
        ({"message": "still processing"}, going_on()),
        ({"status": "error", "message": "Result is not ready yet"}, going_on()),
        ({"status": "succeeded", "error_code": "success", "output": VIDEO}, succeeded(VIDEO)),
        ({"status": "failed", "error": "the video was not completed"}, failed("the video was not completed")),
        ({"success": False, "message": "no such request"}, errors.UnreadableReply),
        ({"code": 404, "message": "no such request"}, errors.UnknownRequest),
        ("succeeded", succeeded(word="succeeded", came="succeeded")),
        ("done: " + VIDEO, succeeded(VIDEO, word="")),
    ],
)
async def test_result(body: object, expected: object) -> None:
    """A failed job is a value and not an exception; a success without an output is told as it is."""
    await expect("result", 200, body, expected)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"status": "in_progress"}, going_on("in_progress")),
        (409, {"status": "failed", "request_id": "r-1", "error": "too dark"}, failed("too dark")),
        (422, {"status": "failed", "request_id": "r-1", "error": "too dark"}, failed("too dark")),
        (422, {"status": "error", "request_id": "r-1", "error": "too dark"}, errors.InputRefused),
        (400, {"message": "the request did not complete"}, errors.Refusal),
        (400, {"message": "Error processing the request"}, errors.Refusal),
        (400, {"message": "status is pending"}, going_on()),
        (404, {"message": "no such request"}, errors.UnknownRequest),
        (401, {"message": "not ready"}, errors.KeyRefused),
        (429, {"message": "still processing, slow down"}, errors.TooManyRequests),
        (503, {"message": "not ready"}, errors.Unavailable),
        (302, {"status": "in_progress"}, errors.UnreadableReply),
        (202, {}, going_on()),
        (202, {"status": "succeeded", "output": VIDEO}, succeeded(VIDEO)),
    ],
)
async def test_result_too_early(status: int, body: object, expected: object) -> None:
    """A result that is not there yet is no refusal, and what is wrong with the key or the service is no job's end."""
    await expect("result", status, body, expected)


async def test_what_is_not_ready_is_asked_once() -> None:
    """No retry: the answer is an answer."""
    asked = 0

    async def reply(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(400, json={"error_code": 400005})

    async with RunComfy(BASE, transport=httpx.MockTransport(reply), clock=NoWait()) as api:
        assert await api.status("r-1", key=KEY) == Status(Phase.IN_PROGRESS, None, "not ready")
        assert await api.result("r-1", key=KEY) == going_on()
    assert asked == 2


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (202, {"status": "completed", "outcome": "cancelled"}, Cancellation.CANCELLED),
        (202, {"status": "in_queue", "outcome": "canceled"}, Cancellation.CANCELLED),
        (202, {"status": "completed", "outcome": "not_cancellable"}, Cancellation.NOT_CANCELLABLE),
        (200, {"status": "cancelled", "outcome": "not_cancellable"}, Cancellation.NOT_CANCELLABLE),
        (200, {"status": "cancellation_requested"}, Cancellation.ASKED),
        (202, {"status": "cancelled"}, Cancellation.ASKED),
        (202, {"outcome": "perhaps"}, Cancellation.ASKED),
        (202, {"outcome": None}, Cancellation.ASKED),
        (202, {"status": "failed"} | code(400004), errors.KeyRefused),
    ],
)
async def test_cancel(status: int, body: object, expected: object) -> None:
    """A cancellation is decided on `outcome`, whatever the status beside it says."""
    await expect("cancel", status, body, expected)


@pytest.mark.parametrize(
    ("body", "expected", "five_seconds_usd"),
    [
        ({"base_price_usd": 0.1, "price_unit": "second"}, Price(0.1, "second"), 0.5),
        (
            {"base_price_usd": 2, "price_unit": "output", "pricing_note": "a\nclip"},
            Price(2.0, "output", "a clip"),
            None,  # the service calls it a base then, and no total
        ),
        ({"base_price_usd": 2, "price_unit": "output", "pricing_note": "none"}, Price(2.0, "output"), 2.0),
        ({"base_price_usd": 2, "price_unit": "output", "pricing_note": None}, Price(2.0, "output"), 2.0),
        ({"base_price_usd": 2, "price_unit": "pixel"}, Price(2.0, "pixel"), None),
        ({"base_price_usd": 2, "price_unit": "per 5 seconds"}, Price(2.0, "5_seconds"), None),
        *(
            ({"base_price_usd": "$0.10", "price_unit": unit}, Price(0.1, "second"), 0.5)
            for unit in ("seconds", "per_second", "/second", "USD/sec", "Second", "perSecond", "video second")
        ),
        *(
            ({"base_price_usd": "2.00", "price_unit": unit}, Price(2.0, "output"), 2.0)
            for unit in ("image", "Video", "per video", "images", "outputs", "request")
        ),
        ({"data": {"base_price_usd": 2, "price_unit": "output"}}, Price(2.0, "output"), 2.0),
        ({"base_price_usd": 2}, Price(2.0, None), None),
        ({"price_unit": "second"}, Price(None, "second"), None),
        ({"base_price_usd": True, "price_unit": "output"}, Price(None, "output"), None),
        ({"base_price_usd": -1, "price_unit": "output"}, Price(None, "output"), None),
        ({}, Price(None, None), None),
    ],
)
async def test_price(body: object, expected: Price, five_seconds_usd: float | None) -> None:
    """A price is read at run time; what it does not say is unknown."""
    price = await answer("price", 200, body)
    assert price == expected
    assert price.estimate_usd(5.0) == five_seconds_usd
    assert price.estimate_usd(None) == (five_seconds_usd if price.unit == "output" else None)


NEGATIVE: Sequence[object] = (-3.2, "-3.20", "-$3.20", "$-3.20", "\u22123.20 USD")
NO_BALANCES: Sequence[object] = (1e300, 10**400, -1e12, True, "", "much", [], {})
NO_REPLIES: Sequence[object] = ({}, [], 12.5, b"", b"<html>1.50</html>", b'{"balance_us')
BALANCES: list[tuple[int, object, object]] = [
    (200, {"balance_usd": 12.5, "balance_microdollars": 1, "currency": "USD"}, 12.5),
    *((200, {"balance_usd": given}, -3.2) for given in NEGATIVE),
    (200, {"balance_usd": 0, "currency": "usd"}, 0.0),
    (200, {"balance_usd": "1,234.50"}, 1234.5),
    (200, {"balance_usd": None, "balance_microdollars": -1_500_000}, -1.5),
    (200, {"balance_microdollars": "2500000"}, 2.5),
    (200, {"balance_usd": "soon", "balance_microdollars": 1_000_000}, 1.0),
    (200, {"data": {"balance_usd": 3}}, 3.0),
    (200, {"balance": {"amount": -3, "currency": "USD"}}, -3.0),
    (200, {"balance_usd": 1, "currency": "EUR"}, errors.UnreadableReply),
    *((200, {"balance_usd": given}, errors.UnreadableReply) for given in NO_BALANCES),
    (200, b'{"balance_usd": NaN}', errors.UnreadableReply),
    *((200, body, errors.UnreadableReply) for body in NO_REPLIES),
    (200, {"balance_usd": 5} | code(400004), errors.KeyRefused),
    (401, {}, errors.KeyRefused),
    (404, {"message": "no such route"}, errors.UnknownRequest),
    (503, b"<html></html>", errors.Unavailable),
]


@pytest.mark.parametrize(("status", "body", "expected"), BALANCES)
async def test_balance(status: int, body: object, expected: object) -> None:
    """A balance may be negative and stand in a text; what is none is a fault of the call, never a number."""
    await expect("balance", status, body, expected)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error_message": "a", "message": "b"}, "a"),
        ({"message": "b", "error": "c"}, "b"),
        ({"error": "c"}, "c"),
        ({"error": {"message": "c", "type": "t"}}, "c"),
        ({"detail": "d"}, "d"),
        ({"error_message": "", "detail": ["d", {"msg": "e"}]}, "d; e"),
        ({}, "HTTP 422"),
        ({"message": "bad", "detail": [{"loc": ["body", "prompt"], "msg": "too long"}]}, "prompt: too long"),
        ({"errors": [{"message": "d"}, {"message": "d"}, "e"]}, "d; e"),
        ({"error": '{"error": {"message": "c"}}'}, "c"),
        ({"message": "ok", "reason": "c"}, "c"),
        ({"message": "50412"}, "50412 (the text was refused by the maker's check)"),
        (
            {"message": "Error code: 50516"},
            "Error code: 50516 (the finished video was refused by the maker's check; another try may help)",
        ),
        ({"message": "50412 is the number of my house"}, "50412 is the number of my house"),
        ({"message": "a\x00\x1b[31m\u202eb\ud800\n\tc"}, "a[31mb c"),
        ({"message": "x" * 600}, "x" * 499 + "…"),
        ({"message": f"no such key: Bearer {KEY}!"}, "no such key: Bearer …!"),
        ({"message": "x" * 490 + KEY}, "x" * 490 + "…"),
        ({"message": KEY[:5] + "\x00" + KEY[5:]}, "…"),
    ],
)
async def test_the_services_own_text_is_found(body: object, message: str) -> None:
    """The service's own text is found wherever it stands, cleaned, cut, and freed of the key."""
    with pytest.raises(errors.InputRefused) as caught:
        await answer("submit", 422, body)
    assert caught.value.message == message


async def test_words_do_not_hold_the_key() -> None:
    """A service that echoes the key in a word or a note does not get it into a value."""
    assert KEY not in repr(await answer("status", 200, {"status": KEY}))
    assert KEY not in repr(await answer("result", 200, {"status": "failed", "error": {"x": KEY}}))
    assert KEY not in repr(await answer("price", 200, {"price_unit": KEY, "pricing_note": KEY}))
    assert KEY not in repr(Reply(200, {"a": KEY}, None, KEY))


NAMES = """status output video videos error error_code message detail loc msg request_id queue_position
outcome cost base_price_usd price_unit"""
NUMBERS = st.booleans() | st.integers() | st.floats()
JSON = st.recursive(
    st.none() | NUMBERS | st.text(max_size=9) | st.sampled_from([VIDEO, KEY]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES.split()) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(CALLS)), st.sampled_from([200, 202, 302, 400, 401, 404, 422, 429, 500]), JSON)
def test_any_json_gives_a_value_or_a_service_error(call: str, status: int, body: object) -> None:
    """Whatever JSON comes, a call gives a value or a `ServiceError`, and the key is in neither."""
    fault: errors.ServiceError | None = None
    value: object = None
    try:
        value = asyncio.run(answer(call, status, body))
    except errors.ServiceError as caught:
        fault = caught
    assert KEY not in f"{value} {fault} {fault!r} {fault and fault.facts}".replace(repr(Submitted(KEY)), "")
    assert fault is None or len(fault.message) <= 500


@settings(deadline=None)
@given(st.sampled_from(["succeeded", "completed", "failed", "done", "in_queue", "polishing"]), JSON, JSON)
def test_outputs_come_with_an_end(word: str, output: object, error: object) -> None:
    """Only what has ended has outputs; a word nobody knows ends nothing; and no output holds the key."""
    result = result_in(Reply(200, {"status": word, "output": output, "error": error}, None, KEY, BASE, BASE))
    ended = word not in ("in_queue", "polishing")
    assert (result.outcome in (Outcome.SUCCEEDED, Outcome.FAILED)) == ended
    assert ended or not (result.outputs or result.error or result.came)
    assert KEY not in repr(result)
    assert len(result.came) <= 500


@given(st.text(), st.text(alphabet="ab-", min_size=1, max_size=5))
def test_a_cleaned_text_is_one_printable_line_without_the_key(text: str, secret: str) -> None:
    """A cleaned text is one printable line that cannot hold the secret, nor fail a database."""
    cleaned = clean(text + secret + text, secret)
    assert secret not in cleaned
    assert len(cleaned.splitlines()) == 1
    cleaned.encode()
