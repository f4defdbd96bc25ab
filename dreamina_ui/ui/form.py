"""The form: a model card's fields as Gradio components, and their values by field name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from dreamina_ui.cards.alternatives import literal
from dreamina_ui.cards.media.file_names import file_named
from dreamina_ui.cards.model_card import Card, seed_most
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.cards.values import beyond_browsers, content_for, read_value, written
from dreamina_ui.ui.prompting import chips_html
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.checks.upload_form import MEDIA_ENDINGS
from dreamina_ui.wording import LANGUAGES, Words, texts_of

__all__ = ["Form", "build_control", "build_form", "build_media", "choice_label", "value_label"]

WIDE = ("text", "address", "list", "json")
"""Kinds whose control has a row of its own."""
FILES_MOST = 50
"""Files that are uploaded to one field at once."""
CHOICES_SHOWN = 4
"""With more choices, the control is a dropdown."""
OWN_WORDS = gr.InputHTMLAttributes(autocomplete="off")
TYPED = gr.InputHTMLAttributes(autocomplete="off", autocapitalize="off", autocorrect="off", spellcheck=False)
"""The browser fills in and corrects nothing: a field holds what a person has typed."""
_RATIO = re.compile(r"^(\d+)×(\d+)\((\d+:\d+)\)$")


@dataclass(frozen=True, slots=True)
class Form:
    """`controls` and `problems` are by field name, in the card's order; each problem is shown below its control."""

    card: Card
    controls: Mapping[str, Component]
    problems: Mapping[str, gr.HTML]
    variations: gr.Radio
    uploads: Mapping[str, gr.UploadButton]
    """By field name, for fields of media."""
    notes: Mapping[str, gr.HTML]
    """By field name, what was done to a file that was uploaded."""

    @property
    def picture(self) -> Field | None:
        return self.card.picture

    @property
    def prompt(self) -> Component | None:
        """The control of the card's prompt."""
        return self.controls[self.card.prompt.name] if self.card.prompt else None

    def values(self, contents: Mapping[Component, Any], *, comma: bool = False) -> dict[str, Any]:
        """The values by field name, from the contents of the controls; `comma` is as for `value_of`."""
        fields = {field.name: field for field in self.card.fields}
        return {
            name: read_value(fields[name], contents[control], comma=comma)
            for name, control in self.controls.items()
            if control in contents
        }

    def contents(self, values: Mapping[str, Any]) -> dict[Component, Any]:
        """The contents of the controls for these values; fields without a value are left out."""
        fields = {field.name: field for field in self.card.fields}
        return {
            control: content_for(fields[name], values[name])
            for name, control in self.controls.items()
            if name in values
        }


def build_form(card: Card, fixed: Fixed) -> Form:
    """Add the controls to the Gradio layout that is open."""
    controls: dict[str, Component] = {}
    problems: dict[str, gr.HTML] = {}
    buttons: dict[str, gr.UploadButton] = {}
    notes: dict[str, gr.HTML] = {}
    variations: gr.Radio | None = None
    groups = _groups(card.fields)
    for group in groups:
        if group[0].kind in WIDE:
            [field] = group
            if field.media is None:
                controls[field.name] = build_control(card, field, fixed)
            else:
                controls[field.name], buttons[field.name], notes[field.name] = build_media(card, field, fixed)
            problems[field.name] = _problem(field)
            if field.name == "prompt":
                gr.HTML(fixed.fragment("chips", chips_html), elem_id="chips", js_on_load=None)
            continue
        with gr.Row(elem_classes="pair", equal_height=False):
            for field in group:
                with gr.Column(min_width=130, elem_classes="cell"):
                    controls[field.name] = (
                        _seed(field, card, fixed)
                        if field.name == "seed" and field.kind == "integer"
                        else build_control(card, field, fixed)
                    )
                    problems[field.name] = _problem(field)
            if group is groups[-1] and len(group) == 1:
                with gr.Column(min_width=130, elem_classes="cell"):
                    variations = _variations(fixed)
    if variations is None:
        with gr.Row(elem_classes="pair", equal_height=False), gr.Column(min_width=130, elem_classes="cell"):
            variations = _variations(fixed)
    return Form(card, {field.name: controls[field.name] for field in card.fields}, problems, variations, buttons, notes)


