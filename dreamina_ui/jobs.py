"""A job: one video asked for, from the click to the saved file. Pure values; nothing here waits, stores or sends."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import Any, Final, Self

from dreamina_ui.errors import DreaminaError, Fact, IllegalMove

__all__ = ["HOLDER", "MOVES", "TERMINAL", "Asker", "Failure", "Job", "State", "prompt_in"]


class Holder(Enum):
    """Who asks with a job id and nothing else: 128 random bits that only its owner was given."""

    HOLDER = "holder"


HOLDER: Final = Holder.HOLDER
Asker = str | Holder
"""A visitor's id; or `HOLDER`, for the public endpoints alone, where holding a job id is owning the job."""


class State(StrEnum):
    """Where a job stands. The last four end it."""

    WAITING = "waiting"  # the click is safe; nothing is sent yet
    SUBMITTING = "submitting"  # the intent is durable; the paid POST is being sent
    IN_QUEUE = "in_queue"
    IN_PROGRESS = "in_progress"
    SAVING = "saving"  # the service is done; the video is being fetched
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNCERTAIN = "uncertain"  # the answer to the paid POST was lost


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.UNCERTAIN})

MOVES: Mapping[State, frozenset[State]] = {
    # Failed from `waiting`: the service could not be asked (no key), or the deadline passed.
    State.WAITING: frozenset({State.SUBMITTING, State.CANCELLED, State.FAILED}),
    # Back to `waiting` only when the POST provably never left.
    State.SUBMITTING: frozenset({State.WAITING, State.IN_QUEUE, State.FAILED, State.UNCERTAIN}),
    # A service may finish between two of our looks: every later state can follow at once.
    State.IN_QUEUE: frozenset({State.IN_PROGRESS, State.SAVING, State.FAILED, State.CANCELLED}),
    # Back to the queue: services put interrupted work there.
    State.IN_PROGRESS: frozenset({State.IN_QUEUE, State.SAVING, State.FAILED, State.CANCELLED}),
    State.SAVING: frozenset({State.SUCCEEDED, State.FAILED}),
    # By looking again alone, for files that could not be fetched.
    State.SUCCEEDED: frozenset({State.SAVING}),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    # By adoption alone: somebody found the request id.
    State.UNCERTAIN: frozenset({State.IN_QUEUE}),
}


RESUMABLE = frozenset({"deadline_passed", "key_needed", "unknown_request", "not_a_video", "output_refused"})
"""We gave up; the service may still finish the request, or have finished it. The last two stand in old rows only."""
RESUMABLE_WITH_ANOTHER_KEY = frozenset({"permission_denied"})
"""A visitor may have come back with the key of another account, which does not see the first one's requests."""
INCOMPLETE = frozenset({"no_file_found", "not_all_saved"})
"""Remarks on a job some of whose files are still at the service; looking for them again costs nothing."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed or is uncertain, as an exception of `errors` says it: code, the service's own text, facts."""

    code: str
    message: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @classmethod
    def of(cls, error: DreaminaError) -> Self:
        return cls(error.code, error.message, dict(error.facts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Times are seconds since the epoch, UTC; sizes are pixels; `cost_usd` is what the service said it cost.

    `version` grows by one with each change of the row, so that of two snapshots the newer one is known.
    `failure` is why the job ended without a video; of an unfinished job, what is holding it up, until `not_before`.
    `click_id` names the click that asked for it, `variation` which of the click's videos it is. A `batch_id` names the
    batch it is part of: such a job may wait long for its turn, and is not sent while it is `held`.
    `took_s` is how long the service worked on it, in seconds, as far as the looks at it tell.
    With `own_key` it was made with its visitor's own key, which stands in no row, and goes on with that key alone.
    `generation` counts the owners a job has had: of two that think they own it, the one with the larger number does.
    `files` are the saved outputs, as the ends of their names behind the share id (".mp4", "-2.image.png"); rows from
    before there was such a column have none. `remarks` are what has to be said about a finished job.
    """

    job_id: str
    share_id: str
    visitor_id: str
    click_id: str | None = None
    variation: int = 0
    batch_id: str | None = None
    held: bool = False
    own_key: bool = False
    backend: str
    model_id: str
    payload: Mapping[str, Any]
    created_at: float
    version: int = 1
    state: State = State.WAITING
    request_id: str | None = None
    queue_position: int | None = None
    outputs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    remarks: tuple[Failure, ...] = ()
    failure: Failure | None = None
    not_before: float | None = None
    cancel_requested: bool = False
    cancel_outcome: str | None = None
    dismissed: bool = False
    submitted_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    took_s: float | None = None
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    cost_usd: float | None = None
    generation: int = 0

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL

    def move(self, state: State, **changes: Any) -> Self:
        """The job after a move. Staying is always legal; anything else must stand in `MOVES`.

        Raises `IllegalMove`.
        """
        if state is not self.state and state not in MOVES[self.state]:
            raise IllegalMove(f"{self.state} to {state}", job_id=self.job_id)
        moved = replace(self, state=state, **changes)
        return self if moved == self else replace(moved, version=self.version + 1)

    def cancel(self, now: float) -> Self:
        """The job after somebody asked to cancel it at `now`: what is not sent yet ends here and costs nothing.

        Of what was sent, the service has to be asked. What has ended stays as it is.
        """
        if self.ended:
            return self
        if self.state is not State.WAITING:
            return self.move(self.state, cancel_requested=True)
        return self.move(
            State.CANCELLED, cancel_requested=True, finished_at=now, held=False, failure=None, not_before=None
        )

    @property
    def is_incomplete(self) -> bool:
        """Whether the service may still have files of this finished job that are not here."""
        return self.state is State.SUCCEEDED and any(remark.code in INCOMPLETE for remark in self.remarks)

    @property
    def has_no_file(self) -> bool:
        """Whether the service has finished this job and no file of it could be fetched."""
        return self.state is State.SUCCEEDED and any(remark.code == "no_file_found" for remark in self.remarks)

    @property
    def can_resume(self) -> bool:
        """Whether the service may still have something of a job that has ended here."""
        return self.is_incomplete or (
            self.state is State.FAILED
            and self.request_id is not None
            and self.failure is not None
            and (self.failure.code in RESUMABLE or (self.own_key and self.failure.code in RESUMABLE_WITH_ANOTHER_KEY))
        )

    @property
    def prompt(self) -> str:
        """What says in words what to make; of a model without a field of that name, the first value of several words."""
        return prompt_in(self.payload)

    def elapsed_s(self, now: float) -> float:
        """Seconds from the click to the end, or to `now`."""
        return max(0.0, (self.finished_at or now) - self.created_at)


def prompt_in(payload: Mapping[str, Any]) -> str:
    """As `Job.prompt`, of a payload in the card's order; empty if nothing in it is words."""
    if isinstance(given := payload.get("prompt"), str):
        return given
    texts = (value for value in payload.values() if isinstance(value, str) and "://" not in value)
    return next((text for text in texts if " " in text.strip()), "")
