"""Reads scene, colours, light, camera and weather from the English or German words of a prompt."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

__all__ = ["Camera", "Colour", "Palette", "Reading", "read_prompt"]

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Palette:
    """The five display colours of a picture (red, green, blue from 0 to 1)."""

    zenith: Colour
    horizon: Colour
    glow: Colour
    shade: Colour
    accent: Colour


@dataclass(frozen=True)
class Camera:
    """How the camera moves: `kind` is drift, pan, tilt, zoom, orbit, macro or still; `sign` its direction."""

    kind: str = "drift"
    sign: int = 1


@dataclass(frozen=True)
class Reading:
    """What was read from a prompt; `coloured` if it names a colour."""

    scene: str
    hour: str
    palette: Palette
    coloured: bool
    camera: Camera
    weather: str


# A pattern is a word, a beginning ("wave*") or an end ("*wald", for German compounds). The weight says how
# strongly it means the scene: "sunset over the sea" is a sea, "night" alone a city, "forest at night" is not.
_SCENES: Mapping[str, tuple[tuple[float, str], ...]] = {
    "sea": (
        (3, "sea seas ocean* wave waves beach* coast* shore* surf* sail* lighthouse whale*"),
        (3, "dolphin* underwater tide*"),
        (3, "meer meere* *meer ozean* welle* *wellen strand* *strand küste* brandung segel*"),
        (3, "leuchtturm wal wale"),
        (2, "lake* river* island* water boat* ship* fjord* bay *see seeufer fluss insel* wasser*"),
        (2, "boot* schiff* bucht*"),
    ),
    "sky": (
        (2.2, "sky skies cloud* balloon* bird* airplane kite* himmel *himmel wolke* *wolken ballon*"),
        (2.2, "vogel vögel*"),
        (1, "sunset* sunrise* dawn dusk sun sonne* abendrot morgenrot dämmerung rainbow*"),
        (1, "regenbogen horizon*"),
    ),
    "fire": (
        (3, "fire* campfire* bonfire* flame* blaze* ember* candle* dragon* phoenix fireplace*"),
        (3, "feuer* *feuer flamme* glut kerze* kamin* drache* phönix"),
    ),
    "lava": ((3.2, "lava magma volcan* vulkan* molten eruption* ausbruch"),),
    "forest": (
        (3, "forest* tree trees wood woods woodland* jungle* pine* redwood* bamboo* firefl* deer"),
        (3, "fox"),
        (3, "wald wälder* *wald baum bäume* *baum dschungel* bambus* glühwürmchen hirsch* fuchs"),
        (3, "reh"),
        (1, "leaf leaves moss mist* garden* laub blätter moos* garten*"),
    ),
    "city": (
        (3, "city cities skyline* skyscraper* downtown street* neon* cyberpunk tokyo manhattan"),
        (3, "metropol* traffic"),
        (3, "stadt städte* *stadt hochhaus* hochhäuser* wolkenkratzer* straße* strasse*"),
        (3, "großstadt* verkehr berlin"),
        (1.5, "building* bridge* car cars taxi* robot* gebäude* brücke* auto autos roboter*"),
        (0.6, "night* nacht nächt* nachts"),
    ),
    "mountains": (
        (3, "mountain* peak* alps alpine glacier* himalaya* blizzard* avalanche*"),
        (3, "berg berge* *berge schnee* gipfel* alpen gletscher* lawine*"),
        (2, "snow* schnee* verschneit*"),
        (1.5, "winter* valley* cliff* hill* ice icy wolf wolves tal eis eisig* frost* hügel* wölfe"),
    ),
    "space": (
        (3, "space star stars starry nebula* galax* planet* cosmos cosmic universe milky"),
        (3, "asteroid* comet* astronaut*"),
        (3, "weltraum* weltall* stern sterne* sternen* galaxie* *planet kosmos kosmisch*"),
        (3, "universum milchstraße*"),
        (2.5, "spaceship* rocket* moon orbital raumschiff* rakete* mond komet*"),
    ),
    "tea": (
        (3, "tea teacup* teapot* cup cups mug* coffee* espresso latte kettle matcha"),
        (3, "tee teetasse* tasse* kaffee* becher* kanne* teekanne*"),
        (1.5, "steam* dampf*"),
        (1, "table breakfast kitchen tisch* frühstück* küche*"),
    ),
}

_HOURS: Mapping[str, str] = {
    "dawn": "dawn sunrise* daybreak morning* morgen* sonnenaufgang* morgenrot morgendämmerung",
    "noon": "noon midday daylight day sunny mittag* tag tageslicht sonnig* helle heller helles",
    "golden": "golden* autumn* herbst* warm* afternoon nachmittag*",
    "sunset": "sunset* sundown sonnenuntergang* abendrot",
    "dusk": "dusk twilight evening* dämmerung abend* blue-hour blaue-stunde",
    "night": "night* midnight moon* dark* nacht* nächt* mitternacht mond* dunkel* starry neon*",
}

_COLOURS: Mapping[str, tuple[str, Colour, Colour]] = {
    "red": ("red rot rote roten roter rotes scarlet ruby", (0.85, 0.12, 0.14), (1.0, 0.55, 0.42)),
    "crimson": ("crimson blood* purpurrot* karmin* burgundy maroon", (0.72, 0.05, 0.19), (1.0, 0.42, 0.48)),
    "orange": ("orange* amber bernstein* copper kupfer*", (0.95, 0.42, 0.08), (1.0, 0.78, 0.40)),
    "gold": ("gold yellow gelb* honey honig*", (0.90, 0.62, 0.12), (1.0, 0.90, 0.58)),
    "green": ("green emerald grün* smaragd* jade", (0.10, 0.58, 0.30), (0.66, 0.96, 0.62)),
    "teal": ("teal turquoise cyan aqua türkis* petrol", (0.04, 0.56, 0.60), (0.58, 0.98, 0.92)),
    "blue": (
        "blue blau* azure sapphire saphir* cobalt indigo* navy",
        (0.10, 0.28, 0.82),
        (0.56, 0.80, 1.0),
    ),
    "violet": (
        "violet purple lila lavender lavendel* violett* magenta",
        (0.46, 0.18, 0.80),
        (0.88, 0.64, 1.0),
    ),
    "pink": (
        "pink rosa roses pastel* pastell* cherry kirsch* blossom*",
        (0.90, 0.34, 0.58),
        (1.0, 0.78, 0.84),
    ),
    "silver": (
        "silver grey gray monochrome silber* grau* white weiß* weiss*",
        (0.44, 0.49, 0.56),
        (0.94, 0.96, 1.0),
    ),
    "black": ("black schwarz* noir", (0.10, 0.11, 0.15), (0.62, 0.66, 0.76)),
}

_PALETTES: Mapping[str, Palette] = {
    "dawn": Palette((0.20, 0.30, 0.52), (0.98, 0.72, 0.62), (1.0, 0.86, 0.70), (0.09, 0.11, 0.19), (0.84, 0.52, 0.60)),
    "noon": Palette((0.13, 0.38, 0.74), (0.70, 0.86, 0.97), (1.0, 0.97, 0.88), (0.05, 0.13, 0.20), (0.16, 0.62, 0.74)),
    "golden": Palette(
        (0.27, 0.36, 0.50), (0.99, 0.76, 0.42), (1.0, 0.87, 0.56), (0.12, 0.09, 0.09), (0.93, 0.52, 0.20)
    ),
    "sunset": Palette(
        (0.16, 0.13, 0.36), (0.98, 0.46, 0.24), (1.0, 0.76, 0.42), (0.07, 0.05, 0.12), (0.90, 0.24, 0.34)
    ),
    "dusk": Palette((0.06, 0.10, 0.28), (0.62, 0.44, 0.62), (1.0, 0.76, 0.66), (0.03, 0.04, 0.10), (0.36, 0.32, 0.72)),
    "night": Palette(
        (0.015, 0.03, 0.10), (0.10, 0.20, 0.38), (0.84, 0.91, 1.0), (0.012, 0.018, 0.045), (0.20, 0.46, 0.86)
    ),
}

# The hour of a scene when the prompt names none.
_USUAL_HOUR = {
    "sea": "golden", "sky": "sunset", "fire": "night", "lava": "night", "forest": "dawn", "city": "night",
    "mountains": "dawn", "space": "night", "tea": "golden", "silk": "",
}  # fmt: skip

_ABSTRACT = (
    Palette((0.05, 0.10, 0.36), (0.16, 0.42, 0.92), (0.76, 0.92, 1.0), (0.02, 0.03, 0.11), (0.86, 0.30, 0.62)),
    Palette((0.20, 0.03, 0.22), (0.88, 0.22, 0.42), (1.0, 0.80, 0.58), (0.07, 0.02, 0.09), (0.32, 0.22, 0.82)),
    Palette((0.01, 0.16, 0.20), (0.05, 0.60, 0.62), (0.82, 1.0, 0.88), (0.01, 0.05, 0.08), (0.94, 0.62, 0.26)),
    Palette((0.22, 0.09, 0.02), (0.92, 0.47, 0.14), (1.0, 0.90, 0.66), (0.08, 0.03, 0.03), (0.62, 0.12, 0.26)),
    Palette((0.10, 0.05, 0.30), (0.46, 0.27, 0.90), (0.93, 0.84, 1.0), (0.03, 0.02, 0.10), (0.10, 0.66, 0.86)),
)

_CAMERAS: tuple[tuple[str, int, str], ...] = (
    ("zoom", -1, "zoom-out zooms-out pull-back pulls-back dolly-out herauszoom* zurückfahr* wide-reveal"),
    (
        "zoom",
        1,
        "zoom* dolly push-in pushes-in tracking-in hineinzoom* heranzoom* kamerafahrt fly-through flythrough",
    ),
    ("orbit", 1, "orbit* circling rotating rotate* revolv* umkreis* kreist drehend* 360"),
    ("pan", -1, "pan-left pans-left nach-links"),
    ("pan", 1, "pan pans panning panorama* tracking schwenk* nach-rechts sideways"),
    ("tilt", 1, "tilt* crane aerial drone luftaufnahme* drohne* vogelperspektive"),
    ("macro", 1, "macro close-up closeup extreme-close nahaufnahme* makro*"),
    ("still", 1, "static still-camera still-shot locked tripod statisch* standbild stativ"),
)

_WEATHER = {
    "snow": "snow* schnee* verschneit* blizzard* flurries flakes flocken winter*",
    "rain": "rain rainy raining storm* downpour regen* gewitter* sturm*",
}


def read_prompt(prompt: str, seed: int = 0) -> Reading:
    """Read a prompt. Any text gives a reading; the seed only chooses among abstract palettes."""
    words = _words(prompt)
    scene = _scene(words)
    hour = next((name for name, patterns in _HOURS.items() if _first(words, patterns) is not None), "")
    hour = hour or _USUAL_HOUR[scene]
    named = sorted(
        (at, colour) for colour, (patterns, _, _) in _COLOURS.items() if (at := _first(words, patterns)) is not None
    )
    palette = _PALETTES[hour] if hour and scene != "silk" else _ABSTRACT[seed % len(_ABSTRACT)]
    if scene == "silk" and hour and not named:
        palette = _PALETTES[hour]
    if scene in ("fire", "lava") and not _beside(words, scene):
        # "A campfire on a blue evening" has a blue evening; only "blue flames" are blue.
        named = []
    if named:
        palette = _tinted(palette, [colour for _, colour in named], whole=scene in ("silk", "space", "fire", "lava"))
    camera = next((Camera(kind, sign) for kind, sign, pats in _CAMERAS if _first(words, pats) is not None), Camera())
    weather = next((name for name, patterns in _WEATHER.items() if _first(words, patterns) is not None), "")
    return Reading(scene, hour, palette, bool(named), camera, weather)


def _words(prompt: str) -> list[str]:
    text = unicodedata.normalize("NFC", prompt[:4000]).casefold().replace("ß", "ss")
    single = re.findall(r"[^\W_]+", text)
    # Pairs match patterns of two words in a row ("zoom out", "golden hour").
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
    scores = dict.fromkeys(_SCENES, 0.0)
    for scene, groups in _SCENES.items():
        for weight, patterns in groups:
            listed = patterns.split()
            hits = [at for at, word in enumerate(words) if any(_matches(word, pattern) for pattern in listed)]
            # The first match is most often the subject; further words of the scene add a little.
            scores[scene] += sum(weight / (1 + 0.02 * at) / (1 + 1.5 * rank) for rank, at in enumerate(hits))
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0 else "silk"


def _beside(words: list[str], scene: str) -> bool:
    """Whether a colour directly precedes a word of the scene."""
    colours = " ".join(patterns for patterns, _, _ in _COLOURS.values())
    things = " ".join(patterns for _, patterns in _SCENES[scene])
    pairs = (word.split("-") for word in words if "-" in word.strip("-"))
    return any(_first([a], colours) is not None and _first([b], things) is not None for a, b in pairs)


def _mix(a: Colour, b: Colour, part: float) -> Colour:
    red, green, blue = (x + (y - x) * part for x, y in zip(a, b, strict=True))
    return red, green, blue


def _tinted(palette: Palette, names: list[str], *, whole: bool) -> Palette:
    """Colour a palette by the prompt's colours: all of it if `whole`, else its light."""
    _, body, light = _COLOURS[names[0]]
    _, other, _ = _COLOURS[names[1] if len(names) > 1 else names[0]]
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
