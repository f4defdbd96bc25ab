"""Plans a batch of all combinations of some values: of models, ratios, lengths, seeds, and the alternatives of a prompt. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from dreamina_ui.cards.alternatives import read
from dreamina_ui.cards.batches.plans import (
    BATCH_MOST,
    PLAN_S,
    NotTaken,
    Plan,
    Wanted,
    carried,
    each_model,
    note_of,
    planned,
    source_of,
    too_many,
)
from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.schema.validator import within
from dreamina_ui.cards.values import value_of, written

__all__ = ["plan_sweep"]

SEEDS_TEXT_MOST = 10_000
_RANDOM = re.compile(r"(\d{1,5})\s*(?:random|zufällige?)", re.IGNORECASE | re.ASCII)


def plan_sweep(
    cards: Sequence[Card],
    base: Mapping[str, Any],
    ratios: Sequence[Any],
    frames: Sequence[Any],
    seeds: Sequence[int] | str,
) -> Plan:
    """One job for each model and combination of values; an empty dimension keeps the value in `base`. The alternatives of the
    prompt in `base` are one more dimension.

    `seeds` are whole numbers, or a text: whole numbers between commas or blanks, or "3 random". A model makes its videos without
    a dimension, or a value of one, that it does not take and another of the models does.
    """
    cards = each_model(cards)
    prompts = read(_prompt_in(cards, base))
    # A model without a prompt makes one video of all alternatives.
    counts = {card.model_id: prompts.count if card.prompt else 1 for card in cards}
    with within(PLAN_S):
        dimensions = {
            card.model_id: {
                "aspect_ratio": _each_once(ratios),
                "frames": _each_once(frames),
                "seed": _seeds(card, seeds),
            }
            for card in cards
        }
        # Before each is looked at, which takes longer.
        if (longest := max(len(values) for of_card in dimensions.values() for values in of_card.values())) > BATCH_MOST:
            others = min(
                prod([counts[model_id], *(len(values) or 1 for values in of_card.values())])
                for model_id, of_card in dimensions.items()
            )
            return too_many(max(longest, others))
        swept, not_taken = _swept(cards, dimensions)
        sizes = (prod([counts[name], *map(len, of_card.values())]) for name, of_card in swept.items())
        if (count := sum(sizes)) > BATCH_MOST:
            return too_many(count)
        for card in cards:
            if card.prompt and prompts.parts:  # the last dimension changes first
                swept[card.model_id] = {card.prompt.name: prompts.prompts(BATCH_MOST), **swept[card.model_id]}
        wanted = [
            Wanted(0, card, dict(zip(of_card, values, strict=True)))
            for card, of_card in zip(cards, swept.values(), strict=True)
            for values in product(*of_card.values())
        ]
        notes = [note_of(prompts.problem)] if prompts.problem else []
        return planned(wanted, base, first=cards[0], not_taken=not_taken, notes=notes)


def _prompt_in(cards: Sequence[Card], values: Mapping[str, Any]) -> str:
    """The prompt among values that all videos share; empty without one."""
    named = (values.get(card.prompt.name) for card in cards if card.prompt)
    return next((prompt for prompt in named if isinstance(prompt, str) and prompt.strip()), "")


def _swept(
    cards: Sequence[Card], dimensions: Mapping[str, Mapping[str, Sequence[Any]]]
) -> tuple[dict[str, dict[str, list[Any]]], list[NotTaken]]:
    """The dimensions of each model with the values that it takes; what no model takes stays, and is refused by the check."""
    swept: dict[str, dict[str, list[Any]]] = {card.model_id: {} for card in cards}
    not_taken = []
    for name in next(iter(dimensions.values())):
        _, field = source_of(cards, name)
        fitting = {
            (card.model_id, written(value)): meant
            for card in cards
            for value in dimensions[card.model_id][name]
            if field is not None and (meant := carried(card, field, value)) is not None
        }
        taken_by_one = {text for _, text in fitting}
        one_takes_all = any(
            all((card.model_id, written(value)) in fitting for value in dimensions[card.model_id][name])
            for card in cards
        )
        for card in cards:
            values = dimensions[card.model_id][name]
            missed = [each for each in values if (card.model_id, written(each)) not in fitting]
            # Where a model lacks the field, it is for the others to say what is wrong with the values.
            is_without = card.field(name) is None or one_takes_all
            left_out = [each for each in missed if is_without or written(each) in taken_by_one]
            if left_out and field is not None:
                not_taken.append(NotTaken(card, field, tuple(left_out)))
                values = [each for each in values if each not in left_out]
            given = [fitting.get((card.model_id, written(each)), each) for each in values]
            if given:
                swept[card.model_id][name] = given if name == "seed" else _each_once(given)
    return swept, not_taken


def _seeds(card: Card, seeds: Sequence[int] | str) -> list[Any]:
    """The seeds to sweep; the card's check refuses any other text."""
    column = card.field("seed")
    random = column.default if column and column.default == -1 else None
    if not isinstance(seeds, str):
        return _each_once(seeds, repeat=random)
    text = seeds.strip()
    if len(text) > SEEDS_TEXT_MOST:
        return [text]
    if found := _RANDOM.fullmatch(text):
        return [random] * int(found[1]) if random is not None and int(found[1]) else [text]
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    return _each_once([value_of(column, part) if column else part for part in parts], repeat=random)


def _each_once(values: Iterable[Any], repeat: Any = None) -> list[Any]:
    """The values without duplicates, except for `repeat`, which is another random value each time."""
    unique: list[Any] = []
    seen: set[str] = set()
    for value in values:
        if written(value) not in seen or (repeat is not None and value == repeat):
            seen.add(written(value))
            unique.append(value)
    return unique
