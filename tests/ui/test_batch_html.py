"""The batch as HTML: the plan, the problems, the table."""

import json
from dataclasses import replace
from typing import Any

import pytest

from dreamina_ui.backends import Backend
from dreamina_ui.cards.batches import LineProblem, plan_csv, plan_lines
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.ui.html.batch import (
    columns_html,
    plan_html,
    problems_html,
    progress_html,
    question_html,
    states_json,
    table_html,
)
from dreamina_ui.wording import LANGUAGES, Words
from tests.rig import CARD, OTHER_CARD, VALUES

WORDS = Words()
HOSTILE = '<img src=x onerror="window.pwned=1">'


def a_job(number: int, state: State = State.WAITING, **values: Any) -> Job:
    settings: dict[str, Any] = {
        "job_id": f"{number:032x}",
        "share_id": f"{number + 100:032x}",
        "visitor_id": "ann",
        "created_at": 0.0,
    }
    payload = {**VALUES, "prompt": f"number {number}"}
    made = {"backend": "runcomfy", "model_id": "m", "payload": payload, "variation": number, "state": state}
    return Job(**{**settings, **made, **values})


def test_a_plan_has_count_length_and_price() -> None:
    """The totals come first, then a row for each video."""
    plan = plan_lines(CARD, "one\ntwo\n\nthree", {"frames": 241})
    html = plan_html(plan.payloads, CARD, WORDS.price(Backend.RUNCOMFY, 1.5), WORDS)
    assert "Videos: 3" in html
    assert "30 s in all · About $1.50" in html
    assert html.count("<tr>") == 4


def test_problems_name_their_lines() -> None:
    """A table with three problems gets three sentences with line numbers."""
    table = f"prompt,frames\n{HOSTILE.replace(',', '')},121\n,121\na boat,7\n".encode()
    problems = plan_csv(CARD, table, {}).problems
    html = problems_html(problems, CARD, WORDS)
    assert "Line 3: Prompt: " in html
    assert "Line 4: Length: “7” is not one of" in html
    assert "Line 2" not in html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "data",
    [
        b"prompt,colour\na,b\n",
        b"\xff\xfe\xfa\x00\xd8",
        b"prompt\n\xe9t\xe9\n",
        b"prompt\n" + b"a boat\n" * 10_000,
        b'prompt\n"a boat\n',
        b"prompt\n" + b"x" * 2**20,
        b"prompt,prompt\na,b\n",
        b"prompt\na,b,c\n",
        b"1,2\n3,4\n",
        b"a\0b\n",
        f"prompt\n{HOSTILE},b\n".encode(),
        f"prompt,{HOSTILE}\na,b\n".encode(),
    ],
)
def test_every_bad_table_has_a_message(language: str, data: bytes) -> None:
    """Each problem is one complete sentence, and the content of the table is escaped."""
    problems = plan_csv(CARD, data, {}).problems
    html = str(problems_html(problems, CARD, Words(language)))
    assert problems
    assert html.count("<li>") == len(problems)
    assert "?" not in html.replace("&", "")
    assert "<img" not in html


def test_an_empty_batch_is_no_problem() -> None:
    """Empty inputs show the introduction, not a problem."""
    assert "alert" not in problems_html([LineProblem(0, None, "empty")], CARD, WORDS)


def test_the_table_escapes_prompts() -> None:
    """A prompt with markup is shown as text."""
    html = table_html([a_job(0, payload={**VALUES, "prompt": HOSTILE})], CARD, WORDS)
    assert "<img" not in html
    assert "&lt;img src=x" in html


def test_the_states_of_the_table() -> None:
    """Each row has a state, also `paused` for a paused job; a failed one has a sentence."""
    jobs = [
        a_job(0, State.SUCCEEDED),
        a_job(1, paused=True),
        a_job(2),
        a_job(3, State.FAILED, failure=Failure("no_balance")),
        a_job(4, State.CANCELLED),
    ]
    sent = json.loads(states_json([replace(jobs[0], poster_due=True), *jobs[1:]], WORDS))
    assert sent["due"] == [0]
    assert sent["states"] == ["succeeded", "paused", "waiting", "failed", "cancelled"]
    assert list(sent["notes"]) == ["3"]
    assert "no balance" in sent["notes"]["3"]


def test_the_progress_counts_every_job_once() -> None:
    """The counts by state add up to the number of jobs."""
    states = [State.SUCCEEDED, State.SUCCEEDED, State.IN_QUEUE, State.SAVING, State.WAITING, State.FAILED]
    jobs = [a_job(number, state) for number, state in enumerate([*states, State.CANCELLED])]
    jobs.append(a_job(9, paused=True))
    html = progress_html(jobs, WORDS)
    assert "2 of 8 ready" in html
    for words in ("2 running", "1 waiting", "1 paused", "1 failed", "1 cancelled"):
        assert words in html
    assert 'max="8" value="4"' in html


def test_another_model_has_its_own_columns() -> None:
    """The columns of the hint and the table come from the card."""
    names = [field.name for field in OTHER_CARD.fields]
    assert ", ".join(names) in columns_html(OTHER_CARD, WORDS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_about_a_table_has_a_button_for_each_answer(language: str) -> None:
    """One sentence for all columns; nothing of the table is markup."""
    words = Words(language)
    for data, count in (
        ("prompt\nMüller\n".encode("cp1252"), 5),
        (f"prompt,{HOSTILE.replace(',', '')},Startwert\nx,y,5\n".encode(), 1),
    ):
        question = plan_csv(CARD, data, {}).question
        assert question is not None
        html = question_html(question, words)
        assert html.count("data-agree=") == count
        assert "<img" not in html
        assert "{" not in html
    for data in (b"PK\x03\x04....", b"\x00\x01\x02", "prompt\nM\ufffd\n".encode(), b'{"a": 1}', b"prompt\na,b\nc,d\n"):
        sentence = problems_html(plan_csv(CARD, data, {}).problems, CARD, words)
        assert "?" not in sentence
        assert "CSV" in sentence or "JSON" in sentence or "2, 3" in sentence or "NUL" in sentence
