"""Webhooks: what is told to whom, how it is signed, and receivers of every kind. Real TLS, on this machine."""

import asyncio
import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from dreamina_ui.api.job_json import job_response
from dreamina_ui.engine.webhooks.messages import Form, Message, form_of
from dreamina_ui.engine.webhooks.posting import look_up_aside
from dreamina_ui.engine.webhooks.webhooks import GIVEN_UP_S, WebhookSettings
from dreamina_ui.errors import InvalidInput
from dreamina_ui.jobs import Job, State
from dreamina_ui.simulator import Fault
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.storage.webhook_events import WebhookEvent, WebhookEvents
from tests.engine.test_batch import all_ended, payloads
from tests.outside import GOOD, Asked, Outside, redirect, reply
from tests.rig import Rig, rigged
from tests.servers import ROOT
from tests.waiting import until

pytestmark = pytest.mark.anyio

SCHEMA = json.loads((ROOT / "docs" / "job.schema.json").read_text(encoding="utf-8"))
SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBvd25lciBvZiB0aGlzIHN0dWRpbw=="
OWNER, ANN, BOB = "https://owner.example.net/hook", "https://ann.example.net/hook", "https://bob.example.net/hook"
PUBLIC = "https://studio.example.com"
TAKEN = reply(b"ok")


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    async with Outside(replies=[TAKEN]).serving() as outside:
        yield outside


def rig_of(
    outside: Outside,
    folder: Path,
    *faults: Fault,
    address: str | None = OWNER,
    time_most_s: float = 10.0,
    **others: Any,
) -> AbstractAsyncContextManager[Rig]:
    settings = WebhookSettings(address=address, secret=SECRET, transport=outside.transport(), time_most_s=time_most_s)
    return rigged(folder, *faults, webhooks=settings, describe=job_response, public_url=PUBLIC, **others)


async def waiting(rig: Rig) -> list[WebhookEvent]:
    return await WebhookEvents(rig.engine.database).undelivered()


async def told(rig: Rig, outside: Outside) -> list[Asked]:
    """What was asked of the receivers, once nothing is left to be sent."""

    async def nothing_waits() -> bool:
        await rig.engine.webhooks.sweep()
        return not await waiting(rig)

    await until(nothing_waits)
    return outside.asked


def at(asked: Sequence[Asked], url: str) -> list[dict[str, Any]]:
    host = httpx.URL(url).host
    return [json.loads(each.body) for each in asked if each.headers["host"] == host]


async def batch(rig: Rig, webhook: str, *, count: int = 1, visitor_id: str = "ann", batch_id: str = "b") -> list[Job]:
    await rig.engine.batches.submit(visitor_id, payloads(count), batch_id, webhook=webhook, language="de")
    return await all_ended(rig, batch_id, visitor_id)


def receiver() -> Any:
    """The receiver of docs/webhooks.md."""
    [source] = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs" / "webhooks.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(source, names)
    return names["read"]


# What is told


async def test_the_owner_is_told_the_end_of_a_job(outside: Outside, tmp_path: Path) -> None:
    """The job as its schema says, without what the visitor wrote; a link to the video; one message."""
    async with rig_of(outside, tmp_path) as rig:
        job = await rig.finish(await rig.submit())
        [asked] = await told(rig, outside)
    message = json.loads(asked.body)
    assert (message["event"], message["text"]) == ("job.succeeded", "A video is ready.")
    assert message["link"] == f"{PUBLIC}/?video={job.share_id}"
    jsonschema.validate(message["job"], SCHEMA)
    assert (message["job"]["job_id"], message["job"]["state"]) == (job.job_id, "succeeded")
    assert (message["job"]["prompt"], message["job"]["settings"]) == (None, {})
    assert job.prompt not in asked.body.decode()
    assert asked.headers["webhook-id"] == message["id"]


