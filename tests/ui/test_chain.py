"""Continue on the page: what it fills in, what the next click is then, and how the chain is shown."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.components import Component

from dreamina_ui.cards.model_card import load_card
from dreamina_ui.cards.models import Models
from dreamina_ui.jobs import Chain, Job
from dreamina_ui.settings import BUNDLED_CARDS
from dreamina_ui.ui.html.chain import chain_html
from dreamina_ui.ui.html.history import Posters
from dreamina_ui.ui.page import Page
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.wording import Words
from tests.engine.test_ownership import VISITORS, request_of
from tests.filled import past_job
from tests.rig import CARD, OTHER_CARD, Rig, rigged

pytestmark = pytest.mark.anyio

PICTURES = load_card(BUNDLED_CARDS / "dreamina-3-0-pro-image-to-video.json")


@dataclass
class Opened:
    """A page, and what its form holds."""

    rig: Rig
    page: Page
    contents: dict[Component, Any]

    def apply(self, update: Mapping[Any, Any]) -> None:
        """Take over an update, as the browser does."""
        for component, value in update.items():
            if isinstance(value, dict):
                value = value.get("value", self.contents.get(component))
            self.contents[component] = value

    def picture(self) -> Component:
        return self.page.compose.forms.pictures[PICTURES.model_id]

    async def go_on(self, job: Job, at_s: str = "", visitor: str = "ann") -> None:
        picked = self.contents[self.page.compose.forms.picker]
        self.apply(await self.page.go_on(request_of(visitor), job.job_id, at_s, picked))

    async def generate(self, visitor: str = "ann") -> Job:
        compose = self.page.compose
        values = [self.contents[each] for each in compose.start_inputs]
        update = await self.page.start(request_of(visitor), *values)
        self.apply(update)
        job = await self.rig.engine.job(visitor, update[self.page.stage.current])
        self.rig.clock.at += 10
        return await self.rig.finish(job)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Opened]:
    async with rigged(folder, more_cards=[PICTURES]) as rig:
        with gr.Blocks(analytics_enabled=False):
            page = Page(rig.engine, Callers(VISITORS), Fixed(), None, login=False)
        yield Opened(rig, page, {each: each.value for each in page.compose.start_inputs})


async def test_the_next_click_after_continue_makes_the_next_part(tmp_path: Path) -> None:
    """The form is the one that takes a picture, with the prompt and the frame; nothing is sent before the click."""
    async with opened(tmp_path) as studio:
        first = await studio.rig.finish(await studio.rig.submit(prompt="a boat"))
        await studio.go_on(first)
        assert studio.rig.gate.posts == 1
        assert studio.contents[studio.page.compose.forms.picker] == PICTURES.model_id
        form = studio.page.compose.forms.of(PICTURES.model_id)
        assert studio.contents[form.controls["prompt"]] == "a boat"
        assert studio.contents[studio.picture()].startswith("upload:")
        assert "a boat" in studio.contents[form.notes["image_urls"]]
        second = await studio.generate()
        assert (second.ancestors, second.model_id) == ((first.share_id,), PICTURES.model_id)
        # From here on by the picture model itself; the older picture gives way.
        await studio.go_on(second)
        assert len(studio.contents[studio.picture()].splitlines()) == 1
        third = await studio.generate()
        assert third.ancestors == (first.share_id, second.share_id)
        assert studio.rig.gate.posts == 3


async def test_a_frame_in_the_middle_is_another_picture(tmp_path: Path) -> None:
    """The place at which the player is paused comes with the click; what is no place is the end."""
    async with opened(tmp_path) as studio:
        first = await studio.rig.finish(await studio.rig.submit(prompt="a boat"))
        pictures = []
        for at_s in ("", "0.1", "", "nonsense"):
            await studio.go_on(first, at_s)
            pictures.append(studio.contents[studio.picture()])
        assert pictures[0] == pictures[2] != pictures[1]


async def test_another_picture_is_no_continuation(tmp_path: Path) -> None:
    """Who takes the frame out of the form, or goes to a model without picture, makes a video of its own."""
    async with opened(tmp_path) as studio:
        first = await studio.rig.finish(await studio.rig.submit(prompt="a boat"))
        await studio.go_on(first)
        taken = studio.contents[studio.picture()]
        studio.contents[studio.picture()] = "https://example.com/other.png"
        assert (await studio.generate()).ancestors == ()
        studio.contents[studio.picture()] = taken
        studio.contents[studio.page.compose.forms.picker] = studio.rig.engine.card.model_id
        text = studio.page.compose.forms.of(None).controls["prompt"]
        studio.contents[text] = "words alone"
        assert (await studio.generate()).ancestors == ()
        studio.contents[studio.page.compose.forms.picker] = PICTURES.model_id
        assert (await studio.generate()).ancestors == (first.share_id,)


async def test_the_settings_of_a_part_make_another_try_of_it(tmp_path: Path) -> None:
    """Reuse and New seed keep the parent; those of a video of its own take it away."""
    async with opened(tmp_path) as studio:
        first = await studio.rig.finish(await studio.rig.submit(prompt="a boat"))
        await studio.go_on(first)
        second = await studio.generate()
        studio.apply(await studio.page.reuse(first.job_id, request_of("ann")))
        assert studio.contents[studio.page.compose.continues] == ""
        studio.apply(await studio.page.reuse_with_new_seed(second.job_id, request_of("ann")))
        again = await studio.generate()
        assert again.ancestors == second.ancestors
        assert again.job_id != second.job_id


async def test_a_parent_that_is_deleted_before_the_click_is_left_out(tmp_path: Path) -> None:
    """What is in the form is made all the same. Of what is another visitor's nothing is taken."""
    async with opened(tmp_path) as studio:
        first = await studio.rig.finish(await studio.rig.submit(prompt="a boat"))
        await studio.go_on(first)
        await studio.rig.engine.history.delete("ann", [first.job_id])
        assert (await studio.generate()).ancestors == ()
        theirs = await studio.rig.finish(await studio.rig.submit("bob", prompt="a secret"))
        await studio.go_on(theirs)
        assert "no such video" in studio.contents[studio.page.compose.refusal]
        assert "a secret" not in repr(studio.contents)
        digest = studio.contents[studio.picture()].rpartition("#")[2]
        studio.contents[studio.page.compose.continues] = f"{theirs.job_id} {digest}"
        assert (await studio.generate()).ancestors == ()


