"""Every exception of the project.

    DreaminaError
    ├── SettingError            a setting that cannot be used; stops the start
    ├── CardError               a model card that cannot be used; stops the start
    ├── InvalidInput            form or API values that the card does not allow; nothing was sent
    ├── InputGone               a file that a job was to be made of is not here any more; nothing was sent
    ├── JobNotFound             no such job, or another visitor's
    ├── CollectionNotFound      no such collection, or another visitor's
    ├── CollectionFull          more videos than may be in a collection; nothing was changed
    ├── TooManyCollections      more collections than a visitor may have; nothing was changed
    ├── ShelfFull               more prompts than a visitor's shelf holds; nothing was changed
    ├── NotOnShelf              no such prompt on the shelf, or another visitor's
    ├── VoteNotFound            no such vote, or another presenter's
    ├── VoteSize                too few videos for a vote, or too many
    ├── ChoiceUnclear           a ballot that does not choose; it was not counted
    ├── VoteClosed              the vote is over; the ballot was not counted
    ├── TooManyVotes            more ballots or votes than are counted; this one was not
    ├── IllegalMove             a change of state that `jobs.MOVES` does not allow
    ├── LeaseLost               another replica owns the job now; this one's write is refused
    ├── RequestTaken            another job has this request id, or had it before it was removed
    ├── AlreadyUsed             this click or call was made before, and its videos are deleted; nothing was sent
    ├── KeyNeeded               the job needs its visitor's own key, which this process does not have
    ├── OwnKeyLost              the visitor's own key is not here any more, and no other may pay; nothing was sent
    ├── TooManyKeys             too many keys were refused lately; the service was not asked
    ├── KeyUnchecked            the service could not check a key, so the key was not accepted
    ├── VisitorUnknown          the browser keeps no cookie, so what is made could not be shown; nothing was sent
    ├── VisitorLost             the browser's cookie is not valid any more; nothing was sent
    ├── TooManyActive           the limit of unfinished jobs is reached; nothing was sent
    ├── DailyLimitReached       the day's allowance is used up; nothing was sent
    ├── DailyBudgetReached      the owner's budget of the day does not cover the jobs; nothing was sent
    ├── VisitorBlocked          the owner blocked the visitor; nothing was sent
    ├── ServiceError            the service, or the connection to it
    │   ├── Refusal             the service refused: not accepted, not charged
    │   │   ├── KeyMissing      no key is set (raised before anything is sent)
    │   │   ├── KeyRefused      bad or expired key, or an inactive account
    │   │   ├── NoBalance       the account cannot pay
    │   │   ├── PermissionDenied
    │   │   ├── UnknownModel
    │   │   ├── UnknownRequest  no such request, or an expired one
    │   │   ├── InputRefused    the service's own validation
    │   │   └── TooManyRequests the rate limit; may carry `retry_after_s`
    │   ├── Unreachable         the request was certainly not sent
    │   ├── Unavailable         no reply, or a 5xx; may carry `retry_after_s`
    │   ├── UnreadableReply     a reply that does not follow the API
    │   └── OutcomeUnknown      the reply to a paid submit was lost: it may have been accepted
    ├── GenerationFailed        the service ended the request without a video
    ├── DeadlinePassed          the service did not finish in time
    ├── LibraryError            saving a video
    │   ├── DiskFull
    │   ├── DownloadFailed      the output could not be downloaded completely
    │   ├── OutputRefused       the output's URL is not at an allowed origin
    │   └── NotAnOutput         the download is empty or a web page
    ├── NotMade                 no file could be made of saved videos; `reason` says why
    ├── ExportsBusy             too many files are being made of saved videos
    ├── Remark                  a note on a job that the service has finished
    │   ├── NoFileFound         the result names no file that could be downloaded
    │   ├── NotAllSaved         some of the files could not be downloaded
    │   ├── TooManyFiles        the result names more files than are downloaded
    │   ├── PartFailed          the service reports a failure beside the files
    │   └── NotReadable         a file is saved, but nothing could be read from it
    └── StoreError              the database
        ├── StoreUnavailable    locked, full, or not reachable
        └── StoreUnusable       not a database of this project, or of a newer version

A `GenerationFailed` means that the job failed, a `ServiceError` that a call of the API failed.

An exception carries no sentences for people: `code` names what happened, `facts` are the values that a sentence needs,
and `wording.py` makes the sentence. Rows store the same pair. Secrets of the settings are masked in both, as a message may be
a library's own text.
"""

from collections.abc import Mapping
from typing import ClassVar

from dreamina_ui.masking import without_secrets

__all__ = [
    "AlreadyUsed",
    "CardError",
    "ChoiceUnclear",
    "CollectionFull",
    "CollectionNotFound",
    "DailyBudgetReached",
    "DailyLimitReached",
    "DeadlinePassed",
    "DiskFull",
    "DownloadFailed",
    "DreaminaError",
    "ExportsBusy",
    "GenerationFailed",
    "IllegalMove",
    "InputGone",
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
    "NotMade",
    "NotOnShelf",
    "NotReadable",
    "OutcomeUnknown",
    "OutputRefused",
    "OwnKeyLost",
    "PartFailed",
    "PermissionDenied",
    "Refusal",
    "Remark",
    "RequestTaken",
    "ServiceError",
    "SettingError",
    "ShelfFull",
    "StoreError",
    "StoreUnavailable",
    "StoreUnusable",
    "TooManyActive",
    "TooManyCollections",
    "TooManyFiles",
    "TooManyKeys",
    "TooManyRequests",
    "TooManyVotes",
    "Unavailable",
    "UnknownModel",
    "UnknownRequest",
    "Unreachable",
    "UnreadableReply",
    "VisitorBlocked",
    "VisitorLost",
    "VisitorUnknown",
    "VoteClosed",
    "VoteNotFound",
    "VoteSize",
]

