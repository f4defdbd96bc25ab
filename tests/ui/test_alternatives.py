"""Alternatives in the form: sent only when they were shown, and brought back as the very text."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from dreamina_ui.cards.batches.lines import plan_lines
from dreamina_ui.cards.batches.tables import plan_csv
from dreamina_ui.cards.batches.written_tables import written_table
from dreamina_ui.cards.links import is_as_typed, link_of
from dreamina_ui.cards.models import Models
from dreamina_ui.errors import InvalidInput
from dreamina_ui.ui.html.batch import plan_html, problems_html, question_html
from dreamina_ui.ui.page import Page
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.wording import LANGUAGES, Words
from tests.engine.test_ownership import VISITORS, request_of
from tests.rig import CARD, VALUES, Rig, rigged

anyio = pytest.mark.anyio

FOUR = ["a red boat at dawn", "a red boat at dusk", "a green boat at dawn", "a green boat at dusk"]
ASKED = "a {red|green} boat at {dawn|dusk}"
HOSTILE = '<img src=x onerror="window.pwned=1">'


@asynccontextmanager
async def page_of(folder: Path) -> AsyncIterator[tuple[Rig, Page]]:
    async with rigged(folder) as rig:
        with gr.Blocks(analytics_enabled=False):
            yield rig, Page(rig.engine, Callers(VISITORS), Fixed(), None, login=False)


class Clicks:
    """What a person does with the form: `contents` are those of its components."""

    def __init__(self, page: Page) -> None:
        self.compose = page.compose
        self.contents: dict[Any, Any] = {each: getattr(each, "value", None) for each in self.compose.start_inputs}
        self.form = self.compose.forms.all[0]
        self.update: dict[Any, Any] = {}

    async def typed(self, prompt: str, variations: int = 1) -> str:
        """What is said in the place of the price."""
        self.contents |= {self.form.prompt: prompt, self.form.variations: variations}
        inputs = [self.contents[each] for each in self.compose.price_inputs]
        self.update = await self.compose.show_price(request_of("ann"), *inputs)
        return str(self.update[self.compose.price])

    def seen(self) -> None:
        self.contents[self.compose.planned] = self.update[self.compose.planned]

    async def generate(self, click_id: str) -> str:
        """What refuses the click; empty if it was sent."""
        self.contents[self.compose.click_id] = click_id
        inputs = [self.contents[each] for each in self.compose.start_inputs]
        job, self.update = await self.compose.submit(request_of("ann"), inputs)
        return "" if job else str(self.update[self.compose.refusal]["value"])


async def prompts_of(rig: Rig) -> list[tuple[str, int]]:
    jobs = await rig.engine.history.listed("ann", 50)
    return sorted((job.prompt, job.payload["seed"]) for job in jobs)


@anyio
async def test_alternatives_are_sent_only_when_they_were_shown(tmp_path: Path) -> None:
    """A click before that shows them; after it, there is a video for each, with the seed that was given."""
    async with page_of(tmp_path) as (rig, page):
        clicks = Clicks(page)
        html = await clicks.typed(ASKED)
        assert "<b>4 videos · " in html
        assert [text in html for text in FOUR] == [True] * 4
        clicks.contents[clicks.form.controls["seed"]] = "7"
        assert "This prompt makes 4 videos" in await clicks.generate("first")
        assert await prompts_of(rig) == []
        clicks.seen()
        assert await clicks.generate("second") == ""
        assert await clicks.generate("second") == ""
        assert await prompts_of(rig) == [(text, 7) for text in sorted(FOUR)]
        # Another prompt was not seen.
        clicks.contents[clicks.form.prompt] = "a {blue|white} kite"
        assert "This prompt makes 2 videos" in await clicks.generate("third")
        await clicks.typed("a {blue|white} kite", 2)
        clicks.seen()
        assert await clicks.generate("fourth") == ""
        assert (await prompts_of(rig))[:2] == [("a blue kite", 7), ("a blue kite", 8)]


@anyio
async def test_more_than_a_click_makes_goes_to_the_batch(tmp_path: Path) -> None:
    """Eight are offered to the batch with all settings; a million is refused with its number. Neither is sent."""
    async with page_of(tmp_path) as (rig, page):
        clicks, batch = Clicks(page), page.batch
        assert "8 videos are more than one click makes (at most 4)" in await clicks.typed(ASKED, 2)
        assert clicks.update[page.compose.to_batch]["visible"]
        clicks.seen()
        assert "8 videos are more" in await clicks.generate("first")
        taken = await page.take_to_batch(
            request_of("ann"), *(clicks.contents[each] for each in page.compose.price_inputs)
        )
        assert (taken[batch.mode], taken[batch.sweep_prompt], taken[batch.seeds]) == ("sweep", ASKED, "2 random")
        given = {**{each: getattr(each, "value", None) for each in batch.planning_inputs}, **taken}
        preview = await batch.preview(request_of("ann"), *(given[each] for each in batch.planning_inputs))
        assert "Videos: 8" in str(preview[batch.plan])
        html = await clicks.typed("{0|1|2|3|4|5|6|7|8|9}" * 6)
        assert (
            "1,000,000 videos are more than one click makes (at most 4), and too many for a batch (at most 200)" in html
        )
        assert not clicks.update[page.compose.to_batch]["visible"]
        assert await prompts_of(rig) == []


@anyio
async def test_what_is_not_closed_is_sent_as_it_stands_and_said(tmp_path: Path) -> None:
    """As one video; a doubled brace is one brace, and JSON stays."""
    async with page_of(tmp_path) as (rig, page):
        clicks = Clicks(page)
        assert "A brace is not closed, so the prompt is taken as it stands" in await clicks.typed("{{{|")
        for number, prompt in enumerate(("{{{|", "{{a|b}}", '{"shot": "a|b"}')):
            await clicks.typed(prompt)
            clicks.seen()
            assert await clicks.generate(f"click {number}") == ""
        assert [text for text, _ in await prompts_of(rig)] == ['{"shot": "a|b"}', "{a|b}", "{{{|"]
        # Reuse makes the same again.
        for job in await rig.engine.history.listed("ann", 50):
            filled = await page.compose.fill_from_job(job.job_id, request_of("ann"))
            await clicks.typed(filled[clicks.form.prompt])
            clicks.seen()
            assert await clicks.generate(f"again {job.job_id}") == ""
        assert [text for text, _ in await prompts_of(rig)] == ['{"shot": "a|b"}'] * 2 + ["{a|b}"] * 2 + ["{{{|"] * 2


@anyio
async def test_a_link_is_the_very_text_unless_it_says_otherwise(tmp_path: Path) -> None:
    """The link to a video makes the same again; one of what was typed brings that."""
    async with page_of(tmp_path) as (_, page):
        prompt = page.compose.forms.all[0].prompt
        assert page.compose.fill_from_link({"prompt": "a {b|c}"}, Words())[prompt] == "a {{b|c}}"
        assert page.compose.fill_from_link({"prompt": "a {b|c}", "alternatives": "yes"}, Words())[prompt] == "a {b|c}"
        assert link_of(CARD, {"prompt": "a {b|c}"}, as_typed=True).endswith("&alternatives=yes")
        assert link_of(CARD, {"prompt": "a b"}, as_typed=True) == "?prompt=a%20b"
        assert not is_as_typed(CARD, {"prompt": "a"})


def test_a_downloaded_table_makes_the_same_videos() -> None:
    """Its prompts are the very texts."""
    payloads = [{**VALUES, "prompt": prompt} for prompt in ("a {b|c}", "{{", '{"d": "e|f"}', "{g}")]
    table = written_table(Models([CARD]), [(CARD.model_id, payload) for payload in payloads])
    assert [payload["prompt"] for payload in plan_csv(CARD, table.encode(), {}).payloads] == [
        payload["prompt"] for payload in payloads
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_plan_says_what_it_takes_as_it_stands_and_asks_about_json(language: str) -> None:
    """In each language, with lines and numbers, and escaped."""
    words = Words(language)
    html = plan_html(plan_lines(CARD, f"fine\n{{{HOSTILE}|b", {}), Models([CARD]), "", [], words)
    assert words.say("alternatives.unclosed.lines", lines="2") in html
    assert "<img" not in html
    question = plan_lines(CARD, '{\n"a": 1\n}', {}).question
    assert question is not None
    asked = question_html(question, words)
    assert words.say("plan.question.together", count=1) in asked
    assert words.say("plan.question.apart", count=3) in asked
    too_many = problems_html(plan_lines(CARD, "{0|1|2|3|4|5|6|7|8|9}" * 6, {}).problems, words)
    assert words.number(1_000_000, 0) in too_many


@anyio
async def test_programs_send_the_very_text(tmp_path: Path) -> None:
    """The engine knows no alternatives; given several prompts, it makes four videos in all at most."""
    async with rigged(tmp_path) as rig:
        [job] = await rig.engine.submit("ann", {"prompt": "a {b|c} {{d}}"})
        assert job.prompt == "a {b|c} {{d}}"
        each = [{"prompt": text} for text in "abc"]
        with pytest.raises(InvalidInput, match="6 is not 1 to 4"):
            await rig.engine.submit("ann", {}, each=each, count=2)
        assert [job.prompt for job in await rig.engine.submit("ann", {}, each=each)] == ["a", "b", "c"]
