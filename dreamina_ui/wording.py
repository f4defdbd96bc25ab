"""Every sentence that a person reads, in each language. Pure; the caller escapes the texts.

The texts are in `words/*.json`, one file for each language, with the same keys. A sentence about a failure says what
happened, what it cost, and what to do now.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from dreamina_ui.backends import Backend
from dreamina_ui.errors import DreaminaError, InvalidInput, Quoted
from dreamina_ui.jobs import Failure, Job, State

__all__ = ["LANGUAGES", "Words", "iso_time", "texts_of"]

_REFUSED = ("key_refused", "no_balance", "permission_denied", "unknown_model", "input_refused", "refused")
_NOT_SENT = ("key_missing", "store_unavailable")
UNSPENT: Mapping[str, str] = {
    **dict.fromkeys(_REFUSED, "money.not_charged"),
    **dict.fromkeys(_NOT_SENT, "money.not_sent"),
}
"""The sentence about money after a failure, by the failure's code, where the service has accepted nothing."""
CAUSES = ("name", "certificate", "proxy", "refused", "network", "timeout", "dropped", "server")
"""Why the service cannot be reached; each has a text."""
UNITS = ("second", "output")
"""What a base price is for; each has a text."""
LANGUAGES = ("en", "de")
"""The first one is the default."""
PREFERENCE_MOST = 1000
"""Characters of an Accept-Language header that are read."""
_GERMAN_MARKS = str.maketrans(",.", ".,")


@cache
def texts_of(language: str) -> Mapping[str, str]:
    """All texts of a language, by key."""
    path = Path(__file__).parent / "words" / f"{language}.json"
    texts: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return texts


