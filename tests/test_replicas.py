"""Two replicas behind docs/nginx.conf, on one PostgreSQL and one data folder, as docs/scaling.md says."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import jobs
from dreamina_ui.storage.leases import LEASE_S
from dreamina_ui.web.visitors import COOKIE
from tests.nginx import running
from tests.rig import make_clip
from tests.security.gradio_wire import Talker
from tests.servers import ROOT, Server, SimulatorServer, free_port, wait_for

KEY = "a-key-of-the-simulator"
RENDER_S = 1
LIMIT = 6
"""Videos a day of one visitor."""
TAKEN_OVER_WITHIN_S = 120
ANSWER_HELD_S = 600
"""Longer than any of these tests."""


@contextmanager
def nginx(folder: Path, replicas: list[Server]) -> Iterator[str]:
    """Nginx with the file from docs/ and the ports of this test. Yields its address."""
    port = free_port()
    text = (ROOT / "docs" / "nginx.conf").read_text(encoding="utf-8")
    for written, meant in (("7861", replicas[0]), ("7862", replicas[1])):
        assert text.count(f"127.0.0.1:{written}") == 2
        text = text.replace(f"127.0.0.1:{written}", meant.address.removeprefix("http://").rstrip("/"))
    assert text.count("127.0.0.1:7860") == 1
    with running(folder, text.replace("127.0.0.1:7860", f"127.0.0.1:{port}"), port) as address:
        yield address


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SimulatorServer]:
    clip = make_clip(tmp_path / "clip.mp4")
    server = SimulatorServer(tmp_path, "--token", KEY, "--quick", str(RENDER_S), "--clip", str(clip))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def replicas(tmp_path: Path, service: SimulatorServer, postgres_url: str) -> Iterator[list[Server]]:
    """Two running replicas; a test may kill one."""
    made = []
    try:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            server = Server(
                tmp_path / name,
                DREAMINA_DATA_DIR=str(tmp_path / "shared"),
                DREAMINA_DATABASE_URL=postgres_url,
                DREAMINA_SECRET="the same secret for both replicas",
                DREAMINA_ALLOWED_HOSTS="studio.example.com",
                DREAMINA_DAILY_LIMIT_PER_VISITOR=str(LIMIT),
                DREAMINA_MAX_ACTIVE_PER_VISITOR="50",
                RUNCOMFY_API_TOKEN=KEY,
                RUNCOMFY_MODEL_API_BASE=service.address,
            )
            server.start()
            made.append(server)
        yield made
    finally:
        for server in made:
            server.stop(kill=True)


def ask(browser: httpx.Client, endpoint: str, *values: object) -> Any:
    """The last data of an endpoint's stream."""
    event = browser.post(f"/gradio_api/call/{endpoint}", json={"data": values}).json()["event_id"]
    stream = browser.get(f"/gradio_api/call/{endpoint}/{event}").text
    assert "event: complete" in stream, stream
    return json.loads([line for line in stream.splitlines() if line.startswith("data: ")][-1].removeprefix("data: "))


def replica_of(browser: httpx.Client, replicas: list[Server]) -> Server:
    """Load the page through nginx. Returns the replica that the browser is sent to from now on."""
    assert browser.get("/").status_code == 200
    chosen = browser.cookies["dreamina_replica"]
    assert not browser.get("/").headers.get_list("set-cookie")  # it stays with that replica, and one visitor
    return replicas[["one", "two"].index(chosen)]


def submitted(browser: httpx.Client) -> str:
    """Click. Returns the job's id."""
    [job] = ask(browser, "submit", "A lighthouse in a storm", "1920×1088(16:9)", 121, 7)
    return str(job["job_id"])


def accepted(service: SimulatorServer) -> list[str]:
    """The ids of the requests that the service has accepted."""
    return [request["request_id"] for request in service.control("ledger", KEY)["requests"]]


def passed(url: str, seconds: float) -> None:
    """Let the leases of all jobs end so much earlier, as if the time had passed."""
    earlier = sa.update(jobs).values(lease_until=jobs.c.lease_until - seconds)
    with closing(Database(url)) as database:
        database.transact(lambda connection: connection.execute(earlier))


def reloaded(browser: httpx.Client) -> dict[str, dict[str, Any]]:
    """Load page and history from the other replica. Returns the jobs of the history by their ids."""
    assert browser.get("/").status_code == 200
    return {job["job_id"]: job for job in ask(browser, "history", 24, 0)[0]}