async def test_a_batch_is_told_once_at_its_end(outside: Outside, tmp_path: Path) -> None:
    """Its visitor's address gets the prompts, in the visitor's language, the owner's none; nobody hears of each video."""
    async with rig_of(outside, tmp_path, Fault("submit", "failed_result", after=1)) as rig:
        jobs = await batch(rig, ANN, count=3)
        await rig.finish(await rig.submit("bob"))
        asked = await told(rig, outside)
        key = rig.engine.webhooks.key_text("ann")
        assert key != rig.engine.webhooks.key_text("bob")
    [message] = at(asked, ANN)
    assert (message["event"], message["text"]) == (
        "batch.ended",
        "Die Serie ist zu Ende: 2 von 3 fertig, 1 fehlgeschlagen.",
    )
    assert message["batch"] == {
        "batch_id": "b", "count": 3, "succeeded": 2, "failed": 1, "cancelled": 0, "uncertain": 0
    }  # fmt: skip
    assert [job["job_id"] for job in message["jobs"]] == [job.job_id for job in jobs]
    assert [job["prompt"] for job in message["jobs"]] == ["number 0", "number 1", "number 2"]
    assert sorted(each["event"] for each in at(asked, OWNER)) == ["batch.ended", "job.succeeded"]
    assert not any(b"number 0" in each.body for each in asked if each.headers["host"] != "ann.example.net")
    [mine] = [each for each in asked if each.headers["host"] == "ann.example.net"]
    sent_at = float(mine.headers["webhook-timestamp"])
    assert receiver()(key, mine.headers, mine.body, lambda: sent_at) == message


async def test_an_uncertain_video_of_a_batch_is_told(outside: Outside, tmp_path: Path) -> None:
    """Both addresses hear of it: it may be paid, and somebody has to look."""
    async with rig_of(outside, tmp_path, Fault("submit", "lose_answer")) as rig:
        [job] = await batch(rig, ANN)
        assert job.state is State.UNCERTAIN
        asked = await told(rig, outside)
    for url in (OWNER, ANN):
        assert sorted(each["event"] for each in at(asked, url)) == ["batch.ended", "job.uncertain"]


async def test_a_limit_that_is_used_up_is_told(outside: Outside, tmp_path: Path) -> None:
    """At 80 % and at 100 %: not before, and not again."""
    limits = Limits(active=100, active_per_visitor=100, daily=5)

    async def of_limits(count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        async def are_there() -> bool:
            found[:] = [each for each in at(await told(rig, outside), OWNER) if each["event"].startswith("limit.")]
            return len(found) >= count

        await until(are_there)
        return found

    async with rig_of(outside, tmp_path, limits=limits) as rig:
        for number, count in enumerate([0, 0, 0, 1, 2], 1):
            await rig.finish(await rig.submit())
            messages = await of_limits(count)
            assert [each["limit"]["used"] for each in messages] == [4, 5][:count], number
    near, reached = messages
    assert (near["event"], reached["event"]) == ("limit.near", "limit.reached")
    assert near["limit"] == {
        "name": "DREAMINA_DAILY_LIMIT", "used": 4, "limit": 5, "renews_at": near["limit"]["renews_at"]
    }  # fmt: skip
    assert near["text"] == "4 of 5 are used up today (DREAMINA_DAILY_LIMIT)."
    assert reached["text"] == "Nothing is left for today: 5 of 5 are used up (DREAMINA_DAILY_LIMIT)."


async def test_without_addresses_nothing_is_written(outside: Outside, tmp_path: Path) -> None:
    """No row, and nobody is asked."""
    async with rig_of(outside, tmp_path, address=None) as rig:
        await rig.finish(await rig.submit())
        await batch(rig, " ")
        assert await waiting(rig) == []
        assert await rig.engine.webhooks.sweep() == 0
    assert outside.connected == []


# The signature


async def test_the_receiver_of_the_documents(outside: Outside, tmp_path: Path) -> None:
    """It takes a message once, and refuses a changed one, another key's, and one that is recorded and sent later."""
    async with rig_of(outside, tmp_path) as rig:
        await rig.finish(await rig.submit())
        [asked] = await told(rig, outside)
    sent_at, read = float(asked.headers["webhook-timestamp"]), receiver()
    for secret, headers, body, later in (
        (SECRET, asked.headers, asked.body + b" ", 0),
        (SECRET, {**asked.headers, "webhook-id": "another"}, asked.body, 0),
        (SECRET, {**asked.headers, "webhook-timestamp": str(int(sent_at) + 1)}, asked.body, 0),
        (SECRET[:-4] + "AAAA", asked.headers, asked.body, 0),
        (SECRET, asked.headers, asked.body, 301),
    ):
        with pytest.raises(ValueError, match=r"signed|old"):
            read(secret, headers, body, lambda later=later: sent_at + later)
    assert read(SECRET, asked.headers, asked.body, lambda: sent_at)["event"] == "job.succeeded"
    assert read(SECRET, asked.headers, asked.body, lambda: sent_at + 200) is None


# Receivers of every kind


async def hangs(_: str) -> AsyncIterator[bytes]:
    await asyncio.sleep(60)
    yield b""


async def never_ends(_: str) -> AsyncIterator[bytes]:
    yield reply(b"", status="500 Oh no", length=2**40)
    for _number in range(2**14):
        yield bytes(2**20)


async def resets(_: str) -> AsyncIterator[bytes]:
    yield b"HTTP/1.1 2"
    raise OSError


async def drips(_: str) -> AsyncIterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X: y\r\n"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "short"),
    [
        (hangs, "no answer in time"),
        (drips, "no answer in time"),
        (never_ends, "HTTP 500"),
        (resets, "RemoteProtocolError"),
        (redirect("https://127.0.0.1/admin"), "HTTP 302"),
        (reply(b"{}", status="500 Oh no"), "HTTP 500"),
    ],
    ids=["hangs", "drips", "gigabytes", "resets", "redirects inside", "answers 500"],
)
async def test_a_failing_receiver_is_tried_again_and_delays_no_other(
    outside: Outside, tmp_path: Path, answer: Any, short: str
) -> None:
    """The job ends, one who waits behind is told at once, and no other address is called."""
    outside.replies = [answer]
    async with rig_of(outside, tmp_path, address=None, time_most_s=1.0) as rig:
        assert (await batch(rig, ANN))[0].state is State.SUCCEEDED
        async with asyncio.timeout(5):
            await rig.engine.webhooks.sweep()
        [event] = await waiting(rig)
        assert (event.answer, event.tries, event.delivered) == (short, 1, False)
        assert event.next_at is not None
        assert 5 <= event.next_at - rig.clock.now() <= 10
        outside.replies = [TAKEN]
        await batch(rig, BOB, visitor_id="bob")
        await rig.engine.webhooks.sweep()
        assert [each["event"] for each in at(outside.asked, BOB)] == ["batch.ended"]
        rig.clock.at = event.next_at
        await told(rig, outside)
    first, again = at([each for each in outside.asked if each.body], ANN)
    assert first == again
    assert {number for number, _ in outside.connected} == {GOOD}


