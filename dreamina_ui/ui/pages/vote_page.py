"""A vote: the presenter's page with the code and the tally, the voters' page, and the result for all; forms without Gradio.

While a vote is open, its candidates have neither names nor settings, and each voter sees them in an order of their own.
"""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

import segno
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from dreamina_ui.engine.curation.votes import TITLE_MOST
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import (
    ChoiceUnclear,
    DreaminaError,
    StoreError,
    TooManyVotes,
    VoteClosed,
    VoteNotFound,
    VoteSize,
)
from dreamina_ui.jobs import Job
from dreamina_ui.storage.vote_store import Vote
from dreamina_ui.ui.html.shown import Shown, playable, shown_jobs
from dreamina_ui.ui.html.stage import facts_html
from dreamina_ui.ui.pages.plain_page import plain_page
from dreamina_ui.web.callers import words_for, zone_of
from dreamina_ui.web.checks.addresses import ADDRESS
from dreamina_ui.web.checks.bodies import read_body
from dreamina_ui.web.page_response import OneFile
from dreamina_ui.web.saved_files import saved_address
from dreamina_ui.web.visitors import NEW_VISITOR, VISITOR
from dreamina_ui.wording import Words

__all__ = ["VotePage"]

FORM_MOST = 8_192
"""Bytes of a form, from which a visitor needs a tenth."""
PRESENTER_EACH_S, VOTER_EACH_S = 1, 10
_STATUS = {
    VoteNotFound: HTTPStatus.NOT_FOUND,
    VoteClosed: HTTPStatus.CONFLICT,
    TooManyVotes: HTTPStatus.TOO_MANY_REQUESTS,
    ChoiceUnclear: HTTPStatus.BAD_REQUEST,
    VoteSize: HTTPStatus.BAD_REQUEST,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_HEADERS = {"Cache-Control": "no-store"}
_NOTE = Markup('<p class="note" role="status">{}</p>')
_NEW = Markup(
    '<form method="post" action="vote" class="new">{videos}<label>{title}<input name="title" maxlength="{most}"></label>'
    '<fieldset><legend>{how}</legend><label><input type="radio" name="ranked" value="" checked> {one}</label>'
    '<label><input type="radio" name="ranked" value="yes"> {rank}</label></fieldset><button>{open}</button></form>'
)
_HIDDEN = Markup('<input type="hidden" name="video" value="{}">')
_LISTED = Markup('<li><a href="vote/{code}/tally">{title}</a> <span class="state">{state}</span></li>')
_BALLOT = Markup(
    '<form method="post" action="vote/{code}" data-counts="vote/{code}/counts" data-each="{each}">'
    '<ul class="candidates">{candidates}</ul><button>{vote}</button></form>'
)
_CANDIDATE = Markup("<li><figure>{video}<figcaption>{name}{choice}</figcaption></figure></li>")
_VIDEO = Markup(
    '<video controls muted loop playsinline preload="none"{poster} src="{source}" aria-label="{name}"></video>'
)
_POSTER = Markup(' poster="{}"')
_ONE = Markup(
    '<label class="choice"><input type="radio" name="choice" value="{value}" required{chosen}> {words}</label>'
)
_RANK = Markup(
    '<label class="choice">{words} <select name="rank-{value}" required><option value=""></option>{places}</select></label>'
)
_OPTION = Markup('<option value="{0}"{1}>{0}</option>')
_TALLY = Markup(
    '<section class="join"><div class="qr">{qr}</div><div><p class="link"><a href="vote/{code}">{link}</a></p>'
    '<p class="code" translate="no">{spelt}</p><p class="voters" aria-live="polite" data-voters>{voters}</p></div></section>'
    '<ol class="candidates tally" data-counts="vote/{code}/counts" data-each="{each}">{places}</ol>'
    '<div class="acts">{acts}<a href="vote/{code}/votes.csv" download>{csv}</a><a href="{show}">{together}</a>'
    "<details><summary>{delete}</summary>{sure} {deletion}</details></div>"
)
_PLACE = Markup(
    '<li data-place="{value}"><figure>{video}<figcaption>{name}<meter min="0" max="{most}" value="{points}"></meter>'
    "<b data-points>{points}</b></figcaption></figure>{facts}</li>"
)
_ACT = Markup('<form method="post" action="vote/{code}/{act}"><button>{words}</button></form>')


class VotePage:
    """The routes. `folder` has the pages' script and style; `public_url` is where others reach the studio, if that is known."""

    def __init__(self, engine: Engine, folder: Path, public_url: str | None) -> None:
        self._engine = engine
        self._votes = engine.votes
        self._public_url = public_url
        self._script, self._style = (OneFile.of(f"/dreamina/{name}", folder / name) for name in ("vote.js", "vote.css"))

    @property
    def routes(self) -> list[Route]:
        answers: Sequence[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = (
            ("GET", "/vote", self._listed),
            ("POST", "/vote", self._open),
            ("GET", "/vote/new", self._new),
            ("GET", "/vote/{code}", self._ballot),
            ("POST", "/vote/{code}", self._cast),
            ("GET", "/vote/{code}/tally", self._tally),
            ("GET", "/vote/{code}/counts", self._counts),
            ("GET", "/vote/{code}/votes.csv", self._export),
            ("POST", "/vote/{code}/{act}", self._act),
        )
        pages = [Route(path, self._answered(answer), methods=[method]) for method, path, answer in answers]
        return [*self._script.routes, *self._style.routes, *pages]

    def _answered(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """The answer, or a page with one sentence."""

        async def respond(request: Request) -> Response:
            try:
                return await answer(request)
            except DreaminaError as error:
                status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
                words = words_for(request)
                return self._page(request, words.say("vote"), _NOTE.format(words.sentence(error)), status)

        return respond

    async def _new(self, request: Request) -> Response:
        """The form that opens a vote on the videos `video=…&video=…`."""
        words = words_for(request)
        share_ids = request.query_params.getlist("video")
        form = _NEW.format(
            videos=Markup().join(_HIDDEN.format(share_id[:64]) for share_id in dict.fromkeys(share_ids)),
            most=TITLE_MOST,
            **{name: words.say(f"vote.{name}") for name in ("title", "how", "one", "rank", "open")},
        )
        hint = _NOTE.format(words.say("vote.new.hint", count=len(set(share_ids))))
        return self._page(request, words.say("vote.new"), hint + form)

    async def _open(self, request: Request) -> Response:
        form = await _form(request)
        if request.scope.get(NEW_VISITOR):
            return self._without_cookie(request)
        vote = await self._votes.open(
            request.scope[VISITOR], form.get("video", []), _first(form, "title"), ranked=_first(form, "ranked") == "yes"
        )
        return _see(request, f"vote/{vote.vote_id}/tally")

    async def _listed(self, request: Request) -> Response:
        """The votes that this visitor has opened."""
        words = words_for(request)
        votes = await self._votes.of_presenter(request.scope[VISITOR])
        items = Markup().join(
            _LISTED.format(
                code=vote.vote_id,
                title=vote.title or vote.vote_id,
                state=words.say("vote.is_open" if vote.is_open else "vote.is_closed"),
            )
            for vote in votes
        )
        listed = Markup('<ul class="votes">{}</ul>').format(items) if votes else _NOTE.format(words.say("vote.none"))
        return self._page(request, words.say("vote.mine"), listed)

    async def _ballot(self, request: Request) -> Response:
        vote, words = await self._votes.get(request.path_params["code"]), words_for(request)
        if not vote.is_open:
            return await self._result(request, vote)
        visitor_id = request.scope[VISITOR]
        choice = await self._votes.choice_of(vote, visitor_id)
        shown = await self._shown(request, await self._votes.candidates(vote, visitor_id))
        if not shown:
            raise VoteNotFound
        candidates = Markup().join(
            _CANDIDATE.format(
                video=_video(file, name := _letter(index)),
                name=Markup('<b class="name">{}</b>').format(name),
                choice=_choice(job, choice, len(shown), words, ranked=vote.ranked),
            )
            for index, (job, file) in enumerate(shown)
        )
        hint = words.say("vote.counted" if choice else "vote.rank.hint" if vote.ranked else "vote.one.hint")
        form = _BALLOT.format(
            code=vote.vote_id,
            candidates=candidates,
            each=VOTER_EACH_S,
            vote=words.say("vote.change" if choice else "vote.cast"),
        )
        return self._page(request, vote.title or words.say("vote"), _NOTE.format(hint) + form)

    async def _cast(self, request: Request) -> Response:
        form = await _form(request)
        vote = await self._votes.get(request.path_params["code"])
        if request.scope.get(NEW_VISITOR):
            return self._without_cookie(request)
        choice = [_first(form, "choice")]
        if vote.ranked:
            named = {name.removeprefix("rank-"): values[0] for name, values in form.items() if name.startswith("rank-")}
            if len(set(named.values())) < len(named):
                raise ChoiceUnclear(given=len(set(named.values())), wanted=len(named))
            choice = sorted(named, key=lambda share_id: (len(named[share_id]), named[share_id]))
        await self._votes.cast(vote, request.scope[VISITOR], choice, request.scope.get(ADDRESS, ""))
        return _see(request, f"vote/{vote.vote_id}")

    async def _result(self, request: Request, vote: Vote) -> Response:
        """For all, once the vote is closed: who has won, and now with prompts and settings."""
        words = words_for(request)
        places, voters = await self._places(request, vote, words)
        listed = Markup('<ol class="candidates tally" data-counts="vote/{}/counts" data-each="{}">{}</ol>')
        note = _NOTE.format(words.say("vote.over", count=voters))
        return self._page(
            request, vote.title or words.say("vote"), note + listed.format(vote.vote_id, VOTER_EACH_S, places)
        )

    async def _tally(self, request: Request) -> Response:
        """The presenter's page: how to take part, the votes as they come, and what ends them."""
        vote, words = await self._mine(request), words_for(request)
        places, voters = await self._places(request, vote, words)
        root = (self._public_url or str(request.base_url)).rstrip("/")
        link = f"{root}/vote/{vote.vote_id}"
        act = "close" if vote.is_open else "reopen"
        body = _TALLY.format(
            qr=Markup(segno.make(link, error="m").svg_inline(border=2, light="#fff", omitsize=True)),  # noqa: S704  made of squares
            link=link.partition("://")[2],
            code=vote.vote_id,
            spelt=f"{vote.vote_id[:4]} {vote.vote_id[4:]}",
            voters=words.say("vote.voters", count=voters),
            places=places,
            each=PRESENTER_EACH_S,
            acts=_ACT.format(code=vote.vote_id, act=act, words=words.say(f"vote.{act}")),
            deletion=_ACT.format(code=vote.vote_id, act="delete", words=words.say("vote.delete")),
            sure=words.say("vote.delete.sure"),
            show="show?" + "&".join(f"video={share_id}" for share_id in vote.candidates) + "&together=yes",
            **{name: words.say(f"vote.{name}") for name in ("csv", "delete", "together")},
        )
        return self._page(request, vote.title or words.say("vote"), body)

    async def _counts(self, request: Request) -> Response:
        """Whether it is open, and the tally for who may see it, as JSON."""
        vote = await self._votes.get(request.path_params["code"])
        if vote.is_open and vote.presenter != request.scope[VISITOR]:
            return JSONResponse({"open": True}, headers=_HEADERS)
        places, voters = await self._votes.tally(vote)
        said = words_for(request).say("vote.voters", count=voters)
        points = {place.job.share_id: place.points for place in places}
        return JSONResponse({"open": vote.is_open, "voters": said, "points": points}, headers=_HEADERS)

    async def _export(self, request: Request) -> Response:
        """The ballots as CSV: a line for each place that a voter has given; candidates by their numbers, with their prompts."""
        vote, zone = await self._mine(request), zone_of(request)
        prompts = {job.share_id: job.prompt for job in await self._votes.candidates(vote)}
        text = io.StringIO()
        write = csv.writer(text).writerow
        write(["ballot", "cast_at", "place", "candidate", "prompt"])
        for number, ballot in enumerate(await self._votes.ballots(vote), start=1):
            at = datetime.fromtimestamp(ballot.cast_at, zone).isoformat(timespec="seconds")
            for place, share_id in enumerate(ballot.choice, start=1):
                candidate = vote.candidates.index(share_id) + 1
                write([number, at, place, candidate, _cell(prompts.get(share_id, ""))])
        headers = {**_HEADERS, "Content-Disposition": f'attachment; filename="vote-{vote.vote_id}.csv"'}
        return Response("\ufeff" + text.getvalue(), media_type="text/csv", headers=headers)

    async def _act(self, request: Request) -> Response:
        vote, presenter = await self._mine(request), request.scope[VISITOR]
        acts = {"close": self._votes.close, "reopen": self._votes.reopen, "delete": self._votes.delete}
        if (act := request.path_params["act"]) not in acts:
            raise VoteNotFound
        await acts[act](vote, presenter)
        return _see(request, "vote" if act == "delete" else f"vote/{vote.vote_id}/tally")

    async def _mine(self, request: Request) -> Vote:
        """The vote, for its presenter; for others these pages do not exist."""
        vote = await self._votes.get(request.path_params["code"])
        if vote.presenter != request.scope[VISITOR]:
            raise VoteNotFound
        return vote

    async def _places(self, request: Request, vote: Vote, words: Words) -> tuple[Markup, int]:
        """The candidates with their points: in the presenter's order and bare, or once it is closed the best first, with prompts
        and settings; and the count of voters."""
        places, voters = await self._votes.tally(vote)
        files = {job.share_id: file for job, file in await self._shown(request, [place.job for place in places])}
        most = max((place.points for place in places), default=0)
        if vote.is_open:
            places.sort(key=lambda place: vote.candidates.index(place.job.share_id))
        return Markup().join(
            _PLACE.format(
                value=place.job.share_id,
                video=_video(file, name := words.say("vote.candidate", number=index + 1)),
                name=Markup('<b class="name">{}</b>').format(name) if vote.is_open else "",
                most=max(most, 1),
                points=place.points,
                facts="" if vote.is_open else facts_html(place.job, words, shared=True),
            )
            for index, place in enumerate(places)
            if (file := files.get(place.job.share_id)) is not None
        ), voters

    async def _shown(self, request: Request, jobs: Sequence[Job]) -> list[tuple[Job, Shown]]:
        """The jobs with the file that is shown of each; without those that have none."""
        found = await asyncio.to_thread(shown_jobs, jobs, self._engine.library, zone_of(request))
        return [(job, playable(files) or files[0]) for job, files in found]

    def _without_cookie(self, request: Request) -> Response:
        words = words_for(request)
        return self._page(request, words.say("vote"), _NOTE.format(words.say("vote.cookie")), HTTPStatus.FORBIDDEN)

    def _page(self, request: Request, title: str, body: Markup, status: int = HTTPStatus.OK) -> Response:
        page = plain_page(
            words_for(request),
            title,
            body,
            kind="vote",
            style=self._style.address,
            script=self._script.address,
            base=_base(request),
        )
        return HTMLResponse(page, status, headers=_HEADERS)


def _base(request: Request) -> str:
    """From the page to the studio."""
    depth = request.scope["path"].removeprefix(request.scope.get("root_path", "")).count("/") - 1
    return "../" * depth or "./"


def _see(request: Request, address: str) -> Response:
    """Make the browser ask for another page, so that to reload it sends nothing again."""
    return RedirectResponse(_base(request) + address, HTTPStatus.SEE_OTHER, headers=_HEADERS)


async def _form(request: Request) -> Mapping[str, list[str]]:
    """The fields of a form. Raises `ChoiceUnclear` for a body that is none."""
    data = await read_body(request.scope, request.receive, FORM_MOST)
    try:
        return parse_qs((data or b"").decode(), max_num_fields=100)
    except ValueError:
        raise ChoiceUnclear(given=0, wanted=1) from None


def _first(form: Mapping[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0]


def _letter(index: int) -> str:
    return chr(ord("A") + index)


def _video(file: Shown, name: str) -> Markup:
    poster = _POSTER.format(saved_address(file.poster)) if file.poster else ""
    return _VIDEO.format(poster=poster, source=saved_address(file.path), name=name)


def _choice(job: Job, choice: Sequence[str], count: int, words: Words, *, ranked: bool) -> Markup:
    if not ranked:
        chosen = Markup(" checked") if job.share_id in choice else ""
        return _ONE.format(value=job.share_id, chosen=chosen, words=words.say("vote.this"))
    place = choice.index(job.share_id) + 1 if job.share_id in choice else 0
    places = Markup().join(_OPTION.format(n, Markup(" selected") if n == place else "") for n in range(1, count + 1))
    return _RANK.format(value=job.share_id, words=words.say("vote.place"), places=places)


def _cell(text: str) -> str:
    """A text that a spreadsheet takes for no formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text