@pytest.mark.timeout(600)
def test_the_other_replica_takes_over_a_killed_ones_jobs(
    tmp_path: Path, service: SimulatorServer, replicas: list[Server], postgres_url: str
) -> None:
    """After the kill and a reload the other replica finishes the video that has a request id, which was requested once.

    If the service had not replied yet, the job becomes uncertain, and nothing is sent again.
    """
    service.control("faults", KEY, {"on": "status", "kind": "other_word", "word": "in_progress", "times": None})
    with (
        nginx(tmp_path / "nginx", replicas) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=60) as browser,
    ):
        replica = replica_of(browser, replicas)
        running = submitted(browser)
        # The service has the request before the database has its id; who dies between the two leaves an uncertain job.
        request_id = wait_for(lambda: ask(browser, "job", running)[0]["request_id"] or "")
        service.control("faults", KEY, {"on": "submit", "kind": "slow", "accepted": True, "delay_s": ANSWER_HELD_S})
        unanswered = submitted(browser)
        requests = wait_for(lambda: len(sent := accepted(service)) == 2 and sent)
        replica.stop(kill=True)
        before = reloaded(browser)
        assert (before[running]["request_id"], before[running]["finished_at"]) == (request_id, None)
        assert before[unanswered]["state"] in ("submitting", "uncertain")
        service.control("faults", KEY, method="DELETE")
        passed(postgres_url, LEASE_S)

        ending = {running, unanswered}
        wait_for(lambda: all(ask(browser, "job", job_id)[0]["finished_at"] for job_id in ending), TAKEN_OVER_WITHIN_S)
        after = reloaded(browser)
        assert (after[running]["state"], after[running]["request_id"]) == ("succeeded", request_id), after
        _, video = ask(browser, "job", running)
        film = browser.get(f"/gradio_api/file={video['path']}")
        assert (film.status_code, film.headers["content-type"]) == (200, "video/mp4")
        assert (after[unanswered]["state"], after[unanswered]["request_id"]) == ("uncertain", None), after
        assert after[unanswered]["error"]["code"] == "outcome_unknown"
        assert accepted(service) == requests


def test_a_browser_keeps_its_replica(tmp_path: Path, replicas: list[Server]) -> None:
    """Nginx follows its cookie, replaces an invented one, and passes the host name on."""
    with (
        nginx(tmp_path / "nginx", replicas) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=60) as program,
    ):
        kept = program.get("/healthz", headers={"Cookie": "dreamina_replica=two"})
        assert (kept.status_code, kept.headers.get("set-cookie")) == (200, None)
        drawn = program.get("/healthz", headers={"Cookie": "dreamina_replica=three"})
        assert drawn.headers["set-cookie"].startswith(("dreamina_replica=one;", "dreamina_replica=two;"))
        assert program.get("/config", headers={"Host": "studio.example.com"}).status_code == 200
        assert program.get("/config", headers={"Host": "other.example.com"}).status_code == 403


def test_two_replicas_are_one_studio_for_who_attacks_it(service: SimulatorServer, replicas: list[Server]) -> None:
    """A cookie of one is the same visitor at the other. Parallel calls at both with one id are one paid job, and many with ids of
    their own are paid up to the limit. What is deleted at one is gone at the other at once, and its id stays used there."""
    with Talker(replicas[0].address) as here, Talker(replicas[1].address, here.http.cookies) as there:
        both, values = [here, there], ["a kite over dunes", "1440×1440(1:1)", 121, 7]
        assert COOKIE not in there.http.get("/").headers.get("set-cookie", "")

        def clicked(number: int, name: str) -> str:
            return both[number % 2].call("submit", values, **{"Idempotency-Key": name})[1]

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda number: clicked(number, "one-call-of-the-test"), range(12)))
            job_ids = {found for answer in answers for found in re.findall(r'"job_id": "(\w+)"', answer)}
            assert len(job_ids) == 1, answers
            wait_for(lambda: accepted(service))
            answers = list(pool.map(lambda number: clicked(number, f"call-{number}-of-the-test"), range(3 * LIMIT)))
        taken = sum('"job_id"' in answer for answer in answers)
        assert taken == LIMIT - 1, answers
        wait_for(lambda: len(accepted(service)) == LIMIT)

        [job_id] = job_ids
        wait_for(lambda: '"succeeded"' in there.call("job", [job_id])[1])
        [name] = re.findall(r'"path": "(dreamina/[^"]+)"', there.call("job", [job_id])[1])
        address = f"/gradio_api/file={name}"
        assert [each.http.get(address).status_code for each in both] == [200, 200]
        delete = next(event for event in here.events() if event.name == "delete")
        for stranger in (Talker(replicas[1].address), here):
            with stranger if stranger is not here else nullcontext():
                assert stranger.ask(delete, delete.data(), "deleting", {"job_ids": [job_id]})
            found = [each.http.get(address).status_code for each in both]
            assert found == ([404, 404] if stranger is here else [200, 200])
        for talker in both:
            assert "already_used" in talker.call("submit", values, **{"Idempotency-Key": "one-call-of-the-test"})[1]
        assert len(accepted(service)) == LIMIT
