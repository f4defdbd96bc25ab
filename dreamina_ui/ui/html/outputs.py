"""The HTML of a job's files, each with a download, and of the addresses of files that could not be fetched. Pure."""

from collections.abc import Sequence

from markupsafe import Markup

from dreamina_ui.jobs import Job
from dreamina_ui.media.kinds import FILE, Family, Kind
from dreamina_ui.ui.html.shown import Shown
from dreamina_ui.web.saved_files import saved_address
from dreamina_ui.wording import Words

__all__ = ["addresses_html", "file_address", "outputs_html", "undecodable_html", "video_html"]

ADDRESSES_MOST = 16
ADDRESS_MOST = 4096
"""Characters of an address that are shown: a signed one has about 1000."""
TYPE_MOST = 60

_LIST = Markup('<ul class="outputs" aria-label="{label}">{items}</ul>')
_ITEM = Markup('<li id="output-{number}" class="output {family}">{shown}{note}{download}</li>')
_PICTURE = Markup('<a href="{source}" target="_blank" rel="noopener"><img src="{source}" alt="{alt}"></a>')
_VIDEO = Markup('<video controls playsinline preload="none"{poster} src="{source}" aria-label="{label}"></video>')
_POSTER = Markup(' poster="{}"')
_SOUND = Markup(
    '<span class="output-name">{name}</span><audio controls preload="metadata" src="{source}" aria-label="{alt}"></audio>'
)
_CARD = Markup('{picture}<span class="output-name">{name}</span><span class="output-about">{about}</span>')
_CARD_PICTURE = Markup('<img src="{}" alt="" data-poster="{}">')
_DOWNLOAD = Markup('<a class="action" href="{address}" download="{name}" aria-label="{label}">{words}</a>')
_UNDECODABLE = Markup('<p class="undecodable" role="status" data-undecodable="{place}" hidden>{sentence}{download}</p>')
_ADDRESSES = Markup(
    '<section class="addresses" aria-label="{title}"><div class="addresses-head"><h3>{title}</h3>'
    '<button type="button" class="action" data-copy-addresses data-copied="{copied}">{copy}</button></div>'
    "<ol>{items}</ol></section>"
)
_ADDRESS = Markup('<li value="{}"><code>{}</code></li>')


def file_address(job: Job, number: int, *, inline: bool = False) -> str:
    """The address at which a file of a job is downloaded or, with `inline`, shown."""
    return f"dreamina/video/{job.share_id}?n={number}{'&inline=1' if inline else ''}"


def video_html(file: Shown, source: str, label: str) -> Markup:
    """A player for a video at the address `source`, with its poster if it has one; `label` is read aloud."""
    poster = _POSTER.format(saved_address(file.poster)) if file.poster else ""
    return _VIDEO.format(source=source, poster=poster, label=label)


def outputs_html(job: Job, files: Sequence[Shown], words: Words) -> Markup:
    """A list of these files, each in the form that browsers can show, with a download; empty if there are none."""
    items = Markup().join(_item(job, file, words, is_alone=len(files) == file.number == 1) for file in files)
    return _LIST.format(label=words.say("outputs"), items=items) if files else Markup()


def undecodable_html(job: Job, file: Shown, place: str, words: Words) -> Markup:
    """The message that a browser cannot show a video; `undecodable.js` shows it. `place` is the id of the video's element."""
    return _UNDECODABLE.format(
        place=place,
        sentence=words.say("undecodable", kind=file.kind.name),
        download="" if place.startswith("output-") else _download(job, file, words.say("download")),
    )


def addresses_html(job: Job, words: Words) -> Markup:
    """The addresses of the outputs that were not saved, as text to copy; empty if there are none.

    They come from a service, so they are not links.
    """
    numbers = _missing(job)
    if not numbers:
        return Markup()
    return _ADDRESSES.format(
        title=words.say("addresses"),
        copy=words.say("addresses.copy"),
        copied=words.say("copied"),
        items=Markup().join(_ADDRESS.format(number, _readable_address(job.outputs[number - 1])) for number in numbers),
    )


def _item(job: Job, file: Shown, words: Words, *, is_alone: bool) -> Markup:
    alt = words.say("output.one", number=file.number, prompt=job.prompt[:160])
    source = file_address(job, file.number, inline=True)
    note = Markup()
    if not file.kind.inline or file.kind.family is Family.FILE:
        shown = _card(file, words)
    elif file.kind.family is Family.PICTURE:
        shown = _PICTURE.format(source=source, alt=alt)
    elif file.kind.family is Family.SOUND:
        shown = _SOUND.format(name=file.name, source=source, alt=alt)
    else:
        shown = video_html(file, source, alt)
        note = undecodable_html(job, file, f"output-{file.number}", words)
    label = words.say("download") if is_alone else words.say("output.download", number=file.number)
    shown_as = file.kind.family if file.kind.inline else Family.FILE
    return _ITEM.format(
        number=file.number, family=shown_as, shown=shown, note=note, download=_download(job, file, label)
    )


def _card(file: Shown, words: Words) -> Markup:
    """A file that browsers cannot show."""
    family = file.kind.family
    about = words.say(f"output.unshown.{family}", kind=_kind_label(words, file.kind), size=words.size(file.size))
    picture = _CARD_PICTURE.format(saved_address(file.poster), words.say(f"kind.{family}")) if file.poster else ""
    return _CARD.format(picture=picture, name=file.name, about=about)


def _download(job: Job, file: Shown, label: str) -> Markup:
    return _DOWNLOAD.format(
        address=file_address(job, file.number), name=file.name, label=f"{label}: {file.name}", words=label
    )


def _missing(job: Job) -> list[int]:
    """The numbers of the outputs that are missing, by the remarks of a finished job."""
    numbers: list[int] = []
    for remark in job.remarks:
        if remark.code == "no_file_found":
            numbers += range(1, len(job.outputs) + 1)
        elif remark.code == "not_all_saved":
            named = str(remark.facts.get("missing", "")).split(",")
            numbers += [int(number) for number in map(str.strip, named) if number.isdecimal() and len(number) < 5]
    return [number for number in dict.fromkeys(numbers) if 1 <= number <= len(job.outputs)][:ADDRESSES_MOST]


def _readable_address(address: str) -> str:
    """The address, shortened, with only the type of a `data:` address, and without invisible characters."""
    if address[:5].lower() == "data:":
        address = address[: min(len(address), TYPE_MOST)].partition(",")[0].partition(";")[0] + ",…"
    elif len(address) > ADDRESS_MOST:
        address = address[:ADDRESS_MOST] + "…"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in address)


def _kind_label(words: Words, kind: Kind) -> str:
    """The label of a kind of file: "Video (AVI)"."""
    family = words.say(f"kind.{kind.family}")
    return family if kind == FILE else f"{family} ({kind.name})"
