"""What a job has made, where that is not one video alone: its images, and its further videos."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from dreamina_ui.jobs import Job
from dreamina_ui.library import VIDEO
from dreamina_ui.records import file_name
from dreamina_ui.ui.wording import Words

__all__ = ["images_html", "more_videos_html"]

_LIST = Markup('<ul class="outputs {kind}" aria-label="{label}">{items}</ul>')
_IMAGE = Markup(
    '<li><a href="{address}&amp;inline=1" target="_blank" rel="noopener"><img src="gradio_api/file={file}" alt="{alt}"></a>'
    "{download}</li>"
)
_MOVING = Markup(
    '<li><video controls playsinline preload="none" poster="gradio_api/file={poster}" src="gradio_api/file={file}" '
    'aria-label="{alt}"></video>{download}</li>'
)
_DOWNLOAD = Markup('<a class="action" href="{address}" download="{name}">{words}</a>')


def images_html(job: Job, files: Sequence[Path], words: Words) -> Markup:
    """The images of a finished job, each with a download; nothing if it made videos."""
    if not files or files[0].suffix == VIDEO:
        return Markup()
    return _list("images", job, list(enumerate(files, start=1)), words)


def more_videos_html(job: Job, files: Sequence[Path], words: Words) -> Markup:
    """The videos of a finished job beside the first, which has the player; nothing if there are none."""
    if len(files) < 2 or files[0].suffix != VIDEO:
        return Markup()
    return _list("videos", job, list(enumerate(files[1:], start=2)), words)


def _list(kind: str, job: Job, numbered: Sequence[tuple[int, Path]], words: Words) -> Markup:
    items = Markup()
    for number, file in numbered:
        name, address = file_name(job, number, file.suffix), f"dreamina/video/{job.share_id}?n={number}"
        items += (_MOVING if file.suffix == VIDEO else _IMAGE).format(
            address=address,
            file=quote(str(file)),
            poster=quote(str(file.with_suffix(".webp"))),
            alt=words.say("output.one", number=number, prompt=job.prompt[:160]),
            download=_DOWNLOAD.format(address=address, name=name, words=words.say("output.download", number=number)),
        )
    return _LIST.format(kind=kind, label=words.say("outputs"), items=items)
