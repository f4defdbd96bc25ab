"""The table of file kinds: a file's kind is told by its first bytes, never by its name or by what a server says of it.

Pure. The signatures are those of the formats' own specifications; each function that reads more than a signature names its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "FILE",
    "HEAD_BYTES",
    "KINDS",
    "Family",
    "Kind",
    "ebml_size",
    "is_web_page",
    "kind_named",
    "kind_of",
    "sound_of",
]

HEAD_BYTES = 16 * 1024
"""How many first bytes `kind_of` wants: two frames of AAC, the longest of which has 8191 bytes, must fit."""


class Family(StrEnum):
    """How a file is shown. Nothing of the last family is: it is only downloaded."""

    VIDEO = "video"
    PICTURE = "picture"
    SOUND = "sound"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file. `name` is what people call it, and `ending` how the name of a saved file ends, with its dot.

    `demuxer` is FFmpeg's name of the format. FFmpeg may never guess it: a file that is a playlist would then be opened as one,
    with all that it names. `inline` holds for what browsers show, and what can run nothing while they do.
    """

    name: str
    family: Family
    ending: str
    media_type: str
    demuxer: str | None = None
    inline: bool = False

    @property
    def plain_ending(self) -> str:
        """How the name of such a file ends elsewhere: that of a saved picture has ".image" before it."""
        return self.ending.removeprefix(".image")


BINARY = "application/octet-stream"

MP4 = Kind("MP4", Family.VIDEO, ".mp4", "video/mp4", "mov", inline=True)
MOV = Kind("MOV", Family.VIDEO, ".mov", "video/quicktime", "mov", inline=True)
MOBILE = Kind("3GP", Family.VIDEO, ".3gp", "video/3gpp", "mov")
WEBM = Kind("WebM", Family.VIDEO, ".webm", "video/webm", "matroska", inline=True)
MATROSKA = Kind("Matroska", Family.VIDEO, ".mkv", "video/x-matroska", "matroska")
AVI = Kind("AVI", Family.VIDEO, ".avi", "video/x-msvideo", "avi")
FLV = Kind("Flash video", Family.VIDEO, ".flv", "video/x-flv", "flv")
TS = Kind("MPEG-TS", Family.VIDEO, ".ts", "video/mp2t", "mpegts")
MPEG = Kind("MPEG", Family.VIDEO, ".mpg", "video/mpeg", "mpeg")
WMV = Kind("Windows Media", Family.VIDEO, ".wmv", "video/x-ms-wmv", "asf")
OGV = Kind("Ogg video", Family.VIDEO, ".ogv", "video/ogg", "ogg")

# A poster is `<stem>.webp`: a picture's own ending must be another.
PNG = Kind("PNG", Family.PICTURE, ".image.png", "image/png", inline=True)
JPEG = Kind("JPEG", Family.PICTURE, ".image.jpg", "image/jpeg", inline=True)
WEBP = Kind("WebP", Family.PICTURE, ".image.webp", "image/webp", inline=True)
GIF = Kind("GIF", Family.PICTURE, ".image.gif", "image/gif", inline=True)
AVIF = Kind("AVIF", Family.PICTURE, ".image.avif", "image/avif", inline=True)
HEIC = Kind("HEIC", Family.PICTURE, ".image.heic", "image/heic")
BMP = Kind("BMP", Family.PICTURE, ".image.bmp", "image/bmp", inline=True)
TIFF = Kind("TIFF", Family.PICTURE, ".image.tiff", "image/tiff")
JXL = Kind("JPEG XL", Family.PICTURE, ".image.jxl", "image/jxl")

