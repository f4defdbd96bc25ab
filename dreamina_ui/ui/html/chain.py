"""The HTML of a chain: the videos that continue each other, with the one on the stage among them. Pure."""

import json
from urllib.parse import urlencode

from markupsafe import Markup

from dreamina_ui.jobs import Chain, Job, State
from dreamina_ui.media.kinds import Family, kind_named
from dreamina_ui.ui.html.stage import job_picture
from dreamina_ui.web.saved_files import SAVED_ADDRESS
from dreamina_ui.wording import Words

__all__ = ["chain_html"]

PROMPT_MOST = 60
"""Characters of a prompt in a sentence."""
_SCRIPT_TEXTS = {  # texts that `assets/js/chain.js` shows
    "title": "chain.play",
    "part": "chain.place",
    "skipped": "chain.skipped",
    "play": "play",
    "pause": "pause",
    "position": "position",
    "close": "close",
}
_CHAIN = Markup(
    '<section class="chain" aria-label="{title}" data-job="{job_id}">'
    '<p class="chain-place">{place}{parent}</p>{missing}<ol class="variations chain-parts">{parts}</ol>{actions}</section>'
)
_PARENT = Markup(' · {words} <button type="button" class="chain-parent" data-variation="{job_id}">{prompt}</button>')
_PART = Markup(
    '<li><button type="button" class="variation {state}" data-variation="{job_id}" title="{prompt}"{current}>{picture}'
    "<span>{name}</span></button></li>"
)
_ACTIONS = Markup(
    '<div class="links"><button type="button" class="action" data-chain="{parts}" data-words="{words}">{play}</button>'
    '<a class="action" href="{address}" download>{join}</a></div>'
)
_NOTE = Markup('<p class="note">{}</p>')


def chain_html(job: Job, chain: Chain, words: Words) -> Markup:
    """Where the job on the stage stands in its chain, the videos of the chain, and what can be done with all of them.

    Empty for a video that neither continues one nor is continued.
    """
    if chain.count < 2:
        return Markup()
    parent = next((each for each in chain.jobs if each.share_id in job.ancestors[-1:]), None)
    playable = [each for each in chain.jobs if _video_name(each)]
    return _CHAIN.format(
        title=words.say("chain.title"),
        job_id=job.job_id,
        place=words.say("chain.place", number=len(job.line), count=chain.count),
        parent=_parent(parent, words) if parent else "",
        missing=_NOTE.format(words.say("chain.missing", count=chain.missing)) if chain.missing else "",
        parts=Markup().join(_part(each, each is job or each.job_id == job.job_id, words) for each in chain.jobs),
        actions=_actions(playable, chain.count, words) if len(playable) > 1 else "",
    )


def _parent(job: Job, words: Words) -> Markup:
    return _PARENT.format(words=words.say("chain.continues"), job_id=job.job_id, prompt=_shown_prompt(job, words))


def _part(job: Job, is_current: bool, words: Words) -> Markup:
    return _PART.format(
        state=job.state,
        job_id=job.job_id,
        prompt=job.prompt,
        current=Markup(' aria-current="true"') if is_current else "",
        picture=job_picture(job, words) if job.state is State.SUCCEEDED else "",
        name=words.say("chain.part", number=len(job.line)),
    )


def _actions(jobs: list[Job], count: int, words: Words) -> Markup:
    parts = [
        {
            "video": f"{SAVED_ADDRESS}{_video_name(job)}",
            "duration": job.duration_s or 0,
            "number": len(job.line),
            "count": count,
        }
        for job in jobs
    ]
    return _ACTIONS.format(
        parts=json.dumps(parts),
        words=json.dumps({name: words.text(key) for name, key in _SCRIPT_TEXTS.items()}, ensure_ascii=False),
        play=words.say("chain.play"),
        address=f"dreamina/join?{urlencode([('job', job.share_id) for job in jobs])}",
        join=words.say("chain.join"),
    )


def _video_name(job: Job) -> str:
    """The name of a job's first file, if it is a video that browsers play; else empty."""
    if job.state is not State.SUCCEEDED or job.has_no_file:
        return ""
    suffix = job.files[0] if job.files else ".mp4"
    kind = kind_named(suffix)
    return f"{job.share_id}{suffix}" if kind.family is Family.VIDEO and kind.inline else ""


def _shown_prompt(job: Job, words: Words) -> str:
    short = job.prompt if len(job.prompt) <= PROMPT_MOST else f"{job.prompt[: PROMPT_MOST - 1].rstrip()}…"
    return words.say("quoted", text=short)
