"""RunComfy's replies as typed values. Pure: nothing here sends, waits or logs.

The service's JSON ends in this file. Names and words are those of RunComfy's documentation and of its public
clients. Parse leniently, state strictly: a word nobody knows is "still running", never success.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from dreamina_ui.errors import UnreadableReply

__all__ = [
    "Cancellation",
    "Outcome",
    "Phase",
    "Price",
    "Reply",
    "Result",
    "Status",
    "Submitted",
    "cancellation_in",
    "clean",
    "price_in",
    "request_id_in",
    "result_in",
    "status_in",
]

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""The shape RunComfy's own clients allow."""

VIDEO_NAMES, IMAGE_NAMES = ("video", "videos"), ("image", "images")
"""Where outputs stand, by RunComfy's documentation."""


MESSAGE_NAMES = ("error_message", "message", "msg", "error", "detail")
LONGEST_TEXT = 500
UNPRINTABLE = re.compile(
    # Control characters but white space; lone surrogates, which no database takes; invisible and bidi marks.
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)


class Phase(StrEnum):
    """Where a request stands. ENDED only means "ask the result": a completed request can have failed."""

    IN_QUEUE = "in_queue"
    IN_PROGRESS = "in_progress"
    ENDED = "ended"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """What the result says of a request."""

    IN_QUEUE = "in_queue"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Cancellation(StrEnum):
    """What came of asking to cancel. ASKED: heard, but nothing promised; only the status will tell."""

    CANCELLED = "cancelled"
    NOT_CANCELLABLE = "not_cancellable"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Submitted:
    request_id: str


@dataclass(frozen=True, slots=True)
class Status:
    """`queue_position` is there only in the queue, and not always; `word` is the service's own word."""

    phase: Phase
    queue_position: int | None
    word: str


@dataclass(frozen=True, slots=True)
class Result:
    """`outputs` are addresses nobody has judged safe yet, only on SUCCEEDED; `cost_usd` None is not told."""

    outcome: Outcome
    outputs: tuple[str, ...]
    error: str
    cost_usd: float | None
    word: str


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one `unit`: `second` of video, or `output`. None is unknown."""

    base_price_usd: float | None
    unit: str | None
    note: str

    def estimate_usd(self, duration_s: float) -> float | None:
        """US dollars for a video of `duration_s` seconds; None when the price does not say."""
        if self.base_price_usd is None:
            return None
        if self.unit == "second":
            return _amount(self.base_price_usd * duration_s)
        return self.base_price_usd if self.unit == "output" else None


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply. `body` None was no JSON object; `secret` is the key, to be cut out of every text."""

    status_code: int
    body: Mapping[str, Any] | None = field(repr=False)
    retry_after_s: float | None = None
    secret: str | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status_code < 300

    def get(self, name: str) -> Any:
        return None if self.body is None else self.body.get(name)

    def text(self, *names: str) -> str:
        """What the first of these fields that says something says: one line for a person, without the key."""
        return next((text for name in names if (text := clean(_words(self.get(name)), self.secret))), "")

    @property
    def tells_of_a_failed_job(self) -> bool:
        return self.ok and _plain(self.text("status")) == "failed"


PHASES: Mapping[str, Phase] = {
    "in_queue": Phase.IN_QUEUE,
    "in_progress": Phase.IN_PROGRESS,
    "completed": Phase.ENDED,
    "succeeded": Phase.ENDED,
    "failed": Phase.ENDED,
    "cancelled": Phase.CANCELLED,
    "canceled": Phase.CANCELLED,
}

OUTCOMES: Mapping[str, Outcome] = {
    "in_queue": Outcome.IN_QUEUE,
    "in_progress": Outcome.IN_PROGRESS,
    "succeeded": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
    "cancelled": Outcome.CANCELLED,
    "canceled": Outcome.CANCELLED,
}

CANCELLATIONS: Mapping[str, Cancellation] = {
    "cancelled": Cancellation.CANCELLED,
    "canceled": Cancellation.CANCELLED,
    "not_cancellable": Cancellation.NOT_CANCELLABLE,
}


def request_id_in(reply: Reply) -> str | None:
    """The id of a submitted request; None when there is none that could stand in an address."""
    value = reply.get("request_id")
    return value if isinstance(value, str) and REQUEST_ID.fullmatch(value) else None