def _groups(fields: Sequence[Field]) -> list[list[Field]]:
    """The fields in the card's order: wide ones alone, the others in pairs."""
    groups: list[list[Field]] = []
    for field in fields:
        last = groups[-1] if groups else []
        if field.kind not in WIDE and len(last) == 1 and last[0].kind not in WIDE:
            last.append(field)
        else:
            groups.append([field])
    return groups


def build_media(
    card: Card, field: Field, fixed: Fixed, section: str = ""
) -> tuple[Component, gr.UploadButton, gr.HTML]:
    """A place for files: the control, the button that takes one, and the note about it.

    `assets/js/media-field.js` takes what is dropped or pasted here, and shows it. `section` is the start of element ids.
    """
    most = min(field.most_items or FILES_MOST, FILES_MOST) if field.kind == "list" else 1
    classes = ["media-field", f"of-{field.media}", f"takes-{most}"]
    with gr.Column(elem_classes=classes, elem_id=f"{section}media-{field.name}"):
        control = build_control(card, field, fixed, f"{section}field")
        button = gr.UploadButton(
            str(fixed.text(f"upload.{field.media}")),
            # Every medium: of one that the field does not take, the server says so in the visitor's language, Gradio not.
            file_types=list(MEDIA_ENDINGS),
            type="filepath",
            size="sm",
            elem_id=f"{section}upload-{field.name}",
        )
        return control, button, gr.HTML("", visible=False, elem_classes="media-note")


def _variations(fixed: Fixed) -> gr.Radio:
    return gr.Radio([1, 2, 3, 4], value=1, label=fixed.text("variations"), elem_id="variations", min_width=120)


def _problem(field: Field) -> gr.HTML:
    return gr.HTML("", visible=False, elem_id=f"problem-{field.name}", elem_classes="problem", js_on_load=None)


def _seed(field: Field, card: Card, fixed: Fixed) -> Component:
    with gr.Row(elem_classes="seed-row", equal_height=True):
        seed = build_control(card, field, fixed)
        dice = gr.Button("⚄", elem_id="dice", elem_classes="dice", min_width=40, scale=0)
        # A seed can be locked only if −1 means a new one each time.
        lock = gr.Button("⚷", elem_id="lock", elem_classes="dice", min_width=40, scale=0, visible=field.default == -1)
    # The browser chooses the number, so the click does not wait for the server.
    drawn = f"() => String(Math.floor(Math.random() * {seed_most(field) + 1}))"
    dice.click(None, outputs=seed, js=drawn, api_visibility="private")
    lock.click(None, inputs=seed, outputs=seed, js="window.dreamina.lockSeed", api_visibility="private")
    return seed


