"""Every job in a response to a program fits `docs/job.schema.json`."""

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


def test_the_schema_is_valid() -> None:
    """It is a valid schema, takes no further field, and describes each field."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["additionalProperties"] is False
    assert all(field["description"] for field in SCHEMA["properties"].values())
    assert SCHEMA["required"] == list(SCHEMA["properties"])
    assert SCHEMA["properties"]["state"]["enum"] == [str(state) for state in State]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("full", [False, True])
def test_a_job_of_every_state_fits(state: State, full: bool) -> None:
    """A job of each state fits, with no optional fact and with all of them."""
    known = {"request_id": "r", "queue_position": 1, "width": 64, "height": 64, "duration_s": 5.0, "cost_usd": 0.25}
    failures: dict[str, Any] = {"failure": Failure.of(GenerationFailed("no"))}
    if state is State.SUCCEEDED:
        remarks = (
            PartFailed("no"),
            TooManyFiles(limit=16, count=20),
            NotAllSaved("gone", kept=1, count=2, missing="2"),
        )
        failures = {
            "remarks": tuple(map(Failure.of, (*remarks, NotReadable("no header", number=1), NoFileFound("a page"))))
        }
    job = made(state, **(known | failures | {"cancel_requested": True, "ancestors": ("c" * 32,)} if full else {}))
    response = job_json(job, AT + 4, 10.0)
    VALIDATOR.validate(response)
    assert list(response) == SCHEMA["required"]
    assert response["settings"] == VALUES
    assert len(response["remarks"]) == (5 if full and state is State.SUCCEEDED else 0)


@pytest.mark.parametrize(
    ("state", "usual_s", "eta_s"),
    [
        (State.IN_PROGRESS, 10.0, 6.0),
        (State.IN_PROGRESS, 3.0, None),
        (State.IN_PROGRESS, None, None),
        (State.SUCCEEDED, 10.0, None),
    ],
)
def test_the_estimate_of_the_time_left(state: State, usual_s: float | None, eta_s: float | None) -> None:
    """The usual time minus the elapsed time; null if the usual time is unknown or over, or the job has ended."""
    assert job_json(made(state), AT + 4, usual_s)["eta_s"] == eta_s


def test_another_models_job_fits() -> None:
    """For a model without the fields of the bundled one these are null; its own values are in `settings`."""
    response = job_json(made(State.WAITING, payload={"text": "x", "loud": True}), AT)
    VALIDATOR.validate(response)
    assert (response["prompt"], response["settings"]) == (None, {"text": "x", "loud": True})


def test_a_wrong_job_does_not_fit() -> None:
    """The schema refuses a further field, an unknown state and a missing field."""
    response = job_json(made(State.WAITING), AT)
    for wrong in (
        {**response, "more": 1},
        {**response, "state": "gone"},
        {k: v for k, v in response.items() if k != "seed"},
    ):
        assert not VALIDATOR.is_valid(wrong)
