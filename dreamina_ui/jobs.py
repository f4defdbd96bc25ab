"""A job: one request to the service, from the click to the saved files. Pure values, without I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import Any, Final, Self

from dreamina_ui.errors import DreaminaError, Fact, IllegalMove

__all__ = ["CHAIN_MOST", "HOLDER", "MOVES", "TERMINAL", "Asker", "Chain", "Failure", "Job", "State", "prompt_in"]


class Holder(Enum):
    """A caller who is known by a job id alone: 128 random bits that only the job's owner got."""

    HOLDER = "holder"


HOLDER: Final = Holder.HOLDER
Asker = str | Holder
"""A visitor's id; or, only at the public endpoints, `HOLDER`, who may do with a job what its owner may."""


class State(StrEnum):
    """The state of a job. The last four are final."""

    WAITING = "waiting"  # the row is written; nothing is sent yet
    SUBMITTING = "submitting"  # the paid POST is being sent; this state is written before
    IN_QUEUE = "in_queue"
    IN_PROGRESS = "in_progress"
    SAVING = "saving"  # the service has finished; the files are being downloaded
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNCERTAIN = "uncertain"  # the reply to the paid POST was lost


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.UNCERTAIN})

MOVES: Mapping[State, frozenset[State]] = {
    # To failed: there is no key, or the deadline passed.
    State.WAITING: frozenset({State.SUBMITTING, State.CANCELLED, State.FAILED}),
    # Back to waiting only if the POST was certainly not sent.
    State.SUBMITTING: frozenset({State.WAITING, State.IN_QUEUE, State.FAILED, State.UNCERTAIN}),
    # The service may finish between two polls, so every later state can follow at once.
    State.IN_QUEUE: frozenset({State.IN_PROGRESS, State.SAVING, State.FAILED, State.CANCELLED}),
    # Back to the queue: the service puts interrupted work there.
    State.IN_PROGRESS: frozenset({State.IN_QUEUE, State.SAVING, State.FAILED, State.CANCELLED}),
    State.SAVING: frozenset({State.SUCCEEDED, State.FAILED}),
    # Only to resume the download of missing files.
    State.SUCCEEDED: frozenset({State.SAVING}),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    # Only by adoption: somebody found the request id.
    State.UNCERTAIN: frozenset({State.IN_QUEUE}),
}

