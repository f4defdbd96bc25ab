"""RunComfy's replies as typed values. Pure: nothing here sends, waits or logs.

Only this module, and those for words, texts and outputs, know the service's JSON. Names and words are those of
RunComfy's documentation, of its public clients, and of similar services. An unknown word means "still running",
and a reply that cannot be read is never a failure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dreamina_ui.errors import OutcomeUnknown, UnreadableReply
from dreamina_ui.runcomfy.outputs import came_in, outputs_in
from dreamina_ui.runcomfy.reply import Reply, levels_in
from dreamina_ui.runcomfy.texts import amount, clean, parsed, usd
from dreamina_ui.runcomfy.words import Outcome, Phase, folded, outcome_of, phase_of, snake

__all__ = [
    "REQUEST_ID",
    "Cancellation",
    "Outcome",
    "Phase",
    "Price",
    "Reply",
    "Result",
    "Status",
    "Submitted",
    "balance_in",
    "cancellation_in",
    "clean",
    "price_in",
    "result_in",
    "status_in",
    "submitted_in",
]

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""The shape RunComfy's own clients allow."""
ID_IN_ADDRESS = re.compile(r"/requests/([A-Za-z0-9_-]{1,128})(?:[/?#]|$)")
ID_NAMES = ("id", "task_id", "job_id", "prediction_id", "generation_id", "run_id", "req_id")

COST_NAMES = (
    "cost",
    "cost_usd",
    "total_cost",
    "total_cost_usd",
    "cost_in_usd",
    "amount_usd",
    "price_usd",
    "charged_usd",
)
BALANCE_NAMES = ("balance_usd", "usd_balance", "available_usd", "balance")
BALANCE_MOST = 1e9
"""US dollars, owned or owed: a larger number is no balance."""
BILLS = ("usage", "billing", "metrics", "cost_details")

UNITS: Mapping[str, str] = {
    **dict.fromkeys(("second", "sec", "s", "video_second", "second_of_video", "output_second"), "second"),
    **dict.fromkeys(("output", "image", "video", "picture", "clip", "generation", "request", "run", "file"), "output"),
}


@dataclass(frozen=True, slots=True)
class Submitted:
    request_id: str


class Cancellation(StrEnum):
    """The answer to a cancel. ASKED: the service took the request and did not say whether it cancels; the status will tell."""

    CANCELLED = "cancelled"
    NOT_CANCELLABLE = "not_cancellable"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Status:
    """`word` is the service's own. `queue_position` is given only in the queue, and not always.

    `error` is the reason given with a word for failure; `is_known` is False for an unknown word.
    """

    phase: Phase
    queue_position: int | None
    word: str
    error: str = ""
    is_known: bool = True

    @property
    def says_failed(self) -> bool:
        return outcome_of(self.word) is Outcome.FAILED