MP3 = Kind("MP3", Family.SOUND, ".mp3", "audio/mpeg", "mp3", inline=True)
WAV = Kind("WAV", Family.SOUND, ".wav", "audio/wav", "wav", inline=True)
FLAC = Kind("FLAC", Family.SOUND, ".flac", "audio/flac", "flac", inline=True)
OGG = Kind("Ogg", Family.SOUND, ".ogg", "audio/ogg", "ogg", inline=True)
OPUS = Kind("Opus", Family.SOUND, ".opus", "audio/ogg", "ogg", inline=True)
M4A = Kind("M4A", Family.SOUND, ".m4a", "audio/mp4", "mov", inline=True)
AAC = Kind("AAC", Family.SOUND, ".aac", "audio/aac", "aac", inline=True)
AIFF = Kind("AIFF", Family.SOUND, ".aiff", "audio/aiff", "aiff")
WEBA = Kind("WebM audio", Family.SOUND, ".weba", "audio/webm", "matroska", inline=True)
MKA = Kind("Matroska audio", Family.SOUND, ".mka", "audio/x-matroska", "matroska")
WMA = Kind("Windows Media audio", Family.SOUND, ".wma", "audio/x-ms-wma", "asf")

ZIP = Kind("ZIP", Family.FILE, ".zip", BINARY)
GLB = Kind("GLB", Family.FILE, ".glb", BINARY)
GZIP = Kind("GZIP", Family.FILE, ".gz", BINARY)
PDF = Kind("PDF", Family.FILE, ".pdf", BINARY)
FILE = Kind("File", Family.FILE, ".bin", BINARY)
"""Everything else. An SVG, a script or a page is among it, since a browser would run what is in it."""

# fmt: off
KINDS: Sequence[Kind] = (
    MP4, MOV, MOBILE, WEBM, MATROSKA, AVI, FLV, TS, MPEG, WMV, OGV,
    PNG, JPEG, WEBP, GIF, AVIF, HEIC, BMP, TIFF, JXL,
    MP3, WAV, FLAC, OGG, OPUS, M4A, AAC, AIFF, WEBA, MKA, WMA,
    ZIP, GLB, GZIP, PDF, FILE,
)
# fmt: on
"""All kinds; no two have the same ending."""

SOUND_OF: Mapping[Kind, Kind] = {MP4: M4A, MOV: M4A, MOBILE: M4A, WEBM: WEBA, MATROSKA: MKA, OGV: OGG, WMV: WMA}
SIGNATURES: Sequence[tuple[bytes, Kind]] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", JXL),
    (b"\xff\x0a", JXL),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),
    (b"MM\x00+", TIFF),
    (b"fLaC", FLAC),
    (b"FLV\x01", FLV),
    (b"\x00\x00\x01\xba", MPEG),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", WMV),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"PK\x07\x08", ZIP),
    (b"glTF", GLB),
    (b"\x1f\x8b\x08", GZIP),
    (b"%PDF-", PDF),
)
RIFF_FORMS: Mapping[bytes, Kind] = {b"WEBP": WEBP, b"WAVE": WAV, b"AVI ": AVI}
OLD_QUICKTIME = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
"""The boxes that a QuickTime file began with before there was 'ftyp'."""
AVIF_BRANDS = frozenset({b"avif", b"avis"})
HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
SOUND_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "})
OGG_SOUNDS: Sequence[tuple[bytes, Kind]] = (
    (b"OpusHead", OPUS),
    (b"\x01vorbis", OGG),
    (b"\x7fFLAC", OGG),
    (b"Speex   ", OGG),
)
OGG_VIDEOS = (b"\x80theora", b"OVP80", b"BBCD\x00")
DOC_TYPES: Mapping[bytes, Kind] = {b"webm": WEBM, b"matroska": MATROSKA}
PAGE_TAGS = (
    b"!doctype html",
    b"html",
    b"head",
    b"body",
    b"title",
    b"script",
    b"style",
    b"meta",
    b"div",
    b"h1",
    b"iframe",
)


