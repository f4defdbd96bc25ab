"""A short run of `tests.security.fuzz`, and the inputs that break Gradio alone."""

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
    """A traceback is found, of chained ones the last, so that an empty result below proves something."""
    log = (
        "INFO\nTraceback (most recent call last):\n"
        '  File "/x/gone.py", line 1, in first\n    a()\nKeyError: 1\n\nDuring handling of the above exception, another '
        'exception occurred:\n\nTraceback (most recent call last):\n  File "/x/engine.py", line 7, in submit\n    b()\n'
        "    ^^^\nValueError: no\nINFO\n"
    )
    assert list(tracebacks(log)) == [("ValueError: no", ["engine.py:submit"])]


def test_arbitrary_input_causes_no_server_error(fuzz: Fuzzer) -> None:
    """Hundreds of inputs cause no traceback, no 5xx, and no job that the card does not allow; the page still answers."""
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
    """Each input that Gradio alone answers with an error is refused, and no traceback is in the log."""
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
    fuzz.check_alive()  # by then any traceback is in the log
    assert list(tracebacks(fuzz.server.log[before:])) == []
