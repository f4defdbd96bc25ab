"""The forms of a studio's models, of which one is shown: that of the model that is picked."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.models import MODEL, Models
from dreamina_ui.ui.form import Form, build_form
from dreamina_ui.ui.gradio_internals import kept_text
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.wording import Words

__all__ = ["Forms", "labels_json", "model_picker"]

Update = dict[Any, Any]
KINDS = ("text", "image", "video", "audio")


def model_picker(models: Models, fixed: Fixed) -> gr.Dropdown:
    """Add the control that picks a model to the layout that is open; hidden where there is one model."""
    return gr.Dropdown(
        [(fixed.fragment(f"model.{at}", partial(model_label, card)), card.model_id) for at, card in enumerate(models)],
        value=models.default.model_id,
        label=fixed.text("field.model"),
        show_label=False,
        container=False,
        elem_id="model",
        min_width=120,
        visible=len(models) > 1,
    )


def model_label(card: Card, words: Words, price: str = "") -> str:
    """A model's name, what it takes and makes as far as its card tells, and its price."""
    kinds = str(card.source.get("task", "")).casefold().split("-to-")
    known = len(kinds) == 2 and all(kind in KINDS for kind in kinds)
    takes_and_makes = " → ".join(words.say(f"model.{kind}") for kind in kinds) if known else ""
    return " · ".join(filter(None, (card.title, takes_and_makes, price)))


def labels_json(models: Models, words: Words, prices: Mapping[str, str]) -> str:
    """The choices of the picker with the models' prices, for the browser."""
    return json.dumps([(model_label(card, words, prices.get(card.model_id, "")), card.model_id) for card in models])


class Forms:
    """Each model has its own controls. Those of models that were never picked are not drawn by the browser."""

    def __init__(self, models: Models, fixed: Fixed, picker: gr.Dropdown) -> None:
        self._models = models
        self.picker = picker
        self.labels = kept_text("model-labels")
        """The picker's choices with prices. The browser puts them in: the server would have to remember them for each page."""
        self.shown = kept_text("model-shown", models.default.model_id)
        """The model whose form is shown, which at a pick is the one before."""
        self._forms: dict[str, Form] = {}
        self._groups: dict[str, gr.Column] = {}
        for card in models:
            with gr.Column(visible=card is models.default, elem_classes="model-form") as group:
                self._forms[card.model_id] = build_form(card, fixed)
            self._groups[card.model_id] = group

    @property
    def all(self) -> list[Form]:
        return list(self._forms.values())

    @property
    def controls(self) -> list[Component]:
        """The controls of all forms, and how many variations each makes."""
        return [control for form in self.all for control in (*form.controls.values(), form.variations)]

    @property
    def pictures(self) -> dict[str, Component]:
        """The controls for a first picture, by model."""
        return {form.card.model_id: form.controls[form.picture.name] for form in self.all if form.picture is not None}

    @property
    def picture_messages(self) -> list[Any]:
        named = [(form, form.picture.name) for form in self.all if form.picture is not None]
        return [message for form, name in named for message in (form.problems[name], form.notes[name])]

    @property
    def outputs(self) -> list[Any]:
        """What `choose` and `fill` change."""
        return [self.picker, self.shown, *self._groups.values(), *self.controls]

    @property
    def drafted(self) -> dict[str, Component]:
        """What is kept as a draft, by names: the field's id; of another model than the default, with the model's id."""
        named: dict[str, Component] = {"model": self.picker}
        for number, form in enumerate(self.all):
            end = f"@{form.card.model_id}" if number else ""
            named |= {f"{each.elem_id}{end}": each for each in (*form.controls.values(), form.variations)}
        return named

    @property
    def facts(self) -> dict[str, Any]:
        """By what the page's script shows the form of the model that a draft or a link names, before anything is drawn."""
        linked = None if self._models.have_field_model else MODEL.name
        return {"picker": self.picker, "shown": self.shown, "groups": self._groups, "linked": linked}

    def of(self, model_id: object) -> Form:
        """The form of a model; the default's, if the model is not offered."""
        return self._forms.get(str(model_id), self._forms[self._models.default.model_id])

    def picked(self, contents: Mapping[Component, Any]) -> Form:
        return self.of(contents[self.picker])

    def choose(self, card: Card) -> Update:
        """Show the form of this model."""
        groups = {group: gr.update(visible=name == card.model_id) for name, group in self._groups.items()}
        return {self.picker: card.model_id, self.shown: card.model_id, **groups}

    async def show_picked(self, model_id: str) -> Update:
        card = self.of(model_id).card
        return {output: update for output, update in self.choose(card).items() if output is not self.picker}

    def carry_over(self, contents: Mapping[Component, Any], *, comma: bool) -> Update:
        """Put what was typed and chosen for the model before into the picked one's form, as far as that takes it."""
        before, now = self.of(contents[self.shown]), self.picked(contents)
        if before is now:
            return {}
        fields = {field.name: field for field in now.card.fields}
        given = before.values(contents, comma=comma)
        fitting = {
            name: value
            for name, value in given.items()
            if name in fields and value is not None and now.card.fault_of(fields[name], value) is None
        }
        return {**now.contents(fitting), now.variations: contents[before.variations]}
