"""The HTML of the batch: the plan before it is sent, and the table of its jobs. Pure."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from dreamina_ui.backends import Backend
from dreamina_ui.cards.batches.plans import LineProblem, NotTaken, Plan, Question
from dreamina_ui.cards.batches.written_tables import field_names, written_example, written_table
from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.models import MODEL, Models
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.cards.values import written
from dreamina_ui.jobs import Job, State
from dreamina_ui.media.kinds import Family, kind_named
from dreamina_ui.media.record import file_name
from dreamina_ui.runcomfy.client import Price
from dreamina_ui.runcomfy.money.prices import UNKNOWN
from dreamina_ui.ui.form import value_label
from dreamina_ui.web.saved_files import SAVED_ADDRESS
from dreamina_ui.wording import Words

__all__ = [
    "ModelPrice",
    "columns_html",
    "invitation_html",
    "plan_html",
    "prices_text",
    "problems_html",
    "progress_html",
    "question_html",
    "states_json",
    "table_html",
    "webhook_key_html",
]

PAUSED = "paused"
"""The state that the table shows for a job that waits in a paused batch."""
VALUE_MOST = 60
"""Characters of a value in a sentence."""
NO_FILE = "no_file"
"""The state that the table shows for a job that finished without a file."""

_INVITATION = Markup('<div class="batch-empty"><p class="lead">{}</p><p class="hint">{}</p></div>')
_COLUMNS = Markup('<p class="hint">{} <a href="{}" download="batch.csv">{}</a></p>')
_PLAN = Markup('<div class="batch-plan"><p class="batch-sum" role="status"><b>{}</b> {}</p>{}{}</div>')
_OF_MODELS = Markup('<ul class="batch-models">{}</ul>')
_EXPORT = Markup('<p class="hint"><a href="{}" download="batch.csv">{}</a></p>')
_PROBLEMS = Markup('<div class="batch-problems" role="alert"><p><b>{}</b></p><ul>{}</ul></div>')
_PROBLEM = Markup("<li>{}</li>")
_QUESTION = Markup('<div class="batch-problems batch-question" role="alert"><p><b>{}</b></p>{}</div>')
_READING = Markup(
    '<li><button type="button" class="action" data-agree="{}" lang=""><bdi>{}</bdi> <small>{}</small></button></li>'
)
_READINGS = Markup("<ul>{}</ul><p>{}</p>")
_AGREE = Markup('<p><button type="button" class="action" data-agree="{}">{}</button></p>')
_TABLE = Markup(
    '<div class="batch-scroll" tabindex="0" role="region" aria-label="{name}"><table class="batch-table"{data}>'
    "<thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></div>"
)
_HEADING = Markup('<th scope="col" class="{}">{}</th>')
_ROW = Markup("<tr{}>{}</tr>")
_CELL = Markup('<td class="{}">{}</td>')
_JOB = Markup(' data-job="{}" data-share="{}" data-name="{}" data-poster="{}" data-state=""')
_OPEN = Markup('<button type="button" class="batch-open" data-open>{}</button>')
_STATE = Markup('<span class="batch-state"></span><span class="batch-note"></span>')
_PROGRESS = Markup(
    '<div class="batch-progress"><p class="batch-sum" role="status" aria-live="polite"><b>{}</b> {}</p>'
    '<progress max="{}" value="{}" aria-label="{}"></progress></div>'
)


def webhook_key_html(key: str, words: Words) -> Markup:
    """The key that signs what is sent to the visitor's address."""
    return Markup("<p>{} <code>{}</code></p>").format(words.say("batch.webhook.key"), key)


def invitation_html(words: Words) -> Markup:
    return _INVITATION.format(words.say("batch.empty"), words.say("batch.empty.hint"))


def columns_html(models: Models, words: Words) -> Markup:
    """The columns that a table may have, and an example to download."""
    columns = ", ".join(field_names(models))
    hint = words.say("batch.csv.hint", columns=columns)
    if _can_name_models(models):
        hint = f"{hint} {words.say('batch.csv.hint.model')}"
    return _COLUMNS.format(hint, _csv_link(written_example(models)), words.say("batch.csv.example"))


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """What the `count` videos of a model cost together; None if that is not known, or what the last one cost is not. `said` is
    what the service says of the price of one."""

    title: str
    count: int
    usd: float | None
    last_usd: float | None = None
    said: Price = UNKNOWN


