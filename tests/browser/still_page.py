"""The page's markup, rendered by the page's code, with the real scripts and styles, without a server.

The markup of Gradio's components (a text box, a button) is written here in a short form.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from playwright.sync_api import Page, Route

from dreamina_ui.cards.models import Models
from dreamina_ui.engine.curation.collections import Collection
from dreamina_ui.jobs import Chain, Job, State
from dreamina_ui.media.kinds import kind_named
from dreamina_ui.ui.html.batch import progress_html, table_html
from dreamina_ui.ui.html.chain import chain_html
from dreamina_ui.ui.html.collections import among_html, collection_html
from dreamina_ui.ui.html.connection import connection_html
from dreamina_ui.ui.html.header import brand_html, header_html
from dreamina_ui.ui.html.history import Posters
from dreamina_ui.ui.html.keyboard import keys_html
from dreamina_ui.ui.html.notify import notify_html
from dreamina_ui.ui.html.outputs import undecodable_html
from dreamina_ui.ui.html.shown import Shown
from dreamina_ui.ui.html.stage import actions_html, facts_html, status_html, variations_html
from dreamina_ui.ui.prompting import EXAMPLES, chips_html, examples_html
from dreamina_ui.wording import Words
from tests.filled import POSTER, past_job
from tests.rig import CARD

__all__ = [
    "ADDRESS",
    "COLLECTION",
    "JOBS",
    "SCRIPTS",
    "WORDS",
    "draw_chain",
    "draw_history",
    "draw_jobs",
    "draw_status",
    "in_state",
    "open_still_page",
]

ADDRESS = "http://127.0.0.1/"
ASSETS = Path(__file__).parents[2] / "assets"
SCRIPTS = sorted((ASSETS / "js").glob("*.js"))
WORDS = Words()
FOLDER = Path("/videos")
PATCH = Path(__file__).with_name("gradio_patch.js").read_text()
SECTIONS = ("history", "examples", "variations", "batch", "among")
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dreamina UI</title>
{scripts}
<style>
  body {{ margin: 0; font-family: system-ui, sans-serif; --body-text-color: #23262a; --body-text-color-subdued: #4f5253;
    --block-background-fill: #fff; --border-color-primary: #dddcd8; color: var(--body-text-color); }}
</style>
{styles}
</head>
<body><div class="gradio-container"><main class="contain">
  <div class="prose header">{header}</div>
  <div class="compose">
    <div id="field-prompt" class="counted most-800"><textarea aria-label="Prompt"></textarea></div>
    <div id="chips">{chips}</div>
    <div class="notify">{notify}</div>
    <button id="dice">⚄</button> <button id="lock">⚷</button>
    <button id="generate">Generate</button> <button id="cancel">Cancel</button>
    <input type="file" hidden aria-label="Settings"><button id="settings-file">Fill from a file</button>
    <select aria-label="Filter"><option>all</option><option>?</option></select>
    <div id="key"><input type="password" autocomplete="" aria-label="Key"></div>
  </div>
  <div class="stage">
    <div id="player"><video></video></div>
    <div id="undecodable">{undecodable}</div>
    <div id="status"></div>
    <div id="variation-grid">{variations}</div>
    <div id="chain"></div>
    <div id="links">{actions}</div>
    <div id="facts">{facts}</div>
  </div>
  <div id="examples">{examples}</div>
  <div id="batch-progress">{progress}</div>
  <button id="batch-zip">Download</button>
  <div id="batch-table">{table}</div>
  <div id="history-search"><input type="text" aria-label="Search" value="old"></div>
  <div id="among">{among}</div><div id="collection-note"></div><div id="collection">{collection}</div>
  <div id="history"></div>
  <div id="keys">{keys}</div>
  {connection}
</main></div></body>
</html>
"""
# The sections register as Gradio's components do; the clicks on Gradio's buttons are recorded.
_STARTED = """(sections) => {
  window.events = [];
  window.pressed = [];
  for (const section of sections) dreamina.connect(section, (name, data) => events.push([section, name, data]));
  for (const id of ["generate", "cancel"]) {
    document.getElementById(id).addEventListener("click", () => pressed.push(id));
  }
}"""


def _job(number: int, state: State, prompt: str, seed: int, ratio: str = "16:9", *, has_length: bool = False) -> Job:
    [ratio_value] = [choice for choice in CARD.field("aspect_ratio").choices or () if f"({ratio})" in str(choice)]  # type: ignore[union-attr]
    job = past_job(number, "ann", state, prompt=prompt, seed=seed, aspect_ratio=ratio_value)
    payload = {name: value for name, value in job.payload.items() if has_length or name != "frames"}
    return replace(job, job_id=f"job{number}", share_id=f"SHARE{number}", payload=payload)


