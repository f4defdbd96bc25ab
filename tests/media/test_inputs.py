"""Files that visitors upload for a model: what becomes of pictures, whose they are, how long they stay, what is sent."""

import asyncio
import base64
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from dreamina_ui.cards.media.file_names import NamedFile, file_named, name_of
from dreamina_ui.cards.model_card import card_of
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.errors import InputGone, InvalidInput
from dreamina_ui.media import inputs as module
from dreamina_ui.media.inputs import MAX_AGE_S, SIZE_MOST, Added, InputFiles, InputLimits
from dreamina_ui.media.kinds import JPEG, MP4, PNG
from dreamina_ui.media.pictures import NOTES
from dreamina_ui.wording import LANGUAGES, Words, texts_of
from tests.media.files import make
from tests.rig import make_clip

pytestmark = pytest.mark.anyio

SECRET = "a secret that makes names"
URL = "https://studio.example.com"


def field(media: str = "image", rules: list[tuple[str, Any]] | None = None, **more: Any) -> Field:
    validations = [{"validation_rule": rule, "validation_value": value} for rule, value in rules or []]
    spec = {"type": "string", "format": f"{media}_uri", "validations": validations, **more}
    schema = {"type": "object", "properties": {"first": spec}}
    return card_of("card", {"model_id": "m", "input_schema": schema}).fields[0]


IMAGE = field()


def files_in(folder: Path, **more: Any) -> InputFiles:
    return InputFiles(folder / "uploads", secret=SECRET, **more)


def drawn(
    path: Path, size: tuple[int, int] = (64, 48), *, format: str = "PNG", mode: str = "RGB", **options: Any
) -> Path:
    """A picture whose upper left quarter is bright."""
    image = Image.new("L", size, 20)
    image.paste(220, (0, 0, size[0] // 2, size[1] // 2))
    image.convert(mode).save(path, format, **options)
    return path


def noisy(path: Path, size: tuple[int, int], *, alpha: bool = False) -> Path:
    """A picture that no encoder makes small."""
    pixels = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 4 if alpha else 3), np.uint8)
    Image.fromarray(pixels).save(path, "PNG", compress_level=1)
    return path


def content_of(files: InputFiles, added: Added) -> bytes:
    [path] = [path for path in files.folder.iterdir() if not path.name.startswith(".")]
    content = path.read_bytes()
    assert hashlib.sha256(content).hexdigest().startswith(added.named.digest)
    return content


async def refused(files: InputFiles, path: Path, wanted: Field = IMAGE, **more: Any) -> str:
    """The problem of a file, which has a sentence in each language."""
    with pytest.raises(InvalidInput) as caught:
        await files.add(path, "ann", wanted, **more)
    for language in LANGUAGES:
        sentence = Words(language).field_problem(caught.value, "Picture")
        assert "?" not in sentence
        assert "\n" not in sentence
    assert not [left for left in files.folder.iterdir() if left.name.endswith(".part")]
    return caught.value.problem


@pytest.mark.parametrize(("format", "ending"), [("PNG", "png"), ("JPEG", "jpg")])
async def test_an_ordinary_picture_is_kept_as_it_came(format: str, ending: str, tmp_path: Path) -> None:
    """Its bytes are unchanged, its name and digest stand for it, and nothing is said."""
    path = drawn(tmp_path / f"my cat #1.{ending}", format=format)
    files = files_in(tmp_path)
    added = await files.add(path, "ann", IMAGE)
    assert content_of(files, added) == path.read_bytes()
    assert (added.notes, added.measures.width, added.measures.height) == ((), 64, 48)
    assert file_named(added.text) == NamedFile(path.name, added.named.digest)
    assert " " not in added.text


