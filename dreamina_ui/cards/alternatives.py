"""Alternatives in a prompt: `a {red|green} boat` is two prompts. Pure.

A prompt is read once, in time that grows with its length, and counted without being expanded. A brace is doubled to stand
for itself (`{{`, `}}`). As they stand are also braces around one text alone (`{red}`), the braces of a JSON object, and a whole
prompt whose alternatives are not closed or nested too deep.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["COUNT_MOST", "DEPTH_MOST", "JSON_TRIES", "Alternatives", "as_it_stands", "end_of_json", "literal", "read"]

DEPTH_MOST = 20
"""Alternatives that are nested deeper are not read."""
READ_MOST = 50_000
"""Characters of a prompt that is read; no model takes a longer one, and to read a megabyte of braces takes two seconds."""
COUNT_MOST = 10**15
"""The highest count; greater numbers count as this one."""
JSON_TRIES = 20
"""How many texts of one prompt that begin like a JSON object, and are none, are read to their end."""
_JSON = json.JSONDecoder()
_JSON_START = re.compile(r'\{\s*["}]')
_LIKE_JSON = re.compile(r"""[\[{\s]*\{\s*["'“}\w]""")
_BRACKETS = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\[\]]')
"""Texts in quotation marks, and the brackets outside of them."""
_MARK = re.compile(r"[{|}]")


@dataclass(frozen=True, slots=True)
class Alternatives:
    """A prompt that was read: its `parts`, one after the other, of which each is a text or a choice of several. `problem` tells
    why it is taken as it stands.
    """

    parts: tuple["str | tuple[Alternatives, ...]", ...]
    problem: Literal["unclosed", "too_deep"] | None = None
    count: int = field(init=False)
    """How many prompts it is, each combination counted; at most `COUNT_MOST`."""

    def __post_init__(self) -> None:
        count = 1
        for part in self.parts:
            if not isinstance(part, str):
                count = min(count * sum(each.count for each in part), COUNT_MOST)
        object.__setattr__(self, "count", count)

    def __iter__(self) -> Iterator[str]:
        """The prompts, one at a time, as written; the last alternatives change first."""
        return (self.at(number) for number in range(self.count))

    def at(self, number: int) -> str:
        """The prompt of this number, from 0."""
        texts = []
        for part in reversed(self.parts):
            if isinstance(part, str):
                texts.append(part)
                continue
            number, left = divmod(number, sum(each.count for each in part))
            for each in part:
                if left < each.count:
                    texts.append(each.at(left))
                    break
                left -= each.count
        return "".join(reversed(texts))

    def prompts(self, most: int) -> list[str]:
        """The first `most` prompts, each once, and without blanks around it where there are several."""
        if self.count == 1:
            return [self.at(0)]
        return list(dict.fromkeys(self.at(number).strip() for number in range(min(self.count, most))))


@dataclass(slots=True)
class _Open:
    """Alternatives that are being read, or the whole prompt: what is read of each, and how many doubled braces are open."""

    branches: list[list[str | tuple[Alternatives, ...]]] = field(default_factory=lambda: [[]])
    doubled: int = 0

    @property
    def read(self) -> list[str | tuple[Alternatives, ...]]:
        return self.branches[-1]


def read(prompt: str) -> Alternatives:
    """The alternatives of a prompt.

    A doubled brace that closes stands for itself outside of alternatives, after a doubled one that opens, and where nothing is
    open but one pair; else each of the two closes one pair, so that alternatives can end together.
    """
    if len(prompt) > READ_MOST:
        return Alternatives((prompt,))
    opened = [_Open()]
    at = start = tries = 0

    def take(end: int) -> None:
        if end > start:
            opened[-1].read.append(prompt[start:end])

    while found := _MARK.search(prompt, at):
        at, letter, here = found.start(), found[0], opened[-1]
        is_double = prompt.startswith(letter, at + 1)
        if letter == "|":
            if len(opened) > 1:
                take(at)
                here.branches.append([])
                here.doubled, start = 0, at + 1
            at += 1
        elif letter == "{" and is_double:
            take(at + 1)
            here.doubled += 1
            at = start = at + 2
        elif letter == "{":
            if tries < JSON_TRIES and _JSON_START.match(prompt, at):
                if (end := end_of_json(prompt, at, strictly=True)) is not None:
                    at = end
                    continue
                tries += 1
            if len(opened) > DEPTH_MOST:
                return Alternatives((prompt,), "too_deep")
            take(at)
            opened.append(_Open())
            at = start = at + 1
        elif is_double and (here.doubled or len(opened) == 1 or (len(opened) == 2 and not opened[0].doubled)):
            take(at + 1)
            here.doubled = max(0, here.doubled - 1)
            at = start = at + 2
        elif len(opened) == 1:
            here.doubled = max(0, here.doubled - 1)
            at += 1
        else:
            take(at)
            opened.pop()
            outer = opened[-1].read
            if len(here.branches) == 1:
                outer += ["{", *here.read, "}"]
            else:
                outer.append(tuple(Alternatives(tuple(branch)) for branch in here.branches))
            at = start = at + 1
    if len(opened) > 1:
        return Alternatives((prompt,), "unclosed")
    take(len(prompt))
    return Alternatives(tuple(opened[0].read))


def literal(prompt: str) -> str:
    """The prompt written so that it is read as this very text: with its braces doubled, if they would mean something else."""
    if as_it_stands(prompt):
        return prompt
    return prompt.replace("{", "{{").replace("}", "}}")


def as_it_stands(prompt: str) -> bool:
    """Whether the prompt is read as this very text."""
    alternatives = read(prompt)
    return alternatives.count == 1 and alternatives.at(0) == prompt


def end_of_json(text: str, at: int, *, strictly: bool = False) -> int | None:
    """The end of the JSON object or list that begins here, if there is one.

    Unless read `strictly`, it may have faults, such as a comma too many: it ends where its brackets are balanced.
    """
    try:
        return _JSON.raw_decode(text, at)[1]
    except (ValueError, RecursionError):
        return None if strictly else _end_of_brackets(text, at)


def _end_of_brackets(text: str, at: int) -> int | None:
    if not _LIKE_JSON.match(text, at):
        return None
    depth = 0
    for found in _BRACKETS.finditer(text, at):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    return None
