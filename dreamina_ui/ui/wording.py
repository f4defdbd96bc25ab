"""Every sentence a person reads. Pure: values in, words out; escaping is the caller's.

A sentence about a failure says what happened, what it cost, and what to do now.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from dreamina_ui.errors import DreaminaError, InvalidInput
from dreamina_ui.jobs import Failure, Job, State

__all__ = ["badge", "explain", "field_problem", "iso_time", "price", "seconds", "sentence", "state_line", "state_word"]

FAILURES: Mapping[str, str] = {
    "card": "The model card cannot be used: {message}.",
    "setting": "{message}.",
    "job_not_found": "There is no such video, or it is not yours.",
    "illegal_move": "That is no longer possible for this video.",
    "lease_lost": "Another server has taken this video over; reload the page to see it.",
    "request_taken": "Another of the videos here already has this request id; nothing was changed.",
    "too_many_active": "{limit} videos are already being made; wait for one to finish. Nothing was sent.",
    "daily_limit": "Today's {limit} videos are used up; the count starts anew at midnight UTC. Nothing was sent.",
    "key_missing": (
        "No RunComfy key is set: put RUNCOMFY_API_TOKEN into .env, or set DREAMINA_BACKEND=simulator. Nothing was sent."
    ),
    "key_refused": "RunComfy refused the key: check that it is complete and active. Nothing was charged.",
    "no_balance": "The RunComfy account has no balance left: top it up and try again. Nothing was charged.",
    "permission_denied": "The RunComfy account may not use this model. Nothing was charged.",
    "unknown_model": "RunComfy does not know this model: check the model card. Nothing was charged.",
    "unknown_request": "RunComfy no longer knows this request; its video cannot be fetched any more.",
    "input_refused": "RunComfy refused the input: {message}. Nothing was charged.",
    "too_many_requests": "RunComfy asks to slow down; the next try follows by itself.",
    "refused": "RunComfy refused the request: {message}. Nothing was charged.",
    "unreachable": "RunComfy cannot be reached; the next try follows by itself.",
    "unavailable": "RunComfy does not answer properly; the next try follows by itself.",
    "unreadable_reply": "RunComfy's answer could not be read; the next try follows by itself.",
    "service": "RunComfy reported a problem: {message}.",
    "outcome_unknown": (
        "RunComfy's answer was lost, so the video may have been accepted and charged: look at RunComfy's own list "
        "before you generate it again. It is never sent again by itself."
    ),
    "generation_failed": "The video was not made. RunComfy says: {message}.",
    "deadline_passed": "RunComfy did not finish in time; the request id is kept, and Resume looks for the video again, unpaid.",
    "disk_full": "The disk is full: free some space on the server. Nothing is lost, and nothing more is spent.",
    "download_failed": "The finished video could not be fetched ({message}).",
    "output_refused": "The video's address was refused for safety ({message}).",
    "not_a_video": "What RunComfy delivered cannot be played as a video.",
    "library": "The video could not be written to the disk: {message}.",
    "store_unavailable": "The database does not answer ({message}); try again in a moment. Nothing was sent.",
    "store_unusable": "The database cannot be used: {message}.",
    "store": "The database reported a problem: {message}.",
    "error": "Something went wrong.",
}

PROBLEMS: Mapping[str, str] = {
    "missing": "{title}: please fill this in.",
    "blank": "{title}: please describe the video in a few words.",
    "too_long": "{title}: {held} characters, at most {limit}.",
    "too_short": "{title}: {held} characters, at least {limit}.",
    "too_large": "{title}: {held}, at most {limit}.",
    "too_small": "{title}: {held}, at least {limit}.",
    "not_allowed": "{title}: {held} is not one of {allowed}.",
    "not_text": "{title}: {held} is not a text.",
    "not_integer": "{title}: {held} is not a whole number.",
    "not_number": "{title}: {held} is not a number.",
    "not_boolean": "{title}: {held} is neither yes nor no.",
    "unknown_field": "{title}: this model has no such field.",
    "invalid": "{title}: this value cannot be used.",
}

STATES: Mapping[State, str] = {
    State.WAITING: "Getting ready",
    State.SUBMITTING: "Sending",
    State.IN_QUEUE: "In the queue",
    State.IN_PROGRESS: "Rendering",
    State.SAVING: "Saving",
    State.SUCCEEDED: "Ready",
    State.FAILED: "Failed",
    State.CANCELLED: "Cancelled",
    State.UNCERTAIN: "Uncertain",
}


def state_word(state: State) -> str:
    return STATES[state]


def state_line(job: Job) -> str:
    """One line for where a job stands; why it waits or ended stands in `explain`."""
    if job.state is State.IN_QUEUE and job.queue_position:
        return "In the queue, next" if job.queue_position == 1 else f"In the queue, place {job.queue_position}"
    if job.state is State.CANCELLED:
        return "Cancelled, taken back before it was made; nothing was charged"
    return STATES[job.state]


def explain(job: Job) -> str:
    """Why a job has no video, what holds it up, or what a cancel achieved; empty where there is nothing to say."""
    if job.dismissed:
        return "You have taken note that this video may have been charged."
    if job.failure:
        return sentence(job.failure)
    if job.cancel_requested and not job.ended:
        if job.cancel_outcome == "not_cancellable" or job.state in (State.IN_PROGRESS, State.SAVING):
            return "Too late to cancel: it is already being rendered, will arrive, and is paid."
        return "Cancelling was asked for; RunComfy has not taken it back yet."
    if job.cancel_requested and job.state is State.SUCCEEDED:
        return "It was finished before it could be cancelled, so it is kept, and was paid."
    return ""


def sentence(error: DreaminaError | Failure) -> str:
    """One sentence for a failure, fresh or stored."""
    values = {**error.facts, "message": error.message.rstrip(". ") or "no reason given"}
    template = FAILURES.get(error.code, FAILURES["error"])
    return template.format_map(_Lenient(values))


def field_problem(error: InvalidInput, title: str) -> str:
    """One sentence for the field it stands beside."""
    return PROBLEMS[error.problem].format_map(_Lenient({"title": title, **error.facts}))


def badge(backend: str) -> tuple[str, str]:
    """What is behind the page: a word, and what it means."""
    if backend == "simulator":
        return "Simulator", "free, drawn on this machine"
    return "RunComfy", "paid"


def price(backend: str, usd: float | None) -> str:
    if backend == "simulator":
        return "Free: the simulator draws it"
    return "Price unknown" if usd is None else f"About ${usd:.2f}"


def seconds(duration_s: float) -> str:
    """A video's length as people say it: 121 frames at 24 a second are 5 seconds."""
    return f"{duration_s:.0f} s" if duration_s >= 1 else f"{duration_s:.1f} s"


def iso_time(at: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


class _Lenient(dict[str, object]):
    """A stored failure may lack a fact that a later sentence names."""

    def __missing__(self, key: str) -> str:
        return "?"