@dataclass(frozen=True, slots=True)
class Result:
    """`outputs` are addresses that are not checked yet: of SUCCEEDED, and of a part of FAILED; there may be none.

    `error` is the reason of a failure; `cost_usd` None is not told; `word` is the service's own. `came` is what the
    output said where no address was found in it, as one line for a person.
    """

    outcome: Outcome
    outputs: tuple[str, ...]
    error: str
    cost_usd: float | None
    word: str
    came: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one `unit`: `second` of video, or `output`, or the service's own word. None is unknown.

    With a `note` the price is a base and no total: what the service says that it depends on, as one line.
    """

    base_price_usd: float | None
    unit: str | None
    note: str = ""

    def estimate_usd(self, duration_s: float | None) -> float | None:
        """US dollars for a video of `duration_s` seconds, if that is known; None when the price does not say."""
        return None if self.note else self.base_usd(duration_s)

    def base_usd(self, duration_s: float | None) -> float | None:
        """The base for a video of `duration_s` seconds, which need not be all that it costs; None where that is not known."""
        if self.base_price_usd is None:
            return None
        if self.unit == "second":
            return None if duration_s is None else amount(self.base_price_usd * duration_s)
        return self.base_price_usd if self.unit == "output" else None


CANCELLATIONS: Mapping[str, Cancellation] = {
    "cancelled": Cancellation.CANCELLED,
    "canceled": Cancellation.CANCELLED,
    "not_cancellable": Cancellation.NOT_CANCELLABLE,
    "not_cancelable": Cancellation.NOT_CANCELLABLE,
}


def submitted_in(reply: Reply) -> Submitted:
    """Raises `OutcomeUnknown` where there is no id that could stand in an address.

    Its message is the service's own where it answered with words; the fact `answered` says so.
    """
    request_id = _request_id_in(reply)
    text = reply.full_reason
    refused = snake(str(reply.get("success"))) in ("false", "no", "0") or (
        reply.code is not None and bool(reply.told_reason)
    )
    if request_id is not None and not (refused and reply.get("success") is not True and not reply.word):
        return Submitted(request_id)
    facts = {"status_code": reply.status_code, "error_code": reply.code}
    if text:
        raise OutcomeUnknown(text, **facts, answered=True)
    raise OutcomeUnknown("answered without a usable request id", **facts)


def status_in(reply: Reply) -> Status:
    """Raises `UnreadableReply` when there is no word to read."""
    word = reply.word
    if reply.is_not_ready:
        known = outcome_of(word) in (Outcome.IN_QUEUE, Outcome.IN_PROGRESS)
        return Status(phase_of(word), None, word) if known else Status(Phase.IN_PROGRESS, None, "not ready")
    position = _position(reply.get("queue_position"))
    if not word and position is not None:
        return Status(Phase.IN_QUEUE, position, "")
    if not word and outputs_in(reply.body, url=reply.url, base=reply.base):
        return Status(Phase.ENDED, None, "")
    if not word:
        raise UnreadableReply(reply.full_reason or "no status in the reply", status_code=reply.status_code)
    outcome, phase = outcome_of(word), phase_of(word)
    return Status(
        phase,
        position if phase is Phase.IN_QUEUE else None,
        word,
        reply.full_reason if outcome is Outcome.FAILED else "",
        outcome is not None,
    )


def result_in(reply: Reply) -> Result:
    """A failed request is a value. Raises `UnreadableReply` when the reply does not say how it stands."""
    word = reply.word
    cost_usd = _cost_in(reply)
    if reply.is_not_ready:
        known = outcome_of(word)
        if known in (Outcome.IN_QUEUE, Outcome.IN_PROGRESS):
            return Result(known, (), "", cost_usd, word)
        return Result(Outcome.IN_PROGRESS, (), "", cost_usd, "not ready")
    outcome = outcome_of(word) or Outcome.IN_PROGRESS
    if word and outcome not in (Outcome.SUCCEEDED, Outcome.FAILED):
        return Result(outcome, (), "", cost_usd, word)
    outputs = _outputs_in(reply, failed=outcome is Outcome.FAILED)
    if not word and not outputs and not reply.reason:
        raise UnreadableReply(reply.full_reason or "no status in the reply", status_code=reply.status_code)
    if outcome is not Outcome.FAILED:
        # A success with an error and without outputs is none; without either, the outputs may come later.
        outcome = Outcome.FAILED if reply.reason and not outputs else Outcome.SUCCEEDED
    elif folded(word).startswith("partial") and outputs and not reply.reason:
        outcome = Outcome.SUCCEEDED
    failed = outcome is Outcome.FAILED
    came = "" if failed or outputs else came_in(_output_in(reply), reply.secret)
    return Result(outcome, outputs, reply.full_reason if failed else "", cost_usd, word, came)


def cancellation_in(reply: Reply) -> Cancellation:
    """Decided on `outcome`: the `status` beside it has been seen as `completed`."""
    return CANCELLATIONS.get(snake(reply.get("outcome")), Cancellation.ASKED)


def price_in(reply: Reply) -> Price:
    unit = re.sub(r"^(?:usd_)?(?:per_)?(?:1_)?", "", snake(reply.text("price_unit")))
    known = UNITS.get(unit) or UNITS.get(unit.removesuffix("s")) or unit or None
    return Price(usd(reply.get("base_price_usd")), known, reply.text("pricing_note"))


def balance_in(reply: Reply) -> float:
    """US dollars, also less than nothing. Raises `UnreadableReply` where there is no such number."""
    currency = reply.get("currency")
    if currency is not None and usd({"amount": 1, "currency": currency}) is None:
        raise UnreadableReply("a balance in another currency", status_code=reply.status_code)
    micros = (amount(value, signed=True) for value in map(_number, reply.values("balance_microdollars")))
    found = (
        *(usd(parsed(value), signed=True) for value in reply.values(*BALANCE_NAMES)),
        *(value / 1e6 for value in micros if value is not None),
    )
    for value in found:
        if value is not None and abs(value) <= BALANCE_MOST:
            return value
    raise UnreadableReply(reply.full_reason or "no balance in the reply", status_code=reply.status_code)


def _request_id_in(reply: Reply) -> str | None:
    """By its own name, then out of an address of the request, then by a name that others use."""
    for value in reply.values("request_id"):
        if (found := _id(value)) is not None:
            return found
    for level in reply.levels:
        links = parsed(level.get("urls"))
        held = {**level, **{f"{name}_url": link for name, link in links.items()}} if isinstance(links, dict) else level
        for name, value in held.items():
            if name.endswith("_url") and isinstance(value, str) and (match := ID_IN_ADDRESS.search(value)):
                return match[1]
    return next((found for value in reply.values(*ID_NAMES) if (found := _id(value)) is not None), None)


def _id(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**30:
        return str(value)
    return value if isinstance(value, str) and REQUEST_ID.fullmatch(value) else None


def _outputs_in(reply: Reply, *, failed: bool) -> tuple[str, ...]:
    found = outputs_in(reply.body, url=reply.url, base=reply.base, failed=failed)
    # The key never goes to an output's address, nor into a row.
    return tuple(address for address in found if not (reply.secret and reply.secret in address))


def _output_in(reply: Reply) -> object:
    """The output: the innermost `output`, or the whole body if it is no object."""
    if not reply.levels:
        return reply.body
    held = [value for value in reply.values("output", "outputs") if value not in (None, "", [], {})]
    return {"output": held[0]} if held else reply.body


def _cost_in(reply: Reply) -> float | None:
    bills = [level for name in BILLS for value in reply.values(name) for level in levels_in(value, 0)]
    for level in (*reply.levels, *bills):
        for name in COST_NAMES:
            if (cost := usd(parsed(level.get(name)))) is not None:
                return cost
    return None


def _number(value: object) -> object:
    """A whole number that may stand in a string."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value) else value


def _position(value: object) -> int | None:
    number = amount(value)
    # The bound keeps it an integer that a database column can hold.
    return int(number) if number is not None and number.is_integer() and number < 2**31 else None
