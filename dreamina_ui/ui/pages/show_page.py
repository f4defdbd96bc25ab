"""Show mode: finished videos one after the other, or up to four side by side, on a page that has nothing else.

Whoever knows the share ids sees these videos, as by their links. `assets/show/` plays them; without scripts the page is a list.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import CollectionNotFound, JobNotFound, StoreError
from dreamina_ui.jobs import Job
from dreamina_ui.media.kinds import Family
from dreamina_ui.ui.html.shown import Shown, playable, shown_jobs
from dreamina_ui.ui.html.stage import facts_html
from dreamina_ui.ui.pages.plain_page import plain_page
from dreamina_ui.web.callers import words_for, zone_of
from dreamina_ui.web.downloads import ZIPPED_MOST
from dreamina_ui.web.page_response import OneFile
from dreamina_ui.web.saved_files import saved_address
from dreamina_ui.wording import Words

__all__ = ["TOGETHER_MOST", "ShowPage"]

TOGETHER_MOST = 4
"""Videos side by side."""
_TEXTS = ("place", "together", "playing", "paused", "muted", "loud", "loop", "on", "end")
"""What the script says."""
KEYS = (
    ("← →", "keys.turn"),
    ("Space", "keys.play"),
    ("L", "keys.loop"),
    ("I", "keys.about"),
    ("M", "keys.sound"),
    ("F", "keys.screen"),
    ("?", "keys.help"),
    ("Esc", "keys.end"),
)
_HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
_PAGE = Markup(
    '<!doctype html><html lang="{language}"><head><meta charset="utf-8"><base href="{base}">'
    '<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">'
    '<meta name="color-scheme" content="dark"><title>{title}</title><link rel="icon" href="favicon.ico">'
    '<link rel="stylesheet" href="{style}"><script defer src="{scripts}"></script><script defer src="{script}"></script></head>'
    '<body class="show" data-words="{words}" data-together="{together}" data-play="{play}">'
    '<main aria-label="{title}"><h1 class="visually-hidden">{title}</h1><ol class="slides">{slides}</ol>'
    '<nav class="parts" aria-label="{keys}">{buttons}</nav>'
    '<dialog class="keys" aria-label="{keys}"><dl>{rows}</dl></dialog></main></body></html>'
)
_SLIDE = Markup(
    '<li class="slide" data-kind="{kind}" data-source="{source}" data-poster="{poster}" data-name="{name}">'
    '<a href="{source}">{name}</a><div class="about" hidden>{facts}</div></li>'
)
_BUTTON = Markup('<button type="button" data-part="{}">{}</button>')
_ROW = Markup("<div><dt><kbd>{}</kbd></dt><dd>{}</dd></div>")


class ShowPage:
    """The routes. `folder` has the page's script and style; `scripts` is the address of the helpers that it uses."""

    def __init__(self, engine: Engine, folder: Path, scripts: str) -> None:
        self._engine = engine
        self._scripts = scripts
        self._script, self._style = (OneFile.of(f"/dreamina/{name}", folder / name) for name in ("show.js", "show.css"))

    @property
    def routes(self) -> list[Route]:
        pages = [
            Route("/show", self._chosen, name="show"),
            Route("/show/{link_id}", self._collected, name="show_collection"),
        ]
        return [*pages, *self._script.routes, *self._style.routes]

    async def _chosen(self, request: Request) -> Response:
        """The videos `video=…&video=…` in this order; with `together` side by side, with `play=on` all in one go."""
        share_ids = list(dict.fromkeys(request.query_params.getlist("video")))[:ZIPPED_MOST]
        return await self.respond(request, lambda: self._engine.history.shown(share_ids))

    async def _collected(self, request: Request) -> Response:
        """The videos of the collection that has this link, in its order."""
        name = ""

        async def subject() -> Sequence[Job]:
            nonlocal name
            name, jobs = await self._engine.collections.shared(request.path_params["link_id"])
            return jobs[:ZIPPED_MOST]

        return await self.respond(request, subject, title=lambda: name, base="../")

    async def respond(
        self,
        request: Request,
        subject: Callable[[], Awaitable[Sequence[Job]]],
        *,
        title: Callable[[], str] = str,
        base: str = "./",
    ) -> Response:
        """The page with the jobs of `subject`; 404 with a sentence where there is nothing to show."""
        words = words_for(request)
        try:
            jobs = await subject()
        except (JobNotFound, CollectionNotFound):
            jobs = []
        except StoreError:
            return self._none(words, "download.unavailable", 503, base)
        found = await asyncio.to_thread(shown_jobs, jobs, self._engine.library, zone_of(request))
        slides = [_slide(job, main, words) for job, files in found if (main := _main(files)) is not None]
        if not slides:
            return self._none(words, "show.none", 404, base)
        together = "together" in request.query_params and 1 < len(slides) <= TOGETHER_MOST
        page = _PAGE.format(
            language=words.language,
            base=base,
            title=title() or words.say("show"),
            style=self._style.address,
            scripts=self._scripts,
            script=self._script.address,
            words=json.dumps({name: words.text(f"show.{name}") for name in _TEXTS}, ensure_ascii=False),
            together="yes" if together else "",
            play="on" if request.query_params.get("play") == "on" else "",
            slides=Markup().join(slides),
            keys=words.say("show.keys"),
            buttons=Markup().join(
                _BUTTON.format(part, words.say(f"show.part.{part}"))
                for part in ("back", "next", "play", "about", "sound", "end")
            ),
            rows=Markup().join(_ROW.format(key, words.say(f"show.{name}")) for key, name in KEYS),
        )
        return HTMLResponse(page, headers=_HEADERS)

    def _none(self, words: Words, key: str, status: int, base: str) -> Response:
        said = Markup('<p class="none">{}</p>').format(words.say(key))
        page = plain_page(words, words.say("show"), said, kind="show", style=self._style.address, base=base)
        return HTMLResponse(page, status, headers=_HEADERS)


def _main(files: Sequence[Shown]) -> Shown | None:
    """What is shown of a job: the first video that browsers play, or else the first picture or sound."""
    pictured = (file for file in files if file.kind.inline and file.kind.family in (Family.PICTURE, Family.SOUND))
    return playable(files) or next(pictured, None)


def _slide(job: Job, file: Shown, words: Words) -> Markup:
    return _SLIDE.format(
        kind=file.kind.family,
        source=saved_address(file.path),
        poster=saved_address(file.poster) if file.poster else "",
        name=job.prompt[:160] or words.say(f"kind.{file.kind.family}"),
        facts=facts_html(job, words, shared=True),
    )
