"""What one click would make: the prompts that the alternatives of a form's prompt are, and how often each."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from gradio.components import Component
from markupsafe import Markup

from dreamina_ui.cards.alternatives import Alternatives, read
from dreamina_ui.cards.aside import planned
from dreamina_ui.cards.batches.plans import BATCH_MOST, given_count, note_of
from dreamina_ui.engine.submission import VARIATIONS_MOST
from dreamina_ui.ui.form import Form
from dreamina_ui.wording import Words

__all__ = ["Asked"]

AT_ONCE_MOST = 2000
"""Characters of a prompt that is read at once."""
_PROMPTS = Markup('<ol class="price-prompts">{}</ol>')
_PROMPT = Markup('<li dir="auto">{}</li>')
_NOTE = Markup('<p class="price-note" role="status">{}</p>')


@dataclass(frozen=True, slots=True)
class Asked:
    """The `values` of a form, the `prompts` that a batch at most takes, and how many videos they make with all variations."""

    form: Form
    values: Mapping[str, Any]
    variations: int
    prompts: tuple[str, ...]
    """None where the prompt is no text; the first ones, where there are too many for a batch."""
    count: int
    problem: str | None

    @classmethod
    async def of(cls, form: Form, contents: Mapping[Component, Any], visitor_id: str, *, comma: bool) -> Self:
        """What the form makes of these contents of its controls; `comma` is as for `value_of`."""
        values = form.values(contents, comma=comma)
        variations = contents[form.variations]
        if not isinstance(variations, int) or not variations:
            variations = 1
        prompt = values.get(form.card.prompt.name) if form.card.prompt else None
        if not isinstance(prompt, str):
            return cls(form, values, variations, (), variations, None)
        alternatives = await _read(prompt, visitor_id)
        prompts = alternatives.prompts(BATCH_MOST)
        several = alternatives.count if alternatives.count > BATCH_MOST else len(prompts)
        return cls(form, values, variations, tuple(prompts), several * variations, alternatives.problem)

    @property
    def has_alternatives(self) -> bool:
        return len(self.prompts) > 1

    @property
    def is_too_much(self) -> bool:
        """Whether the alternatives are more than one click makes."""
        return self.has_alternatives and self.count > VARIATIONS_MOST

    @property
    def fits_a_batch(self) -> bool:
        return self.count <= BATCH_MOST

    @property
    def each(self) -> list[dict[str, Any]]:
        """The values of each prompt's videos besides `values`."""
        prompt = self.form.card.prompt
        return [{prompt.name: text} for text in self.prompts] if prompt and self.prompts else [{}]

    @property
    def digest(self) -> str:
        """What is shown before it is sent: the prompts, and all that the price depends on; empty without alternatives."""
        if not self.has_alternatives:
            return ""
        shown = [self.form.card.model_id, self.prompts, self.count, self.values.get("frames")]
        return hashlib.sha256(json.dumps(shown, default=str).encode()).hexdigest()

    def too_much_text(self, words: Words) -> str:
        """That these are more than one click makes."""
        key = "alternatives.too_many" if self.fits_a_batch else "alternatives.beyond"
        return words.say(key, given=given_count(self.count), limit=VARIATIONS_MOST, batch=BATCH_MOST)

    def html(self, price: str, words: Words) -> tuple[str, Markup]:
        """What is said in the place of the price, and what is below it."""
        below = Markup()
        if self.problem:
            below = _NOTE.format(words.say(f"alternatives.{self.problem}", **note_of(self.problem).facts))
        if self.is_too_much:
            return self.too_much_text(words), below
        if not self.has_alternatives:
            return price, below
        prompts = _PROMPTS.format(Markup().join(map(_PROMPT.format, self.prompts)))
        counts = [words.say("alternatives.count", count=self.count)]
        if self.variations > 1:
            counts.append(words.say("alternatives.each", count=self.variations))
        return " · ".join([*counts, price]), prompts + below


async def _read(prompt: str, visitor_id: str) -> Alternatives:
    if len(prompt) <= AT_ONCE_MOST:
        return read(prompt)
    return await planned(visitor_id, partial(read, prompt))
