"""Help with the prompt: phrases to click, and examples that fill the form. Neither sends a job."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from dreamina_ui.web.saved_files import EXAMPLES_ADDRESS
from dreamina_ui.wording import LANGUAGES, Words, texts_of

__all__ = ["CHIPS", "EXAMPLES", "EXAMPLES_SCRIPT", "chips_html", "examples_html"]

CHIPS: Mapping[str, Sequence[str]] = {
    "camera": ("pan", "zoom", "orbit", "rise"),
    "light": ("golden", "blue", "neon", "rays"),
    "lens": ("macro", "wide", "shallow"),
    "mood": ("calm", "dramatic", "dreamy"),
    "pace": ("slow", "lapse"),
}
"""The chips by group. The text of a chip is the phrase that it adds, in the language that the prompt is written in."""

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "tea": {
        "prompt": "A glass teapot fills with blooming tea on a wooden table; macro view of petals unfurling, steam curls "
        "through sunbeams, calm and detailed.",
        "seed": 11,
    },
    "sea": {"prompt": "Long waves roll towards the shore at sunset, golden hour, slow pan, calm", "seed": 21},
    "city": {
        "prompt": "A city skyline at night, lit windows mirrored in the river, neon glow, slow zoom in",
        "seed": 32,
    },
    "forest": {
        "prompt": "Sunbeams through a misty green forest at dawn, motes of dust in the air, dreamlike",
        "seed": 43,
    },
    "space": {"prompt": "A planet with rings before a violet nebula and drifting stars, orbiting camera", "seed": 54},
    "snow": {"prompt": "Snow falls softly before blue mountains at dusk, wide angle, slow motion", "seed": 65},
}
EXAMPLES_SCRIPT = "window.dreamina.connect('examples', trigger)"

_GROUP = Markup(
    '<div class="chips" role="group" aria-label="{}"><span class="chips-name" aria-hidden="true">{}</span>{}</div>'
)
_CHIP = Markup(
    '<button type="button" class="chip" data-phrases="{phrases}" data-phrase="{phrase}" aria-pressed="false">{phrase}</button>'
)
_EXAMPLE = Markup(
    '<li><button type="button" class="example" data-example="{}"><img src="{}" alt="" loading="lazy" width="640" '
    'height="363"><span>{}</span></button></li>'
)


def chips_html(words: Words) -> Markup:
    """All groups of chips; `assets/js/prompt-chips.js` adds their phrases to the prompt and removes them."""

    def group(name: str) -> Markup:
        title = words.say(f"chips.{name}")
        chips = (_CHIP.format(phrases=_phrases(chip), phrase=words.say(f"chip.{chip}")) for chip in CHIPS[name])
        return _GROUP.format(title, title, Markup().join(chips))

    return Markup('<div class="chip-groups">{}</div>').format(Markup().join(group(name) for name in CHIPS))


def _phrases(chip: str) -> str:
    """The chip's phrase by language, as JSON."""
    return json.dumps({language: texts_of(language)[f"chip.{chip}"] for language in LANGUAGES}, ensure_ascii=False)


def examples_html(words: Words, names: Sequence[str]) -> Markup:
    """The examples that fit the model (`names`), with their posters."""
    items = (
        _EXAMPLE.format(
            name,
            f"{EXAMPLES_ADDRESS}{name}.webp",
            words.say(f"example.{name}"),
        )
        for name in names
    )
    return Markup('<ul class="examples" title="{}">{}</ul>').format(words.say("examples.hint"), Markup().join(items))
