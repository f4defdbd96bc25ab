"""Sends the messages that wait as rows to the owner's address and to those of visitors' batches, until they are accepted.

No job waits for it: a row is written in the transaction of what it tells, and sent by a loop of its own.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from dreamina_ui.clock import Clock
from dreamina_ui.config.network import DIRECT, Network
from dreamina_ui.engine.webhooks.messages import Form, Message, key_of, key_text
from dreamina_ui.engine.webhooks.posting import Answer, Poster, Target, checked_address, look_up_aside, target_of
from dreamina_ui.errors import JobNotFound, StoreError
from dreamina_ui.jobs import Job, State
from dreamina_ui.media.download.pinned import PinnedTransport
from dreamina_ui.retrying import WEBHOOK_POLICY, RetryBudget
from dreamina_ui.settings import Settings
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.storage.webhook_events import BatchAddress, WebhookEvent, WebhookEvents
from dreamina_ui.wording import Words

__all__ = ["GIVEN_UP_S", "WebhookSettings", "Webhooks", "owners_target", "send_test"]

LOOKED_EVERY_S = 2.0
GIVEN_UP_S = 86_400.0
KEPT_S = 7 * 86_400.0
"""How long the owner's list shows what was given up."""
AT_ONCE, AT_ONCE_OF_EACH, OWNERS_AT_ONCE = 8, 2, 2
"""Messages that are under way: to visitors' addresses, of them to one host or of one visitor, and to the owner's."""
HOSTS_MOST = 10_000
COUNTED = (State.FAILED, State.CANCELLED, State.UNCERTAIN)

log = logging.getLogger(__name__)