def kind_of(beginning: bytes) -> Kind:
    """The kind of a file by its first `HEAD_BYTES` bytes, or by all of them if it has fewer: `FILE` if it is none of the others.

    The kind is what a file claims to be; whether it can be read as such is for `media.examine` to say.
    """
    for signature, kind in SIGNATURES:
        if beginning.startswith(signature):
            return kind
    if beginning.startswith((b"RIFF", b"RF64")):
        return RIFF_FORMS.get(beginning[8:12], FILE)
    if beginning.startswith(b"FORM") and beginning[8:12] in (b"AIFF", b"AIFC"):
        return AIFF
    if beginning.startswith(b"\x1a\x45\xdf\xa3"):
        return _of_ebml(beginning)
    if beginning.startswith(b"OggS"):
        return _of_ogg(beginning)
    # The first byte of a box's size: a text could have one of these words at its fifth letter.
    if beginning[:1] < b"\x20":
        if beginning[4:8] == b"ftyp":
            return _of_brands(beginning)
        if beginning[4:8] in OLD_QUICKTIME:
            return MOV
        if beginning[4:8] == b"styp":  # a segment of a stream
            return MP4
    if beginning.startswith(b"ID3"):
        return _of_id3(beginning)
    if _is_mpeg_audio(beginning):
        return MP3
    if _is_adts(beginning):
        return AAC
    if _is_transport_stream(beginning):
        return TS
    return BMP if _is_bmp(beginning) else FILE


def kind_named(file_name: str) -> Kind:
    """The kind of a file that was saved under this name; `FILE` for an ending that no kind has."""
    lowered = file_name.lower()
    fitting = (kind for kind in KINDS if lowered.endswith(kind.ending))
    return max(fitting, key=lambda kind: len(kind.ending), default=FILE)


def sound_of(kind: Kind) -> Kind:
    """What a file of a video's kind is if it has sound and no video; other kinds stay what they are."""
    return SOUND_OF.get(kind, kind)


def is_web_page(beginning: bytes) -> bool:
    """Whether a file is HTML, after a byte order mark, blanks, an XML declaration and comments.

    Servers answer with such a page in place of a file that is no longer there. The tags are, of those that the standard of
    MIME sniffing lists (https://mimesniff.spec.whatwg.org), the ones that a page begins with.
    """
    text = beginning[:HEAD_BYTES]
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = text.decode("utf-16", "replace").encode()
    rest = text.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    while rest.startswith((b"<!--", b"<?xml")):
        _, end, rest = rest.partition(b"-->" if rest.startswith(b"<!--") else b"?>")
        if not end:
            return False
        rest = rest.lstrip()
    name = rest[1:]
    return rest.startswith(b"<") and any(
        name.startswith(tag) and name[len(tag) : len(tag) + 1] in (b"", b" ", b"\t", b"\r", b"\n", b">", b"/")
        for tag in PAGE_TAGS
    )


def _of_brands(beginning: bytes) -> Kind:
    """By the brands of an ISO base media file, ISO/IEC 14496-12: the major one, and for pictures the compatible ones too."""
    size = int.from_bytes(beginning[:4])
    major = beginning[8:12]
    compatible = {beginning[at : at + 4] for at in range(16, min(size, len(beginning), 4096), 4)}
    if major in AVIF_BRANDS or (major in (b"mif1", b"msf1", b"miaf") and compatible & AVIF_BRANDS):
        return AVIF
    if major in HEIC_BRANDS:
        return HEIC
    if major == b"qt  ":
        return MOV
    if major in SOUND_BRANDS:
        return M4A
    return MOBILE if major.startswith((b"3gp", b"3g2", b"3ge", b"3gs")) else MP4


def _of_ebml(beginning: bytes) -> Kind:
    """By the DocType of an EBML header, RFC 8794, which is "matroska" where it is not written."""
    length, at = ebml_size(beginning, 4)
    end = min(at + length, len(beginning))
    while at < end:
        name = beginning[at : at + 9 - beginning[at].bit_length()]
        size, start = ebml_size(beginning, at + len(name))
        if name == b"\x42\x82":
            return DOC_TYPES.get(beginning[start : start + size].rstrip(b"\x00"), FILE)
        at = start + size
    return MATROSKA


