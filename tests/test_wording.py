"""The sentences in every language."""

import re
import string
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dreamina_ui import errors
from dreamina_ui.backends import Backend
from dreamina_ui.cards.batches.plans import PLAN_PROBLEMS
from dreamina_ui.cards.model_card import PROBLEMS
from dreamina_ui.errors import DreaminaError, InvalidInput
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.wording import LANGUAGES, Words, texts_of

ENGLISH = texts_of("en")
JOB = Job(job_id="j", share_id="s", visitor_id="v", backend="runcomfy", model_id="m", payload={}, created_at=0.0)
PACKAGE = Path(__file__).parents[1] / "dreamina_ui"
SOURCES = [*(PACKAGE / "ui").rglob("*.py"), *(PACKAGE / "api").glob("*.py"), PACKAGE / "wording.py"]


def codes(of: type[DreaminaError] = DreaminaError) -> Iterator[str]:
    yield of.code
    for kind in of.__subclasses__():
        yield from codes(kind)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_is_missing(language: str) -> None:
    """All languages have the same texts with the same placeholders."""
    texts = texts_of(language)
    assert texts.keys() == ENGLISH.keys()
    assert {key: placeholders(text) for key, text in texts.items()} == {
        key: placeholders(text) for key, text in ENGLISH.items()
    }
    assert all(text.strip() for text in texts.values())


def test_no_text_is_left_in_english() -> None:
    """A text that is the same in both languages is a name or a number."""
    same = {key for key, text in texts_of("de").items() if text == ENGLISH[key]}
    assert same <= {
        "badge.simulator",
        "badge.runcomfy",
        "service.runcomfy",
        "seconds",
        "batch.lines",
        "batch.count",
        "output.unshown.file",
        "cause.server",
        "failure.setting",
        "failure.invalid_input",
    } | {key for key in same if ENGLISH[key].isupper() or len(ENGLISH[key]) <= 6}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_text(language: str) -> None:
    """Every exception, every state and every problem of a value has a text."""
    texts = texts_of(language)
    assert set(codes()) == {getattr(errors, name).code for name in errors.__all__}
    assert {f"failure.{code}" for code in codes() if code != "remark"} <= texts.keys()
    assert {f"state.{state}" for state in State} <= texts.keys()
    assert {f"problem.{problem}" for problem in PROBLEMS} <= texts.keys()
    assert {f"plan.{problem}" for problem in PLAN_PROBLEMS} <= texts.keys()


def test_every_used_key_exists() -> None:
    """Each key in the program's source has a text."""
    said = {
        key
        for path in SOURCES
        for key in re.findall(r'(?:words|self|fixed)\.(?:say|text)\(\s*"([^"]+)"', path.read_text("utf-8"))
    }
    assert said <= ENGLISH.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_failure_with_missing_facts(language: str) -> None:
    """A row of an older version may lack facts of a newer sentence."""
    words = Words(language)
    for code in codes():
        sentence = words.sentence(Failure(code))
        assert sentence
        assert "{" not in sentence
    assert words.sentence(Failure("of a later version")) == words.say("failure.error")


@pytest.mark.parametrize(
    ("languages", "language"),
    [
        (["de", "en-US"], "de"),
        ([None, "de-AT,de;q=0.9,en;q=0.8"], "de"),
        ([None, "fr-FR,fr;q=0.9,de;q=0.5"], "de"),
        ([None, "fr-FR"], "en"),
        (["klingon", None], "en"),
        ([], "en"),
    ],
)
def test_choice_of_language(languages: list[str | None], language: str) -> None:
    """The visitor's choice comes before the browser's languages; the default is English."""
    assert Words.of(languages).language == language


def test_braces_in_a_message() -> None:
    """The service's message is inserted as text, not used as a template."""
    assert "{limit} {0}" in Words().sentence(Failure("generation_failed", "{limit} {0}"))