async def test_continue_is_there_where_it_can_be_done(tmp_path: Path) -> None:
    """On a video, where a model takes a picture."""
    for number, cards in enumerate(([PICTURES], [OTHER_CARD])):
        async with rigged(tmp_path / str(number), more_cards=cards) as rig:
            with gr.Blocks(analytics_enabled=False):
                page = Page(rig.engine, Callers(VISITORS), Fixed(), None, login=False)
            job = await rig.finish(await rig.submit())
            async for update in page.watch(job.job_id, request_of("ann")):
                if page.stage.go_on in update:
                    assert update[page.stage.go_on]["visible"] is (cards == [PICTURES])
                    assert update[page.stage.use_frame]["visible"] is (cards == [PICTURES])


def chain_of(count: int) -> list[Job]:
    jobs: list[Job] = []
    for number in range(count):
        job = past_job(number, "ann", prompt=f"part <b>{number + 1}</b>")
        jobs.append(replace(job, ancestors=tuple(each.share_id for each in jobs)))
    return jobs


@pytest.mark.parametrize(
    ("language", "place", "continues", "missing"),
    [
        ("en", "Part 2 of 3", "continues", "Deleted parts: 1; the others are shown and played without them."),
        ("de", "Teil 2 von 3", "setzt fort", "Gelöschte Teile: 1; die übrigen werden ohne sie gezeigt und abgespielt."),
    ],
)
def test_the_chain_is_shown(language: str, place: str, continues: str, missing: str) -> None:
    """Which part it is, with the way to the one before; all parts; Play as one and Join. Deleted parts are said in a sentence."""
    words, jobs = Words(language), chain_of(3)
    html = str(chain_html(jobs[1], Chain.of(jobs[1], jobs), words))
    assert place in html
    assert continues in html
    assert "<b>1</b>" not in html
    assert [job.job_id for job in jobs] == re.findall(r'class="variation succeeded" data-variation="(\w+)"', html)
    assert html.count("aria-current") == 1
    parts = json.loads(unescape(re.findall(r'data-chain="([^"]*)"', html)[0]))
    assert [part["video"] for part in parts] == [f"dreamina/saved/{job.share_id}.mp4" for job in jobs]
    join = unescape(re.findall(r'href="(dreamina/join[^"]*)"', html)[0])
    assert join == "dreamina/join?" + "&".join(f"job={job.share_id}" for job in jobs)
    assert missing not in html
    without = str(chain_html(jobs[2], Chain.of(jobs[2], [jobs[0], jobs[2]]), words))
    assert missing in without
    assert continues not in without
    assert jobs[1].share_id not in without
    alone = str(chain_html(jobs[1], Chain.of(jobs[1], []), words))
    assert missing in alone
    assert "data-chain" not in alone
    assert chain_html(jobs[0], Chain.of(jobs[0], []), words) == ""


def test_a_comparison_names_the_pictures_as_people_do() -> None:
    """Neither as a list of programs, nor by the references that stand in rows; an address as it is."""
    named = f"upload:sunset%20at%20sea.png#{'3' * 32}"
    made = [
        replace(past_job(number, "ann", prompt="x"), model_id=PICTURES.model_id, payload={"image_urls": [picture]})
        for number, picture in enumerate((named, "https://example.org/a.png"))
    ]
    html = unescape(str(Posters(Models([CARD, PICTURES])).html(made, Words())))
    assert '"sunset at sea.png"' in html
    assert "https://example.org/a.png" in html
    assert "upload:" not in html


async def test_a_poster_says_which_part_it_is(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        html = unescape(str(Posters(rig.engine.models).html(chain_of(2), Words())))
    assert '"5 s"' in html
    assert '"5 s · Part 2"' in html
