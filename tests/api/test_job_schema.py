"""`docs/job.schema.json` says what a job is; every job that programs are told of is that."""

import json
from typing import Any

import jsonschema
import pytest

from dreamina_ui.api.job_json import job_json
from dreamina_ui.errors import GenerationFailed, NoFileFound, NotAllSaved, NotReadable, PartFailed, TooManyFiles
from dreamina_ui.jobs import TERMINAL, Failure, Job, State
from tests.rig import VALUES
from tests.servers import ROOT

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "job.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
AT = 1_700_000_000.0


def made(state: State, **more: Any) -> Job:
    ended = {"finished_at": AT + 9} if state in TERMINAL else {}
    names = {"job_id": "a" * 32, "share_id": "b" * 32, "visitor_id": "ann", "model_id": "maker/model"}
    return Job(
        **{**names, "backend": "simulator", "payload": VALUES, "created_at": AT, "state": state, **ended, **more}
    )


def test_the_schema_is_one() -> None:
    """It is valid itself, closed, and describes each field."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["additionalProperties"] is False
    assert all(field["description"] for field in SCHEMA["properties"].values())
    assert SCHEMA["required"] == list(SCHEMA["properties"])
    assert SCHEMA["properties"]["state"]["enum"] == [str(state) for state in State]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("full", [False, True])
def test_a_job_of_every_state_fits(state: State, full: bool) -> None:
    """With nothing known yet, and with all that can be known."""
    known = {"request_id": "r", "queue_position": 1, "width": 64, "height": 64, "duration_s": 5.0, "cost_usd": 0.25}
    said: dict[str, Any] = {"failure": Failure.of(GenerationFailed("no"))}
    if state is State.SUCCEEDED:
        remarks = (
            PartFailed("no"),
            TooManyFiles(limit=16, count=20),
            NotAllSaved("gone", kept=1, count=2, missing="2"),
        )
        said = {
            "remarks": tuple(map(Failure.of, (*remarks, NotReadable("no header", number=1), NoFileFound("a page"))))
        }
    job = made(state, **(known | said | {"cancel_requested": True} if full else {}))
    told = job_json(job, AT + 4, 10.0)
    VALIDATOR.validate(told)
    assert list(told) == SCHEMA["required"]
    assert told["settings"] == VALUES
    assert len(told["remarks"]) == (5 if full and state is State.SUCCEEDED else 0)


@pytest.mark.parametrize(
    ("state", "usual_s", "eta_s"),
    [
        (State.IN_PROGRESS, 10.0, 6.0),
        (State.IN_PROGRESS, 3.0, None),
        (State.IN_PROGRESS, None, None),
        (State.SUCCEEDED, 10.0, None),
    ],
)
def test_how_long_it_will_still_take(state: State, usual_s: float | None, eta_s: float | None) -> None:
    """What is left of the usual time; nothing where that is not known, is over, or does not matter any more."""
    assert job_json(made(state), AT + 4, usual_s)["eta_s"] == eta_s


def test_another_models_job_fits() -> None:
    """A model without the bundled one's fields has them as null, and its own in `settings`."""
    told = job_json(made(State.WAITING, payload={"text": "x", "loud": True}), AT)
    VALIDATOR.validate(told)
    assert (told["prompt"], told["settings"]) == (None, {"text": "x", "loud": True})


def test_what_is_no_job_does_not_fit() -> None:
    """A further field, an unknown state and a missing field are each found."""
    told = job_json(made(State.WAITING), AT)
    for wrong in ({**told, "more": 1}, {**told, "state": "gone"}, {k: v for k, v in told.items() if k != "seed"}):
        assert not VALIDATOR.is_valid(wrong)