async def test_an_answer_with_an_endless_body_counts(outside: Outside, tmp_path: Path) -> None:
    """A receiver that answers 200 and then never stops, or never ends, has taken the message."""

    async def taken_without_end(_: str) -> AsyncIterator[bytes]:
        yield reply(b"ok", length=2**40)
        await asyncio.sleep(60)

    outside.replies = [taken_without_end]
    async with rig_of(outside, tmp_path) as rig:
        await rig.finish(await rig.submit())
        await told(rig, outside)
    assert len(outside.asked) == 1


async def test_an_hour_of_500_and_then_a_day(outside: Outside, tmp_path: Path) -> None:
    """The pauses grow to an hour, Retry-After is kept, and after a day the message is given up; the studio goes on."""
    outside.replies = [reply(b"", "Retry-After: 600", status="503 Later"), reply(status="500 Oh no")]
    async with rig_of(outside, tmp_path) as rig:
        await rig.finish(await rig.submit())
        begun, pauses = rig.clock.now(), []
        await rig.engine.webhooks.sweep()
        while (event := (await waiting(rig))[0]).next_at is not None:
            pauses.append(event.next_at - rig.clock.now())
            rig.clock.at = event.next_at
            await rig.engine.webhooks.sweep()
        assert pauses[0] >= 600
        assert pauses[1:10] == sorted(pauses[1:10])
        assert max(pauses[1:]) <= 3600
        assert GIVEN_UP_S - 3600 <= rig.clock.now() - begun <= GIVEN_UP_S
        assert len(pauses) == len(outside.asked) - 1 < 70
        assert len({each.headers["webhook-id"] for each in outside.asked}) == 1
        assert (event.answer, event.delivered) == ("HTTP 500", False)
        assert (await rig.finish(await rig.submit())).state is State.SUCCEEDED


async def test_many_of_one_do_not_keep_others_waiting(outside: Outside, tmp_path: Path) -> None:
    """Twelve batches of one visitor, whose receiver hangs: another's message is among the first that are sent."""
    outside.replies = [hangs]
    async with rig_of(outside, tmp_path, address=None, time_most_s=1.0) as rig:
        for number in range(12):
            await batch(rig, f"https://a{number}.example.net/", batch_id=f"b{number}")
        await batch(rig, BOB, visitor_id="bob")
        assert await rig.engine.webhooks.sweep() == 3
        assert len(at(outside.asked, BOB)) == 1


@pytest.mark.parametrize("answers", [[["127.0.0.1"]], [[GOOD, "10.0.0.1"]]], ids=["inside", "one of two inside"])
async def test_a_name_of_a_private_address_is_never_connected_to(
    outside: Outside, tmp_path: Path, answers: list[list[str]]
) -> None:
    """Whatever a name means when it is called; such a message is given up at once."""
    outside.names = {"ann.example.net": answers}
    async with rig_of(outside, tmp_path, address=None) as rig:
        await batch(rig, ANN)
        await rig.engine.webhooks.sweep()
        [event] = await waiting(rig)
        assert (event.next_at, event.answer) == (None, "an address of this machine or its network")
    assert outside.connected == []