Describe = Callable[[Job, float], Awaitable[Mapping[str, Any]]]
"""A job as programs get it, at a time in seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    address: str | None = field(default=None, repr=False)
    """The owner's; None where the owner wants no messages."""
    secret: str | None = field(default=None, repr=False)
    """Signs what is sent there; None signs nothing."""
    form: Form | None = None
    """What is read there; None is what the address is known for."""
    trusted_origins: frozenset[str] = frozenset()
    """Origins of the owner's address that may be plain http or of this machine."""
    network: Network = DIRECT
    transport: httpx.AsyncBaseTransport | None = None
    """How addresses are reached; None is the network."""
    time_most_s: float = 10.0
    """How long one try may take, in seconds."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            address=settings.webhook_url,
            secret=settings.webhook_secret,
            form=None if settings.webhook_format == "auto" else Form(settings.webhook_format),
            trusted_origins=settings.trusted_output_origins,
            network=settings.output_network,
        )

    def poster(self, clock: Clock) -> Poster:
        transport = self.transport or PinnedTransport(self.network, look_up=look_up_aside)
        return Poster(transport, clock, trusted_origins=self.trusted_origins, time_most_s=self.time_most_s)


def owners_target(settings: WebhookSettings) -> Target | None:
    if settings.address is None:
        return None
    key = key_of(settings.secret) if settings.secret else None
    return target_of(settings.address, key=key, form=settings.form, is_owners=True)


async def send_test(settings: WebhookSettings, target: Target, public_url: str | None, clock: Clock) -> Answer:
    """Send a message that is only a test, once."""
    text, at = Words().say("webhook.test"), clock.now()
    message = Message(event_id=secrets.token_hex(16), event="test", at=at, text=text, link=public_url)
    poster = settings.poster(clock)
    try:
        return await poster.post(message, target)
    finally:
        await poster.aclose()


class Webhooks:
    """An async context manager: entering begins to send what is due, leaving stops.

    `secret` makes the keys that sign for visitors. `public_url` is the app's address, for links.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        events: WebhookEvents,
        store: JobStore,
        queries: JobQueries,
        describe: Describe | None,
        clock: Clock,
        secret: str,
        public_url: str | None,
    ) -> None:
        self._owner = owners_target(settings)
        self._settings = settings
        self._poster: Poster | None = None
        self._events = events
        self._store = store
        self._queries = queries
        self._describe = describe
        self._clock = clock
        self._secret = secret
        self._public_url = public_url
        self._under_way: dict[asyncio.Task[None], WebhookEvent] = {}
        self._turns: dict[str, RetryBudget] = {}
        self._loop: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.create_task(self._look(), name="webhooks")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Does not wait for receivers: messages under way are sent again after the next start."""
        tasks = [*self._under_way, *([self._loop] if self._loop else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._poster:
            await self._poster.aclose()

    def address(self, given: str | None, visitor_id: str, language: str) -> BatchAddress | None:
        """The address that a visitor gives for a batch; None if there is none. Raises `InvalidInput`."""
        if given is None or not given.strip():
            return None
        url, host = checked_address(given)
        return BatchAddress(url=url, host=host, language=language, signer=visitor_id)

    def key_text(self, visitor_id: str) -> str:
        """The secret by which a visitor's receivers check what is signed; each visitor has one."""
        return key_text(self._key(visitor_id))

    async def sweep(self) -> int:
        """Send all that is due and has a place, and wait for it. Returns how many messages that were."""
        await self._start_due()
        tasks = list(self._under_way)
        await asyncio.gather(*tasks)
        return len(tasks)

    async def forget(self) -> None:
        """Remove old rows that nothing more is done about."""
        await self._events.forget(self._clock.now() - KEPT_S)

    async def _look(self) -> None:
        while True:
            try:
                await self._start_due()
            except StoreError as error:
                log.warning("the database does not answer: %s", error)
            except Exception:
                log.exception("a mistake in the program; webhooks are looked at again")
            await asyncio.sleep(LOOKED_EVERY_S)

    async def _start_due(self) -> None:
        now = self._clock.now()
        if not await self._events.due(now):
            return
        for for_owner, at_once in ((True, OWNERS_AT_ONCE), (False, AT_ONCE)):
            mine = [event for event in self._under_way.values() if (event.url is None) is for_owner]
            if len(mine) >= at_once:
                continue
            busy = Counter(name for event in mine for name in (f"host {event.host}", f"visitor {event.visitor_id}"))
            claimed = await self._events.claim(
                now, most=at_once - len(mine), for_owner=for_owner, each=AT_ONCE_OF_EACH, busy=busy
            )
            for event in claimed:
                task = asyncio.create_task(self._deliver(event), name=f"webhook {event.event_id}")
                self._under_way[task] = event
                task.add_done_callback(lambda done: self._under_way.pop(done, None))

    async def _deliver(self, event: WebhookEvent) -> None:
        try:
            answer = await self._send(event)
        except StoreError as error:
            log.warning("the database does not answer: %s", error)  # the lease runs out, and it is sent then
            return
        except Exception:
            log.exception("a mistake in the program; the message %s is sent later", event.event_id)
            answer = Answer("a mistake in the program")
        try:
            await self._note(event, answer)
        except StoreError as error:
            log.warning("the database does not answer, and message %s may be sent again: %s", event.event_id, error)

    async def _send(self, event: WebhookEvent) -> Answer:
        target = self._target(event)
        if target is None:
            return Answer("no address is set", is_final=True)
        try:
            message = await self._message(event)
        except JobNotFound:
            return Answer("the job is removed", is_final=True)
        if event.url is not None:
            await self._clock.sleep(self._turn(event.host).reserve(0.0))
        return await self._made_poster().post(message, target)

    async def _note(self, event: WebhookEvent, answer: Answer) -> None:
        if answer.is_good:
            await self._events.finish(event.event_id, answer=answer.short, delivered=True)
            return
        wait_s = WEBHOOK_POLICY.wait_s(event.tries, self._clock.random(), answer.retry_after_s)
        next_at = self._clock.now() + wait_s
        is_last = answer.is_final or next_at > event.at + GIVEN_UP_S
        if is_last:
            to = event.host or "the owner's address"
            log.warning("the message %s to %s is given up: %s", event.event_id, to, answer.short)
        await self._events.finish(event.event_id, answer=answer.short, next_at=None if is_last else next_at)

    def _target(self, event: WebhookEvent) -> Target | None:
        if event.url is None:
            return self._owner
        return target_of(event.url, key=self._key(event.signer))

    def _turn(self, host: str) -> RetryBudget:
        """How often a host is called: many visitors may have named the same."""
        if len(self._turns) >= HOSTS_MOST:
            self._turns.clear()
        return self._turns.setdefault(host, RetryBudget(self._clock))

    def _made_poster(self) -> Poster:
        # Reading the system's certificates takes time, and most studios have no webhook.
        self._poster = self._poster or self._settings.poster(self._clock)
        return self._poster

    def _key(self, signer: str) -> bytes:
        return hmac.new(self._secret.encode(), f"webhooks of {signer}".encode(), hashlib.sha256).digest()

    async def _message(self, event: WebhookEvent) -> Message:
        """Raises `JobNotFound` if what it tells of is removed."""
        words = Words(event.language)
        link = self._public_url
        if event.job_id is not None:
            job = await self._store.get(event.job_id)
            text = words.say(f"webhook.{event.event}", reason=words.explain(job)).strip()
            link = self._link(job) or link
            more: dict[str, Any] = {"job": await self._described(job, event)}
        elif event.batch_id is not None:
            jobs = await self._queries.of_batch(event.visitor_id, event.batch_id)
            if not jobs:
                raise JobNotFound
            text = words.say("webhook.batch.ended", counts=_counts_text(jobs, words))
            more = {
                "batch": {"batch_id": event.batch_id, "count": len(jobs), **_counts(jobs)},
                "jobs": [await self._described(job, event) for job in jobs],
            }
        else:
            text, more = words.say(f"webhook.{event.event}", **event.facts), {"limit": event.facts}
        return Message(event_id=event.event_id, event=event.event, at=event.at, text=text, link=link, more=more)

    async def _described(self, job: Job, event: WebhookEvent) -> Mapping[str, Any] | None:
        if self._describe is None:
            return None
        told = await self._describe(job, self._clock.now())
        # What visitors wrote is theirs: the owner's address may be a channel that many read.
        return told if event.url is not None else {**told, "prompt": None, "settings": {}}

    def _link(self, job: Job) -> str | None:
        has_video = job.state is State.SUCCEEDED and not job.has_no_file
        return f"{self._public_url}/?video={job.share_id}" if self._public_url and has_video else None


def _counts(jobs: Sequence[Job]) -> dict[str, int]:
    return {str(state): sum(job.state is state for job in jobs) for state in (State.SUCCEEDED, *COUNTED)}


def _counts_text(jobs: Sequence[Job], words: Words) -> str:
    ready = sum(job.state is State.SUCCEEDED and not job.has_no_file for job in jobs)
    counts = {"no_file": sum(job.has_no_file for job in jobs), **_counts(jobs)}
    said = [words.say("batch.ready.count", ready=ready, count=len(jobs))]
    said += [
        words.say(f"batch.{name}.count", count=counts[name]) for name in ("no_file", *map(str, COUNTED)) if counts[name]
    ]
    return ", ".join(said)
