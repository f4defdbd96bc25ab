"""Scripted faults: what can go wrong between a client and the service, on demand."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

__all__ = ["KINDS", "SHAPES", "Fault", "FaultScript", "Kind", "Phase", "Target"]


Target = Literal["submit", "status", "result", "cancel", "model", "balance", "output"]
Phase = Literal["early", "fate", "late"]
Kind = Literal[
    "lose_answer", "reset", "http_error", "too_many", "slow", "html", "empty", "truncated", "error_in_200",
    "error_shape", "failed_result", "unknown_word", "other_word", "never_finishes", "no_request_id",
    "output_shape", "cancel_requested_only", "cancel_word", "cut_video", "wrong_video", "gone_output",
    "no_balance", "bad_key", "forbidden",
]  # fmt: skip

_API = frozenset({"submit", "status", "result", "cancel", "model", "balance"})
_ALL = _API | {"output"}

KINDS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("reset", "http_error", "too_many", "slow", "html", "empty"), _ALL),
    **dict.fromkeys(("truncated", "error_in_200", "error_shape", "no_balance", "bad_key", "forbidden"), _API),
    **dict.fromkeys(("unknown_word", "other_word"), frozenset({"status", "result"})),
    **dict.fromkeys(("cancel_requested_only", "cancel_word"), frozenset({"cancel"})),
    **dict.fromkeys(("cut_video", "wrong_video", "gone_output"), frozenset({"output"})),
    "lose_answer": frozenset({"submit", "cancel"}),
    "failed_result": frozenset({"submit", "result"}),
    "never_finishes": frozenset({"submit", "status", "result"}),
    "no_request_id": frozenset({"submit"}),
    "output_shape": frozenset({"result"}),
}
"""The calls that each kind can be scripted on."""

SHAPES: Mapping[str, tuple[str, ...]] = {
    "error_shape": ("error_message", "message", "error", "error_object", "detail"),
    "output_shape": ("videos", "video_list", "images", "image", "videos_string", "missing"),
    "no_request_id": ("missing", "null", "empty", "malformed"),
}
"""The values `shape` can have; the first is the default."""

_LATE = {
    "lose_answer", "truncated", "unknown_word", "other_word", "never_finishes", "no_request_id",
    "output_shape", "failed_result", "cut_video",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault.

    An *early* fault replaces the handler, so the call has no effect. A *late* one loses or changes the reply after
    the call took effect; `accepted` makes an early kind late. On `submit`, `failed_result` and `never_finishes` are
    the *fate* of the accepted request.
    """

    on: Target
    kind: Kind
    times: int | None = 1
    """How often it applies; None = always."""
    after: int = 0
    """How many matching calls pass before it applies."""
    probability: float | None = None
    """Chance, 0–1, that it applies to a matching call, from a random generator that starts at `seed`."""
    seed: int = 0
    request_id: str | None = None
    """Applies only to calls about this request."""
    code: int | None = None
    """The HTTP status, if not the kind's own."""
    error_code: int | None = None
    message: str | None = None
    body: Literal["json", "html", "empty"] = "json"
    """The body of `http_error`."""
    accepted: bool = False
    """The call takes effect all the same."""
    delay_s: float = 1.0
    """How long `slow` takes, in seconds."""
    retry_after_s: int | None = 1
    """The `Retry-After` of `too_many`, in whole seconds; None = no such header."""
    as_date: bool = False
    """`Retry-After` as an HTTP date."""
    word: str | None = None
    """The status of `unknown_word` (by default `warming_up`) and `other_word` (by default a synonym of the true one)."""
    shape: str | None = None
    """See `SHAPES`."""
    error: str | Mapping[str, Any] | None = None
    """The `error` of `failed_result`, a string or an object."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.on not in KINDS[self.kind]:
            msg = f"kind {self.kind!r} cannot happen on {self.on!r}"
        elif self.shape is not None and self.shape not in SHAPES.get(self.kind, ()):
            msg = f"shape {self.shape!r} is not one of {SHAPES.get(self.kind, ())}"
        elif self.probability is not None and not 0 <= self.probability <= 1:
            msg = "probability is a number from 0 to 1"
        elif min(self.after, self.times or 0, self.delay_s, self.retry_after_s or 0) < 0:
            msg = "counts and seconds are not negative"
        elif self.code is not None and not 200 <= self.code <= 599:
            msg = "code is an HTTP status from 200 to 599"
        elif self.body not in {"json", "html", "empty"}:
            msg = "body is json, html or empty"
        else:
            return
        raise ValueError(msg)

    @classmethod
    def from_json(cls, content: Any) -> Fault:
        """A fault from an untrusted JSON object. Raises `ValueError`."""
        if not isinstance(content, dict) or not {"on", "kind"} <= content.keys():
            message = "a fault is an object with at least 'on' and 'kind'"
            raise ValueError(message)
        for name, value in content.items():
            if name not in _TYPES:
                message = f"unknown field {name!r}"
                raise ValueError(message)
            # bool is an int to Python, not to JSON.
            if not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and bool not in _TYPES[name]):
                message = f"field {name!r} has the wrong type"
                raise ValueError(message)
        return cls(**content)

    @property
    def phase(self) -> Phase:
        if self.on == "submit" and self.kind in {"failed_result", "never_finishes"}:
            return "fate"
        return "late" if self.kind in _LATE or self.accepted else "early"

    def fits(self, body: Mapping[str, Any]) -> bool:
        """Whether the reply has what this fault changes: some need an output."""
        needs_output = self.phase == "late" and self.kind in {"output_shape", "failed_result"}
        return "output" in body or not needs_output


_NONE = type(None)
_TYPES: Mapping[str, tuple[type, ...]] = {
    **{f.name: (str, _NONE) for f in fields(Fault)},
    **dict.fromkeys(("on", "kind", "body"), (str,)),
    **dict.fromkeys(("times", "code", "error_code", "retry_after_s"), (int, _NONE)),
    **dict.fromkeys(("after", "seed"), (int,)),
    **dict.fromkeys(("accepted", "as_date"), (bool,)),
    "probability": (int, float, _NONE),
    "delay_s": (int, float),
    "error": (str, dict, _NONE),
}


@dataclass(slots=True)
class _Entry:
    fault: Fault
    rng: random.Random
    seen: int = 0
    fired: int = 0


class FaultScript:
    """Faults in the order they were added: the first that applies is used; the delays of `slow` ones before it add up."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def add(self, fault: Fault | None = None, /, **given: Any) -> Fault:
        """Add a fault, or the one with these fields: `add(on="submit", kind="lose_answer")`."""
        fault = Fault(**given) if fault is None else replace(fault, **given)
        self._entries.append(_Entry(fault, random.Random(fault.seed)))  # noqa: S311  repeatable, not secret
        return fault

    def clear(self) -> None:
        self._entries.clear()

    def listed(self) -> list[dict[str, Any]]:
        """Each fault with how many calls it has `seen` and how often it `fired`."""
        return [{**asdict(entry.fault), "seen": entry.seen, "fired": entry.fired} for entry in self._entries]

    def take(
        self, on: str, phase: Phase, request_id: str | None = None, body: Mapping[str, Any] | None = None
    ) -> tuple[float, Fault | None]:
        """The seconds to wait and the fault that applies to this call, if any; counts as one use of it."""
        delay_s = 0.0
        for entry in self._entries:
            fault = entry.fault
            if (fault.on, fault.phase) != (on, phase) or fault.request_id not in {None, request_id}:
                continue
            if not fault.fits(body or {}) or (fault.times is not None and entry.fired >= fault.times):
                continue
            entry.seen += 1
            if entry.seen <= fault.after:
                continue
            if fault.probability is not None and entry.rng.random() >= fault.probability:
                continue
            entry.fired += 1
            if fault.kind != "slow":
                return delay_s, fault
            delay_s += fault.delay_s
        return delay_s, None
