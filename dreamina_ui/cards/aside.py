"""Checks values and plans batches without holding up other requests.

An ordinary click is checked at once. What takes longer goes to a thread of its own, where it only holds up others of its kind:
never the event loop, nor the threads that paid jobs need.
"""

import asyncio
import contextvars
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.schema.validator import TooSlow, within

__all__ = ["checked", "checked_all", "compared", "planned"]

T = TypeVar("T")
AT_ONCE_S = 0.01
"""Seconds of processor time that the event loop may spend on the values of one click."""
_slow = ThreadPoolExecutor(1, "slow checks")
_plans = ThreadPoolExecutor(1, "plans")
_records = ThreadPoolExecutor(1, "records")
_turns: dict[str, asyncio.Lock] = {}


async def checked(card: Card, values: Mapping[str, Any]) -> dict[str, Any]:
    """As `Card.validate`."""
    try:
        with within(AT_ONCE_S):
            return card.validate(values, gives_up=True)
    except TooSlow:
        return await _run(_slow, lambda: card.validate(values))


async def checked_all(batch: Sequence[tuple[Card, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """As `Card.validate` for the values of each."""
    return await _run(_slow, lambda: [card.validate(values) for card, values in batch])


async def planned(visitor_id: str, plan: Callable[[], T]) -> T:
    """What `plan` gives. Of one visitor's plans, all but one wait outside, so that many do not hold up another visitor's."""
    return await _in_turn(f"plan {visitor_id}", _plans, plan)


async def compared(visitor_id: str, compare: Callable[[], T]) -> T:
    """What `compare` makes of the values that a visitor's file brought; of one visitor's files, one at a time."""
    return await _in_turn(f"record {visitor_id}", _records, compare)


async def _in_turn(name: str, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    turn = _turns.setdefault(name, asyncio.Lock())
    try:
        async with turn:
            return await _run(pool, work)
    finally:
        if not turn.locked() and _turns.get(name) is turn:
            del _turns[name]


async def _run(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, contextvars.copy_context().run, work)