RESUMABLE = frozenset({"deadline_passed", "key_needed", "unknown_request", "not_a_video", "output_refused"})
"""Failures after which the service may still have finished the request. The last two are only in old rows."""
RESUMABLE_WITH_ANOTHER_KEY = frozenset({"permission_denied"})
"""Also for a job on a visitor's own key: the key of another account does not see the first one's requests."""
INCOMPLETE = frozenset({"no_file_found", "not_all_saved"})
"""Remarks on a job some of whose files may still be at the service; fetching them again costs nothing."""
CHAIN_MOST = 100
"""Videos of a chain; what continues the last of them begins a new one."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed or is uncertain: the code, message (the service's own text) and facts of an exception."""

    code: str
    message: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @classmethod
    def of(cls, error: DreaminaError) -> Self:
        return cls(error.code, error.message, dict(error.facts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job and everything its row knows. Times are seconds since the epoch (UTC), sizes are pixels."""

    job_id: str
    #: The name of its files; everyone who has it may see them.
    share_id: str
    visitor_id: str
    #: The click that made it, if it has an id.
    click_id: str | None = None
    #: Its number among the jobs of the click, from 0.
    variation: int = 0
    #: The batch that it is part of. Such a job may wait long until it is sent.
    batch_id: str | None = None
    #: The share ids of the videos that it continues, from the first of its chain to its parent. Unlike job ids they are in
    #: the names of files, so that they are the same when a history is rebuilt.
    ancestors: tuple[str, ...] = ()
    #: It is not sent, because its batch is paused.
    paused: bool = False
    #: It was made with its visitor's own key, which is not stored, and continues only with that key.
    own_key: bool = False
    backend: str
    model_id: str
    payload: Mapping[str, Any]
    created_at: float
    #: Grows by one with each change of the row, so that the newer of two snapshots is known.
    version: int = 1
    state: State = State.WAITING
    request_id: str | None = None
    queue_position: int | None = None
    #: URLs that the service's result names.
    outputs: tuple[str, ...] = ()
    #: The saved files: what follows the share id in their names (".mp4", "-2.image.png"). Empty in old rows.
    files: tuple[str, ...] = ()
    remarks: tuple[Failure, ...] = ()
    #: Its owner has given it a star.
    starred: bool = False
    #: Its video is saved and shown; the poster is still to be made.
    poster_due: bool = False
    #: Why it failed; of an unfinished job, why it is on hold until `not_before`.
    failure: Failure | None = None
    not_before: float | None = None
    cancel_requested: bool = False
    cancel_outcome: str | None = None
    dismissed: bool = False
    submitted_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    #: Seconds that the service worked on it, as far as the polls show.
    took_s: float | None = None
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    #: The cost that the service reported.
    cost_usd: float | None = None
    #: How many owners it has had. Of two replicas that both think they own it, the one with the larger number does.
    generation: int = 0

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL

    @property
    def settled(self) -> bool:
        """Whether nothing more is going to change by itself: it has ended, and its poster is made or cannot be."""
        return self.ended and not self.poster_due

    def move(self, state: State, **changes: Any) -> Self:
        """The job in `state`, with `changes`. Keeping the state is always legal.

        Raises `IllegalMove` for a change that is not in `MOVES`.
        """
        if state is not self.state and state not in MOVES[self.state]:
            raise IllegalMove(f"{self.state} to {state}", job_id=self.job_id)
        moved = replace(self, state=state, **changes)
        return self if moved == self else replace(moved, version=self.version + 1)

    def cancel(self, now: float) -> Self:
        """The job after a request to cancel it at `now`, in seconds since the epoch.

        A job that is not sent yet is cancelled and costs nothing. One that was sent is marked: the service has to be
        asked. One that has ended does not change.
        """
        if self.ended:
            return self
        if self.state is not State.WAITING:
            return self.move(self.state, cancel_requested=True)
        return self.move(
            State.CANCELLED, cancel_requested=True, finished_at=now, paused=False, failure=None, not_before=None
        )

    @property
    def can_cancel(self) -> bool:
        """Whether a cancel may still keep this job from being made, and was not asked for yet."""
        return self.state in (State.WAITING, State.SUBMITTING, State.IN_QUEUE) and not self.cancel_requested

    @property
    def is_incomplete(self) -> bool:
        """Whether the service may still have files of this finished job that are not saved."""
        return self.state is State.SUCCEEDED and any(remark.code in INCOMPLETE for remark in self.remarks)

    @property
    def has_no_file(self) -> bool:
        """Whether the service has finished this job and none of its files could be downloaded."""
        return self.state is State.SUCCEEDED and any(remark.code == "no_file_found" for remark in self.remarks)

    @property
    def can_resume(self) -> bool:
        """Whether the service may still have results of this job, which has ended here."""
        return self.is_incomplete or (
            self.state is State.FAILED
            and self.request_id is not None
            and self.failure is not None
            and (self.failure.code in RESUMABLE or (self.own_key and self.failure.code in RESUMABLE_WITH_ANOTHER_KEY))
        )

    @property
    def prompt(self) -> str:
        """The prompt; for a model without such a field, the first text of several words."""
        return prompt_in(self.payload)

    @property
    def line(self) -> tuple[str, ...]:
        """The share ids of its chain up to and with this job."""
        return (*self.ancestors, self.share_id)

    @property
    def chain_id(self) -> str:
        """The share id of the first video of its chain; of a video that continues none, its own."""
        return self.line[0]

    @property
    def line_of_next(self) -> tuple[str, ...]:
        """The `ancestors` of a job that continues this one."""
        return self.line if len(self.line) < CHAIN_MOST else (self.share_id,)

    def elapsed_s(self, now: float) -> float:
        """Seconds from the click to the end, or to `now` (seconds since the epoch)."""
        return max(0.0, (self.finished_at or now) - self.created_at)


@dataclass(frozen=True, slots=True)
class Chain:
    """The videos that continue each other, in their order; `missing` of them are deleted."""

    jobs: tuple[Job, ...]
    missing: int

    @property
    def count(self) -> int:
        """With those that are deleted."""
        return len(self.jobs) + self.missing

    @classmethod
    def of(cls, job: Job, others: Sequence[Job]) -> Self:
        """The chain of a job, itself included, among the jobs of its owner that are not deleted and have the same `chain_id`.

        Where a video was continued several times, it goes on to the newest one.
        """
        line = job.line
        later = [each for each in others if each.state is State.SUCCEEDED and each.ancestors[: len(line)] == line]
        last = max(later, key=lambda each: each.created_at, default=job)
        here = {each.share_id: each for each in others} | {job.share_id: job}
        return cls(tuple(here[name] for name in last.line if name in here), sum(name not in here for name in last.line))


def prompt_in(payload: Mapping[str, Any]) -> str:
    """As `Job.prompt`, for a payload in the card's order; empty if it has no such text."""
    if isinstance(given := payload.get("prompt"), str):
        return given
    texts = (value for value in payload.values() if isinstance(value, str) and "://" not in value)
    return next((text for text in texts if " " in text.strip()), "")