Fact = str | int | float | None


class Quoted(str):
    """A text that somebody gave, as a fact: sentences put it in quotation marks, so that it is not taken for a number."""

    __slots__ = ()


class DreaminaError(Exception):
    """The base class. `code` is stable (rows and API clients store it); `facts` are plain JSON values."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str = "", **facts: Fact) -> None:
        message = without_secrets(message)
        super().__init__(message or self.code)
        self.message = message
        self.facts: Mapping[str, Fact] = {
            key: type(value)(without_secrets(value)) if isinstance(value, str) else value  # a quotation stays one
            for key, value in facts.items()
            if value is not None
        }


class SettingError(DreaminaError):
    """The setting `name` has the value `given` (keys masked), which is not `allowed`; the message is one line of all three."""

    code = "setting"

    def __init__(self, name: str, given: str, allowed: str) -> None:
        super().__init__(f"{name} is {given!r}; allowed: {allowed}", name=name, given=given, allowed=allowed)


class CardError(DreaminaError):
    code = "card"


class InvalidInput(DreaminaError):
    """A field's problem, one of `model_card.PROBLEMS`. The fact `given` is the value or its size; `limit` is what is allowed."""

    code = "invalid_input"

    def __init__(self, field: str, problem: str, message: str, **facts: Fact) -> None:
        super().__init__(message, field=field, problem=problem, **facts)
        self.field = field
        self.problem = problem


class InputGone(DreaminaError):
    """The message is the name of the file."""

    code = "input_gone"


class JobNotFound(DreaminaError):
    code = "job_not_found"


class CollectionNotFound(DreaminaError):
    code = "collection_not_found"


class CollectionFull(DreaminaError):
    """`limit` videos fit into a collection."""

    code = "collection_full"


class TooManyCollections(DreaminaError):
    """A visitor may have `limit` collections."""

    code = "too_many_collections"


class NotOnShelf(DreaminaError):
    code = "not_on_shelf"


class ShelfFull(DreaminaError):
    """`limit` prompts fit on a visitor's shelf."""

    code = "shelf_full"


class VoteNotFound(DreaminaError):
    code = "vote_not_found"


class VoteSize(DreaminaError):
    """`given` videos, of which a vote has 2 to `limit`."""

    code = "vote_size"


class ChoiceUnclear(DreaminaError):
    """`given` videos were chosen, and `wanted` are."""

    code = "choice_unclear"


class VoteClosed(DreaminaError):
    code = "vote_closed"


class TooManyVotes(DreaminaError):
    """`limit` are taken; `scope` is `address`, `vote` or `presenter`."""

    code = "too_many_votes"


class IllegalMove(DreaminaError):
    code = "illegal_move"


class LeaseLost(DreaminaError):
    code = "lease_lost"


class RequestTaken(DreaminaError):
    code = "request_taken"


class AlreadyUsed(DreaminaError):
    code = "already_used"


class OwnKeyLost(DreaminaError):
    code = "own_key_lost"


class TooManyKeys(DreaminaError):
    code = "too_many_keys"


class KeyNeeded(DreaminaError):
    code = "key_needed"


class KeyUnchecked(DreaminaError):
    code = "key_unchecked"


class VisitorUnknown(DreaminaError):
    code = "visitor_unknown"


class VisitorLost(DreaminaError):
    code = "visitor_lost"


class TooManyActive(DreaminaError):
    """`limit` unfinished jobs are allowed; `scope` is `visitor` or `all`."""

    code = "too_many_active"


class DailyLimitReached(DreaminaError):
    """`limit` videos a day (UTC) are allowed; `scope` is `visitor` or `all`."""

    code = "daily_limit"


class DailyBudgetReached(DreaminaError):
    """What is left of the owner's budget of the day (UTC) does not cover the jobs. How much it is, is the owner's to know."""

    code = "daily_budget"


class VisitorBlocked(DreaminaError):
    """The visitor is not shown the owner's reason."""

    code = "visitor_blocked"


class ServiceError(DreaminaError):
    """A call of the service failed. The message is the service's own text, if it sent one."""

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


class NotMade(DreaminaError):
    """`reason` says why; `number` is that of the video, counted from 1, where it is about one of several."""

    code = "not_made"


class ExportsBusy(DreaminaError):
    code = "exports_busy"


class Remark(DreaminaError):
    """A note on a finished job; stored in its row, never raised."""

    code = "remark"


class NoFileFound(Remark):
    """The message is what the result has in place of a file."""

    code = "no_file_found"


class NotAllSaved(Remark):
    """`kept` of `count` files are saved; `missing` has the numbers of the others ("2, 5"), the message the reason."""

    code = "not_all_saved"


class TooManyFiles(Remark):
    """The result names `count` files; the first `limit` of them are downloaded."""

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
