"""The words a prompt may use, in English and German, and the colours they stand for. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "ABSTRACT", "CAMERAS", "COLOURS", "HOURS", "PALETTES",
    "SCENES", "USUAL_HOUR", "WEATHER", "Colour", "Palette",
]  # fmt: skip

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Palette:
    """Five display colours (red, green, blue from 0 to 1) every scene is painted with."""

    zenith: Colour
    horizon: Colour
    glow: Colour
    shade: Colour
    accent: Colour


# A pattern is a word, a beginning ("wave*") or an end ("*wald", for German compounds). The weight says how
# strongly it means the scene: "sunset over the sea" is a sea, "night" alone a city, "forest at night" is not.
SCENES: Mapping[str, tuple[tuple[float, str], ...]] = {
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

HOURS: Mapping[str, str] = {
    "dawn": "dawn sunrise* daybreak morning* morgen* sonnenaufgang* morgenrot morgendämmerung",
    "noon": "noon midday daylight day sunny mittag* tag tageslicht sonnig* helle heller helles",
    "golden": "golden* autumn* herbst* warm* afternoon nachmittag*",
    "sunset": "sunset* sundown sonnenuntergang* abendrot",
    "dusk": "dusk twilight evening* dämmerung abend* blue-hour blaue-stunde",
    "night": "night* midnight moon* dark* nacht* nächt* mitternacht mond* dunkel* starry neon*",
}

COLOURS: Mapping[str, tuple[str, Colour, Colour]] = {
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

PALETTES: Mapping[str, Palette] = {
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

# What hour a scene shows when the prompt names none.
USUAL_HOUR = {
    "sea": "golden", "sky": "sunset", "fire": "night", "lava": "night", "forest": "dawn", "city": "night",
    "mountains": "dawn", "space": "night", "tea": "golden", "silk": "",
}  # fmt: skip

ABSTRACT = (
    Palette((0.05, 0.10, 0.36), (0.16, 0.42, 0.92), (0.76, 0.92, 1.0), (0.02, 0.03, 0.11), (0.86, 0.30, 0.62)),
    Palette((0.20, 0.03, 0.22), (0.88, 0.22, 0.42), (1.0, 0.80, 0.58), (0.07, 0.02, 0.09), (0.32, 0.22, 0.82)),
    Palette((0.01, 0.16, 0.20), (0.05, 0.60, 0.62), (0.82, 1.0, 0.88), (0.01, 0.05, 0.08), (0.94, 0.62, 0.26)),
    Palette((0.22, 0.09, 0.02), (0.92, 0.47, 0.14), (1.0, 0.90, 0.66), (0.08, 0.03, 0.03), (0.62, 0.12, 0.26)),
    Palette((0.10, 0.05, 0.30), (0.46, 0.27, 0.90), (0.93, 0.84, 1.0), (0.03, 0.02, 0.10), (0.10, 0.66, 0.86)),
)

CAMERAS: tuple[tuple[str, int, str], ...] = (
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

WEATHER = {
    "snow": "snow* schnee* verschneit* blizzard* flurries flakes flocken winter*",
    "rain": "rain rainy raining storm* downpour regen* gewitter* sturm*",
}