def build_control(card: Card, field: Field, fixed: Fixed, section: str = "field") -> Component:
    """The component for one field; `section` is the start of its element id."""
    content = content_for(field, field.default)
    common: dict[str, Any] = {
        "label": _label(field, fixed),
        "value": literal(content) if field == card.prompt and isinstance(content, str) else content,
        "elem_id": f"{section}-{field.name}",
        "info": field.description or None,
        "min_width": 120,
        "elem_classes": ["required"] if field.required and not field.nullable else [],
    }
    if field.kind == "choice":
        if len(field.choices) <= CHOICES_SHOWN and _is_translated(field):
            common["info"] = None  # our own label is enough
        return _choice(_choices_of(card, field, fixed, field.can_be_empty), common)
    if field.kind == "boolean" and field.can_be_empty:
        answers = [
            (fixed.text("answer.yes"), "true"),
            (fixed.text("answer.no"), "false"),
            (fixed.text("answer.none"), ""),
        ]
        return gr.Radio(answers, **common)
    if field.kind == "boolean":
        return gr.Checkbox(**common)
    if field.kind == "text":
        return _text(field, common)
    if field.kind == "address":
        return gr.Textbox(lines=1, max_lines=1, placeholder=field.sample or "https://", html_attributes=TYPED, **common)
    if field.kind == "list" and field.item is not None and field.item.kind == "choice":
        choices = _choices_of(card, field.item, fixed, False)
        return gr.Dropdown(choices, multiselect=True, **{**common, "value": field.default or []})
    if field.kind == "list":
        return gr.Textbox(lines=2, max_lines=12, placeholder=fixed.text("answer.list"), **common)
    if field.kind == "json":
        return gr.Textbox(lines=3, max_lines=16, placeholder=fixed.text("answer.json"), **common)
    if field.name == "seed":
        common["info"] = fixed.text("field.seed.hint") if field.default == -1 else common["info"]
    return _number(field, common)


def _choices_of(card: Card, field: Field, fixed: Fixed, may_be_none: bool) -> list[tuple[Any, Any]]:
    choices = [
        (choice_label(card, field, choice), written(choice) if beyond_browsers(field) else choice)
        for choice in field.choices
    ]
    return [*choices, (fixed.text("answer.none"), "")] if may_be_none and "" not in field.choices else choices


def _choice(choices: list[tuple[Any, Any]], common: dict[str, Any]) -> Component:
    if len(choices) <= CHOICES_SHOWN:
        return gr.Radio(choices, **common)
    return gr.Dropdown(choices, filterable=False, **common)


def _text(field: Field, common: dict[str, Any]) -> Component:
    most = field.most_characters
    long = most is None or most > 120
    # No `max_length`: it would cut a pasted prompt without a message. The count turns red instead.
    classes = [*common["elem_classes"], *(["counted", f"most-{most}"] if most else [])]
    held = {**common, "elem_classes": classes}
    return gr.Textbox(lines=4 if long else 1, max_lines=12, html_attributes=OWN_WORDS, **held)


def _number(field: Field, common: dict[str, Any]) -> gr.Textbox:
    """A line of text: a browser's own control for numbers changes them by the wheel, rounds those beyond 2^53.
    `assets/js/number-keys.js` lets arrow keys count."""
    step = field.step or _step(field)
    classes = [*common["elem_classes"], "counts", f"step-{step:g}".replace(".", "_")]
    return gr.Textbox(lines=1, max_lines=1, html_attributes=TYPED, **{**common, "elem_classes": classes})


def _step(field: Field) -> float:
    """The step of an arrow key: 0.01 for fractions in a range of at most 10, else 1."""
    if field.kind == "number" and field.least is not None and field.most is not None and field.most - field.least <= 10:
        return 0.01
    return 1


def _label(field: Field, fixed: Fixed) -> Any:
    """The translated title if there is one, else the card's title."""
    return fixed.text(f"field.{field.name}") if _is_translated(field) else field.title


def _is_translated(field: Field) -> bool:
    return f"field.{field.name}" in texts_of(LANGUAGES[0])


def choice_label(card: Card, field: Field, choice: Any) -> str:
    """The label of a choice: "16:9 · 1920×1088" for a ratio, "5 s" for a number of frames."""
    if ratio := _RATIO.match(str(choice)):
        return f"{ratio[3]} · {ratio[1]}×{ratio[2]}"
    if field.name == "frames" and (duration_s := card.duration_s({"frames": choice})):
        return Words().seconds(duration_s)
    return written(choice)


def value_label(card: Card, field: Field, value: Any) -> str:
    """A value as people read it: a choice by its label, a file by its name."""
    values = value if isinstance(value, list) else [value]
    files = [file.name for each in values if (file := file_named(each))]
    return ", ".join(files) if files and len(files) == len(values) else choice_label(card, field, value)
