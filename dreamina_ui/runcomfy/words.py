"""The words for the state of a request: what each means. Pure.

RunComfy documents four words for the status and five for the result; its clients and similar services use many more, in
several spellings. An unknown word means "still running", never success and never failure.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

__all__ = ["Outcome", "Phase", "folded", "is_envelope", "names", "outcome_of", "phase_of", "snake"]


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


class Phase(StrEnum):
    """Where a request stands. ENDED only means "ask the result": a completed request can have failed."""

    IN_QUEUE = "in_queue"
    IN_PROGRESS = "in_progress"
    ENDED = "ended"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """What the result says of a request."""

    IN_QUEUE = "in_queue"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


WORDS: Mapping[Outcome, str] = {
    Outcome.IN_QUEUE: """
        in_queue queue queued queueing queuing enqueued pending waiting wait submitted scheduled scheduling accepted
        created new not_started unstarted received registered initialized initialised init initializing initialising
        waiting_in_queue waiting_for_capacity waiting_for_worker on_hold throttled""",
    Outcome.IN_PROGRESS: """
        in_progress inprogress progress processing process preprocessing pre_processing postprocessing post_processing
        running run starting started booting warming_up loading downloading generating generation_in_progress rendering
        encoding transcoding executing execution active working ongoing uploading saving finalizing finalising
        finishing completing cancelling canceling cancel_requested cancellation_requested cancel_pending stopping
        retry retrying restarting resuming resumed polling dispatched assigned picked_up claimed streaming upscaling
        still_running still_processing""",
    Outcome.SUCCEEDED: """
        succeeded succeed succeeds success successful successfully completed complete completes done finished finish ok
        okay ready ended available completed_successfully successfully_completed finished_successfully fulfilled
        completed_with_warnings""",
    Outcome.FAILED: """
        failed fail fails failure error errored errors timed_out timeout timedout time_out expired rejected reject
        refused denied declined aborted abort terminated killed crashed interrupted dead moderated blocked filtered
        flagged nsfw nsfw_detected content_filter content_policy content_policy_violation policy_violation violation
        unsafe invalid invalid_input out_of_memory oom deadline_exceeded partial partially partial_success
        partially_succeeded partially_completed partially_failed completed_with_errors completed_with_failures
        unsuccessful dead_letter""",
    Outcome.CANCELLED: "cancelled canceled cancel revoked user_cancelled user_canceled stopped stopped_by_user",
}
OUTCOMES: Mapping[str, Outcome] = {word: outcome for outcome, words in WORDS.items() for word in words.split()}

ENVELOPES = frozenset({"ok", "okay", "success", "successful", "succeed"})
"""What an envelope says of the call, while the state of the job stands further inside."""
PREFIXES = names("task job jobs request run status state generation video prediction process content enum")
"""Parts that enumerations put before the word: `TASK_STATUS_SUCCEED`, `JobState.RUNNING`."""
FAILURES = frozenset({"failed", "failure", "error", "errored", "rejected", "timeout"})
AGAIN = names("retry retrying retries")
NOT_YET = names("not no non without un will recovering")
NOTHING = frozenset({"", "none", "null", "nil", "undefined"})

PHASES: Mapping[Outcome, Phase] = {
    Outcome.IN_QUEUE: Phase.IN_QUEUE,
    Outcome.IN_PROGRESS: Phase.IN_PROGRESS,
    Outcome.SUCCEEDED: Phase.ENDED,
    Outcome.FAILED: Phase.ENDED,
    Outcome.CANCELLED: Phase.CANCELLED,
}


def snake(name: object) -> str:
    """A name in lower case with `_` between its parts: `InQueue`, `IN-QUEUE` and `in queue` are `in_queue`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name) if isinstance(name, str) else ""
    return "_".join(re.findall(r"[^\W_]+", parted.lower()))


def folded(word: str) -> str:
    """The same for a word of state, without figures (`processing (45%)`); empty where it is no word."""
    word = "_".join(re.findall(r"[^\W\d_]+", snake(word)))
    return "" if word in NOTHING else word


def outcome_of(word: str) -> Outcome | None:
    """What a word of the service means; None if it is unknown."""
    parts = folded(word).split("_")
    whole = parts
    while parts:
        if found := OUTCOMES.get("_".join(parts)):
            return found
        if parts[0] not in PREFIXES:
            break
        parts = parts[1:]
    if AGAIN & set(whole):
        return Outcome.IN_PROGRESS
    if not parts or NOT_YET & set(whole):
        return None
    if parts[0] in ("cancelled", "canceled"):
        return Outcome.CANCELLED
    # A failure names its cause after itself or before: `failed_upload`, `generation_failed`.
    return Outcome.FAILED if parts[0] in FAILURES or parts[-1] in FAILURES else None


def phase_of(word: str) -> Phase:
    outcome = outcome_of(word)
    return Phase.IN_PROGRESS if outcome is None else PHASES[outcome]


def is_envelope(word: str) -> bool:
    """Whether the word may only say that the call went well."""
    return folded(word) in ENVELOPES
