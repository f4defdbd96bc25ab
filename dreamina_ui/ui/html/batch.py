"""The HTML of the batch: the plan before it is sent, and the table of its jobs. Pure."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from dreamina_ui.cards.batches import LineProblem, Question
from dreamina_ui.cards.model_card import Card, Field
from dreamina_ui.jobs import Job, State
from dreamina_ui.media.kinds import Family, kind_named
from dreamina_ui.media.record import file_name
from dreamina_ui.ui.form import choice_label
from dreamina_ui.web.saved_files import SAVED_ADDRESS
from dreamina_ui.wording import Words

__all__ = [
    "columns_html",
    "invitation_html",
    "plan_html",
    "problems_html",
    "progress_html",
    "question_html",
    "states_json",
    "table_html",
]

PAUSED = "paused"
"""The state that the table shows for a job that waits in a paused batch."""
NO_FILE = "no_file"
"""The state that the table shows for a job that finished without a file."""

_INVITATION = Markup('<div class="batch-empty"><p class="lead">{}</p><p class="hint">{}</p></div>')
_COLUMNS = Markup('<p class="hint">{} <a href="{}" download="batch.csv">{}</a></p>')
_PLAN = Markup('<div class="batch-plan"><p class="batch-sum" role="status"><b>{}</b> {}</p>{}</div>')
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


def invitation_html(words: Words) -> Markup:
    return _INVITATION.format(words.say("batch.empty"), words.say("batch.empty.hint"))


def columns_html(card: Card, words: Words) -> Markup:
    """The columns that a table may have, and an example to download."""
    columns = [field.name for field in card.fields]
    example = {field.name: field.default for field in card.fields} | {"seed": ""}
    table = "\n".join(
        [",".join(columns), ",".join('"{}"'.format(str(example[name] or "").replace('"', '""')) for name in columns)]
    )
    link = "data:text/csv;charset=utf-8," + quote(table + "\n")
    return _COLUMNS.format(
        words.say("batch.csv.hint", columns=", ".join(columns)), link, words.say("batch.csv.example")
    )


def plan_html(payloads: Sequence[Mapping[str, Any]], card: Card, price: str, words: Words) -> Markup:
    """The number of videos, their total length and price, and a row for each one."""
    length_s = sum(card.duration_s(payload) or 0.0 for payload in payloads)
    length = words.say("batch.length", time=words.seconds(length_s)) if length_s else ""
    facts = " · ".join(filter(None, (length, price)))
    rows = Markup().join(
        _ROW.format("", _CELL.format("number", number) + _cells(payload, card))
        for number, payload in enumerate(payloads, start=1)
    )
    table = _TABLE.format(name=words.say("batch.plan"), data="", header=_header(card, words), rows=rows)
    return _PLAN.format(words.say("batch.count", count=len(payloads)), facts, table)


def problems_html(problems: Sequence[LineProblem], card: Card, words: Words) -> Markup:
    """All problems, by line; a batch with problems cannot be sent."""
    if [problem.problem for problem in problems] == ["empty"]:
        return invitation_html(words)
    items = Markup().join(_PROBLEM.format(_line_text(problem, card, words)) for problem in problems)
    return _PROBLEMS.format(words.say("batch.problems"), items)


def question_html(question: Question, words: Words) -> Markup:
    """What has to be agreed to before the table is used; each answer is a button."""
    if question.readings:
        readings = Markup().join(
            _READING.format(answer, reading.sample, reading.name) for answer, reading in question.readings.items()
        )
        otherwise = words.say("plan.question.none", button=words.say("plan.csv_button"))
        return _QUESTION.format(words.say("plan.question.encoding"), _READINGS.format(readings, otherwise))
    said = [
        words.say("plan.question.taken", name=name, title=words.field_title(field.name, field.title))
        for name, field in question.taken.items()
    ]
    if question.left_out:
        said.append(words.say("plan.question.left_out", names=", ".join(question.left_out)))
    return _QUESTION.format(" ".join(said), _AGREE.format(question.answer, words.say("plan.question.agree")))


def table_html(jobs: Sequence[Job], card: Card, words: Words, zone: tzinfo = UTC) -> Markup:
    """The table of a batch. A script fills in the states, which it gets from `states_json`."""
    texts = {str(state): words.state_word(state) for state in State} | {PAUSED: words.say("batch.paused")}
    texts |= {NO_FILE: words.say("line.no_file"), "download": words.say("download")}
    rows = Markup()
    for job in jobs:
        data = _JOB.format(job.job_id, job.share_id, file_name(job, zone=zone), f"{SAVED_ADDRESS}{job.share_id}.webp")
        cells = _CELL.format("number", job.variation + 1) + _cells(job.payload, card, opens=True)
        rows += _ROW.format(data, cells + _CELL.format("state", _STATE))
    header = _header(card, words) + _HEADING.format("state", words.say("filter.state"))
    data = Markup(' data-words="{}"').format(json.dumps(texts, ensure_ascii=False))
    return _TABLE.format(name=words.say("batch.table"), data=data, header=header, rows=rows)


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


def _header(card: Card, words: Words) -> Markup:
    titles = ((_column_class(field), words.field_title(field.name, field.title)) for field in card.fields)
    return Markup().join(_HEADING.format(kind, title) for kind, title in (("number", "#"), *titles))


def _cells(payload: Mapping[str, Any], card: Card, *, opens: bool = False) -> Markup:
    cells = Markup()
    for number, field in enumerate(card.fields):
        value = payload.get(field.name)
        text = "" if value is None else choice_label(card, field, value)
        if field.name == "seed" and value == -1:
            text = "⚄"
        shown = _OPEN.format(text) if opens and number == 0 else text
        cells += _CELL.format(_column_class(field), shown)
    return cells


def _column_class(field: Field) -> str:
    return "long" if field.kind == "text" else "short"


def _line_text(problem: LineProblem, card: Card, words: Words) -> str:
    sentence = _problem_text(problem, card, words)
    has_line = problem.line and not problem.facts.get("lines")
    return words.say("batch.line", line=problem.line, problem=sentence) if has_line else sentence


def _problem_text(problem: LineProblem, card: Card, words: Words) -> str:
    if problem.field is None or problem.problem == "duplicate_column":
        key = f"plan.{problem.problem}" + (".lines" if problem.facts.get("lines") else "")
        return words.say(key, **problem.facts, button=words.say("plan.csv_button"))
    field = card.field(problem.field)
    title = words.field_title(problem.field, field.title if field else problem.field)
    return words.say(f"problem.{problem.problem}", title=title, **problem.facts)
