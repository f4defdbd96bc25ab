"""The messages to webhooks as rows, on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from dreamina_ui.jobs import State
from dreamina_ui.storage.allowances import Allowances, Limits
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.storage.webhook_events import EVENTS_MOST, BatchAddress, Outbox, WebhookEvent, WebhookEvents
from tests.storage.test_job_store import NO_LIMIT, NOON, a_job, ended, sent

pytestmark = pytest.mark.anyio

ADDRESS = BatchAddress(url="https://ann.example.net/", host="ann.example.net", language="de", signer="ann")
LATER = NOON + 3600


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(Database(url)) as database:
        database.prepare()
        yield database


async def add_batch(store: JobStore, count: int, batch_id: str = "b", address: BatchAddress | None = ADDRESS) -> None:
    made = [
        a_job(f"{batch_id}-{number}", batch_id=batch_id, click_id=batch_id, variation=number) for number in range(count)
    ]
    await store.add(made, webhook=address)


async def end(store: JobStore, *job_ids: str, state: State = State.CANCELLED) -> None:
    await asyncio.gather(*(store.change(job_id, lambda job: ended(job, state)) for job_id in job_ids))


async def claimed(database: Database, now: float = LATER) -> list[WebhookEvent]:
    return await WebhookEvents(database).claim(now, most=100, for_owner=False, each=100, busy={})


async def test_the_last_two_that_end_at_once_end_the_batch_once(database: Database, url: str) -> None:
    """On one replica or on two: neither twice nor never."""
    with closing(Database(url)) as other:
        stores = [JobStore(each, Outbox(each)) for each in (database, other)]
        for number in range(10):
            await add_batch(stores[0], 2, f"b{number}")
            await asyncio.gather(*(end(store, f"b{number}-{each}") for each, store in enumerate(stores)))
    found = await WebhookEvents(database).undelivered()
    assert sorted((event.event, event.batch_id) for event in found) == [("batch.ended", f"b{n}") for n in range(10)]
    assert {(event.url, event.language, event.signer) for event in found} == {(ADDRESS.url, "de", "ann")}


async def test_of_two_replicas_one_sends(database: Database, url: str) -> None:
    """What one has claimed, another does not get, until the first is done with it or has died."""
    store = JobStore(database)
    for number in range(20):
        await add_batch(store, 1, f"b{number}")
        await end(store, f"b{number}-0")
    with closing(Database(url)) as other:
        mine, others = await asyncio.gather(claimed(database), claimed(other))
        assert sorted(event.batch_id or "" for event in mine + others) == sorted(f"b{number}" for number in range(20))
        assert {event.tries for event in mine + others} == {1}
        assert await claimed(database) == await claimed(other) == []
        assert not await WebhookEvents(other).due(LATER)
    events, [first, second, *_] = WebhookEvents(database), mine + others
    await events.finish(first.event_id, answer="HTTP 500", next_at=LATER + 10)
    await events.finish(second.event_id, answer="HTTP 200", delivered=True)
    assert await claimed(database, LATER + 9) == []
    assert [(event.event_id, event.tries) for event in await claimed(database, LATER + 10)] == [(first.event_id, 2)]
    assert second.event_id not in {event.event_id for event in await events.undelivered()}


async def test_one_host_and_one_visitor_get_few_places(database: Database) -> None:
    """Those with the fewest tries come first; what is under way counts."""
    store = JobStore(database)
    for number in range(6):
        host = "same.example.net" if number < 3 else f"h{number}.example.net"
        address = replace(ADDRESS, host=host, url=f"https://{host}/")
        job = a_job(f"j{number}", visitor_id=f"v{min(number, 4)}", batch_id=f"b{number}", click_id=f"b{number}")
        await store.add([job], webhook=address)
        await end(store, job.job_id)
    events = WebhookEvents(database)
    busy = {"host h3.example.net": 2, "visitor v4": 1}
    got = await events.claim(LATER, most=10, for_owner=False, each=2, busy=busy)
    assert sorted(event.host for event in got)[-2:] == ["same.example.net"] * 2
    assert len([event for event in got if event.visitor_id == "v4"]) == 1
    assert len(got) == 3


async def test_what_ended_before_is_not_told_again(database: Database) -> None:
    """Only the end itself is news: no later change of the row, and no cancel that changes nothing."""
    store = JobStore(database, Outbox(database, for_owner=True))
    await store.add([a_job("single")])
    await end(store, "single", state=State.FAILED)
    await store.change("single", lambda job: replace(job, dismissed=True, version=job.version + 1))
    await add_batch(store, 2)
    await store.cancel_waiting("ann", "b", LATER)
    await store.cancel_waiting("ann", "b", LATER)
    found = [(event.event, event.host) for event in await WebhookEvents(database).undelivered()]
    assert sorted(found) == [("batch.ended", ""), ("batch.ended", ADDRESS.host), ("job.failed", "")]


@pytest.mark.parametrize("ending", ["block", "follow"])
async def test_a_batch_that_others_end_is_told(database: Database, ending: str) -> None:
    """By the owner's block; or by signing in, which leaves nothing waiting on the key of before. Of two batches, each."""
    outbox = Outbox(database, for_owner=True)
    store = JobStore(database, outbox)
    for batch_id in ("b", "c"):
        made = [
            a_job(f"{batch_id}-{number}", batch_id=batch_id, click_id=batch_id, variation=number, own_key=True)
            for number in range(2)
        ]
        await store.add(made, webhook=ADDRESS)
    await store.add([a_job("going-on", batch_id="d", click_id="d")], webhook=ADDRESS)
    await store.change("going-on", sent)
    if ending == "block":
        assert await Allowances(database, NO_LIMIT, "runcomfy", outbox=outbox, now=lambda: LATER).block("ann") == 4
    else:
        await JobQueries(database, outbox).follow("ann", "anna", LATER)
    found = await WebhookEvents(database).undelivered()
    ends = [("batch.ended", batch_id, host) for batch_id in ("b", "c") for host in ("", ADDRESS.host)]
    assert sorted((event.event, event.batch_id, event.host) for event in found) == ends
    assert {event.visitor_id for event in found} == {"ann" if ending == "block" else "anna"}