JOBS: Mapping[str, Job] = {
    job.job_id: job
    for job in (
        _job(1, State.SUCCEEDED, "a lighthouse", 7),
        _job(2, State.SUCCEEDED, "a harbour <b>at night</b>", 8, has_length=True),
        _job(3, State.SUCCEEDED, "a fox in the snow", 7, "1:1"),
        _job(4, State.FAILED, "a failed one", 7),
        _job(5, State.IN_PROGRESS, "a running one", 7),
        _job(6, State.SUCCEEDED, "a fox in the rain", 7),
    )
}
"""Jobs of each kind; only the second one has a length in its settings."""
BATCH = [replace(JOBS[f"job{number}"], job_id=f"row{number}", share_id=f"ROW{number}") for number in (1, 5)]
"""The rows of the batch's table."""


COLLECTION = Collection(
    collection_id="c" * 32, visitor_id="ann", name="Best <b>of</b>", link_id="d" * 32, created_at=0.0
)


def in_state(job: Job, state: State) -> Job:
    """The job in this state, 50 seconds after the click."""
    ended = state in (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.UNCERTAIN)
    return replace(job, state=state, finished_at=job.created_at + 50 if ended else None)


def open_still_page(page: Page, clips: Mapping[str, bytes]) -> None:
    """`clips` are the videos by share id."""

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(ADDRESS).partition("?")[0]
        if name.endswith(".webp"):
            route.fulfill(path=POSTER)
        elif name.endswith(".mp4"):
            _serve_part(route, clips[Path(name).stem])
        elif name.startswith("dreamina/zip"):
            route.fulfill(body=b"zip", headers={"Content-Disposition": "attachment; filename=videos.zip"})
        else:
            route.fulfill(body=_page(), content_type="text/html")

    page.context.route("**/*", answer)
    page.add_init_script(PATCH)
    start(page)


def start(page: Page) -> None:
    """Open or reload the page."""
    page.goto(ADDRESS)
    page.evaluate(_STARTED, SECTIONS)
    draw_history(page, *JOBS)


def draw_history(page: Page, *job_ids: str, among: str = "") -> None:
    draw_jobs(page, [JOBS[job_id] for job_id in job_ids], among)


def draw_jobs(page: Page, jobs: Sequence[Job], among: str = "") -> None:
    html = Posters(Models([CARD])).html(jobs, WORDS, among=among)
    page.evaluate("([selector, html]) => draw(selector, html)", ["#history", html])


def draw_chain(page: Page, *job_ids: str, on_stage: str) -> None:
    """Draw the chain that these jobs are made to, as the stage shows it with one of them."""
    jobs: list[Job] = []
    for job_id in job_ids:
        jobs.append(replace(JOBS[job_id], ancestors=tuple(job.share_id for job in jobs)))
    html = chain_html(next(job for job in jobs if job.job_id == on_stage), Chain(tuple(jobs), 0), WORDS)
    page.evaluate("([selector, html]) => draw(selector, html)", ["#chain", html])


def draw_status(page: Page, job: Job, elapsed_s: float = 50.0, usual_s: float | None = None) -> None:
    """Draw the stage's status of the job, `elapsed_s` seconds after the click."""
    html = status_html(job, job.created_at + elapsed_s, WORDS, usual_s)
    page.evaluate("([selector, html]) => draw(selector, html)", ["#status", html])


@cache
def _page() -> str:
    # Not in the studio's order, because only the first script has a fixed place.
    first = ASSETS / "js" / "dreamina.js"
    scripts: Sequence[Path] = [first, *(path for path in reversed(SCRIPTS) if path != first)]
    job = JOBS["job1"]
    file = Shown(1, FOLDER / "SHARE1.mp4", kind_named(".mp4"), "a-lighthouse-7.mp4", 1000, None)
    return _PAGE.format(
        # In the page itself, because Python would have to answer a request for each of them.
        scripts="\n".join(f"<script>{path.read_text()}//# sourceURL=js/{path.name}\n</script>" for path in scripts),
        styles="".join(f"<style>{path.read_text()}</style>" for path in sorted((ASSETS / "css").glob("*.css"))),
        header=brand_html(Models([CARD])) + header_html("simulator", WORDS),
        chips=chips_html(WORDS),
        notify=notify_html(WORDS),
        undecodable=undecodable_html(job, file, "player", WORDS),
        variations=variations_html([JOBS["job1"], JOBS["job4"]], "job1", WORDS),
        actions=actions_html(job, [file], file, "?prompt=a+lighthouse", WORDS),
        facts=facts_html(job, WORDS),
        examples=examples_html(WORDS, list(EXAMPLES)),
        progress=progress_html(BATCH, WORDS),
        among=among_html([COLLECTION], WORDS),
        collection=collection_html(COLLECTION, [JOBS["job1"], JOBS["job2"], JOBS["job3"]], WORDS),
        table=table_html(BATCH, Models([CARD]), WORDS),
        keys=keys_html(WORDS),
        connection=connection_html(WORDS),
    )


def _serve_part(route: Route, clip: bytes) -> None:
    """Answer range requests, without which a player cannot seek."""
    first, last = re.findall(r"(\d+)-(\d*)", route.request.headers.get("range", "bytes=0-"))[0]
    end = int(last) if last else len(clip) - 1
    part = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {first}-{end}/{len(clip)}"}
    route.fulfill(status=206, body=clip[int(first) : end + 1], headers={"Content-Type": "video/mp4", **part})