def prices_text(prices: Sequence[ModelPrice], backend: Backend, words: Words) -> tuple[str, list[str]]:
    """The price of all, and, of several models, how many videos each makes and at what price.

    There is no price of all where that of one model is not known.
    """
    if len(prices) == 1:
        return _price_text(prices[0], backend, words), []
    known = [each.usd for each in prices if each.usd is not None]
    total = words.price(backend, sum(known)) if len(known) == len(prices) else ""
    counts = [words.say("batch.of_model", model=each.title, count=each.count) for each in prices]
    if not backend.charges:
        return total, counts
    said = (_price_text(each, backend, words) for each in prices)
    return total, [f"{count} · {price}" for count, price in zip(counts, said, strict=True)]


def _price_text(price: ModelPrice, backend: Backend, words: Words) -> str:
    said = price.said
    text = words.price(backend, price.usd, price.last_usd, base_usd=said.base_price_usd, unit=said.unit)
    return " · ".join(filter(None, (text, words.price_note(said.note))))


def plan_html(plan: Plan, models: Models, price: str, of_models: Sequence[str], words: Words) -> Markup:
    """The number of videos, their total length and price, what is to be said of each model, and a row for each video."""
    length_s = sum(video.card.duration_s(video.payload) or 0.0 for video in plan.videos)
    length = words.say("batch.length", time=words.seconds(length_s)) if length_s else ""
    facts = " · ".join(filter(None, (length, price)))
    columns = _Columns.of(models, [(video.card.model_id, video.payload) for video in plan.videos], words)
    rows = Markup().join(
        _ROW.format("", _CELL.format("number", number) + columns.cells(video.card.model_id, video.payload))
        for number, video in enumerate(plan.videos, start=1)
    )
    table = _TABLE.format(name=words.say("batch.plan"), data="", header=columns.header, rows=rows)
    said = [*of_models, *_not_taken(plan.not_taken, words), *(_note_text(note, words) for note in plan.notes)]
    notes = _OF_MODELS.format(Markup().join(map(_PROBLEM.format, said))) if said else ""
    return _PLAN.format(words.say("batch.count", count=len(plan.videos)), facts, notes, table)


def _not_taken(not_taken: Sequence[NotTaken], words: Words) -> list[str]:
    """A sentence for each model that does not take what was chosen for all."""
    of_cards: dict[str, tuple[Card, list[str]]] = {}
    for each in not_taken:
        title = words.field_title(each.field.name, each.field.title)
        values = ", ".join(_short(value_label(each.card, each.field, value)) for value in each.values)
        of_cards.setdefault(each.card.model_id, (each.card, []))[1].append(f"{title} ({values})")
    return [
        words.say("batch.not_taken", model=card.title, values="; ".join(values)) for card, values in of_cards.values()
    ]


def problems_html(problems: Sequence[LineProblem], words: Words) -> Markup:
    """All problems, by line; a batch with problems cannot be sent."""
    if [problem.problem for problem in problems] == ["empty"]:
        return invitation_html(words)
    return problem_list_html(problems, words, words.say("batch.problems"))


def problem_list_html(problems: Sequence[LineProblem], words: Words, heading: str) -> Markup:
    """Problems under a heading, each with its line."""
    items = Markup().join(_PROBLEM.format(_line_text(problem, words)) for problem in problems)
    return _PROBLEMS.format(heading, items)


