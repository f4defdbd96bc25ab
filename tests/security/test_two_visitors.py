"""Two visitors over HTTP: what one has, the other cannot see, stop or take away, by whatever name it is asked for."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import httpx
import pytest

from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.web.visitors import COOKIE
from tests.filled import known_visitor, past_job, write_past
from tests.rig import make_clip
from tests.security.gradio_wire import Event, Talker, texts_in
from tests.servers import Server, SimulatorServer, wait_for

MARK = "ann-only-7f3a"
SESSION = "ann0session"
KEY = "rc-test-key-0123456789"
GUESSES = ["%", "_" * 32, "*", "' OR 1=1 --", "0" * 32, "None", "", "../" * 8]


class House:
    """A running program in which Ann has one job of every kind, and Bob nothing."""

    def __init__(self, server: Server, ann: Talker, bob: Talker, past: list[Job], running: str) -> None:
        self.server, self.ann, self.bob = server, ann, bob
        self.past, self.running = past, running
        self.events = ann.events()

    @property
    def private(self) -> list[Event]:
        return [event for event in self.events if not event.public]

    @property
    def job_ids(self) -> list[str]:
        return [self.running, *(job.job_id for job in self.past)]

    @property
    def names(self) -> list[str]:
        """All that a stranger could have got hold of, or make up."""
        shares = [job.share_id for job in self.past]
        click, request = str(self.past[0].click_id), str(self.past[0].request_id)
        return [*self.job_ids, *shares[:1], click, request, SESSION, *GUESSES]

    def rows(self) -> dict[str, tuple[Any, ...]]:
        """What anybody could do to a job of Ann's, by its id."""
        with closing(sqlite3.connect(self.server.data / "dreamina.sqlite3")) as connection:
            connection.row_factory = sqlite3.Row
            ann = self.past[0].visitor_id
            rows = [dict(row) for row in connection.execute("SELECT * FROM jobs WHERE visitor_id = ?", [ann])]
        still = [name for name in rows[0] if name in STEADY]
        assert len(still) >= 6, rows[0].keys()
        return {row["job_id"]: tuple(row[name] for name in still) for row in rows}


STEADY = {
    *(
        "state",
        "cancel_requested",
        "dismissed",
        "deleted_at",
        "held",
        "visitor_id",
        "request_id",
        "click_id",
        "share_id",
    ),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    clip = make_clip(folder / "clip.mp4")
    options = ("--token", KEY, "--slots", "1", "--queue", "600", "--quick", "600", "--clip", str(clip))
    service = SimulatorServer(folder, *options)
    # Ann's running job takes her one place: the jobs of a batch wait.
    settings = {"RUNCOMFY_API_TOKEN": KEY, "DREAMINA_MAX_ACTIVE_PER_VISITOR": "1"}
    server = Server(folder, RUNCOMFY_MODEL_API_BASE=service.start(), **settings)
    visitor, cookie = known_visitor(server.data)
    past = [
        past_job(1, visitor, prompt=f"{MARK} boat"),
        past_job(2, visitor, State.UNCERTAIN, prompt=f"{MARK} tree"),
        past_job(3, visitor, State.FAILED, prompt=f"{MARK} fish"),
    ]
    late = past[2]
    object.__setattr__(late, "failure", Failure("deadline_passed", "", {}))
    write_past(server.data, past, clip)
    address = server.start()
    with Talker(address, {COOKIE: cookie}) as ann, Talker(address) as bob:
        status, answer = ann.call("submit", [f"{MARK} running", None, None, None])
        assert status == 200, answer
        running = next(
            job["job_id"] for job in sql(server, "SELECT job_id FROM jobs WHERE payload LIKE ?", f"%{MARK} running%")
        )
        wait_for(
            lambda: "".join(row["job_id"] for row in sql(server, "SELECT job_id FROM jobs WHERE state='in_queue'"))
        )
        yield House(server, ann, bob, past, running)
    with suppress(ProcessLookupError):
        server.stop()
    service.stop()


def sql(server: Server, query: str, *values: str) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(server.data / "dreamina.sqlite3")) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(query, values).fetchall()


def asked_for(event: Event, name: str, job_ids: list[str]) -> tuple[list[Any], dict[str, Any]]:
    """The event with this name in every field that takes a text, and in whatever a script of the page can say."""
    data = [name if each.kind in ("textbox", "api") else each.value for each in event.inputs]
    said = {"job_id": name, "job_ids": [name, *job_ids], "batch_id": name, "share_id": name, "name": name}
    return data, said


def sent(talker: Talker, house: House, events: list[Event], session: str) -> list[str]:
    """Every event with every name; gives all that was answered."""
    told = []
    for event in events:
        for name in house.names:
            data, said = asked_for(event, name, house.job_ids)
            assert talker.join(session, event, data, said).status_code == 200, event
        told.append(texts_in(talker.messages(session)))
    return told


