"""Addresses in the texts of a result: found, completed and quoted. Pure."""

import re
from enum import IntEnum
from urllib.parse import quote, urljoin, urlsplit

__all__ = ["Kind", "addresses_in", "ends_like_a_file", "is_call", "kind_by_ending", "relative_in"]


class Kind(IntEnum):
    """In the order of the outputs. PREVIEW: a picture by its name, whatever its address ends in."""

    VIDEO = 1
    UNKNOWN = 2
    PICTURE = 3
    PREVIEW = 4
    SOUND = 5


ENDINGS = {
    ending: kind
    for kind, endings in {
        Kind.VIDEO: "mp4 m4v mov webm mkv avi ts mts flv mpg mpeg wmv ogv 3gp m3u8",
        Kind.PICTURE: "png jpg jpeg webp gif avif bmp tif tiff heic apng svg",
        Kind.SOUND: "mp3 wav flac m4a aac ogg opus oga wma",
        Kind.UNKNOWN: "zip",
    }.items()
    for ending in endings.split()
}
DATA_KINDS = {"video": Kind.VIDEO, "image": Kind.PICTURE, "audio": Kind.SOUND}

LONGEST_ADDRESS = 1 << 13
LONGEST_TEXT = 1 << 16
"""Characters of a text in which addresses are looked for; a data URI may be longer."""
MOST_IN_A_TEXT = 200
LONGEST_PATH = 300
"""Pictures in base64 begin with a slash, too, and are longer."""
INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
RESERVED = "%/:?#[]@!$&'()*+,;=~"

ENDING = r"\.(?:" + "|".join(ENDINGS) + ")"
WITH_BLANKS = re.compile(
    # A text that begins with an address, or an address in brackets, up to the ending of a file.
    rf"(?:^|(?<=\())https?://(?:(?![\s,;|]https?://)[^\r\n\t<>\"`]){{1,500}}?{ENDING}(?:\?[^\s<>\"'`]*?)?"
    r"(?=$|[\s)\]}\"'<>|*]|[,;.!]+(?:\s|$)|[,;|]\s*https?:)",
    re.IGNORECASE | re.MULTILINE,
)
TOKEN = re.compile(r"https?://[^\s<>\"'`]+?(?=$|[\s<>\"'`]|[,;|]\s*(?:https?|data):)", re.IGNORECASE)
DATA = re.compile(r"data:(?:video|image|audio)/[\w.+-]+(?:;[\w.+=-]+)*;base64,[A-Za-z0-9+/=_-]{4,}", re.IGNORECASE)
WHOLE_DATA = re.compile(
    r"data:(?:video|image|audio|application)/[\w.+-]+(?:;[\w.+=-]+)*;base64,[\w+/=\s-]{4,}", re.IGNORECASE | re.ASCII
)


def addresses_in(text: str, *, is_address: bool) -> list[str]:
    """The http(s) addresses and data URIs in a text, quoted; `is_address` where the whole text should be one."""
    text = text.strip().strip(INVISIBLE).strip()
    if WHOLE_DATA.fullmatch(text):
        return ["".join(text.split())]
    found = {match.start(): match[0] for match in DATA.finditer(text)} if "base64," in text else {}
    text = text[:LONGEST_TEXT].replace("\\/", "/")  # escaped once too often
    if "://" not in text:
        return list(found.values())
    if (
        is_address
        and text.count("://") == 1
        and re.match("https?://", text, re.IGNORECASE)
        and len(text.splitlines()) == 1
    ):
        cut = WITH_BLANKS.match(text)
        # What follows the ending is a remark, unless a signature has begun.
        whole = cut[0] if cut and "?" not in cut[0] else text
        return [quoted] if (quoted := _quoted(whole)) else []
    place = 0
    while len(found) < MOST_IN_A_TEXT and (token := TOKEN.search(text, place)):
        match = WITH_BLANKS.match(text, token.start()) or token
        place = match.end()
        if quoted := _quoted(_trimmed(match[0])):
            found[match.start()] = quoted
    return [found[start] for start in sorted(found)]


def relative_in(text: str, url: str, *, is_address: bool) -> str | None:
    """The address of `/x.mp4`, `../x.mp4` or `//host/x`, read against `url`; None where the text is something else.

    A bare `x.mp4` would be read as one of the API's calls: it is none.
    """
    text = text.strip()
    if len(text) > LONGEST_PATH or not text.isprintable() or not text.startswith(("/", "./", "../")):
        return None
    if text.startswith("//"):
        fits = "." in text or ":" in text
    else:
        fits = ends_like_a_file(text) or (is_address and " " not in text and len(text) > 1)
    try:
        return _quoted(urljoin(url, text)) if fits else None
    except ValueError:
        return None


def ends_like_a_file(address: str) -> bool:
    return bool(re.search(ENDING + r"(?:$|\?)", address.strip(), re.IGNORECASE))


def kind_by_ending(address: str) -> Kind | None:
    """By the media type of a data URI, or the ending of the path, or of a file's name in the query."""
    if address[:5].lower() == "data:":
        return DATA_KINDS.get(address[5:].partition("/")[0].lower(), Kind.UNKNOWN)
    parts = urlsplit(address)
    for part in (parts.path, *(held.partition("=")[2] for held in parts.query.split("&"))):
        name, dot, ending = part.rpartition(".")
        if name and dot and ending.lower() in ENDINGS:
            return ENDINGS[ending.lower()]
    return None


def is_call(address: str, base: str) -> bool:
    """Whether the address is one of the API's own calls, under `base`."""
    try:
        ours, theirs = urlsplit(base), urlsplit(address)
    except ValueError:
        return False
    within = tuple(f"{ours.path.rstrip('/')}/{folder}/" for folder in ("requests", "models"))
    return bool(ours.netloc) and ours.netloc.lower() == theirs.netloc.lower() and theirs.path.startswith(within)


def _trimmed(token: str) -> str:
    """Without the sentence around it: marks at the end, and brackets that nothing opens."""
    while token:
        last = token[-1]
        opening = {")": "(", "]": "[", "}": "{"}.get(last)
        if last not in ".,;:!*|…" and (opening is None or token.count(opening) >= token.count(last)):
            break
        token = token[:-1]
    # In markdown, a title or a second pair of brackets follows the first that nothing opens.
    return token.partition("](")[0].replace("&amp;", "&")


def _quoted(address: str) -> str | None:
    """The address with all that an address may not hold quoted; None where it is no http(s) address."""
    address = address.strip()
    if len(address) > LONGEST_ADDRESS or not address.isprintable():
        return None
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or re.search(r"\s", parts.netloc):
        return None
    head, _, rest = address.partition("//")
    rest = rest[len(parts.netloc) :]
    return f"{head.lower()}//{parts.netloc}" + quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", rest), safe=RESERVED)