def test_numbers() -> None:
    """German has a decimal comma and points between thousands, English the reverse; in sentences, too."""
    english, german = Words("en"), Words("de")
    assert german.price(Backend.RUNCOMFY, 0.25) == "Etwa 0,25\N{NO-BREAK SPACE}$"
    assert english.price(Backend.RUNCOMFY, 0.25) == "About $0.25"
    assert (english.money(1234.5), german.money(1234.5)) == ("$1,234.50", "1.234,50\N{NO-BREAK SPACE}$")
    assert (english.money(0.0), english.money(0.0042)) == ("$0.00", "$0.0042")
    assert german.say("batch.count", count=1234) == "Videos: 1.234"
    assert english.say("page.place", first=1201, last=1224, count=10_000) == "1,201–1,224 of 10,000"
    assert german.say("problem.too_large", title="Seed", given="7", limit=0.5) == "Seed: 7, höchstens 0,5."
    assert "9,007,199,254,740,993" in english.say("problem.too_large", title="Seed", given=2**53 + 1, limit=1.0)


def test_an_unknown_price_tells_what_the_last_one_cost() -> None:
    """Only where that is known; what is free, or has a price, says that."""
    assert Words("de").price(Backend.RUNCOMFY, None) == "Preis unbekannt"
    assert Words("en").price(Backend.RUNCOMFY, None, 0.42) == "The last one cost $0.42"
    assert Words("de").price(Backend.RUNCOMFY, None, 0.42) == "Das letzte kostete 0,42\N{NO-BREAK SPACE}$"
    assert Words("en").price(Backend.RUNCOMFY, 0.25, 0.42) == "About $0.25"
    assert Words("en").price(Backend.SIMULATOR, None, 0.42).startswith("Free")


def test_a_base_price_is_not_told_as_a_total() -> None:
    """It names its unit where there is a word for it; what the last one cost, or a total, goes before."""
    english, german = Words("en"), Words("de")
    second: dict[str, Any] = {"base_usd": 0.05, "unit": "second"}
    assert english.price(Backend.RUNCOMFY, None, **second) == "Base price $0.05 per second"
    assert german.price(Backend.RUNCOMFY, None, **second) == "Grundpreis 0,05\N{NO-BREAK SPACE}$ je Sekunde"
    assert english.price(Backend.RUNCOMFY, None, base_usd=0.05, unit="output") == "Base price $0.05 per file"
    assert english.price(Backend.RUNCOMFY, None, base_usd=0.05, unit="pixel") == "Base price $0.05"
    assert english.price(Backend.RUNCOMFY, None, 0.42, **second) == "The last one cost $0.42"
    assert english.price(Backend.RUNCOMFY, 0.25, **second) == "About $0.25"
    assert english.price_note("more with <b>") == "The base price is not the total; RunComfy says: “more with <b>”"
    assert english.price_note("") == ""
    assert (english.money(-3.2), german.money(-3.2)) == ("\N{MINUS SIGN}$3.20", "\N{MINUS SIGN}3,20\N{NO-BREAK SPACE}$")


def test_a_field_problem_has_title_value_and_limit() -> None:
    """The sentence beside a field has its value and its limit."""
    error = InvalidInput("prompt", "too_long", "", given=812, limit=800)
    assert Words("en").field_problem(error, "Prompt") == "Prompt: 812 characters, at most 800."


@pytest.mark.parametrize(
    ("job", "line"),
    [
        (JOB.move(State.SUBMITTING).move(State.IN_QUEUE, queue_position=1), "In the queue, next"),
        (JOB.move(State.SUBMITTING).move(State.IN_QUEUE, queue_position=3), "In the queue, place 3"),
        (JOB.move(State.SUBMITTING).move(State.IN_QUEUE), "In the queue"),
        (
            replace(JOB, state=State.SUCCEEDED, remarks=(Failure("no_file_found", "a page"),)),
            "Finished without a file",
        ),
        (JOB.move(State.CANCELLED), "Cancelled before it was made; nothing was charged"),
    ],
)
def test_the_line_of_a_job(job: Job, line: str) -> None:
    """The line has the state, and the position in the queue if there is one."""
    assert Words().state_line(job) == line
