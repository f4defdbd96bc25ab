"""Two visitors over HTTP: neither can see, stop or delete the other's jobs, whatever ids are sent."""

import io
import sqlite3
import zipfile
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


class Program:
    """A running program in which Ann has one job of every kind, and Bob has none."""

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
        """All ids that another visitor might know or guess."""
        shares = [job.share_id for job in self.past]
        click, request = str(self.past[0].click_id), str(self.past[0].request_id)
        return [*self.job_ids, *shares[:1], click, request, SESSION, *GUESSES]

    def rows(self) -> dict[str, tuple[Any, ...]]:
        """The columns that an action would change, of each of Ann's jobs by id."""
        with closing(sqlite3.connect(self.server.data / "dreamina.sqlite3")) as connection:
            connection.row_factory = sqlite3.Row
            ann = self.past[0].visitor_id
            rows = [dict(row) for row in connection.execute("SELECT * FROM jobs WHERE visitor_id = ?", [ann])]
        still = [name for name in rows[0] if name in UNCHANGED]
        assert len(still) >= 6, rows[0].keys()
        return {row["job_id"]: tuple(row[name] for name in still) for row in rows}


UNCHANGED = {
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
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("program")
    clip = make_clip(folder / "clip.mp4")
    options = ("--token", KEY, "--slots", "1", "--queue", "600", "--quick", "600", "--clip", str(clip))
    service = SimulatorServer(folder, *options)
    # Ann may have one active job, which is running: the jobs of a batch wait.
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
        yield Program(server, ann, bob, past, running)
    with suppress(ProcessLookupError):
        server.stop()
    service.stop()


def sql(server: Server, query: str, *values: str) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(server.data / "dreamina.sqlite3")) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(query, values).fetchall()


def inputs_with(event: Event, name: str, job_ids: list[str]) -> tuple[list[Any], dict[str, Any]]:
    """The event's inputs with `name` in every text field, and event data with it under every key that the page's scripts send."""
    data = [name if each.kind in ("textbox", "api") else each.value for each in event.inputs]
    event_data = {"job_id": name, "job_ids": [name, *job_ids], "batch_id": name, "share_id": name, "name": name}
    return data, event_data


def sent(talker: Talker, program: Program, events: list[Event], session: str) -> list[str]:
    """Call every event with every name; returns all answers."""
    answers = []
    for event in events:
        for name in program.names:
            data, event_data = inputs_with(event, name, program.job_ids)
            assert talker.join(session, event, data, event_data).status_code == 200, event
        answers.append(texts_in(talker.messages(session)))
    return answers


def test_bob_can_do_nothing_with_anns_jobs(program: Program) -> None:
    """Bob calls all events of the page with Ann's ids and her session's name: he reads nothing, and nothing changes."""
    before = program.rows()
    answers = sent(program.bob, program, program.private, f"bob-{SESSION}")
    # The same events do show Ann her jobs, so that an empty answer to Bob proves something.
    mine = texts_in(program.ann.ask(named(program, "show"), named(program, "show").data(), "ann-show"))
    assert mine.count(f"{MARK} boat") >= 1
    assert mine.count(f"{MARK} running") >= 1
    assert [text[:2000] for text in answers if MARK in text] == []
    assert program.rows() == before


def named(program: Program, name: str) -> Event:
    return next(event for event in program.events if event.name == name)


def test_only_a_job_id_gives_access_to_a_job(program: Program) -> None:
    """The public endpoints accept only a job's id: no share id, request id, click id or pattern instead."""
    before = program.rows()
    for event in (event for event in program.events if event.public and len(event.inputs) == 1):
        for name in sorted(set(program.names) - set(program.job_ids)):
            status, answer = program.bob.call(event.name, [name])
            assert (status, "event: error" in answer, MARK in answer) == (200, True, False), (event.name, name, answer)
        near = program.running[:-1] + ("0" if program.running[-1] != "0" else "1")
        assert "event: error" in program.bob.call(event.name, [near])[1]
    assert program.rows() == before


