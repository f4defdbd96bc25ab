"""PostgreSQL behind a real pgbouncer in transaction mode: each transaction gets another of its few connections."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from dreamina_ui.jobs import State
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.storage.database import Database
from tests.crash.trial import serving
from tests.databases import POOLED
from tests.rig import VALUES
from tests.soak.takeover import takeover
from tests.storage.test_postgres import shared_service

pytestmark = pytest.mark.anyio

CLICKS = 64


@pytest.fixture
def database(pooled_url: str) -> Iterator[Database]:
    with closing(Database(pooled_url)) as database:
        database.prepare()
        yield database


async def test_clicks_at_once(tmp_path: Path, pooled_url: str, database: Database) -> None:
    """64 parallel clicks on two replicas, each sent twice and read many times: 64 jobs, each paid once, all with their video."""
    limits = Limits(active=1000, active_per_visitor=1000)
    async with shared_service(tmp_path, pooled_url) as shared:
        replicas = [await shared.start(limits=limits) for _ in range(2)]

        async def click(number: int) -> str:
            visitor, name = f"visitor-{number % 8}", f"click-{number}"
            made = await asyncio.gather(*(engine.submit(visitor, VALUES, click_id=name) for engine, _ in replicas))
            [job_id] = {job.job_id for [job] in made}
            return job_id

        job_ids = await asyncio.gather(*map(click, range(CLICKS)))
        async with asyncio.timeout(120):
            while any(not job.ended for job in await replicas[0][1].get_many(job_ids)):
                await asyncio.gather(*(store.share_ids() for _, store in replicas for _ in range(8)))
                await asyncio.sleep(0.2)
        jobs = await replicas[1][1].get_many(job_ids)
        assert Counter(job.state for job in jobs) == {State.SUCCEEDED: CLICKS}
        assert (len(set(job_ids)), shared.gate.posts, shared.accepted) == (CLICKS, CLICKS, CLICKS)

    mine = sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    used = database.transact(lambda connection: connection.scalar(mine))
    assert used is not None
    assert 1 < used <= POOLED


async def test_nothing_is_kept_over_transactions(database: Database) -> None:
    """After hundreds of transactions, no connection of the server has a prepared statement, a lock, or a setting of its own."""
    one = sa.select(sa.literal(1))

    async def use(number: int) -> None:
        def work(connection: sa.Connection) -> None:
            database.serialise(connection)
            connection.execute(one)

        await database.run(work)
        await database.read(lambda connection: connection.execute(one))

    await asyncio.gather(*map(use, range(200)))

    def left(connection: sa.Connection) -> tuple[int, int, str]:
        prepared = connection.scalar(sa.text("SELECT count(*) FROM pg_prepared_statements"))
        locks = connection.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
        read_only = connection.scalar(sa.text("SHOW default_transaction_read_only"))
        return prepared or 0, locks or 0, str(read_only)

    found = await asyncio.gather(*(database.run(left) for _ in range(20)))
    assert set(found) == {(0, 0, "off")}


def test_the_pooler_is_one(pooled_url: str) -> None:
    """What the program must not do is seen here: another client finds what a session set, as connections are passed around."""
    address = pooled_url.partition("?")[0]
    with psycopg.connect(address, autocommit=True) as one, psycopg.connect(address, autocommit=True) as other:
        one.execute("SET work_mem = '123kB'")
        assert other.execute("SHOW work_mem").fetchone() == ("123kB",)


def test_a_killed_owner_behind_the_pooler(tmp_path: Path, pooled_url: str) -> None:
    """Leases hold and run out by the database's clock: its jobs go on elsewhere, without another POST."""
    with serving(tmp_path, render_s=1.0) as service:
        result = takeover(tmp_path / "replica", service, "a second replica", url=pooled_url, lease_s=2.0)
    assert result.owned_s < 30
    assert (result.posts, dict(result.verdict.states), result.verdict.lies) == (5, {"succeeded": 5}, [])