def ebml_size(data: bytes, at: int) -> tuple[int, int]:
    """A size of variable length at `at`, and where what follows it begins."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    value = int.from_bytes(data[at : at + length]) & ((1 << 7 * length) - 1)
    return value, at + length


def _of_ogg(beginning: bytes) -> Kind:
    """By the first packets of an Ogg file's streams, RFC 3533: a video has one, beside those of its sound."""
    sound, at = FILE, 0
    while beginning[at : at + 4] == b"OggS" and at + 27 <= len(beginning) and beginning[at + 5] & 2:
        count = beginning[at + 26]
        start = at + 27 + count
        packet = beginning[start : start + 8]
        if packet.startswith(OGG_VIDEOS):
            return OGV
        if sound == FILE:
            sound = next((kind for signature, kind in OGG_SOUNDS if packet.startswith(signature)), FILE)
        at = start + sum(beginning[at + 27 : start])
    return sound


def _of_id3(beginning: bytes) -> Kind:
    """By what follows the ID3v2 tag, if that is among these bytes; almost always it is MP3 that has one."""
    size = 0
    for byte in beginning[6:10]:
        size = size << 7 | byte & 0x7F
    after = beginning[10 + size :]
    if after.startswith(b"fLaC"):
        return FLAC
    return AAC if _is_adts(after) else MP3


def _is_mpeg_audio(beginning: bytes) -> bool:
    """Two frames of MPEG audio, ISO/IEC 11172-3 and 13818-3, one behind the other: one sync word alone fits random bytes."""
    length = _mpeg_audio_length(beginning[:4])
    if length is None:
        return False
    if len(beginning) <= length:  # a file of one frame
        return len(beginning) == length
    following = beginning[length : length + 4]
    # Version, layer and frequency stay what they are.
    return (
        _mpeg_audio_length(following) is not None
        and following[1] == beginning[1]
        and following[2] & 0x0C == beginning[2] & 0x0C
    )


RATES_KBPS: Mapping[tuple[bool, int], Sequence[int]] = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Of MPEG-1 or of a later version, by layer."""


def _mpeg_audio_length(header: bytes) -> int | None:
    """The bytes of the frame that this header begins, or None if it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    rate, frequency, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or rate in (0, 15) or frequency == 3:
        return None
    hertz = (44100, 48000, 32000)[frequency] >> {3: 0, 2: 1, 0: 2}[version]
    bits = RATES_KBPS[version == 3, layer][rate - 1] * 1000
    if layer == 1:
        return (12 * bits // hertz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding


def _is_adts(beginning: bytes) -> bool:
    """Two frames of AAC as ADTS, ISO/IEC 13818-7, one behind the other."""
    length = _adts_length(beginning)
    if length is None:
        return False
    following = beginning[length : length + 7]
    # The first 28 bits, without the one that is private, are those of every frame.
    same = following[1:3] == beginning[1:3] and following[3:4] != b"" and following[3] & 0xC0 == beginning[3] & 0xC0
    return len(beginning) == length or (same and _adts_length(following) is not None)


def _adts_length(header: bytes) -> int | None:
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or header[2] >> 2 & 15 > 12:
        return None
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else None


def _is_transport_stream(beginning: bytes) -> bool:
    """The beginnings of three packets, ISO/IEC 13818-1; on Blu-ray discs, 4 bytes precede each of them.

    Each has a sync byte, and two bits that say what follows its header, of which 00 is no value.
    """
    return any(
        all(
            beginning[at : at + 1] == b"G" and beginning[at + 3 : at + 4] > b"\x0f" and beginning[at + 3] & 0x30
            for at in starts
        )
        for starts in ((0, 188, 376), (4, 196, 388))
    )


def _is_bmp(beginning: bytes) -> bool:
    """'BM' alone is also how a text may begin: its reserved bytes are zero, and its second header has one of these sizes."""
    sizes = (12, 16, 40, 52, 56, 64, 108, 124)
    return (
        beginning.startswith(b"BM")
        and beginning[6:10] == bytes(4)
        and int.from_bytes(beginning[14:18], "little") in sizes
    )