def question_html(question: Question, words: Words) -> Markup:
    """What has to be agreed to before the input is used; each answer is a button."""
    if question.readings:
        readings = Markup().join(
            _READING.format(answer, reading.sample, reading.name) for answer, reading in question.readings.items()
        )
        otherwise = words.say("plan.question.none", button=words.say("plan.csv_button"))
        return _QUESTION.format(words.say("plan.question.encoding"), _READINGS.format(readings, otherwise))
    if question.together and question.apart:
        answers = {"plan.question.together": question.together, "plan.question.apart": question.apart}
        buttons = (_AGREE.format(answer, words.say(key, count=count)) for key, (answer, count) in answers.items())
        return _QUESTION.format(words.say("plan.json_lines"), Markup().join(buttons))
    said = _columns_text(question.taken, question.left_out, words)
    for title, columns in question.of_models:
        said.append(f"{title}: {' '.join(_columns_text(columns.taken, columns.left_out, words))}")
    return _QUESTION.format(" ".join(said), _AGREE.format(question.answer, words.say("plan.question.agree")))


def _columns_text(taken: Mapping[str, Field], left_out: Sequence[str], words: Words) -> list[str]:
    said = [
        words.say("plan.question.taken", name=name, title=words.field_title(field.name, field.title))
        for name, field in taken.items()
    ]
    return [*said, *([words.say("plan.question.left_out", names=", ".join(left_out))] if left_out else [])]


def table_html(jobs: Sequence[Job], models: Models, words: Words, zone: tzinfo = UTC) -> Markup:
    """The table of a batch, and a link to its settings as a file. A script fills in the states, which it gets from
    `states_json`.
    """
    texts = {str(state): words.state_word(state) for state in State} | {PAUSED: words.say("batch.paused")}
    texts |= {NO_FILE: words.say("line.no_file"), "download": words.say("download")}
    videos = [(job.model_id, job.payload) for job in jobs]
    columns = _Columns.of(models, videos, words)
    rows = Markup()
    for job in jobs:
        data = _JOB.format(job.job_id, job.share_id, file_name(job, zone=zone), f"{SAVED_ADDRESS}{job.share_id}.webp")
        cells = _CELL.format("number", job.variation + 1) + columns.cells(job.model_id, job.payload, opens=True)
        rows += _ROW.format(data, cells + _CELL.format("state", _STATE))
    header = columns.header + _HEADING.format("state", words.say("filter.state"))
    data = Markup(' data-words="{}"').format(json.dumps(texts, ensure_ascii=False))
    table = _TABLE.format(name=words.say("batch.table"), data=data, header=header, rows=rows)
    return table + _EXPORT.format(_csv_link(written_table(models, videos)), words.say("batch.export"))


def states_json(jobs: Sequence[Job], words: Words, zone: tzinfo = UTC) -> str:
    """The states of all jobs of the table, and notes on those that have ended. It is always complete, so no change is lost.

    `made` has an entry for each job whose first file is not an MP4 video: the name of the download, the kind of the file,
    and the end of its poster's name (empty if it has none). `due` has the numbers of the jobs whose posters are still made.
    """
    notes = {
        number: words.explain(job)
        for number, job in enumerate(jobs)
        if job.ended and (job.state not in (State.SUCCEEDED, State.CANCELLED) or job.remarks)
    }
    made = {
        number: _file_facts(job, words, zone) for number, job in enumerate(jobs) if job.files and job.files[0] != ".mp4"
    }
    states = [_state(job) for job in jobs]
    due = [number for number, job in enumerate(jobs) if job.poster_due]
    return json.dumps({"states": states, "notes": notes, "made": made, "due": due}, ensure_ascii=False)


def _file_facts(job: Job, words: Words, zone: tzinfo) -> tuple[str, str, str]:
    suffix = job.files[0]
    kind = kind_named(suffix)
    number, _, _ = suffix.removeprefix("-").partition(".")
    name = file_name(job, int(number) if number.isdecimal() else 1, kind.ending, kind.family, zone=zone)
    has_poster = kind.family in (Family.VIDEO, Family.PICTURE)
    return name, words.say(f"kind.{kind.family}"), f"{suffix.partition('.')[0]}.webp" if has_poster else ""


def progress_html(jobs: Sequence[Job], words: Words) -> Markup:
    """The number of finished jobs, and of the others by state."""
    counts = Counter(_group(job) for job in jobs)
    ready, count = counts.pop("succeeded", 0), len(jobs)
    others = " · ".join(words.say(f"batch.{group}.count", count=counts[group]) for group in _GROUPS if counts[group])
    sentence = words.say("batch.ready.count", ready=ready, count=count)
    ended = sum(job.ended for job in jobs)
    return _PROGRESS.format(sentence, others, count, ended, sentence)


