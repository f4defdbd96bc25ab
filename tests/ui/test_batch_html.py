"""The batch as HTML: the plan, the problems, the table."""

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from dreamina_ui.backends import Backend
from dreamina_ui.cards.batches.lines import plan_lines
from dreamina_ui.cards.batches.plans import LineProblem
from dreamina_ui.cards.batches.sweep import plan_sweep
from dreamina_ui.cards.batches.tables import plan_csv
from dreamina_ui.cards.model_card import card_of, load_card
from dreamina_ui.cards.models import Models
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.runcomfy.client import Price
from dreamina_ui.settings import BUNDLED_CARDS
from dreamina_ui.ui.html.batch import (
    ModelPrice,
    columns_html,
    plan_html,
    prices_text,
    problems_html,
    progress_html,
    question_html,
    states_json,
    table_html,
)
from dreamina_ui.wording import LANGUAGES, Words
from tests.rig import CARD, OTHER_CARD, VALUES

WORDS = Words()
MODELS = Models([CARD])
PICTURE = load_card(BUNDLED_CARDS / "dreamina-3-0-pro-image-to-video.json")
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
    html = plan_html(plan, MODELS, WORDS.price(Backend.RUNCOMFY, 1.5), [], WORDS)
    assert "Videos: 3" in html
    assert "30 s in all · About $1.50" in html
    assert html.count("<tr>") == 4


def test_problems_name_their_lines() -> None:
    """A table with three problems gets three sentences with line numbers."""
    table = f"prompt,frames\n{HOSTILE.replace(',', '')},121\n,121\na boat,7\n".encode()
    problems = plan_csv(CARD, table, {}).problems
    html = problems_html(problems, WORDS)
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
    html = str(problems_html(problems, Words(language)))
    assert problems
    assert html.count("<li>") == len(problems)
    assert "?" not in html.replace("&", "")
    assert "<img" not in html


def test_an_empty_batch_is_no_problem() -> None:
    """Empty inputs show the introduction, not a problem."""
    assert "alert" not in problems_html([LineProblem(0, None, "empty")], WORDS)


def test_the_table_escapes_prompts() -> None:
    """A prompt with markup is shown as text."""
    html = table_html([a_job(0, payload={**VALUES, "prompt": HOSTILE})], MODELS, WORDS)
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
    assert ", ".join(names) in columns_html(Models([OTHER_CARD]), WORDS)


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
        sentence = problems_html(plan_csv(CARD, data, {}).problems, words)
        assert "?" not in sentence
        assert "CSV" in sentence or "JSON" in sentence or "2, 3" in sentence or "NUL" in sentence


# Several models

PLAIN = card_of(
    "plain",
    {
        "model_id": "maker/plain",
        "title": f"Plain {HOSTILE}",
        "input_schema": {"type": "object", "properties": {"prompt": {"type": "string", "maxLength": 30}}},
    },
)
SEVERAL = Models([CARD, PICTURE, PLAIN])
FOX = "upload:fox%20in%20snow.png#" + "3" * 32


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_plan_says_what_each_model_makes_and_does_not_take(language: str) -> None:
    """The models are a column, files are named, and nothing of a card is markup."""
    words = Words(language)
    base = {"prompt": "a fox", "image_urls": [FOX]}
    plan = plan_sweep([CARD, PICTURE, PLAIN], base, ["1440×1440(1:1)"], [], "")
    html = plan_html(plan, SEVERAL, "", ["1 × Plain"], words)
    assert html.count("<tr>") == 4
    assert html.count("1 × Plain") == 1
    assert html.count('<td class="model">') == 3
    ratio = f"{words.say('field.aspect_ratio')} (1:1 · 1440×1440)"
    assert f"<li>{words.say('batch.not_taken', model=PICTURE.title, values=ratio)}</li>" in html
    assert "fox in snow.png" in html
    assert "3" * 32 not in html
    assert "<img" not in html
    assert "{" not in html