def status_in(reply: Reply) -> Status:
    """Raises `UnreadableReply` when there is no word to read."""
    word = _word(reply)
    phase = PHASES.get(_plain(word), Phase.IN_PROGRESS)
    return Status(phase, _position(reply.get("queue_position")) if phase is Phase.IN_QUEUE else None, word)


def result_in(reply: Reply) -> Result:
    """A failed request is a value. Raises `UnreadableReply` when the reply does not say how it stands."""
    word = _word(reply)
    outputs = _outputs(reply.get("output"))
    error = reply.text("error", "error_message")
    outcome = OUTCOMES.get(_plain(word), Outcome.IN_PROGRESS)
    if _plain(word) == "completed":
        # The status call's word, out of place here: only what stands beside it can tell how it ended.
        if not outputs and not error:
            raise UnreadableReply("completed, without output or error", status_code=reply.status_code)
        outcome = Outcome.SUCCEEDED if outputs else Outcome.FAILED
    elif outcome is Outcome.SUCCEEDED and not outputs:
        outcome, error = Outcome.FAILED, error or "the service reported success, but no output came"
    return Result(
        outcome,
        outputs if outcome is Outcome.SUCCEEDED else (),
        # Beside a failure a plain message is its reason; elsewhere it may be a pleasantry.
        (error or reply.text("message", "detail")) if outcome is Outcome.FAILED else "",
        _amount(reply.get("cost")),
        word,
    )


def cancellation_in(reply: Reply) -> Cancellation:
    """Decided on `outcome`: the `status` beside it has been seen as `completed`."""
    return CANCELLATIONS.get(_plain(reply.text("outcome")), Cancellation.ASKED)


def price_in(reply: Reply) -> Price:
    unit = _plain(reply.text("price_unit")) or None
    return Price(_amount(reply.get("base_price_usd")), unit, reply.text("pricing_note"))


def clean(text: str, secret: str | None = None) -> str:
    """One line of at most 500 characters, without control characters, and without an echoed `secret`."""
    text = " ".join(UNPRINTABLE.sub("", text).split())
    # Between the two: a key broken by control characters must not pass, nor the half the cut would leave.
    text = text.replace(secret, "…") if secret else text
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _words(value: object, depth: int = 4) -> str:
    """The text in a JSON value: a string, an object with a message, or a list of either (422's `detail`)."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth:
        return "; ".join(filter(None, (_words(item, depth - 1) for item in value[:20])))
    if isinstance(value, dict) and depth:
        texts = {str(name): _words(held, depth - 1) for name, held in value.items()}
        message = next((text for name in MESSAGE_NAMES if (text := texts.get(name, ""))), "")
        if not message:
            return "; ".join(f"{name}: {text}" for name, text in texts.items() if text)
        loc = value.get("loc")
        # FastAPI's validation errors name the field as ["body", "prompt"].
        place = ".".join(str(part) for part in loc if part != "body") if isinstance(loc, list) else ""
        return f"{place}: {message}" if place else message
    return str(value) if isinstance(value, int | float) and value else ""


def _word(reply: Reply) -> str:
    held = reply.get("status")
    word = reply.text("status") if isinstance(held, str) else ""
    if not word:
        raise UnreadableReply("no status in the reply", status_code=reply.status_code)
    return word


def _plain(word: str) -> str:
    return word.lower().replace("-", "_").replace(" ", "_")


def _amount(value: object) -> float | None:
    """A finite number from 0; None otherwise. bool is an int to Python, not to us."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        amount = float(value)
    except OverflowError:
        return None
    return amount if math.isfinite(amount) and amount >= 0 else None


def _position(value: object) -> int | None:
    amount = _amount(value)
    # The bound keeps it an integer that a database column can hold.
    return int(amount) if amount is not None and amount.is_integer() and amount < 2**31 else None


def _outputs(output: object) -> tuple[str, ...]:
    # An image beside a video is its preview: a video that is paid for must not fail for it.
    return _addresses(output, VIDEO_NAMES) or _addresses(output, IMAGE_NAMES)


def _addresses(output: object, names: Sequence[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for name in names:
        held = output.get(name) if isinstance(output, Mapping) else None
        for value in held if isinstance(held, list) else [held]:
            if isinstance(value, str) and _is_web_address(value.strip()):
                found[value.strip()] = None
    return tuple(found)


def _is_web_address(value: str) -> bool:
    if not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