def test_bob_can_do_nothing_with_anns_jobs(house: House) -> None:
    """All events of the page, with Ann's ids and her session's name: Bob reads nothing, and all is as it was."""
    before = house.rows()
    told = sent(house.bob, house, house.private, f"bob-{SESSION}")
    # Ann's own answers tell what Bob's must not: the same events do read, and her jobs are there to be read.
    mine = texts_in(house.ann.ask(named(house, "show"), named(house, "show").data(), "ann-looks"))
    assert mine.count(f"{MARK} boat") >= 1
    assert mine.count(f"{MARK} running") >= 1
    assert [text[:2000] for text in told if MARK in text] == []
    assert house.rows() == before


def named(house: House, name: str) -> Event:
    return next(event for event in house.events if event.name == name)


def test_only_a_job_id_gives_access_to_a_job(house: House) -> None:
    """The public endpoints take a job's id alone: no share id, request id, click's id or pattern stands for one."""
    before = house.rows()
    for event in (event for event in house.events if event.public and len(event.inputs) == 1):
        for name in sorted(set(house.names) - set(house.job_ids)):
            status, answer = house.bob.call(event.name, [name])
            assert (status, "event: error" in answer, MARK in answer) == (200, True, False), (event.name, name, answer)
        near = house.running[:-1] + ("0" if house.running[-1] != "0" else "1")
        assert "event: error" in house.bob.call(event.name, [near])[1]
    assert house.rows() == before


def test_only_its_maker_controls_a_batch(house: House) -> None:
    """Held, let go and taken back is a batch by who made it, and by nobody who knows its id."""
    preview, send, watch = (named(house, name) for name in ("preview", "send", "watch_batch"))
    values = {"batch_mode": "lines", "batch_lines": f"{MARK} one\n{MARK} two"}
    planned = house.ann.ask(preview, preview.data(**values), "ann-batch")[-2]["output"]["data"]
    plan = next(value for value in planned if isinstance(value, str) and len(value) == 64)
    values |= {"batch_planned": plan, "batch_click_id": "ann-batch-0001"}
    house.ann.ask(send, send.data(**values), "ann-batch").clear()
    made = {job_id for job_id, row in house.rows().items() if "ann-batch-0001" in str(row)}
    assert len(made) == 2
    one_sent = "SELECT 1 FROM jobs WHERE state = 'in_queue' AND batch_id IS NOT NULL"
    wait_for(lambda: "sent" if sql(house.server, one_sent) else "")
    before = house.rows()
    assert "waiting" in str([before[job_id] for job_id in made])
    for event in (named(house, name) for name in ("pause_batch", "go_on_with_batch", "cancel_batch")):
        assert texts_in(house.bob.ask(event, ["ann-batch-0001"], "bob-batch"))
        assert house.rows() == before, event
    told = texts_in(house.bob.ask(watch, watch.data(batch_current="ann-batch-0001"), "bob-batch"))
    assert MARK not in told


def test_downloads_accept_only_share_ids(house: House) -> None:
    """A zip is had by share ids, which only show; no job id, and no id of a batch, opens one."""
    for query in ("jobs", "ids", "job_ids", "share_ids", "videos", "batch"):
        for name in (*house.job_ids, SESSION):
            answer = house.bob.http.get("/dreamina/zip", params={query: name})
            assert answer.status_code >= 400
            assert MARK.encode() not in answer.content
    for name in (*house.job_ids, *filter(str.isalnum, GUESSES)):
        assert house.bob.http.get(f"/dreamina/video/{name}").status_code >= 400


def test_forged_cookie_is_a_new_visitor(house: House) -> None:
    """Ann's id with another signature, or none, is not Ann."""
    visitor = house.past[0].visitor_id
    search = named(house, "show")
    for number, cookie in enumerate((visitor, f"{visitor}.AAAA", f"{visitor}.", f'"{visitor}"')):
        with Talker(house.server.address, {COOKIE: cookie}) as forged:
            assert MARK not in texts_in(forged.ask(search, search.data(), f"forged-{number}"))


def test_another_visitors_session_sends_nothing(house: House) -> None:
    """Who names the session of somebody else's page gets none of its messages."""
    search = named(house, "show")
    house.ann.join(SESSION, search, search.data()).raise_for_status()
    with suppress(httpx.HTTPError):  # refused in the middle, or nothing came
        assert MARK not in texts_in(house.bob.messages(SESSION, 3))
    assert MARK in texts_in(house.ann.messages(SESSION, 3))


def test_another_visitors_stream_cannot_be_ended(house: House) -> None:
    """What Ann watches is not ended by Bob's cancel of her session's event, nor by his leaving of her session."""
    watch = named(house, "watch")
    session = f"{SESSION}2"
    event_id = house.ann.join(session, watch, watch.data(current=house.running)).raise_for_status().json()["event_id"]
    with house.ann.http.stream("GET", f"/gradio_api/queue/data?session_hash={session}", timeout=4) as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data:"))
        assert "in_queue" in next(line for line in lines if house.running in line)
        body = {"session_hash": session, "fn_index": watch.number, "event_id": event_id}
        with suppress(httpx.HTTPError):
            house.bob.http.post("/gradio_api/cancel", json=body)
        end = ""
        with suppress(httpx.ReadTimeout):
            end = next(line for line in lines if "process_completed" in line or "close_stream" in line)
        assert end == ""
