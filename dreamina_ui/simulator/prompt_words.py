"""What a prompt asks for: its scene, its colours, its light, its camera. Pure: words in, values out."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dreamina_ui.simulator.vocabulary import (
    ABSTRACT,
    CAMERAS,
    COLOURS,
    HOURS,
    PALETTES,
    SCENES,
    USUAL_HOUR,
    WEATHER,
    Colour,
    Palette,
)  # fmt: skip

__all__ = ["Camera", "Colour", "Palette", "Reading", "read_prompt", "scene_names"]


@dataclass(frozen=True)
class Camera:
    """How the camera moves: `kind` is drift, pan, tilt, zoom, orbit, macro or still; `sign` its direction."""

    kind: str = "drift"
    sign: int = 1


@dataclass(frozen=True)
class Reading:
    """A prompt understood: everything a scene may want to know."""

    scene: str
    hour: str
    palette: Palette
    coloured: bool
    camera: Camera
    weather: str


def scene_names() -> tuple[str, ...]:
    """Every scene there is; the last is the one for prompts that name no other."""
    return (*SCENES, "silk")


def read_prompt(prompt: str, seed: int = 0) -> Reading:
    """Understand a prompt; any text gives a reading, and the seed only chooses among abstract palettes."""
    words = _words(prompt)
    scene = _scene(words)
    hour = next((name for name, patterns in HOURS.items() if _first(words, patterns) is not None), "")
    hour = hour or USUAL_HOUR[scene]
    named = sorted(
        (at, colour) for colour, (patterns, _, _) in COLOURS.items() if (at := _first(words, patterns)) is not None
    )
    palette = PALETTES[hour] if hour and scene != "silk" else ABSTRACT[seed % len(ABSTRACT)]
    if scene == "silk" and hour and not named:
        palette = PALETTES[hour]
    if scene in ("fire", "lava") and not _beside(words, scene):
        # "A campfire on a blue evening" has a blue evening; only "blue flames" are blue.
        named = []
    if named:
        palette = _tinted(palette, [colour for _, colour in named], whole=scene in ("silk", "space", "fire", "lava"))
    camera = next((Camera(kind, sign) for kind, sign, pats in CAMERAS if _first(words, pats) is not None), Camera())
    weather = next((name for name, patterns in WEATHER.items() if _first(words, patterns) is not None), "")
    return Reading(scene, hour, palette, bool(named), camera, weather)


def _words(prompt: str) -> list[str]:
    text = unicodedata.normalize("NFC", prompt[:4000]).casefold().replace("ß", "ss")
    single = re.findall(r"[^\W_]+", text)
    # Pairs let a pattern ask for two words in a row ("zoom out", "golden hour").
    after = [*single[1:], ""]
    return [word for one, other in zip(single, after, strict=False) for word in (one, f"{one}-{other}")]


def _matches(word: str, pattern: str) -> bool:
    pattern = pattern.replace("ß", "ss")
    if pattern.endswith("*"):
        return word.startswith(pattern[:-1]) and ("-" not in word or "-" in pattern)
    if pattern.startswith("*"):
        return word.endswith(pattern[1:]) and len(word) > len(pattern) and "-" not in word
    return word == pattern


def _first(words: Iterable[str], patterns: str) -> int | None:
    listed = patterns.split()
    return next((at for at, word in enumerate(words) if any(_matches(word, pattern) for pattern in listed)), None)


def _scene(words: list[str]) -> str:
    scores = dict.fromkeys(SCENES, 0.0)
    for scene, groups in SCENES.items():
        for weight, patterns in groups:
            listed = patterns.split()
            hits = [at for at, word in enumerate(words) if any(_matches(word, pattern) for pattern in listed)]
            # What is named first is most often the subject; a second word of the family confirms it.
            scores[scene] += sum(weight / (1 + 0.02 * at) / (1 + 1.5 * rank) for rank, at in enumerate(hits))
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0 else "silk"


def _beside(words: list[str], scene: str) -> bool:
    """Whether a colour stands directly before a word of the scene."""
    colours = " ".join(patterns for patterns, _, _ in COLOURS.values())
    things = " ".join(patterns for _, patterns in SCENES[scene])
    pairs = (word.split("-") for word in words if "-" in word.strip("-"))
    return any(_first([a], colours) is not None and _first([b], things) is not None for a, b in pairs)


def _mix(a: Colour, b: Colour, part: float) -> Colour:
    red, green, blue = (x + (y - x) * part for x, y in zip(a, b, strict=True))
    return red, green, blue


def _tinted(palette: Palette, names: list[str], *, whole: bool) -> Palette:
    """Dye a palette with the prompt's colours: wholly if it is abstract, else as the light's tint."""
    _, body, light = COLOURS[names[0]]
    _, other, _ = COLOURS[names[1] if len(names) > 1 else names[0]]
    dark = _mix(body, (0.0, 0.0, 0.02), 0.86)
    if whole:
        accent = other if len(names) > 1 else _mix(body, (body[2], body[0], body[1]), 0.45)
        return Palette(_mix(body, (0.0, 0.0, 0.03), 0.62), body, light, dark, accent)
    return replace(
        palette,
        zenith=_mix(palette.zenith, _mix(body, (0.0, 0.0, 0.0), 0.45), 0.62),
        horizon=_mix(palette.horizon, light, 0.55),
        accent=_mix(palette.accent, other, 0.8),
        shade=_mix(palette.shade, dark, 0.5),
    )
