"""The form: a model card's fields as Gradio components, and what they hold as values by field name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from dreamina_ui.model_card import SEED_MOST, Card, Field
from dreamina_ui.ui.fixed import Fixed
from dreamina_ui.ui.prompting import chips_html
from dreamina_ui.ui.wording import LANGUAGES, Words, texts_of

__all__ = ["Form", "build_control", "build_form", "choice_label"]

_RATIO = re.compile(r"^(\d+)×(\d+)\((\d+:\d+)\)$")


@dataclass(frozen=True, slots=True)
class Form:
    """`controls` and `problems` are by field name, in the card's order; a problem stands right under its control."""

    card: Card
    controls: Mapping[str, Component]
    problems: Mapping[str, gr.HTML]
    variations: gr.Radio

    def values(self, held: Mapping[Component, Any]) -> dict[str, Any]:
        """Values by field name from what Gradio hands over for a set of inputs."""
        return {name: held[control] for name, control in self.controls.items() if control in held}


def build_form(card: Card, fixed: Fixed) -> Form:
    """Place the controls where the caller stands in the layout."""
    controls: dict[str, Component] = {}
    problems: dict[str, gr.HTML] = {}
    for field in card.fields:
        if field.kind == "text":
            controls[field.name] = build_control(card, field, fixed)
            problems[field.name] = _problem(field)
            if field.name == "prompt":
                gr.HTML(fixed.fragment("chips", chips_html), elem_id="chips")
    others = [field for field in card.fields if field.kind != "text"]
    for start in range(0, len(others), 2):
        with gr.Row(elem_classes="pair", equal_height=False):
            for field in others[start : start + 2]:
                with gr.Column(min_width=130, elem_classes="cell"):
                    controls[field.name] = (
                        _seed(field, card, fixed) if field.name == "seed" else build_control(card, field, fixed)
                    )
                    problems[field.name] = _problem(field)
            if start + 2 >= len(others):
                with gr.Column(min_width=130, elem_classes="cell"):
                    variations = gr.Radio(
                        [1, 2, 3, 4], value=1, label=fixed.text("variations"), elem_id="variations", min_width=120
                    )
    return Form(card, {field.name: controls[field.name] for field in card.fields}, problems, variations)


def _problem(field: Field) -> gr.HTML:
    return gr.HTML("", visible=False, elem_id=f"problem-{field.name}", elem_classes="problem")


def _seed(field: Field, card: Card, fixed: Fixed) -> Component:
    with gr.Row(elem_classes="seed-row", equal_height=True):
        seed = build_control(card, field, fixed)
        dice = gr.Button("⚄", elem_id="dice", elem_classes="dice", min_width=40, scale=0)
        lock = gr.Button("⚷", elem_id="lock", elem_classes="dice", min_width=40, scale=0)
    # Drawn in the browser: a click on a die should not wait for a server.
    dice.click(None, outputs=seed, js=f"() => Math.floor(Math.random() * {SEED_MOST + 1})", api_visibility="private")
    lock.click(None, inputs=seed, outputs=seed, js="window.dreamina.lockSeed", api_visibility="private")
    return seed


def build_control(card: Card, field: Field, fixed: Fixed, section: str = "field") -> Component:
    """The component for one field; `section` begins its id on the page."""
    common: dict[str, Any] = {
        "label": _label(field, fixed),
        "value": field.default,
        "elem_id": f"{section}-{field.name}",
        "info": field.description or None,
        "min_width": 120,
    }
    if field.kind == "choice":
        choices = [(choice_label(card, field, choice), choice) for choice in field.choices]
        if len(choices) <= 4:
            return gr.Radio(choices, **{**common, "info": None})
        return gr.Dropdown(choices, filterable=False, **common)
    if field.kind == "text":
        most = field.most_characters
        long = most is None or most > 120
        # No `max_length`: it would cut a pasted prompt without a word. The count turns red instead.
        classes = ["counted", f"most-{most}"] if most else []
        return gr.Textbox(lines=4 if long else 1, max_lines=12, elem_classes=classes, **common)
    if field.kind == "boolean":
        return gr.Checkbox(**common)
    if field.name == "seed":
        common["info"] = fixed.text("field.seed.hint")
    return gr.Number(minimum=field.least, maximum=field.most, **common)


def _label(field: Field, fixed: Fixed) -> Any:
    """In the person's language where we know the field, else as the card says."""
    key = f"field.{field.name}"
    return fixed.text(key) if key in texts_of(LANGUAGES[0]) else field.title


def choice_label(card: Card, field: Field, choice: Any) -> str:
    """How a choice reads: "16:9 · 1920×1088" for a ratio, "5 s" for a number of frames."""
    if ratio := _RATIO.match(str(choice)):
        return f"{ratio[3]} · {ratio[1]}×{ratio[2]}"
    if field.name == "frames" and (duration_s := card.duration_s({"frames": choice})):
        return Words().seconds(duration_s)
    return str(choice)