class Words:
    """The texts of one language."""

    def __init__(self, language: str = LANGUAGES[0]) -> None:
        self.language = language if language in LANGUAGES else LANGUAGES[0]
        self._texts = texts_of(self.language)

    @classmethod
    def of(cls, preferred: Sequence[str | None]) -> "Words":
        """The first language that there is; each preference is a language ("de") or an Accept-Language header."""
        for preference in preferred:
            for part in (preference or "")[:PREFERENCE_MOST].split(","):
                language = part.split(";")[0].strip().lower()[:2]
                if language in LANGUAGES:
                    return cls(language)
        return cls()

    def say(self, key: str, **values: object) -> str:
        """The text of a key, its numbers written as the language does.

        A value that is missing shows as "?": a stored failure may lack what a later text names.
        """
        return self._texts[key].format_map(_Lenient({name: self._written(value) for name, value in values.items()}))

    def text(self, key: str) -> str:
        """The text as it stands, for a script that fills in the values."""
        return self._texts[key]

    def state_word(self, state: State) -> str:
        return self.say(f"state.{state}")

    def ending_word(self, job: Job) -> str:
        """As `state_word`; for a job that finished without a file, it says so."""
        return self.say("line.no_file") if job.has_no_file else self.state_word(job.state)

    def state_line(self, job: Job) -> str:
        """One line about the state of a job; `explain` has the reason for which it waits or ended."""
        if job.state is State.IN_QUEUE and job.queue_position:
            return self.say("line.next" if job.queue_position == 1 else "line.place", place=job.queue_position)
        if job.state is State.CANCELLED:
            return self.say("line.cancelled")
        if job.has_no_file:
            return self.say("line.no_file")
        return self.state_word(job.state)

    def explain(self, job: Job) -> str:
        """Why a job has no video, what holds it up, or what a cancel achieved; empty where there is nothing to say."""
        if job.dismissed:
            return self.say("explain.dismissed")
        sent = job.request_id is not None
        if job.failure:
            return self.sentence(job.failure, sent=sent)
        if job.cancel_requested and not job.ended:
            if job.cancel_outcome == "not_cancellable" or job.state in (State.IN_PROGRESS, State.SAVING):
                return self.say("explain.too_late")
            return self.say("explain.cancel_asked", service=self.say(f"service.{job.backend}"))
        sentences = [self.sentence(remark, sent=sent) for remark in job.remarks]
        if job.cancel_requested and job.state is State.SUCCEEDED:
            sentences.insert(0, self.say("explain.finished_first"))
        return " ".join(sentences)

    def sentence(self, error: DreaminaError | Failure, *, sent: bool | None = None) -> str:
        """One sentence for a failure or a remark, fresh or stored.

        `sent` tells whether the service has accepted the request: only where it has not, the sentence says that nothing was
        charged. None says nothing about money.
        """
        message = error.message.rstrip(". ") or self.say("failure.no_reason")
        key = f"failure.{error.code}"
        cause = error.facts.get("cause")
        why = self.say(f"cause.{cause}", **error.facts) if cause in CAUSES else ""
        if error.code == "outcome_unknown" and error.facts.get("answered"):
            key = "failure.outcome_unknown.answered"
        if error.code == "not_made" and f"{key}.{error.facts.get('reason')}" in self._texts:
            key = f"{key}.{error.facts['reason']}"
        facts = {**error.facts, "message": message, "why": f" ({why})" if why else ""}
        text = self.say(key if key in self._texts else "failure.error", **facts)
        unspent = UNSPENT.get(error.code)
        return f"{text} {self.say(unspent)}" if sent is False and unspent else text

    def field_title(self, name: str, title: str) -> str:
        """A field's title: in the person's language if there is a text for it, else the card's."""
        return self._texts.get(f"field.{name}", title)

    def field_problem(self, error: InvalidInput, title: str) -> str:
        """One sentence about a problem, which is shown beside the field."""
        return self.say(f"problem.{error.problem}", title=title, **error.facts)

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers are written with a comma before their decimals."""
        return self.language == "de"

    def price(
        self,
        backend: Backend,
        usd: float | None,
        last_usd: float | None = None,
        *,
        base_usd: float | None = None,
        unit: str | None = None,
    ) -> str:
        """The price of a video; if that is unknown, what the last such video cost, or else the base price for a unit."""
        if not backend.charges:
            return self.say("price.free")
        if usd is not None:
            return self.say("price.about", usd=self.money(usd))
        if last_usd is not None:
            return self.say("price.last", usd=self.money(last_usd))
        return self.say("price.unknown") if base_usd is None else self.base_price(base_usd, unit)

    def base_price(self, usd: float, unit: str | None) -> str:
        """A price for a second or a file; for a unit of another name, the price alone."""
        key = f"price.base.{unit}" if unit in UNITS else "price.base"
        return self.say(key, usd=self.money(usd))

    def price_note(self, note: str) -> str:
        """That a base price is not the total, as the service explains it; empty without a note."""
        return self.say("price.note", note=Quoted(note)) if note else ""

    def money(self, usd: float) -> str:
        """US dollars to the cent: "$1,234.50" or "1.234,50 $", with a minus if it is less than nothing; below a cent with four
        digits."""
        digits = 2 if usd == 0 or abs(usd) >= 0.01 else 4
        amount = self.say("money.usd", amount=self.number(abs(usd), digits))
        return f"\N{MINUS SIGN}{amount}" if usd < 0 else amount

    def seconds(self, duration_s: float) -> str:
        """A video's length, in whole seconds from 1 s on: 121 frames at 24 a second are 5 seconds."""
        return self.say("seconds", seconds=self.number(duration_s, 0 if duration_s >= 1 else 1))

    def size(self, size: int) -> str:
        """A number of bytes in KB or MB."""
        if size < 1_000_000:
            return f"{self.number(max(1, round(size / 1000)), 0)} KB"
        return f"{self.number(size / 1_000_000, 1)} MB"

    def number(self, value: float, digits: int) -> str:
        """A number with the language's separators: "1,234.5" or "1.234,5"."""
        written = f"{value:,.{digits}f}"
        return written.translate(_GERMAN_MARKS) if self.language == "de" else written

    def _written(self, value: object) -> object:
        """A number as the language writes it; a quotation in the language's marks; anything else as it is."""
        if isinstance(value, Quoted):
            return self._texts["quoted"].replace("{text}", value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        written = f"{value:,}".removesuffix(".0")
        return written.translate(_GERMAN_MARKS) if self.language == "de" else written


def iso_time(at: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


class _Lenient(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "?"
