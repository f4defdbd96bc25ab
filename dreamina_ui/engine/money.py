"""Money: what a video costs as far as that is known, what its job is booked with, balances, and the day's limits."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from dreamina_ui.backends import Backend
from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.models import Models
from dreamina_ui.clock import Clock
from dreamina_ui.engine.keys import Keys
from dreamina_ui.errors import StoreError
from dreamina_ui.jobs import Job
from dreamina_ui.runcomfy.client import Price
from dreamina_ui.runcomfy.money.balances import Balances
from dreamina_ui.runcomfy.money.prices import UNKNOWN, Prices
from dreamina_ui.storage.allowances import Allowances, Limits
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.storage.job_rows import search_values

__all__ = ["Costs", "LimitWatch", "Money"]

READ_EVERY_S = 2.0
KINDS_MOST = 500
PRICE_AWAITED_S = 2.0
"""A click waits no longer for a price; then what earlier videos cost counts, or nothing."""

log = logging.getLogger(__name__)


class Costs:
    """What the newest video on the shared key cost, by model and length, as the service reported it."""

    def __init__(self, queries: JobQueries, backend: str, clock: Clock) -> None:
        self._queries = queries
        self._backend = backend
        self._clock = clock
        self._known: OrderedDict[tuple[str, int | None], tuple[float, float | None]] = OrderedDict()

    async def usd(self, model_id: str, payload: Mapping[str, Any]) -> float | None:
        """None where nothing is known. Never raises: while the database is away, what was known before holds."""
        kind = (model_id, search_values(payload)["frames"])
        read_at, usd = self._known.get(kind, (float("-inf"), None))
        if self._clock.monotonic() - read_at >= READ_EVERY_S:
            with suppress(StoreError):
                usd = await self._queries.newest_cost_usd(self._backend, *kind, own_key=False)
            self._known[kind] = (self._clock.monotonic(), usd)
            self._known.move_to_end(kind)
            while len(self._known) > KINDS_MOST:  # anybody may ask what a video of any length costs
                self._known.popitem(last=False)
        return usd


class LimitWatch:
    """Tells once a day, whichever replica sees it first, that 80 % and all of a day's limit are used up: in the log, and by the
    outbox of `allowances`.

    Looks after each click and each end of a job, in the background. Without such limits it does nothing.
    """

    def __init__(self, allowances: Allowances, limits: Limits) -> None:
        self._allowances = allowances
        self._has_any = limits.daily is not None or limits.daily_budget_usd is not None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._has_any:
            self._changed.set()
            self._task = asyncio.create_task(self._run(), name="limits")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def look(self) -> None:
        """Something was booked, or its cost is known now."""
        self._changed.set()

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                used_up = await self._allowances.newly_used_up()
            except StoreError as error:
                log.warning("the use of today's limits cannot be read: %s", error.message)
                continue
            for notice in used_up:
                values = (notice.percent, notice.name, notice.used, notice.limit)
                log.warning("%d %% of today's %s are used up: %.10g of %.10g", *values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    backend: Backend
    models: Models
    keys: Keys
    prices: Prices
    balances: Balances
    costs: Costs
    budget_usd: float | None
    """What the shared key may spend in a day."""
    _unpriced: set[str] = field(default_factory=set)

    async def price(self, card: Card, visitor_id: str | None = None) -> Price:
        """What the service says about the price of a model; it may be a base and no total, with a note.

        Unknown where the service does not say, there is no key to ask with, or nothing is charged.
        """
        if not self.backend.charges:
            return UNKNOWN
        return await self.prices.of(card, self.keys.for_price(visitor_id))

    async def estimate_usd(self, card: Card, values: Mapping[str, Any], visitor_id: str | None = None) -> float | None:
        """What such a video costs in all, by what the service says; None where it does not."""
        if not self.backend.charges:
            return 0.0
        return (await self.price(card, visitor_id)).estimate_usd(card.duration_s(values))

    async def booked(self, made: Sequence[Job]) -> dict[str, float]:
        """The US dollars that new jobs on the shared key are expected to cost, by job id: what the newest such video cost, else
        the service's base price, which need not be all.

        Only with a budget. A job of which nothing is known is left out, and the log says so once for each model.
        """
        if self.budget_usd is None or not self.backend.charges:
            return {}
        known = {job.job_id: await self._expected_usd(job) for job in made}
        for job in made:
            if known[job.job_id] is None and job.model_id not in self._unpriced:
                self._unpriced.add(job.model_id)
                log.warning(
                    "no price of %s is known: the budget counts its videos when their cost is reported", job.model_id
                )
        return {job_id: usd for job_id, usd in known.items() if usd is not None}

    async def _expected_usd(self, job: Job) -> float | None:
        if (usd := await self.costs.usd(job.model_id, job.payload)) is not None:
            return usd
        card = self.models.get(job.model_id)
        if card is None:
            return None
        price = UNKNOWN
        with suppress(TimeoutError):
            async with asyncio.timeout(PRICE_AWAITED_S):
                price = await self.price(card)
        return price.base_usd(card.duration_s(job.payload))

    def shows_balance(self, visitor_id: str, *, is_owner: bool) -> bool:
        """Whether there is an account whose balance the visitor may see: the own key's; for the owner the shared one's, too."""
        return self._key_of_balance(visitor_id, is_owner=is_owner) is not None

    async def balance_usd(
        self, visitor_id: str, *, is_owner: bool = False, may_have_changed: bool = False
    ) -> float | None:
        """US dollars that the account has left, perhaps less than nothing; None where the service does not say, or the account is
        not this visitor's to see."""
        key = self._key_of_balance(visitor_id, is_owner=is_owner)
        return None if key is None else await self.balances.usd(key, may_have_changed=may_have_changed)

    def _key_of_balance(self, visitor_id: str, *, is_owner: bool) -> str | None:
        return self.keys.for_balance(visitor_id, is_owner=is_owner) if self.backend.charges else None