def test_only_its_maker_controls_a_batch(program: Program) -> None:
    """Only its maker can pause, continue and cancel a batch, not another visitor who knows its id."""
    preview, send, watch = (named(program, name) for name in ("preview", "send", "watch_batch"))
    values = {"batch_mode": "lines", "batch_lines": f"{MARK} one\n{MARK} two"}
    planned = program.ann.ask(preview, preview.data(**values), "ann-batch")[-2]["output"]["data"]
    plan = next(value for value in planned if isinstance(value, str) and len(value) == 64)
    values |= {"batch_planned": plan, "batch_click_id": "ann-batch-0001"}
    program.ann.ask(send, send.data(**values), "ann-batch").clear()
    made = {job_id for job_id, row in program.rows().items() if "ann-batch-0001" in str(row)}
    assert len(made) == 2
    one_sent = "SELECT 1 FROM jobs WHERE state = 'in_queue' AND batch_id IS NOT NULL"
    wait_for(lambda: "sent" if sql(program.server, one_sent) else "")
    before = program.rows()
    assert "waiting" in str([before[job_id] for job_id in made])
    for event in (named(program, name) for name in ("pause_batch", "go_on_with_batch", "cancel_batch")):
        assert texts_in(program.bob.ask(event, ["ann-batch-0001"], "bob-batch"))
        assert program.rows() == before, event
    answers = texts_in(program.bob.ask(watch, watch.data(batch_current="ann-batch-0001"), "bob-batch"))
    assert MARK not in answers


def test_batches_of_one_name_are_two(program: Program) -> None:
    """Bob sends a batch under the name of Ann's: it is his own, he watches, pauses and cancels it, and Ann's stays as it is."""
    preview, send, watch = (named(program, name) for name in ("preview", "send", "watch_batch"))
    made: dict[str, list[str]] = {}
    for name, talker in (("ann", program.ann), ("bob", program.bob)):
        values = {"batch_mode": "lines", "batch_lines": f"{MARK} of {name} 1\n{MARK} of {name} 2"}
        planned = talker.ask(preview, preview.data(**values), f"{name}-same")[-2]["output"]["data"]
        plan = next(value for value in planned if isinstance(value, str) and len(value) == 64)
        talker.ask(send, send.data(**values, batch_planned=plan, batch_click_id="same-batch-01"), f"{name}-same")
        rows = sql(program.server, "SELECT job_id FROM jobs WHERE payload LIKE ?", f"%{MARK} of {name} %")
        made[name] = [row["job_id"] for row in rows]
        assert len(made[name]) == 2
    before = {job_id: row for job_id, row in program.rows().items() if job_id in made["ann"]}
    watched = watch.data(batch_current="same-batch-01")
    program.bob.join("bob-watch", watch, watched).raise_for_status()
    seen = ""
    with suppress(httpx.HTTPError):
        for message in program.bob.messages("bob-watch", 3):
            seen += texts_in([message])
    assert f"{MARK} of bob" in seen
    assert f"{MARK} of ann" not in seen
    for event in (named(program, name) for name in ("pause_batch", "go_on_with_batch", "cancel_batch")):
        program.bob.ask(event, ["same-batch-01"], "bob-same")
    waiting = "SELECT state FROM jobs WHERE batch_id = ? AND visitor_id != ?"
    states = {row["state"] for row in sql(program.server, waiting, "same-batch-01", program.past[0].visitor_id)}
    assert "cancelled" in states
    assert {job_id: row for job_id, row in program.rows().items() if job_id in made["ann"]} == before