def turned(path: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6  # has to be turned a quarter clockwise to be upright
    return drawn(path, format="JPEG", exif=exif)


def sixteen_bits(path: Path) -> Path:
    gray = np.full((48, 64), 5000, np.uint16)
    gray[:24, :32] = 60000
    Image.fromarray(gray).save(path, "PNG")
    return path


def moving(path: Path) -> Path:
    first, second = (Image.new("L", (64, 48), shade) for shade in (230, 10))
    first.paste(20, (32, 0, 64, 48))
    first.save(path, "GIF", save_all=True, append_images=[second], duration=100)
    return path


SPECIAL: dict[str, tuple[Callable[[Path], Path], tuple[str, ...], tuple[int, int]]] = {
    "turned.jpg": (turned, ("turned",), (48, 64)),
    "cmyk.jpg": (lambda path: drawn(path, format="JPEG", mode="CMYK"), ("converted",), (64, 48)),
    "deep.png": (sixteen_bits, ("converted",), (64, 48)),
    "moving.gif": (moving, ("first_frame", "converted"), (64, 48)),
    "some.webp": (lambda path: drawn(path, format="WEBP", lossless=True), ("converted",), (64, 48)),
    "some.bmp": (lambda path: drawn(path, format="BMP"), ("converted",), (64, 48)),
    "some.tiff": (lambda path: drawn(path, format="TIFF"), ("converted",), (64, 48)),
    "cmyk.tiff": (lambda path: drawn(path, format="TIFF", mode="CMYK"), ("converted",), (64, 48)),
}


@pytest.mark.parametrize("name", SPECIAL)
async def test_a_picture_that_models_cannot_read_is_made_into_one(name: str, tmp_path: Path) -> None:
    """It is upright, RGB in eight bits and one picture; what was done is said in each language."""
    maker, notes, size = SPECIAL[name]
    files = files_in(tmp_path)
    added = await files.add(maker(tmp_path / name), "ann", IMAGE)
    assert added.notes == notes
    assert added.kind in (PNG, JPEG)
    assert added.named.name == name.split(".")[0] + added.kind.plain_ending
    with Image.open(io.BytesIO(content_of(files, added))) as image:
        assert (image.size, image.mode, image.getexif().get(0x0112, 1)) == (size, "RGB", 1)
        assert getattr(image, "n_frames", 1) == 1
        # The bright quarter is where it was seen: turned clockwise, the upper left one becomes the upper right one.
        bright = (size[0] * 3 // 4, 8) if "turned" in notes else (8, 8)
        assert image.convert("L").getpixel(bright) > 180  # type: ignore[operator]
        assert image.convert("L").getpixel((8, 56) if "turned" in notes else (56, 40)) < 60  # type: ignore[operator]
    for language in LANGUAGES:
        assert {f"input.note.{note}" for note in NOTES} <= texts_of(language).keys()


async def test_colours_are_those_of_the_pictures_profile(tmp_path: Path) -> None:
    """A picture that has to be made anew is seen as before; a profile that is none changes nothing."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for content in (profile, b"no profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()):
        path = drawn(tmp_path / "a.webp", format="WEBP", lossless=True, icc_profile=content)
        files = files_in(tmp_path / hashlib.sha256(content).hexdigest())
        added = await files.add(path, "ann", IMAGE)
        with Image.open(io.BytesIO(content_of(files, added))) as image:
            assert image.convert("L").getpixel((8, 8)) > 180  # type: ignore[operator]
            assert "icc_profile" not in image.info


async def test_a_programs_files_wait_for_each_other(tmp_path: Path) -> None:
    """Several at once of one visitor are all kept; very many are refused with one sentence, and nothing is left behind."""
    files = files_in(tmp_path)
    paths = [drawn(tmp_path / f"{number}.png", (40 + number, 40)) for number in range(14)]
    kept = await asyncio.gather(*(files.add(path, "ann", IMAGE) for path in paths[:4]))
    assert len({added.named.digest for added in kept}) == 4
    told = await asyncio.gather(*(files.add(path, "ann", IMAGE) for path in paths), return_exceptions=True)
    assert {each.problem for each in told if isinstance(each, InvalidInput)} == {"file_busy"}
    assert len([each for each in told if isinstance(each, Added)]) >= 9
    assert (await files.add(paths[-1], "ann", IMAGE)).measures.width == 53


@pytest.mark.parametrize("alpha", [False, True])
async def test_a_large_picture_is_made_smaller(alpha: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fits the caps of a data URI, and says so; transparency stays."""
    path = noisy(tmp_path / "large.png", (900, 700), alpha=alpha)
    monkeypatch.setattr(module, "DATA_MOST", {**module.DATA_MOST, PNG.family: 200_000})
    added = await files_in(tmp_path).add(path, "ann", IMAGE)
    assert "shrunk" in added.notes
    assert added.measures.size <= 200_000
    assert (added.measures.width or 0) < 900
    assert added.kind is (PNG if alpha else JPEG)


async def test_a_picture_is_made_to_fit_the_models_upper_limits(tmp_path: Path) -> None:
    """Bytes, width, height, pixels; what is too small or of the wrong shape is refused with its numbers."""
    path = noisy(tmp_path / "a.png", (600, 300))
    limits = [("width_pixels<=", 300), ("file_size_mb<", 0.05), ("width/height<", 3)]
    added = await files_in(tmp_path).add(path, "ann", field(rules=limits))
    assert added.measures.width is not None
    assert added.measures.width <= 300
    assert added.measures.size < 50_000
    small, wide, tall = (drawn(tmp_path / f"{w}.png", (w, h)) for w, h in ((32, 20), (400, 30), (10, 90)))
    assert await refused(files_in(tmp_path), small, field(rules=[("width_pixels>", 300)])) == "width_least"
    assert await refused(files_in(tmp_path), small, field(rules=[("height>=", 21)])) == "height_least"
    assert await refused(files_in(tmp_path), wide, field(rules=[("width/height<=", 3)])) == "ratio_most"
    assert await refused(files_in(tmp_path), tall, field(rules=[("width/height>=", "1:3")])) == "ratio_least"


async def test_what_is_no_picture_is_one_sentence(tmp_path: Path) -> None:
    """A renamed text, half a picture, a bomb, a file of 100 MB, another medium, one that is gone: nothing is kept."""
    files = files_in(tmp_path)
    text = tmp_path / "cat.png"
    text.write_text("not a picture at all")
    assert await refused(files, text) == "file_kind"
    half = tmp_path / "half.jpg"
    half.write_bytes(drawn(tmp_path / "whole.jpg", (300, 300), format="JPEG", quality=95).read_bytes()[:900])
    assert await refused(files, half) == "file_unreadable"
    assert await refused(files, make("png-bomb", tmp_path / "bomb.png")) == "file_unreadable"
    big = drawn(tmp_path / "big.png")
    os.truncate(big, 100 * 2**20)
    assert await refused(files, big) == "file_size"
    assert big.stat().st_size > SIZE_MOST
    assert await refused(files, make_clip(tmp_path / "a.mp4")) == "not_image"
    assert await refused(files, drawn(tmp_path / "b.png"), field("video")) == "not_video"
    assert await refused(files, tmp_path / "none.png") == "file_failed"
    assert list(files.folder.iterdir()) == []


async def test_videos_and_sounds_are_kept_as_they_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are held to the model's rules and to the caps, and never changed."""
    files, clip = files_in(tmp_path), make_clip(tmp_path / "clip.mp4")
    added = await files.add(clip, "ann", field("video"))
    assert content_of(files, added) == clip.read_bytes()
    assert (added.measures.width, added.measures.duration_s) == (64, 0.5)
    assert await refused(files, clip, field("video", [("duration>=", 2)])) == "duration_s_least"
    assert await refused(files, clip, field("video", [("width_pixels>", 64)])) == "width_least"
    sound = make("wav", tmp_path / "a.wav")
    assert (await files.add(sound, "ann", field("audio"))).kind.name == "WAV"
    monkeypatch.setattr(module, "DATA_MOST", dict.fromkeys(module.DATA_MOST, 100))
    assert await refused(files, clip, field("video")) == "data_most"
    # Where the service can fetch it, no cap of a data URI holds.
    assert (await files_in(tmp_path, url=URL).add(clip, "ann", field("video"))).named == added.named


async def test_a_file_is_sent_as_data_or_as_an_address(tmp_path: Path) -> None:
    """The same bytes each time; nothing else of the payload changes, and a file that is gone or changed is not sent."""
    path = drawn(tmp_path / "a.png")
    added = await files_in(tmp_path).add(path, "ann", IMAGE)
    payload = {"prompt": "upload: a cat", "first": added.text, "more": [added.text, "https://a.example.org/x"], "n": 1}
    sent = await files_in(tmp_path).sendable(payload)
    data = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    assert sent == {**payload, "first": data, "more": [data, "https://a.example.org/x"]}
    assert await files_in(tmp_path).sendable(payload) == sent
    public = files_in(tmp_path, url=URL)
    address = str((await public.sendable(payload))["first"])
    assert address.startswith(f"{URL}/dreamina/upload/")
    kept = public.public_path(address.rsplit("/", 1)[1])
    assert kept is not None
    assert kept.read_bytes() == path.read_bytes()
    kept.write_bytes(b"another")
    with pytest.raises(InputGone):
        await files_in(tmp_path).sendable(payload)
    kept.unlink()
    with pytest.raises(InputGone, match=r"a\.png"):
        await files_in(tmp_path).sendable(payload)
    assert await public.sendable({"prompt": "x"}) == {"prompt": "x"}


async def test_a_file_is_its_visitors(tmp_path: Path) -> None:
    """Who has not handed it in, and has no job with it, cannot use or see it; the bytes make it anybody's who has them."""
    path, jobs = drawn(tmp_path / "a.png"), set[tuple[str, str]]()

    async def has_job(visitor_id: str, digest: str) -> bool:
        return (visitor_id, digest) in jobs

    files = files_in(tmp_path, has_job=has_job)
    added = await files.add(path, "ann", IMAGE)
    payload = {"first": added.text}
    await files.check("ann", payload, [IMAGE])
    with pytest.raises(InvalidInput) as caught:
        await files.check("bob", payload, [IMAGE])
    assert caught.value.problem == "file_gone"
    assert await files.is_of("bob", added.named.digest) is None
    jobs.add(("bob", added.named.digest))
    await files_in(tmp_path, has_job=has_job).check("bob", payload, [IMAGE])
    await files.add(path, "eve", IMAGE)
    assert await files.is_of("eve", added.named.digest) == await files.is_of("ann", added.named.digest)
    assert len([kept for kept in files.folder.iterdir() if not kept.name.startswith(".")]) == 1


async def test_a_file_is_checked_again_for_the_field_it_is_used_in(tmp_path: Path) -> None:
    """Another field's rules and kind hold for it, also after a restart; and all files of a request have to fit into it."""
    added = await files_in(tmp_path).add(drawn(tmp_path / "a.png"), "ann", IMAGE)
    payload = {"first": added.text}
    for wanted, problem in ((field(rules=[("width>", 100)]), "width_least"), (field("audio"), "not_audio")):
        with pytest.raises(InvalidInput) as caught:
            await files_in(tmp_path).check("ann", payload, [wanted])
        assert caught.value.problem == problem


async def test_all_files_of_a_request_fit_into_its_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = files_in(tmp_path)
    added = await files.add(drawn(tmp_path / "a.png"), "ann", IMAGE)
    monkeypatch.setattr(module, "BODY_MOST", 2**16 + 3 * added.measures.size)
    several = card_of(
        "card",
        {"model_id": "m", "input_schema": {"type": "object", "properties": {"images": {"format": "image_uris"}}}},
    ).fields
    await files.check("ann", {"images": [added.text] * 2}, several)
    with pytest.raises(InvalidInput) as caught:
        await files.check("ann", {"images": [added.text] * 3}, several)
    assert caught.value.problem == "body_most"
    await files_in(tmp_path, url=URL).check("ann", {"images": [added.text] * 3}, several)


async def test_a_file_stays_as_long_as_a_job_needs_it(tmp_path: Path) -> None:
    """A week after its last use it goes, unless a job names it; its use is the click, too."""
    clock = [1_700_000_000.0]
    files = files_in(tmp_path, now=lambda: clock[0])
    old = await files.add(drawn(tmp_path / "a.png"), "ann", IMAGE)
    used = await files.add(drawn(tmp_path / "b.png", (40, 40)), "ann", IMAGE)
    named = await files.add(drawn(tmp_path / "c.png", (50, 50)), "ann", IMAGE)
    clock[0] += MAX_AGE_S - 1
    await files.check("ann", {"first": used.text}, [IMAGE])
    clock[0] += 2
    assert await files.tidy({named.named.digest}) == 1
    assert await files.is_of("ann", old.named.digest) is None
    assert await files.is_of("ann", used.named.digest) is not None
    await files.sendable({"first": named.text})
    clock[0] += MAX_AGE_S + 1
    assert await files.tidy(set()) == 2
    assert list(files.folder.iterdir()) == []


async def test_a_visitor_has_so_much_room(tmp_path: Path) -> None:
    """Files and bytes for each and for all; what is there already takes no more."""
    paths = [drawn(tmp_path / f"{number}.png", (30 + number, 30)) for number in range(4)]
    few = files_in(tmp_path, limits=InputLimits(files_each=2, files=3))
    first = await few.add(paths[0], "ann", IMAGE)
    await few.add(paths[1], "ann", IMAGE)
    assert await refused(few, paths[2]) == "file_mine"
    assert (await few.add(paths[0], "ann", IMAGE)).named == first.named
    await few.add(paths[2], "bob", IMAGE)
    await few.add(paths[0], "bob", IMAGE)
    with pytest.raises(InvalidInput, match="no room"):
        await few.add(paths[3], "eve", IMAGE)
    small = files_in(tmp_path, limits=InputLimits(size_each=1))
    assert await refused(small, paths[3]) == "file_mine"


async def test_an_address_has_so_much_room_whatever_cookies_it_brings(tmp_path: Path) -> None:
    """Files and bytes of all its visitors; another address, one of a private network and what is there already are free of that.

    It holds over a restart, and what is older than a week no longer counts.
    """
    clock = [1_700_000_000.0]
    paths = [drawn(tmp_path / f"{number}.png", (30 + number, 30)) for number in range(5)]

    def started(**limits: int) -> InputFiles:
        return files_in(tmp_path, limits=InputLimits(**limits), now=lambda: clock[0])

    for number in (0, 1):
        await started(files_address=2).add(paths[number], f"visitor {number}", IMAGE, address="9.9.9.9")
    few = started(files_address=2)
    assert await refused(few, paths[2], address="9.9.9.9") == "file_mine"
    assert (await few.add(paths[0], "eve", IMAGE, address="9.9.9.9")).measures.width == 30
    await few.add(paths[2], "eve", IMAGE, address="8.8.8.8")
    await few.add(paths[3], "eve", IMAGE)
    small = started(size_address=paths[0].stat().st_size + paths[1].stat().st_size)
    assert await refused(small, paths[4], address="9.9.9.9") == "file_mine"
    data = "data:image/png;base64," + base64.b64encode(paths[4].read_bytes()).decode()
    with pytest.raises(InvalidInput, match="very many"):
        await few.add_data(data, "ann", IMAGE, address="9.9.9.9")
    with pytest.raises(InvalidInput, match="very many"):
        await few.add_frame(make_clip(tmp_path / "clip.mp4"), MP4, 0.0, "ann", IMAGE, name="a.png", address="9.9.9.9")
    assert not [path for path in few.folder.iterdir() if "9.9.9.9" in path.name]
    clock[0] += MAX_AGE_S + 1
    await few.tidy(set())
    await few.add(paths[4], "ann", IMAGE, address="9.9.9.9")


async def test_the_same_bytes_are_one_file(tmp_path: Path) -> None:
    """Whoever hands them in, however often, also at once."""
    files, path = files_in(tmp_path), drawn(tmp_path / "a.png")
    many = await asyncio.gather(*(files.add(path, f"visitor {number}", IMAGE) for number in range(8)))
    for _ in range(42):
        many.append(await files.add(path, "visitor 1", IMAGE))
    assert len({added.named for added in many}) == 1
    assert len([kept for kept in files.folder.iterdir() if not kept.name.startswith(".")]) == 1


async def test_a_frame_of_a_video_becomes_a_picture(tmp_path: Path) -> None:
    """The frame that is shown then; behind the end the last one."""
    clip = make_clip(tmp_path / "clip.mp4")
    brightest: list[int] = []
    for at_s, name in ((0.0, "a"), (0.25, "b"), (99.0, "c")):
        files = files_in(tmp_path / name)
        added = await files.add_frame(clip, MP4, at_s, "ann", IMAGE, name="clip.png")
        with Image.open(io.BytesIO(content_of(files, added))) as image:
            # The bright square moves one pixel a frame, of 24 a second.
            row = np.asarray(image.convert("L"))[20]
        brightest.append(int(np.flatnonzero(row > 100)[0]))
    assert brightest == pytest.approx([0, 6, 11], abs=1)


@pytest.mark.parametrize(
    "text", ["upload:a b#" + "0" * 32, "upload:#" + "0" * 32, "upload:../x#" + "0" * 32, "upload:x#00"]
)
def test_other_texts_name_no_file(text: str) -> None:
    assert file_named(text) is None


@pytest.mark.parametrize(
    "name", ["a.png", "Ärger im März.jpg", "100% #1.png", "猫.png", "x" * 300 + ".png", "..", "\n.png"]
)
def test_every_name_can_stand_in_a_field(name: str) -> None:
    """It comes back as it was, without folders and line ends, and not too long."""
    named = NamedFile(name_of(f"/tmp/{name}"), "0" * 32)
    assert file_named(named.text) == named
    assert not set(named.text) & set(" \n/\\")
