"""Every exception of the project.

    DreaminaError
    ├── SettingError            a setting that cannot be used; stops the start
    ├── CardError               a model card that cannot be used; stops the start
    ├── InvalidInput            form or API values outside the card; nothing was sent
    ├── JobNotFound             no such job, or not the asker's
    ├── IllegalMove             a state change the life of a job does not allow
    ├── LeaseLost               another replica owns the job now; this one's write is refused
    ├── RequestTaken            a request id that another video has already
    ├── KeyNeeded               the job was made with its visitor's own key, which is not here now
    ├── KeyUnchecked            the service could not be asked about a key, so it was not accepted
    ├── TooManyActive           the limit of unfinished jobs is reached; nothing was sent
    ├── DailyLimitReached       the day's allowance is used up; nothing was sent
    ├── VisitorBlocked          the owner blocked the visitor; nothing was sent
    ├── ServiceError            the service, or the way to it
    │   ├── Refusal             it answered no: not accepted, not charged
    │   │   ├── KeyMissing      no key is set (found here, before anything is sent)
    │   │   ├── KeyRefused      bad or expired key, or an inactive account
    │   │   ├── NoBalance       the account cannot pay
    │   │   ├── PermissionDenied
    │   │   ├── UnknownModel
    │   │   ├── UnknownRequest  no such request, or an expired one
    │   │   ├── InputRefused    the service's own validation
    │   │   └── TooManyRequests slow down; may carry `retry_after_s`
    │   ├── Unreachable         the request provably never left this machine
    │   ├── Unavailable         no answer, or a 5xx; may carry `retry_after_s`
    │   ├── UnreadableReply     an answer that is not the contract's
    │   └── OutcomeUnknown      the answer to a paid submit was lost: it may have been accepted
    ├── GenerationFailed        the service ended the request without a video
    ├── DeadlinePassed          the service did not finish in time
    ├── LibraryError            saving a video
    │   ├── DiskFull
    │   ├── DownloadFailed      the output could not be fetched whole
    │   ├── OutputRefused       an address the output may not come from
    │   └── NotAnOutput         an empty file or a web page came in place of the output
    ├── Remark                  what has to be said about a job the service has finished
    │   ├── NoFileFound         its result names no file that could be fetched
    │   ├── NotAllSaved         some of its files could not be fetched
    │   ├── TooManyFiles        it named more files than are fetched
    │   ├── PartFailed          the service reports a failure beside the files
    │   └── NotReadable         a file is kept, but nothing could be read from it
    └── StoreError              the database
        ├── StoreUnavailable    locked, full, or away
        └── StoreUnusable       not a database of this project, or a newer one

"The job failed" and "the API failed" are different things: the first is a `GenerationFailed`, the second a
`ServiceError`.

An exception carries facts, not sentences for people: `code` names what happened and `facts` hold the values a sentence
needs. `ui/wording.py` turns them into words. Rows keep the same pair, so that a stored failure reads like a fresh one.
"""

from collections.abc import Mapping
from typing import ClassVar

__all__ = [
    "CardError",
    "DailyLimitReached",
    "DeadlinePassed",
    "DiskFull",
    "DownloadFailed",
    "DreaminaError",
    "GenerationFailed",
    "IllegalMove",
    "InputRefused",
    "InvalidInput",
    "JobNotFound",
    "KeyMissing",
    "KeyNeeded",
    "KeyRefused",
    "KeyUnchecked",
    "LeaseLost",
    "LibraryError",
    "NoBalance",
    "NoFileFound",
    "NotAllSaved",
    "NotAnOutput",
    "NotReadable",
    "OutcomeUnknown",
    "OutputRefused",
    "PartFailed",
    "PermissionDenied",
    "Refusal",
    "Remark",
    "RequestTaken",
    "ServiceError",
    "SettingError",
    "StoreError",
    "StoreUnavailable",
    "StoreUnusable",
    "TooManyActive",
    "TooManyFiles",
    "TooManyRequests",
    "Unavailable",
    "UnknownModel",
    "UnknownRequest",
    "Unreachable",
    "UnreadableReply",
    "VisitorBlocked",
]

Fact = str | int | float | None