def test_a_zip_tells_nothing_of_its_maker(program: Program) -> None:
    """Whoever knows a share id gets the video in a zip, also beside others; with one that is no saved video there is no zip."""
    video, uncertain, failed = (job.share_id for job in program.past)
    answer = program.bob.http.get("/dreamina/zip", params={"video": [video, video]})
    assert answer.status_code == 200
    [name] = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert name.endswith(".mp4")
    job = program.past[0]
    for told in (job.visitor_id, job.job_id, str(job.request_id), str(program.server.data)):
        assert told.encode() not in answer.content
    for other in (uncertain, failed, "0" * 32, program.running):
        refused = program.bob.http.get("/dreamina/zip", params={"video": [video, other]})
        assert (refused.status_code, refused.headers["content-type"]) == (404, "text/plain; charset=utf-8")


def test_a_joined_file_tells_nothing_of_its_maker(program: Program) -> None:
    """It is to be had with what a download needs; beside what is no saved video, or by a part's wrong name, there is none."""
    video, uncertain, failed = (job.share_id for job in program.past)
    job = program.past[0]
    for address, values in (("join", {"job": [video, video]}), ("export", {"job": video, "as": "gif", "width": "32"})):
        answer = program.bob.http.get(f"/dreamina/{address}", params=values)
        assert answer.status_code == 200
        for told in (job.visitor_id, job.job_id, str(job.request_id), str(program.server.data)):
            assert told.encode() not in answer.content
    for other in (uncertain, failed, "0" * 32, program.running):
        for address, jobs in (("join", [video, other]), ("export", [other])):
            refused = program.bob.http.get(f"/dreamina/{address}", params={"job": jobs})
            assert (refused.status_code, refused.headers["content-type"]) == (404, "text/plain; charset=utf-8")


def test_downloads_accept_only_share_ids(program: Program) -> None:
    """A zip needs share ids, which only give access to files; a job id or a batch id gives no zip."""
    for query in ("jobs", "ids", "job_ids", "share_ids", "videos", "batch"):
        for name in (*program.job_ids, SESSION):
            answer = program.bob.http.get("/dreamina/zip", params={query: name})
            assert answer.status_code >= 400
            assert MARK.encode() not in answer.content
    for name in (*program.job_ids, *filter(str.isalnum, GUESSES)):
        assert program.bob.http.get(f"/dreamina/video/{name}").status_code >= 400


def test_forged_cookie_is_a_new_visitor(program: Program) -> None:
    """A cookie with Ann's id and a wrong or missing signature does not stand for Ann."""
    visitor = program.past[0].visitor_id
    search = named(program, "show")
    for number, cookie in enumerate((visitor, f"{visitor}.AAAA", f"{visitor}.", f'"{visitor}"')):
        with Talker(program.server.address, {COOKIE: cookie}) as forged:
            assert MARK not in texts_in(forged.ask(search, search.data(), f"forged-{number}"))


def test_another_visitors_session_sends_nothing(program: Program) -> None:
    """A visitor who names the session of another one's page gets none of its messages."""
    search = named(program, "show")
    program.ann.join(SESSION, search, search.data()).raise_for_status()
    with suppress(httpx.HTTPError):  # refused in the middle, or no message came
        assert MARK not in texts_in(program.bob.messages(SESSION, 3))
    assert MARK in texts_in(program.ann.messages(SESSION, 3))


def test_another_visitors_stream_cannot_be_ended(program: Program) -> None:
    """Bob's cancel of an event in Ann's session does not end her stream."""
    watch = named(program, "watch")
    session = f"{SESSION}2"
    event_id = (
        program.ann.join(session, watch, watch.data(current=program.running)).raise_for_status().json()["event_id"]
    )
    with program.ann.http.stream("GET", f"/gradio_api/queue/data?session_hash={session}", timeout=4) as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data:"))
        assert "in_queue" in next(line for line in lines if program.running in line)
        body = {"session_hash": session, "fn_index": watch.number, "event_id": event_id}
        with suppress(httpx.HTTPError):
            program.bob.http.post("/gradio_api/cancel", json=body)
        end = ""
        with suppress(httpx.ReadTimeout):
            end = next(line for line in lines if "process_completed" in line or "close_stream" in line)
        assert end == ""