def test_there_is_no_price_of_all_where_one_is_not_known() -> None:
    """Each model's is said; the simulator's is no price; of one model there is nothing more to say."""
    known, unknown = ModelPrice("A", 3, 0.5), ModelPrice("B", 2, None)
    for backend, prices, expected in (
        (
            Backend.RUNCOMFY,
            [known, ModelPrice("B", 2, 1.0)],
            ("About $1.50", ["3 with A · About $0.50", "2 with B · About $1.00"]),
        ),
        (Backend.RUNCOMFY, [known, unknown], ("", ["3 with A · About $0.50", "2 with B · Price unknown"])),
        (
            Backend.RUNCOMFY,
            [known, replace(unknown, last_usd=0.2)],
            ("", ["3 with A · About $0.50", "2 with B · The last one cost $0.20"]),
        ),
        (Backend.RUNCOMFY, [unknown], ("Price unknown", [])),
        (
            Backend.RUNCOMFY,
            [known, replace(unknown, said=Price(0.5, "second", "4K costs more"))],
            (
                "",
                [
                    "3 with A · About $0.50",
                    "2 with B · Base price $0.50 per second · The base price is not the total; RunComfy says: “4K costs more”",
                ],
            ),
        ),
        (Backend.SIMULATOR, [known, ModelPrice("B", 2, 0.0)], (WORDS.say("price.free"), ["3 with A", "2 with B"])),
    ):
        assert prices_text(prices, backend, WORDS) == expected


def test_a_table_of_the_default_model_needs_no_column_for_it() -> None:
    """Another model's, or of several, does."""
    for cards, shown in (([CARD], False), ([PICTURE], True), ([CARD, PICTURE], True)):
        given = {"image_urls": [FOX]} if PICTURE in cards else {}
        plan = plan_sweep(cards, {"prompt": "x", **given}, [], [], "")
        assert ('<th scope="col" class="model">' in plan_html(plan, SEVERAL, "", [], WORDS)) is shown


def test_problems_of_some_models_name_them() -> None:
    """Those that all have do not."""
    plan = plan_sweep([CARD, PICTURE, PLAIN], {"prompt": "x" * 31}, [], [], "")
    html = problems_html(plan.problems, WORDS)
    assert f"{PICTURE.title}: Picture: please fill this in." in html
    assert "Plain &lt;img" in html
    assert "31 characters, at most 30" in html
    html = problems_html(plan_sweep([CARD, PLAIN], {"prompt": "\ud800"}, [], [], "").problems, WORDS)
    assert "<li>Prompt: " in html


def test_a_question_about_one_models_columns_names_it() -> None:
    """What holds for all comes first."""
    table = f"model,prompt,frames,mood\n{CARD.model_id},a,121,b\nmaker/plain,c,121,d\n".encode()
    question = plan_csv(CARD, table, {}, models=SEVERAL).question
    assert question is not None
    html = question_html(question, WORDS)
    assert "no such columns: mood. Plain &lt;img" in html
    assert "no such columns: frames.</b></p>" in html
    assert html.count("data-agree=") == 1


def test_the_table_of_a_batch_keeps_each_rows_model() -> None:
    """Also of a model that is not offered any more; its settings are a table to download, which a batch reads."""
    jobs = [
        a_job(0, model_id=PICTURE.model_id, payload={"prompt": "a fox", "image_urls": [FOX], "frames": 241}),
        a_job(1, model_id=CARD.model_id),
        a_job(2, model_id="gone/model", payload={"text": "hello there", "steps": 3}),
    ]
    html = table_html(jobs, SEVERAL, WORDS)
    assert html.count('<td class="model">') == 3
    assert '<td class="model">gone/model</td>' in html
    assert "fox in snow.png" in html
    # Each row has one button, which has words.
    assert [text for text in re.findall(r"data-open>(.*?)</button>", html) if not text] == []
    assert html.count("data-open") == 3
    [link] = re.findall(r'href="data:text/csv;charset=utf-8,([^"]*)"', html)
    table = unquote(link)
    assert table.startswith("\ufeffmodel,prompt,image_urls,frames,seed,aspect_ratio,text,steps")
    plan = plan_csv(CARD, table.replace("gone/model", CARD.model_id).encode(), {}, models=SEVERAL)
    assert plan.question is not None
    assert plan.question.left_out == ("text", "steps")


def test_the_hint_says_how_a_row_names_its_model() -> None:
    """Where there are several."""
    assert "column “model”" in columns_html(SEVERAL, WORDS)
    assert "image_urls" in columns_html(SEVERAL, WORDS)
    assert "model" not in columns_html(MODELS, WORDS)
