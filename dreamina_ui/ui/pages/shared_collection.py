"""The page of a shared collection: its name and its videos, for whoever has its link. Read-only, made here, without a script."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import CollectionNotFound, StoreError
from dreamina_ui.jobs import Job
from dreamina_ui.media.kinds import Family
from dreamina_ui.ui.html.outputs import file_address, video_html
from dreamina_ui.ui.html.shown import Shown, shown_jobs
from dreamina_ui.ui.pages.plain_page import plain_page
from dreamina_ui.web.callers import words_for, zone_of
from dreamina_ui.web.downloads import ZIPPED_MOST
from dreamina_ui.web.page_response import OneFile
from dreamina_ui.web.saved_files import COLLECTION_ADDRESS, saved_address
from dreamina_ui.wording import Words

__all__ = ["SharedCollections"]

HEADERS = {
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
    # Nothing in it runs; beside the guard's own rules.
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'",
}
PROMPT_MOST = 1000
_HEADER = Markup("<header><p>{kind}</p><p>{count}</p>{links}</header>")
_SHOW = Markup('<a href="show/{}">{}</a>')
_ZIP = Markup('<a href="dreamina/zip?collection={}" download>{}</a>')
_ITEM = Markup(
    '<li><figure>{shown}<figcaption><p dir="auto">{prompt}</p><p class="about">{about}</p></figcaption></figure></li>'
)
_PICTURE = Markup('<img loading="lazy" src="{source}" alt="{label}">')
_SOUND = Markup('<audio controls preload="none" src="{source}" aria-label="{label}"></audio>')
_ABOUT = Markup("<span>{}</span>")
_DOWNLOAD = Markup('<a href="{}" download="{}" aria-label="{}">{}</a>')


class SharedCollections:
    """The routes. `style` is the file with the page's style."""

    def __init__(self, engine: Engine, style: Path) -> None:
        self._engine = engine
        self._style = OneFile.of("/dreamina/collection.css", style)

    @property
    def routes(self) -> list[Route]:
        page = Route(f"/{COLLECTION_ADDRESS}{{link_id}}", self._serve, name="dreamina_collection")
        return [page, *self._style.routes]

    async def _serve(self, request: Request) -> Response:
        words, link_id = words_for(request), request.path_params["link_id"]
        try:
            name, jobs = await self._engine.collections.shared(link_id)
        except CollectionNotFound:
            return self._sentence(words, 404, "collection.page.gone")
        except StoreError:
            return self._sentence(words, 503, "download.unavailable")
        found = await asyncio.to_thread(shown_jobs, jobs, self._engine.library, zone_of(request))
        items = Markup().join(_item(job, file, words) for job, shown in found for file in shown)
        links = Markup()
        if 0 < len(found) <= ZIPPED_MOST:
            links = _SHOW.format(link_id, words.say("show")) + _ZIP.format(link_id, words.say("zip"))
        header = _HEADER.format(
            kind=words.say("collection.page"), count=words.say("collection.count", count=len(found)), links=links
        )
        content = Markup("<ol>{}</ol>").format(items) if items else _said(words.say("collection.page.empty"))
        return self._page(words, 200, name, header + content)

    def _sentence(self, words: Words, status: int, key: str) -> Response:
        return self._page(words, status, words.say(key), Markup())

    def _page(self, words: Words, status: int, title: str, content: Markup) -> Response:
        page = plain_page(words, title, content, kind="collection", style=self._style.address, base="../")
        return HTMLResponse(page, status, HEADERS)


def _said(sentence: str) -> Markup:
    return Markup("<p>{}</p>").format(sentence)


def _item(job: Job, file: Shown, words: Words) -> Markup:
    prompt = job.prompt[:PROMPT_MOST]
    label = words.say("output.one", number=file.number, prompt=prompt[:160])
    about = [words.seconds(job.duration_s)] if job.duration_s else []
    about += [f"{job.width} × {job.height}"] if job.width and job.height else []
    download = words.say("download")
    return _ITEM.format(
        shown=_shown(job, file, label),
        prompt=prompt,
        about=Markup().join(_about(about))
        + _DOWNLOAD.format(file_address(job, file.number), file.name, f"{download}: {file.name}", download),
    )


def _about(texts: Sequence[str]) -> list[Markup]:
    return [_ABOUT.format(text) for text in texts]


def _shown(job: Job, file: Shown, label: str) -> Markup:
    """The file as a browser shows it; its poster, or nothing, where browsers do not."""
    source, family = saved_address(file.path), file.kind.family
    if file.kind.inline and family is Family.VIDEO:
        return video_html(file, source, label)
    if file.kind.inline and family is Family.PICTURE:
        return _PICTURE.format(source=source, label=label)
    if file.kind.inline and family is Family.SOUND:
        return _SOUND.format(source=source, label=label)
    return _PICTURE.format(source=saved_address(file.poster), label=label) if file.poster else Markup()