_GROUPS = ("running", "waiting", PAUSED, NO_FILE, "failed", "uncertain", "cancelled")


def _group(job: Job) -> str:
    state = _state(job)
    return state if job.ended or state in (State.WAITING, PAUSED) else "running"


def _state(job: Job) -> str:
    if job.has_no_file:
        return NO_FILE
    return PAUSED if job.paused and job.state is State.WAITING else str(job.state)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of a table of videos: those of all their models, and the model, if it is not the default one for all."""

    models: Models
    fields: Mapping[str, Field | None]
    """By their names; None for those of a model that is not offered any more."""
    has_models: bool
    words: Words

    @classmethod
    def of(cls, models: Models, videos: Sequence[tuple[str, Mapping[str, Any]]], words: Words) -> "_Columns":
        ids = dict.fromkeys(model_id for model_id, _ in videos)
        fields: dict[str, Field | None] = {}
        for card in filter(None, map(models.get, ids)):
            for field in card.fields:
                fields.setdefault(field.name, field)
        for model_id, payload in videos:
            if models.get(model_id) is None:
                fields = {**dict.fromkeys(payload), **fields}
        return cls(models, fields, list(ids) != [models.default.model_id], words)

    @property
    def header(self) -> Markup:
        titles = [("number", "#")]
        if self.has_models:
            titles.append(("model", self.words.field_title(MODEL.name, MODEL.title)))
        for name, field in self.fields.items():
            titles.append((_column_class(field), self.words.field_title(name, field.title if field else name)))
        return Markup().join(_HEADING.format(kind, title) for kind, title in titles)

    def cells(self, model_id: str, payload: Mapping[str, Any], *, opens: bool = False) -> Markup:
        card = self.models.get(model_id)
        cells = _CELL.format("model", card.title if card else model_id) if self.has_models else Markup()
        texts = [self._text(card, name, payload.get(name)) for name in self.fields]
        # What opens a video is its first text, which is empty where another model's column comes first.
        opening = next((number for number, text in enumerate(texts) if text), 0) if opens else None
        for number, (field, text) in enumerate(zip(self.fields.values(), texts, strict=True)):
            cells += _CELL.format(_column_class(field), _OPEN.format(text) if number == opening else text)
        return cells

    def _text(self, card: Card | None, name: str, value: Any) -> str:
        if value is None:
            return ""
        field = card.field(name) if card else None
        if card is None or field is None:
            return written(value)
        return "⚄" if name == "seed" and value == -1 else value_label(card, field, value)


def _short(text: str) -> str:
    return text if len(text) <= VALUE_MOST else text[: VALUE_MOST - 1] + "…"


def _can_name_models(models: Models) -> bool:
    return len(models) > 1 and not models.have_field_model


def _csv_link(table: str) -> str:
    # Without the mark, Excel takes the letters for others.
    return "data:text/csv;charset=utf-8," + quote(f"\ufeff{table}")


def _column_class(field: Field | None) -> str:
    return "long" if field is not None and field.kind == "text" else "short"


def _line_text(problem: LineProblem, words: Words) -> str:
    sentence = _problem_text(problem, words)
    if problem.models:
        return f"{', '.join(problem.models)}: {sentence}"
    has_line = problem.line and not problem.facts.get("lines")
    return words.say("batch.line", line=problem.line, problem=sentence) if has_line else sentence


def _note_text(note: LineProblem, words: Words) -> str:
    """Why prompts are taken as they stand."""
    return words.say(f"alternatives.{note.problem}" + (".lines" if note.facts.get("lines") else ""), **note.facts)


def _problem_text(problem: LineProblem, words: Words) -> str:
    if problem.field is None or problem.problem == "duplicate_column":
        key = f"plan.{problem.problem}" + (".lines" if problem.facts.get("lines") else "")
        return words.say(key, **problem.facts, button=words.say("plan.csv_button"))
    title = words.field_title(problem.field, problem.title or problem.field)
    return words.say(f"problem.{problem.problem}", title=title, **problem.facts)