INSIDE = ["https://127.0.0.1/", "https://localhost/a", "https://10.0.0.7/", "https://[::1]/", "https://router.local/"]
NONE = ["ann", "http://ann.example.net/", "ftp://a.example.net/", "https://ann:secret@a.example.net/", "https://a b.net",
        "https://a.example.net\\@b.example.net", "https://", "https://a.example.net/" + "a" * 2000, "javascript:alert(1)",
        "https://bücher.example.net/"]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "problem"), [(url, "inside_webhook") for url in INSIDE] + [(url, "not_webhook") for url in NONE]
)
async def test_a_bad_address_is_refused_before_anything_is_sent(
    outside: Outside, tmp_path: Path, url: str, problem: str
) -> None:
    """With one sentence; no job is made."""
    async with rig_of(outside, tmp_path, address=None) as rig:
        with pytest.raises(InvalidInput) as caught:
            await rig.engine.batches.submit("ann", payloads(2), "b", webhook=url)
        assert (caught.value.field, caught.value.problem) == ("webhook", problem)
        assert await rig.engine.batches.jobs("ann", "b") == []


async def test_a_name_without_an_answer_holds_no_shared_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the studio goes on with all its threads; a name that is not found is an error as usual."""
    assert "127.0.0.1" in await look_up_aside("localhost", 443)
    with pytest.raises(socket.gaierror):
        await look_up_aside("", 443)
    answered, asked = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def unanswered(*_: object, **__: object) -> list[Any]:
        loop.call_soon_threadsafe(asked.set)
        answered.wait(30)
        return []

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", unanswered)
        looking = [asyncio.create_task(look_up_aside("a.example.net", 443)) for _ in range(40)]
        await asked.wait()
        await asyncio.wait_for(asyncio.to_thread(lambda: None), 20)
        answered.set()
        assert await asyncio.gather(*looking) == [[]] * 40


# What lasts


async def test_a_restart_loses_no_message(outside: Outside, tmp_path: Path) -> None:
    """What waits for its next try is sent by the next start, with the same id."""
    outside.replies = [reply(status="500 Oh no")]
    async with rig_of(outside, tmp_path) as rig:
        await batch(rig, ANN)
        await rig.engine.webhooks.sweep()
        assert len(await waiting(rig)) == 2
        clock = rig.clock
    clock.at += 3600
    outside.replies = [TAKEN]
    async with rig_of(outside, tmp_path, clock=clock) as rig:
        await told(rig, outside)
    for url in (OWNER, ANN):
        first, *_, last = [each for each in outside.asked if each.headers["host"] == httpx.URL(url).host]
        assert first.headers["webhook-id"] == last.headers["webhook-id"]
        assert at(outside.asked, url)[-1]["event"] == "batch.ended"


# The forms


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://ntfy.sh/topic", Form.NTFY),
        ("https://hooks.slack.com/services/T/B/x", Form.SLACK),
        ("https://discord.com/api/webhooks/1/x", Form.DISCORD),
        ("https://ptb.discord.com/api/webhooks/1/x", Form.DISCORD),
        ("https://discord.com/channels/1", Form.JSON),
        ("https://notdiscord.com/api/webhooks/1/x", Form.JSON),
        ("https://hooks.slack.com.example.net/", Form.JSON),
    ],
)
def test_receivers_are_known_by_their_address(url: str, form: Form) -> None:
    assert form_of(httpx.URL(url).host, httpx.URL(url).path) is form


def test_what_people_read() -> None:
    """The sentence and the link, in the form of each service; no mention, no markup of ours or of others."""
    message = Message(event_id="1", event="test", at=0.0, text="<@everyone> & ü", link="https://a.example.net/?video=1")
    body, headers = message.written(Form.NTFY)
    assert (body.decode(), headers["X-Click"]) == ("<@everyone> & ü", "https://a.example.net/?video=1")
    slack, _ = message.written(Form.SLACK)
    assert json.loads(slack) == {"text": "&lt;@everyone&gt; &amp; ü https://a.example.net/?video=1"}
    discord, _ = message.written(Form.DISCORD)
    assert json.loads(discord) == {
        "content": "<@everyone> & ü https://a.example.net/?video=1",
        "allowed_mentions": {"parse": []},
    }
