"""Plans a batch of lines: one prompt on each, or JSON. Pure."""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dreamina_ui.cards.alternatives import JSON_TRIES, end_of_json
from dreamina_ui.cards.batches.plans import (
    BATCH_MOST,
    BYTES_MOST,
    Plan,
    Question,
    Wanted,
    each_prompt,
    planned,
    refused,
    too_many,
)
from dreamina_ui.cards.model_card import Card

__all__ = ["LINE_END", "json_values", "plan_lines"]

LINE_END = re.compile(r"\r\n|\r|\n")
_JSON_LINE = re.compile(r"(?<![^\r\n])[ \t]*[{\[]")
_BETWEEN_VALUES = re.compile(r"[ \t\r\n,]*")


def plan_lines(card: Card, text: str, shared: Mapping[str, Any], agreed: Collection[str] = ()) -> Plan:
    """One prompt for each line that is not blank, or for each JSON object; the other fields from `shared`.

    Alternatives in a prompt make several. Where JSON goes over several lines, the plan has a question and no videos, until one
    of its answers is in `agreed`, of which the last one counts.
    """
    if len(text) > BYTES_MOST:
        return refused(0, "too_big", given=len(text), limit=BYTES_MOST)
    name = card.prompt.name if card.prompt else "prompt"
    count = sum(1 for prompt in LINE_END.split(text) if prompt and not prompt.isspace())
    together = _with_json_together(text)
    if count > BATCH_MOST and not 0 < len(together) <= BATCH_MOST:
        return too_many(count)
    apart = _prompts_of(text, 1)
    if together:
        named = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
        answers = {f"{named} together": together, f"{named} lines": apart}
        chosen = [answers[answer] for answer in agreed if answer in answers]
        if not chosen:
            asked = [(answer, len(prompts)) for answer, prompts in answers.items()]
            return replace(refused(0, "json_lines"), question=Question(together=asked[0], apart=asked[1]))
        prompts = chosen[-1]
    elif values := json_values(text):
        if len(values) > BATCH_MOST:
            return too_many(len(values))
        prompts = [_Prompt(line, value, is_json=True) for line, value in enumerate(values, start=1)]
    else:
        prompts = apart
    if len(prompts) > BATCH_MOST:
        return too_many(len(prompts))
    wanted = each_prompt(
        [Wanted(prompt.line, card, {name: prompt.text}) for prompt in prompts],
        as_they_stand=[prompt.line for prompt in prompts if prompt.is_json],
    )
    if isinstance(wanted, Plan):
        return wanted
    rows, notes = wanted
    return planned(rows, shared, first=card, notes=notes)


@dataclass(frozen=True, slots=True)
class _Prompt:
    """The prompt that begins on a line. JSON, or what looks like it, has no alternatives."""

    line: int
    text: str
    is_json: bool = False


def _with_json_together(text: str) -> list[_Prompt]:
    """The prompts of lines, where JSON that goes over several lines is one, with what follows it on its last line.

    None where no JSON does.
    """
    found: list[_Prompt] = []
    at, line = 0, 1
    for start, end in _json_of_several_lines(text):
        found += _prompts_of(text[at:start], line)
        line += len(LINE_END.findall(text, at, start))
        found.append(_Prompt(line, text[start:end].strip(), is_json=True))
        line += len(LINE_END.findall(text, start, end))
        at = end
    return [*found, *_prompts_of(text[at:], line)] if found else []


def _prompts_of(text: str, first: int) -> list[_Prompt]:
    lines = enumerate(LINE_END.split(text), start=first)
    return [_Prompt(line, prompt.strip()) for line, prompt in lines if prompt and not prompt.isspace()]


def _json_of_several_lines(text: str) -> Iterator[tuple[int, int]]:
    """Where lines with JSON that goes over several lines begin and end."""
    at = others = missed = 0
    while others <= BATCH_MOST and missed < JSON_TRIES and (start := _JSON_LINE.search(text, at)):
        line_end, end = _end_of_line(text, start.end()), end_of_json(text, start.end() - 1)
        at = line_end
        if end is not None and end > line_end:
            at = _end_of_line(text, end)
            yield start.start(), at
        others += at == line_end
        missed += end is None


def _end_of_line(text: str, at: int) -> int:
    found = LINE_END.search(text, at)
    return found.start() if found else len(text)


def json_values(text: str) -> list[str] | None:
    """The JSON objects that a text consists of, each as it is written; None for any other text."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (start := _BETWEEN_VALUES.match(text, at).end()) < len(text):  # type: ignore[union-attr]  # it matches nothing, too
        if text[start] != "{":
            return None
        try:
            _, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            return None
        found.append(text[start:at])
    return found or None
