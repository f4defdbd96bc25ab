"""The short run of `tests.security.fuzz`, and what Gradio by itself stumbles over."""

from collections.abc import Iterator

import pytest

from tests.security.fuzz import Fuzzer, described, drawn, fuzzer, tracebacks
from tests.security.gradio_faults import FAULTS, Fault
from tests.security.hostile import SESSION, anything

INPUTS = 300

pytestmark = pytest.mark.program


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzer]:
    with fuzzer(tmp_path_factory.mktemp("fuzz")) as fuzz:
        yield fuzz


def test_traceback_is_found_in_a_log() -> None:
    """The zero below is not the reader's: a traceback is seen, by the last of those that led to each other."""
    log = (
        "INFO\nTraceback (most recent call last):\n"
        '  File "/x/gone.py", line 1, in first\n    a()\nKeyError: 1\n\nDuring handling of the above exception, another '
        'exception occurred:\n\nTraceback (most recent call last):\n  File "/x/engine.py", line 7, in submit\n    b()\n'
        "    ^^^\nValueError: no\nINFO\n"
    )
    assert list(tracebacks(log)) == [("ValueError: no", ["engine.py:submit"])]


def test_arbitrary_input_causes_no_server_error(fuzz: Fuzzer) -> None:
    """Hundreds of inputs: no traceback, no 5xx, no job but by the card, and a page that answers."""
    events = fuzz.talker.events()
    assert len(events) > 30
    fuzz.send(described(fuzz.talker, INPUTS // 10))
    fuzz.send(drawn(anything(events), INPUTS))
    public = next(event for event in events if event.name == "submit")
    for prompt in ("a boat", "x" * 800, "", "x" * 801, "\ud800", "a\0b"):
        fuzz.talker.join(SESSION, public, [prompt, None, None, None])
    list(fuzz.talker.messages(SESSION))
    fuzz.check_alive()
    assert fuzz.check_ledger() >= 2
    assert fuzz.inputs >= INPUTS
    assert fuzz.findings == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_inputs_that_break_gradio_are_refused(fuzz: Fuzzer, fault: Fault) -> None:
    """Each of the inputs that Gradio by itself answers with a fault: none is to be seen, neither in answer nor in log."""
    before = len(fuzz.server.log)
    body = fault.body
    for event in fuzz.talker.events():
        body = body and body.replace(f"@{event.name},", f"{event.number},")
    if body is None:
        answer = fuzz.talker.http.get(fault.path)
        assert answer.status_code == 200
        assert "session_not_found" in answer.text
    else:
        assert fuzz.talker.post(fault.path, body.encode()).status_code == 422
    fuzz.check_alive()  # by when anything that went wrong is in the log
    assert list(tracebacks(fuzz.server.log[before:])) == []
