"""The files of a result, found anywhere in it. Pure: nothing here judges whether an address is safe, or asks it.

`output` has no one shape, so the whole value is walked, as RunComfy's own CLI does. Left out are the API's calls, echoes
of the input, pages about something else, and addresses in texts about an error.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from dreamina_ui.runcomfy.addresses import Kind, addresses_in, ends_like_a_file, is_call, kind_by_ending, relative_in
from dreamina_ui.runcomfy.texts import clean, parsed
from dreamina_ui.runcomfy.words import names, snake

__all__ = ["came_in", "outputs_in"]

MOST = 200
DEEPEST = 10
MOST_VALUES = 20_000

OUTPUT_NAMES = ("output", "outputs", "result", "results", "data", "response")
"""Where outputs stand. What stands beside these is looked at where they name no video."""

NAMES: Mapping[Kind, frozenset[str]] = {
    Kind.PREVIEW: names(
        "thumbnail thumbnails thumb thumbs preview previews cover covers poster posters frame frames snapshot snapshots"
        " screenshot screenshots still icon avatar storyboard"
    ),
    Kind.VIDEO: names("video videos clip clips movie movies film mp4 webm mov animation"),
    Kind.PICTURE: names("image images img imgs picture pictures photo photos png jpg jpeg webp gif"),
    Kind.SOUND: names("audio audios sound sounds music speech voice song mp3 wav flac"),
}
"""Parts of a name that tell the kind, the first of these kinds first: a `video_cover` is a picture."""
TYPE_NAMES = names("content_type mime_type mimetype mime type media_type kind format file_type")
ADDRESS_NAMES = names(
    "url urls uri uris link links href src file files download downloads media asset assets artifact artifacts"
)
LABELS = names("filename file_name name title subfolder folder id path file_path filepath local_path key object_key")
"""Names that hold a file's name, or its place on a disk of the service."""

ECHOES = names(
    "input inputs payload params parameters arguments args options webhook webhooks callback callbacks doc docs"
    " documentation help support terms license log logs error errors failure traceback exception warning warnings"
    " homepage website prompt prompts reference references init"
)
"""A name with one of these parts holds no output."""
OTHERS = names(
    "request requests model model_url model_page status_url cancel_url dashboard_url page_url user owner author account"
    " billing usage source_url source_image source_video original_url original_image original_video"
)
TALK = names("message msg detail details reason")
"""In these texts only the address of a file counts: they may name a page, too."""
CALLS = frozenset({"result_url", "response_url"})
LINKS, LINKED = (
    frozenset({"urls", "links"}),
    names("get cancel self web next prev first last status result"),
)


@dataclass(frozen=True, slots=True)
class Found:
    kind: Kind
    holder: int
    """Which object of the reply names it."""


def outputs_in(body: object, *, url: str, base: str, failed: bool = False) -> tuple[str, ...]:
    """At most 200 addresses, http(s) or data URIs: videos, then what may be one, then pictures, then sounds.

    A picture beside a video is its preview, and left out. `url` is the result's own address, against which relative
    ones are read; `base` is the API's. Of a `failed` request no message is read for addresses.
    """
    body = parsed(body)
    walk = Walk(url, base, failed)
    if not isinstance(body, Mapping):
        walk.value(body, None, DEEPEST, "output")
        return walk.in_order()
    walk.fields({name: held for name, held in body.items() if snake(name) in OUTPUT_NAMES}, None, DEEPEST)
    request = parsed(body.get("request"))
    if isinstance(request, Mapping):  # an echo of the input, but for what came of it
        walk.fields({name: held for name, held in request.items() if snake(name) in OUTPUT_NAMES[:4]}, None, DEEPEST)
    if not any(found.kind <= Kind.UNKNOWN for found in walk.found.values()):
        beside = Walk(url, base, failed)
        rest = {name: held for name, held in body.items() if snake(name) not in OUTPUT_NAMES}
        beside.fields(rest, None, DEEPEST, is_reply=True)
        nothing_yet = not walk.found
        for address, found in beside.found.items():
            if nothing_yet or found.kind is Kind.VIDEO:
                walk.found.setdefault(address, found)
    return walk.in_order()