async def test_a_limit_is_told_at_80_and_at_100_percent(database: Database) -> None:
    """Of the count of videos and of the budget, by what they are expected to cost; the simulator's cost nothing. Each once."""
    outbox = Outbox(database, for_owner=True)
    store = JobStore(database, outbox)
    limits = Limits(active=100, active_per_visitor=100, daily=5, daily_budget_usd=1.0)
    allowances = Allowances(database, limits, "runcomfy", outbox=outbox, now=lambda: NOON)
    told = []
    for name, usd, backend in (
        ("a", 0.7, "simulator"),
        ("b", 0.7, "runcomfy"),
        ("c", 0.15, "runcomfy"),
        ("d", 0.05, "runcomfy"),
        ("e", 0.1, "runcomfy"),
        ("f", 0.0, "runcomfy"),
    ):
        await store.add([a_job(name, backend=backend)], booked={name: usd})
        new = await allowances.newly_used_up()
        assert await allowances.newly_used_up() == []
        told.append([(notice.name.removeprefix("DREAMINA_DAILY_"), notice.used, notice.percent) for notice in new])
    money, count = "BUDGET_USD", "LIMIT"
    assert told == [[], [], [(money, 0.85, 80)], [], [(count, 4, 80), (money, 1.0, 100)], [(count, 5, 100)]]
    found = await WebhookEvents(database).undelivered()
    assert sorted((event.event, event.facts["used"], event.url) for event in found) == [
        ("limit.near", 0.85, None), ("limit.near", 4, None), ("limit.reached", 1.0, None), ("limit.reached", 5, None)
    ]  # fmt: skip


async def test_without_an_owners_address_limits_are_only_returned(database: Database) -> None:
    """For the log."""
    limits = Limits(active=100, active_per_visitor=100, daily=1)
    await JobStore(database).add([a_job("a", backend="runcomfy")], limits)
    new = await Allowances(database, limits, "runcomfy", now=lambda: NOON).newly_used_up()
    assert [notice.percent for notice in new] == [80, 100]
    assert await WebhookEvents(database).undelivered() == []


async def test_a_visitor_has_a_hundred_messages_an_hour(database: Database) -> None:
    """What comes beyond is left out; the owner hears of everything."""
    store = JobStore(database, Outbox(database, for_owner=True))
    await add_batch(store, EVENTS_MOST + 5)
    await end(store, *(f"b-{number}" for number in range(EVENTS_MOST + 5)), state=State.UNCERTAIN)
    found = await WebhookEvents(database).undelivered()
    assert sum(event.url is not None for event in found) == EVENTS_MOST
    assert sum(event.url is None for event in found) == EVENTS_MOST + 6


async def test_messages_move_with_their_visitor_and_are_forgotten(database: Database) -> None:
    """After signing in, the batch's address is found under the new name; it goes with the batch's jobs."""
    store, queries, events = JobStore(database), JobQueries(database), WebhookEvents(database)
    await add_batch(store, 1)
    await queries.follow("ann", "anna", NOON)
    await end(store, "b-0")
    [event] = await events.undelivered()
    assert (event.visitor_id, event.signer, event.batch_id, event.url) == ("anna", "ann", "b", ADDRESS.url)
    await events.finish(event.event_id, answer="HTTP 410")
    [event] = await events.undelivered()
    assert (event.url, event.host, event.next_at) == ("", ADDRESS.host, None)
    await events.forget(before=event.at)
    assert await events.undelivered() != []
    await events.forget(before=event.at + 1)
    assert await events.undelivered() == []
