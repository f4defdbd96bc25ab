"""One reply of RunComfy's, and the fields in it: wherever they stand, and whatever they are called. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dreamina_ui.runcomfy.texts import clean, explained, is_pleasantry, is_unfinished, parsed, whole, words_in
from dreamina_ui.runcomfy.words import Outcome, folded, is_envelope, outcome_of, snake

__all__ = ["ERROR_NAMES", "TALK_NAMES", "Reply", "levels_in"]

WRAPPERS = ("data", "request", "result", "response", "job", "task")
DEEPEST = 4
WORD_NAMES = ("status", "state", "task_status", "job_status", "request_status", "task_state", "job_state")
ERROR_NAMES = (
    "error",
    "error_message",
    "error_msg",
    "err_msg",
    "failure_reason",
    "fail_reason",
    "failed_reason",
    "failure_message",
    "fail_message",
    "failure",
    "errors",
    "err",
    "exception",
    "error_detail",
    "error_details",
    "task_status_msg",
)
TALK_NAMES = ("reason", "message", "msg", "detail", "details", "status_message", "status_msg", "status_reason")
"""Where a reason may stand, but also a pleasantry."""
CODE_NAMES = ("error_code", "errcode", "err_code", "code", "failure_code", "fail_code")
NOT_READY = 400005
"""The code of a result that is asked for too early."""
TOO_EARLY = (409, 425)
ABOUT_THE_CALL = (401, 402, 403, 429)
"""These say nothing of the request, whatever words stand beside them."""
CALL_CODES = (404, 10001, 400001, 400002, 400004, 404001)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply. `body` is its JSON, None where it has none; `secret` is the key, to be cut out of every text.

    `url` is what was asked, and `base` the API's address. `levels` are the objects in which the reply's fields may
    stand, the outermost first, with their names in one spelling.
    """

    status_code: int
    body: Any = field(repr=False)
    retry_after_s: float | None = None
    secret: str | None = field(default=None, repr=False)
    url: str = ""
    base: str = ""
    levels: tuple[Mapping[str, Any], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(levels_in(self.body)))

    @property
    def ok(self) -> bool:
        return 200 <= self.status_code < 300

    @property
    def is_object(self) -> bool:
        """Whether there are fields to read."""
        return isinstance(self.body, dict) or bool(self.levels)

    def get(self, *names: str) -> Any:
        """The first value that one of these fields holds, in the outermost object that has one."""
        return next(self.values(*names), None)

    def values(self, *names: str) -> Iterator[Any]:
        return (level[name] for level in self.levels for name in names if level.get(name) is not None)

    def text(self, *names: str) -> str:
        """What the first of these fields that says something says: one line for a person, without the key."""
        for value in self.values(*names):
            text = explained(clean(words_in(value), self.secret))
            if text and not is_pleasantry(text):
                return text
        return ""

    @property
    def word(self) -> str:
        """The word for the request's state, cleaned; empty where there is none.

        An envelope's own word says that the call went well: a word further inside then counts.
        """
        words = [word for level in self.levels if (word := _word_in(level))]
        if isinstance(self.body, str) and outcome_of(self.body):
            words.append(self.body)
        if not words:
            return ""
        first, *inner = words
        for word in inner:
            known = outcome_of(word) is not None
            if is_envelope(first) or (known and outcome_of(first) in (None, Outcome.SUCCEEDED)):
                first = word
        return clean(first, self.secret)

    @property
    def reason(self) -> str:
        """The text of an error, not of a message: it is none where all is well."""
        text = self.text(*ERROR_NAMES) or self._reason_in_output()
        said = self.text(*TALK_NAMES) if re.fullmatch(r"[\w.-]{1,60}|[0-9]{5} \(.*\)", text) else ""
        # A lone word like `generation_error` is a name; what it means stands in the message.
        return f"{said} ({text})" if said and said != text else text

    def _reason_in_output(self) -> str:
        for value in self.values("output", "outputs"):
            for level in levels_in(value, 0):
                held = (level[name] for name in ERROR_NAMES if level.get(name) is not None)
                if text := next(filter(None, (explained(clean(words_in(part), self.secret)) for part in held)), ""):
                    return "" if is_pleasantry(text) else text
        return ""

    @property
    def code(self) -> int | None:
        """An error code that is not one of success."""
        numbers = (number for value in self.values(*CODE_NAMES) if (number := whole(value)) is not None)
        return next((number for number in numbers if number not in (0, 200)), None)

    @property
    def told_reason(self) -> str:
        """The reason in words, in an error or a message."""
        return self.reason or self.text(*TALK_NAMES)

    @property
    def full_reason(self) -> str:
        """The reason of a failure, wherever it stands, and if it is only a number."""
        if text := self.told_reason:
            return text
        output = self.get("output")
        if isinstance(output, str) and (text := self.text("output")):
            return text
        return explained(str(self.code)) if self.code else ""

    @property
    def is_not_ready(self) -> bool:
        """Whether the request is not over, in the answer to a call that came too early."""
        if self.status_code >= 500 or self.status_code in ABOUT_THE_CALL:
            return False
        if NOT_READY in map(whole, self.values("error_code", "code", "errcode")):
            return True
        outcome = outcome_of(self.word)
        if self.ok:
            # The word `error` may be an envelope's, around "not ready".
            if (self.word and folded(self.word) != "error") or self.get("output", "outputs", "error_code"):
                return False
            return (self.status_code == 202 and not self.word) or self._says_unfinished
        if self.status_code < 400:
            return False
        if outcome in (Outcome.IN_QUEUE, Outcome.IN_PROGRESS):
            return True
        if self.status_code in TOO_EARLY:
            return outcome is not Outcome.FAILED or self._says_unfinished
        return self._says_unfinished

    @property
    def _says_unfinished(self) -> bool:
        return any(is_unfinished(clean(words_in(value))) for value in self.values(*ERROR_NAMES, *TALK_NAMES))

    @property
    def tells_of_a_failed_request(self) -> bool:
        """Whether a fault in the reply is the request's, and the call itself went well."""
        if outcome_of(self.word) is not Outcome.FAILED:
            return False
        if self.ok:
            # The word `error` also stands in envelopes, beside the code of a call that went wrong.
            code = self.code or 0
            is_calls = code in CALL_CODES or (code if code < 1000 else code // 1000) in ABOUT_THE_CALL
            return not (is_calls and "error" in folded(self.word))
        named = self.status_code not in ABOUT_THE_CALL and 400 <= self.status_code < 500
        return named and folded(self.word).startswith("fail") and isinstance(self.get("request_id"), str)


def levels_in(body: object, depth: int = DEEPEST) -> Iterator[Mapping[str, Any]]:
    """The objects of a reply, outermost first: itself, and what wrappers hold. A list of one is what it holds."""
    waiting: list[tuple[object, int, bool]] = [(body, depth, False)]
    for held, left, is_echo in waiting:
        value = parsed(held)
        if isinstance(value, list) and len(value) == 1:
            value = parsed(value[0])
        if not isinstance(value, dict):
            continue
        level: dict[str, Any] = {}
        for name, part in value.items():
            level.setdefault(snake(name), part)
        # `request` can be the request's state, or an echo of the input, whose fields mean something else.
        if is_echo and not _word_in(level):
            level = {name: part for name, part in level.items() if name in ("id", "request_id")}
        yield level
        if left:
            waiting += [(level[name], left - 1, name == "request") for name in WRAPPERS if name in level]


def _word_in(level: Mapping[str, Any]) -> str:
    held = (level.get(name) for name in WORD_NAMES)
    return next((word for word in held if isinstance(word, str) and folded(word)), "")