def came_in(body: object, secret: str | None) -> str:
    """What the output said, as one line of at most 500 characters; empty where it said nothing."""
    body = parsed(body)
    fields = {snake(name): held for name, held in body.items()} if isinstance(body, Mapping) else {"output": body}
    held = next((fields[name] for name in OUTPUT_NAMES if fields.get(name) not in (None, "", [], {})), None)
    if held is None or isinstance(held, str):
        return clean(held or "", secret)
    try:
        text = json.dumps(held, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return ""
    # In JSON the key stands escaped, and so do the control characters that may break it.
    text = re.sub(r"\\u00[01][0-9a-f]|\\[bf]", "", text)
    return clean(text.replace(json.dumps(secret)[1:-1], "…") if secret else text, secret)


class Walk:
    """Through a JSON value, in its order, with bounds on depth and number. `found` holds addresses in that order."""

    def __init__(self, url: str, base: str, failed: bool) -> None:
        self.found: dict[str, Found] = {}
        self._url, self._base, self._failed = url, base, failed
        self._left = MOST_VALUES
        self._holder = 0

    def in_order(self) -> tuple[str, ...]:
        kept = sorted(self.found, key=lambda address: self.found[address].kind)
        if kept and self.found[kept[0]].kind is Kind.VIDEO:
            kept = [address for address in kept if self.found[address].kind not in (Kind.PICTURE, Kind.PREVIEW)]
        once: dict[tuple[int, str], str] = {}
        for address in kept:
            bare = address if address.startswith("data:") else address.partition("?")[0]
            # One object names one file: with and without a signature. The longer one works in any case.
            key = (self.found[address].holder, bare) if kind_by_ending(bare) is not None else (-1, address)
            once[key] = max(once.get(key, ""), address, key=len)
        return tuple(once.values())[:MOST]

    def value(self, held: object, kind: Kind | None, depth: int, name: str = "", holder: int = 0) -> None:
        """`kind` is what the names around it say; `name` is the nearest one."""
        self._left -= 1
        if self._left < 0 or depth < 0 or len(self.found) >= 2 * MOST:
            return
        held = parsed(held)
        if isinstance(held, Mapping):
            self.fields(held, kind, depth, name)
        elif isinstance(held, list):
            for item in held:
                self.value(item, kind, depth - 1, name, holder)
        elif isinstance(held, str):
            self._text(held, kind, name, holder)

    def fields(
        self, held: Mapping[str, object], kind: Kind | None, depth: int, parent: str = "", *, is_reply: bool = False
    ) -> None:
        """`parent` is the name of the object; `is_reply` where its addresses may be the API's calls."""
        self._holder += 1
        holder = self._holder
        plain = {name: snake(name) for name in held}
        is_reply = is_reply or not {"status", "state", "request_id", "status_url"}.isdisjoint(plain.values())
        has_address = any(isinstance(value, str) and value.strip()[:4].lower() == "http" for value in held.values())
        types = (kind_by_name(snake(held[name])) for name in held if plain[name] in TYPE_NAMES)
        declared = next(filter(None, types), None)
        for name, value in held.items():
            word = plain[name]
            if self._is_other(word, parent) or (word in LABELS and has_address):
                continue
            if word in CALLS and is_reply and not (isinstance(value, str) and ends_like_a_file(value)):
                continue
            self.value(value, kind_by_name(word) or declared or kind, depth - 1, word, holder)

    def _is_other(self, word: str, parent: str) -> bool:
        if word in OTHERS or (parent in LINKS and word in LINKED) or (self._failed and word in TALK):
            return True
        return not ECHOES.isdisjoint(word.split("_"))

    def _text(self, text: str, kind: Kind | None, name: str, holder: int) -> None:
        last = name.rpartition("_")[2]
        strict = last in ADDRESS_NAMES or kind_by_name(name) is not None
        addresses = addresses_in(text, is_address=strict)
        if not addresses and name not in LABELS | TYPE_NAMES | TALK:
            relative = relative_in(text, self._url, is_address=strict or name in OUTPUT_NAMES)
            addresses = [relative] if relative else []
        self._left -= len(addresses)
        for address in addresses:
            ending = kind_by_ending(address)
            if is_call(address, self._base) or (name in TALK and ending is None):
                continue
            judged = kind or Kind.UNKNOWN
            if ending not in (None, Kind.UNKNOWN) and judged is not Kind.PREVIEW:
                judged = ending
            before = self.found.get(address)
            if before is None or judged < before.kind:
                self.found[address] = Found(judged, before.holder if before else holder)


def kind_by_name(name: str) -> Kind | None:
    """What a folded name, or a media type, says; None where it says nothing."""
    parts = set(name.split("_"))
    for kind, words in NAMES.items():
        if not words.isdisjoint(parts):
            return kind
    roots = {"video": Kind.VIDEO, "image": Kind.PICTURE, "audio": Kind.SOUND}
    return next((kind for root, kind in roots.items() if root in name), None)