class DreaminaError(Exception):
    """The root. `code` is stable (rows and API clients keep it); `facts` are plain JSON values."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str = "", **facts: Fact) -> None:
        super().__init__(message or self.code)
        self.message = message
        self.facts: Mapping[str, Fact] = {key: value for key, value in facts.items() if value is not None}


class SettingError(DreaminaError):
    """`name` of the setting, what it `held` (keys masked), what is `allowed`; the message is one line of all three."""

    code = "setting"

    def __init__(self, name: str, held: str, allowed: str) -> None:
        super().__init__(f"{name} is {held!r}; allowed: {allowed}", name=name, held=held, allowed=allowed)


class CardError(DreaminaError):
    code = "card"


class InvalidInput(DreaminaError):
    """One field's problem. `problem` is one of `model_card.PROBLEMS`; facts hold the value's measure and the limit."""

    code = "invalid_input"

    def __init__(self, field: str, problem: str, message: str, **facts: Fact) -> None:
        super().__init__(message, field=field, problem=problem, **facts)
        self.field = field
        self.problem = problem


class JobNotFound(DreaminaError):
    code = "job_not_found"


class IllegalMove(DreaminaError):
    code = "illegal_move"


class LeaseLost(DreaminaError):
    code = "lease_lost"


class RequestTaken(DreaminaError):
    code = "request_taken"


class KeyNeeded(DreaminaError):
    code = "key_needed"


class KeyUnchecked(DreaminaError):
    code = "key_unchecked"


class TooManyActive(DreaminaError):
    """`limit` unfinished jobs are allowed; `scope` is `visitor` or `all`."""

    code = "too_many_active"


class DailyLimitReached(DreaminaError):
    """`limit` videos a day (UTC) are allowed; `scope` is `visitor` or `all`."""

    code = "daily_limit"


class VisitorBlocked(DreaminaError):
    """The owner's reason is the owner's, and not told."""

    code = "visitor_blocked"


class ServiceError(DreaminaError):
    """Something went wrong between us and the service. The message is the service's own text where it sent one."""

    code = "service"

    def __init__(
        self,
        message: str = "",
        *,
        status_code: int | None = None,
        error_code: int | None = None,
        retry_after_s: float | None = None,
        **facts: Fact,
    ) -> None:
        super().__init__(message, status_code=status_code, error_code=error_code, **facts)
        self.status_code = status_code
        self.error_code = error_code
        self.retry_after_s = retry_after_s


class Refusal(ServiceError):
    code = "refused"


class KeyMissing(Refusal):
    code = "key_missing"


class KeyRefused(Refusal):
    code = "key_refused"


class NoBalance(Refusal):
    code = "no_balance"


class PermissionDenied(Refusal):
    code = "permission_denied"


class UnknownModel(Refusal):
    code = "unknown_model"


class UnknownRequest(Refusal):
    code = "unknown_request"


class InputRefused(Refusal):
    code = "input_refused"


class TooManyRequests(Refusal):
    code = "too_many_requests"


class Unreachable(ServiceError):
    code = "unreachable"


class Unavailable(ServiceError):
    code = "unavailable"


class UnreadableReply(ServiceError):
    code = "unreadable_reply"


class OutcomeUnknown(ServiceError):
    code = "outcome_unknown"


class GenerationFailed(DreaminaError):
    """The message is the service's own reason."""

    code = "generation_failed"


class DeadlinePassed(DreaminaError):
    code = "deadline_passed"


class LibraryError(DreaminaError):
    code = "library"


class DiskFull(LibraryError):
    code = "disk_full"


class DownloadFailed(LibraryError):
    code = "download_failed"


class OutputRefused(LibraryError):
    code = "output_refused"


class NotAnOutput(LibraryError):
    code = "not_an_output"


class Remark(DreaminaError):
    """Said of a finished job; rows keep it, nothing raises it."""

    code = "remark"


class NoFileFound(Remark):
    """The message is what came in place of a file, in the service's words."""

    code = "no_file_found"


class NotAllSaved(Remark):
    """`kept` of `count` files are here; `missing` names the others by number ("2, 5"), the message says why."""

    code = "not_all_saved"


class TooManyFiles(Remark):
    """The service named `count` files; the first `limit` of them are fetched."""

    code = "too_many_files"


class PartFailed(Remark):
    """The message is the service's own reason."""

    code = "part_failed"


class NotReadable(Remark):
    """`number` is the file's; the message is the technical reason."""

    code = "not_readable"


class StoreError(DreaminaError):
    code = "store"


class StoreUnavailable(StoreError):
    code = "store_unavailable"


class StoreUnusable(StoreError):
    code = "store_unusable"
