"""Replies to jobs that were paid, and what is right for each: one table for the client's tests and the engine's.

The placeholders stand for what the scripted service serves, all of one origin, which is the API's too:

    {ORIGIN}  https://host:port           {HOST}    host:port
    {URL}     {ORIGIN}/clip.mp4           {SECOND}  {ORIGIN}/second.mp4, another video
    {FILE}    {ORIGIN}/files/17, a video  {POSTER}  {ORIGIN}/poster.png
    {SOUND}   {ORIGIN}/sound.mp3          {DATA}    data:video/mp4;base64,… of a video

`{ORIGIN}/my%20clip.mp4` is a video, too; `{ORIGIN}/gone.mp4` answers 404.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["CASES", "DEFAULTS", "Case", "filled"]

Right = Literal["saved", "part", "empty", "failed", "cancelled", "waits", "goes on", "refused", "uncertain"]
"""How a job ends, if these are the replies and the last of each kind is repeated:

saved      its outputs are fetched; it succeeded
part       the service calls it failed, and its outputs are fetched all the same; the reason is shown
empty      the service calls it done and names no address; it is asked again for a while
failed     it failed; the reason is shown
cancelled  it was cancelled
waits      it waits in the service's queue
goes on    it is not over, whatever else is wrong: asked again until the deadline
refused    it was not accepted, and not charged
uncertain  nobody knows whether it was accepted
"""

DEFAULTS: Mapping[str, Any] = {
    "submit": {"request_id": "r-1"},
    "status": {"status": "completed"},
    "result": {"status": "succeeded", "output": {"video": "{URL}"}},
}
"""What is answered where a case says nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`submit`, `status` and `result` are bodies in turn, the last for ever: a JSON value, or bytes as they are."""

    name: str
    right: Right
    submit: tuple[Any, ...] = (DEFAULTS["submit"],)
    status: tuple[Any, ...] = (DEFAULTS["status"],)
    result: tuple[Any, ...] = (DEFAULTS["result"],)
    submit_http: int = 200
    status_http: int = 200
    result_http: int = 200
    outputs: tuple[str, ...] = ()
    """The addresses to be fetched, in their order."""
    says: str = ""
    """What a person must be shown of the service's words."""
    came: str = ""
    """For `empty`: what came in place of an address."""
    cost_usd: float | None = None
    request_id: str = "r-1"
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Facts of the exception that must be there."""


def filled(value: Any, **places: str) -> Any:
    """A copy with the placeholders filled in: `filled(body, URL="https://…")`."""
    if isinstance(value, str):
        for name, text in places.items():
            value = value.replace("{" + name + "}", text)
        return value
    if isinstance(value, bytes):
        for name, text in places.items():
            value = value.replace(b"{" + name.encode() + b"}", text.encode())
        return value
    if isinstance(value, Mapping):
        return {filled(name, **places): filled(held, **places) for name, held in value.items()}
    return [filled(held, **places) for held in value] if isinstance(value, list | tuple) else value


def done(output: Any, **beside: Any) -> dict[str, Any]:
    return {"request_id": "r-1", "status": "succeeded", "output": output, **beside}


def saved(name: str, output: Any, *outputs: str, cost_usd: float | None = None, **beside: Any) -> Case:
    """A success with this `output`; the addresses are `{URL}` alone where none are given."""
    body = done(output, **beside)
    return Case(name=name, right="saved", result=(body,), outputs=outputs or ("{URL}",), cost_usd=cost_usd)


def whole(name: str, body: Any, *outputs: str, **more: Any) -> Case:
    """A success with this `body` as the result."""
    return Case(name=name, right="saved", result=(body,), outputs=outputs or ("{URL}",), **more)


def empty(name: str, body: Any, came: str = "") -> Case:
    return Case(name=name, right="empty", result=(body,), came=came)


def failed(name: str, says: str, body: Mapping[str, Any], **more: Any) -> Case:
    """A failure; `body` needs no status."""
    return Case(
        name=name, right="failed", says=says, result=({"request_id": "r-1", "status": "failed", **body},), **more
    )


def status(name: str, right: Right, body: Any, **more: Any) -> Case:
    outputs = ("{URL}",) if right == "saved" else ()
    return Case(name=name, right=right, status=(body,), outputs=outputs, **more)


def submit(name: str, right: Right, body: Any, **more: Any) -> Case:
    outputs = ("{URL}",) if right == "saved" else ()
    return Case(name=name, right=right, submit=(body,), outputs=outputs, **more)


TRACEBACK = (
    'Traceback (most recent call last):\n  File "run.py", line 7, in <module>\n    main()\nValueError: too dark\n\n'
)

OUTPUTS = [
    saved("as documented", {"video": "{URL}"}),
    saved("as documented, a list", {"videos": ["{URL}", "{SECOND}"]}, "{URL}", "{SECOND}"),
    saved("a bare address", "{URL}"),
    saved("a list of addresses", ["{URL}", "{SECOND}"], "{URL}", "{SECOND}"),
    saved("a list of objects", [{"url": "{URL}"}]),
    saved("an object around the address", {"video": {"url": "{URL}", "content_type": "video/mp4"}}),
    saved("objects in the documented list", {"videos": [{"url": "{URL}"}, {"url": "{SECOND}"}]}, "{URL}", "{SECOND}"),
    saved("another name", {"files": ["{URL}"]}),
    saved("a name in another spelling", {"videoUrl": "{URL}"}),
    saved("deep inside", {"data": {"result": {"video_url": "{URL}"}}}),
    saved("the address is a name", {"clip": {"1080p": {"link": "{URL}"}}}),
    saved("JSON in a string", '{"video": "{URL}"}'),
    saved("JSON in JSON in a string", '"{\\"video\\": \\"{URL}\\"}"'),
    saved("a list in a string", '["{URL}", "{SECOND}"]', "{URL}", "{SECOND}"),
    saved("a sentence with an address", "Your video is ready: {URL}. Enjoy!"),
    saved("a sentence in brackets", {"text": "Done (see {URL})."}),
    saved("markdown", "![video]({URL})"),
    saved("markdown, the address has a blank", "[clip]({ORIGIN}/my clip.mp4)", "{ORIGIN}/my%20clip.mp4"),
    saved("HTML", '<video controls src="{URL}"></video>'),
    saved("addresses by commas", "{URL},{SECOND}", "{URL}", "{SECOND}"),
    saved("addresses by blanks", {"videos": "{URL} {SECOND}"}, "{URL}", "{SECOND}"),
    saved("addresses by lines", {"videos": "{URL}\n{SECOND}\n"}, "{URL}", "{SECOND}"),
    saved("a blank in the address", {"video": "{ORIGIN}/my clip.mp4"}, "{ORIGIN}/my%20clip.mp4"),
    saved("a blank in a bare address", "{ORIGIN}/my clip.mp4", "{ORIGIN}/my%20clip.mp4"),
    saved("blanks around the address", {"video": "  {URL}\n"}),
    saved("letters beyond ASCII in the address", {"video": "{URL}?name=füchse"}, "{URL}?name=f%C3%BCchse"),
    saved("quoted already", {"video": "{ORIGIN}/my%20clip.mp4?a=b%2Fc"}, "{ORIGIN}/my%20clip.mp4?a=b%2Fc"),
    saved("without a scheme", {"video": "//{HOST}/clip.mp4"}),
    saved("from the root", {"video": "/clip.mp4"}),
    saved("from the root, without an ending", {"video": "/files/17"}, "{FILE}"),
    saved("from the root, under another name", {"files": ["/clip.mp4"]}),
    saved("without an ending", {"video": "{FILE}"}, "{FILE}"),
    saved("without an ending or a name", ["{FILE}"], "{FILE}"),
    saved("a data URI", {"video": "{DATA}"}, "{DATA}"),
    saved("a data URI in a list", ["{DATA}"], "{DATA}"),
    saved("the same twice", {"video": "{URL}", "videos": ["{URL}"], "url": "{URL}"}),
    saved("a name and a path beside the address", [{"filename": "a.mp4", "path": "/data/a.mp4", "url": "{URL}"}]),
    saved(
        "one file by two addresses", {"video": {"url": "{URL}", "download_url": "{URL}?download=1"}}, "{URL}?download=1"
    ),
    saved("two, one of them gone", {"videos": ["{URL}", "{ORIGIN}/gone.mp4"]}, "{URL}", "{ORIGIN}/gone.mp4"),
    saved("a picture beside the video", {"image": "{POSTER}", "video": "{URL}"}),
    saved("a picture beside a list", {"image": "{POSTER}", "result": ["{URL}"]}),
    saved("previews by their names", {"thumbnail": "{ORIGIN}/t", "last_frame_url": "{ORIGIN}/l", "url": "{URL}"}),
    saved("a cover of the video", {"video": {"url": "{URL}", "cover": "{ORIGIN}/c"}}),
    saved("a picture beside something", {"image": "{POSTER}", "x": "{FILE}"}, "{FILE}", "{POSTER}"),
    saved(
        "a video by its kind",
        [{"url": "{ORIGIN}/p", "type": "image"}, {"url": "{FILE}", "mime_type": "video/mp4"}],
        "{FILE}",
    ),
    saved("a picture alone", {"images": ["{POSTER}"]}, "{POSTER}"),
    saved("sound", {"audio": "{SOUND}"}, "{SOUND}"),
    saved("sound beside a video", {"audio": "{SOUND}", "video": "{URL}"}, "{URL}", "{SOUND}"),
    saved("odd values in the list", {"videos": [None, 3, "", {}, "ftp://x/y", "{URL}"]}),
    saved("an echo of the input", {"video": "{URL}", "input": {"image_url": "https://in.test/a.mp4"}}),
    saved("a webhook and a page", {"url": "{URL}", "webhook_url": "https://w.test/a", "docs_url": "https://d.test"}),
    whole("output under another name", {"status": "succeeded", "outputs": ["{URL}"]}),
    whole("beside the status", {"status": "succeeded", "video_url": "{URL}"}),
    whole(
        "calls of the API beside the status",
        {
            "status": "completed",
            "status_url": "{ORIGIN}/v1/requests/r-1/status",
            "result_url": "{ORIGIN}/v1/requests/r-1/result",
            "urls": {"get": "{ORIGIN}/v1/requests/r-1"},
            "model_url": "https://pages.test/model",
            "logs": "see https://logs.test/1",
            "input": {"image": "https://in.test/a.png"},
            "video": {"url": "{URL}"},
        },
    ),
    whole(
        "in an envelope", {"code": 0, "message": "ok", "data": {"status": "succeeded", "output": {"video": "{URL}"}}}
    ),
    whole(
        "in an envelope with 200", {"code": 200, "msg": "success", "data": {"task_status": "SUCCESS", "url": "{URL}"}}
    ),
    whole("an envelope that succeeded", {"status": "success", "data": {"status": "completed", "output": "{URL}"}}),
    whole("the envelope in a string", {"success": True, "data": '{"state": "done", "output": ["{URL}"]}'}),
    whole("no word at all", {"output": {"video": "{URL}"}}),
    whole("an address is the whole result", "{URL}"),
    whole("a list is the whole result", ["{URL}", "{SECOND}"], "{URL}", "{SECOND}"),
    whole("a mark at the start", b'\xef\xbb\xbf{"status": "succeeded", "output": "{URL}"}'),
    whole("numbers that are none", b'{"status": "succeeded", "cost": NaN, "output": "{URL}"}'),
    whole("a name twice", b'{"status": "in_progress", "status": "succeeded", "output": "{URL}"}'),
    whole("text after the JSON", b'{"status": "succeeded", "output": "{URL}"}\n<!-- cached -->'),
    whole("completed with output", {"status": "completed", "output": {"video": "{URL}"}}),
    whole("an error that says none", {"status": "succeeded", "error": "None", "message": "ok", "output": "{URL}"}),
    Case(
        name="output a moment later",
        right="saved",
        result=({"status": "succeeded", "output": None}, done({"video": "{URL}"})),
        outputs=("{URL}",),
    ),
    empty("done without output", {"status": "succeeded"}),
    empty("done with an empty output", {"status": "succeeded", "output": {"videos": []}}, '{"videos":[]}'),
    empty("completed with nothing", {"status": "completed"}),
    empty("words in place of an address", done("We will mail it to you."), "We will mail it to you."),
    empty("no web address", done({"video": "file:///etc/passwd"}), '{"video":"file:///etc/passwd"}'),
    empty("only calls of the API", done(None, result_url="{ORIGIN}/v1/requests/r-1/result")),
    empty("only an echo", done(None, input={"image_url": "https://in.test/a.png"})),
]

COSTS = [
    saved("a cost", {"video": "{URL}"}, cost=0.35, cost_usd=0.35),
    saved("a cost in dollars", {"video": "{URL}"}, cost="$0.42", cost_usd=0.42),
    saved("a cost with its currency", {"video": "{URL}"}, cost="0.42 USD", cost_usd=0.42),
    saved("a cost with a comma", {"video": "{URL}"}, cost="0,42", cost_usd=0.42),
    saved("a cost as an object", {"video": "{URL}"}, cost={"amount": 0.42, "currency": "USD"}, cost_usd=0.42),
    saved("a cost in the usage", {"video": "{URL}"}, usage={"total_cost": "0.42"}, cost_usd=0.42),
    saved("a cost in another currency", {"video": "{URL}"}, cost={"amount": 3, "currency": "EUR"}),
    saved("a cost in credits", {"video": "{URL}"}, cost="42 credits"),
    Case(
        name="cost later",
        right="saved",
        result=(done({"video": "{URL}"}), done({"video": "{URL}"}, cost=0.7)),
        outputs=("{URL}",),
    ),
]

REASONS = [
    failed("reason in error", "too dark", {"error": "too dark"}),
    failed("reason in an object", "too dark", {"error": {"message": "too dark", "code": 7}}),
    failed(
        "reason elsewhere",
        "Output blocked by the copyright filter",
        {"failure_reason": "Output blocked by the copyright filter"},
    ),
    failed(
        "reason in a list",
        "output video risk not pass",
        {"errors": [{"code": 50516, "message": "output video risk not pass"}]},
    ),
    failed("reason in the output", "too dark", {"output": {"error": "too dark"}}),
    failed("reason in the data", "too dark", {"data": {"error_message": "too dark"}}),
    failed("reason in a string of JSON", "too dark", {"error": '{"error": {"message": "too dark"}}'}),
    failed("reason in a message", "too dark", {"message": "too dark"}),
    failed(
        "reason as a list of fields", "prompt: too long", {"detail": [{"loc": ["body", "prompt"], "msg": "too long"}]}
    ),
    failed("reason is a traceback", "ValueError: too dark", {"error": TRACEBACK}),
    failed("reason is the maker's number", "picture", {"error": "50411"}),
    failed("reason is the maker's number, in an object", "the text was refused", {"error": {"code": 50412}}),
    failed("reason is a number beside the status", "copyright", {"code": 50413}),
    failed("reason with an address", "see https://help.test/rules", {"error": "see https://help.test/rules"}),
    failed("error is only true", "too dark", {"error": True, "message": "too dark"}),
    failed("a pleasantry beside the failure", "too dark", {"message": "success", "reason": "too dark"}),
    failed("failed without a reason", "", {}),
    failed("failed with a code of the API", "no", {"error_code": 500001, "error_message": "no"}),
    failed("failed in another word", "too dark", {"status": "FAILURE", "error": "too dark"}),
    failed("timed out at the service", "no GPU", {"status": "timed-out", "error": "no GPU"}),
    failed("refused by moderation", "nudity", {"status": "Content Moderated", "reason": "nudity"}),
    failed("failed, and what it cost", "too dark", {"error": "too dark", "cost": 0.42}, cost_usd=0.42),
    failed("completed with an error", "too dark", {"status": "completed", "error": "too dark"}),
    failed("succeeded with an error alone", "too dark", {"status": "succeeded", "output": None, "error": "too dark"}),
    Case(name="an error without a word", right="failed", says="too dark", result=({"error": "too dark"},)),
    Case(
        name="failed in an envelope that succeeded",
        right="failed",
        says="too dark",
        result=({"code": 0, "status": "success", "data": {"status": "failed", "fail_reason": "too dark"}},),
    ),
    Case(
        name="failed with a part",
        right="part",
        says="1 of 2 videos failed",
        result=({"status": "failed", "error": "1 of 2 videos failed", "output": {"videos": ["{URL}"]}, "cost": 0.42},),
        outputs=("{URL}",),
        cost_usd=0.42,
    ),
    Case(
        name="partly done",
        right="part",
        says="1 of 2 videos failed",
        result=({"status": "partial_success", "error": "1 of 2 videos failed", "output": ["{URL}"]},),
        outputs=("{URL}",),
    ),
]

STATUSES = [
    status("an end in other words", "saved", {"status": "success"}),
    status("an end in capitals", "saved", {"status": "COMPLETED"}),
    status("an end from an enumeration", "saved", {"state": "TASK_STATUS_SUCCEED"}),
    status("an end in two spellings", "saved", {"status": "JobStatus.Finished"}),
    status("a state in an envelope", "saved", {"code": 0, "data": {"task_status": "done"}}),
    status("a state in a string", "saved", {"data": '{"status": "ready"}'}),
    status("a number beside the word", "saved", {"status": 200, "state": "completed"}),
    status("no word, but the output", "saved", {"request_id": "r-1", "output": {"video": "{URL}"}}),
    status("a queue word", "waits", {"status": "pending"}),
    status("a queue word in one word", "waits", {"status": "InQueue", "queue_position": 3}),
    status("a queue word in an envelope", "waits", {"status": "ok", "data": {"status": "QUEUED"}}),
    status("submitted", "waits", {"request": {"id": "r-1", "status": "submitted"}}),
    status("running", "goes on", {"status": "RUNNING"}),
    status("running, with a figure", "goes on", {"status": "processing (45%)"}),
    status("being cancelled", "goes on", {"status": "cancelling"}),
    status("a word nobody knows", "goes on", {"status": "polishing"}),
    status("not completed", "goes on", {"status": "not_completed"}),
    status("cancelled", "cancelled", {"status": "canceled"}),
    status("cancelled by the person", "cancelled", {"state": "CANCELLED_BY_USER"}),
    status(
        "failed in the status alone",
        "failed",
        {"status": "failed", "error": "NSFW content detected"},
        says="NSFW content detected",
        result_http=404,
        result=({},),
    ),
    status(
        "failed in the status, in other words",
        "failed",
        {"data": {"state": "ERRORED", "message": "no GPU"}},
        says="no GPU",
        result_http=404,
        result=({"error_code": 404001},),
    ),
    status("an empty answer", "goes on", b""),
    status("a page of a proxy", "goes on", b"<html>Bad gateway</html>"),
    status("cut short", "goes on", b'{"status": "comp'),
    status("a status without a word", "goes on", {"status": 3}),
    status("a status that only complains", "goes on", {"error": "upstream hiccup"}),
    status(
        "a key that expires under way", "goes on", {"error_code": 400004, "message": "token expired"}, status_http=401
    ),
    status("an envelope of a refused key", "goes on", {"status": "error", "code": 401, "message": "token expired"}),
    status("too many questions", "goes on", {"message": "slow down"}, status_http=429),
    status("the status is not ready", "goes on", {"message": "Request is still processing"}, status_http=400),
    status("the service is away", "goes on", {"status": "failed"}, status_http=503),
]

NOT_READY = [
    Case(name=f"not ready: {name}", right="goes on", result_http=http, result=(body,))
    for name, http, body in [
        ("its code", 400, {"error_code": 400005, "message": "Result not ready"}),
        ("its code as text, in words that fail", 400, {"error_code": "400005", "status": "error", "message": "failed"}),
        ("its code with 200", 200, {"error_code": 400005, "message": "Result not ready"}),
        ("words", 400, {"detail": "Request has not completed"}),
        ("words in one word", 400, {"error": {"type": "ResultNotReady"}}),
        ("words with 404", 404, {"message": "Result is not available yet"}),
        ("still running", 422, {"error": "The request is still in progress"}),
        ("conflict", 409, {}),
        ("conflict, as a page", 409, b"<html>"),
        ("too early", 425, {"message": "come back"}),
        ("accepted", 202, b""),
        ("a state beside it", 400, {"status": "in_progress", "message": "no result"}),
    ]
] + [
    Case(name="result in a queue word", right="waits", result=({"status": "waiting"},)),
    Case(
        name="result in an unknown word, with output",
        right="goes on",
        result=(done("{URL}") | {"status": "polishing"},),
    ),
    Case(name="result cancelled", right="cancelled", result=({"status": "Canceled"},)),
    Case(name="result as a page", right="goes on", result=(b"<html>",)),
    Case(name="result from a broken proxy", right="goes on", result=(b"<html>",), result_http=502),
    Case(name="result cut short", right="goes on", result=(b'{"status": "succeeded", "output": {"vid',)),
    Case(name="result empty", right="goes on", result=({},)),
    Case(name="result a list of nothing", right="goes on", result=([],)),
    Case(name="result refused with a page", right="goes on", result=(b"<html>",), result_http=403),
]

SUBMITS = [
    submit("id in camel case", "saved", {"requestId": "r-1"}),
    submit("id by its short name", "saved", {"id": "r-1", "status": "queued"}),
    submit("id in an envelope", "saved", {"code": 200, "message": "success", "data": {"request_id": "r-1"}}),
    submit("id in an envelope, short", "saved", {"success": True, "data": {"id": "r-1"}}),
    submit("id of a task", "saved", {"data": {"task_id": "r-1"}}),
    submit("id of a job", "saved", {"job_id": "r-1"}),
    submit("id in the request", "saved", {"request": {"id": "r-1"}}),
    submit("id in an address", "saved", {"status_url": "{ORIGIN}/v1/requests/r-1/status"}),
    submit("id in the address of the result", "saved", {"result_url": "/v1/requests/r-1/result", "request_id": None}),
    submit("id as a number", "saved", {"request_id": 17}, request_id="17"),
    submit("id beside an odd code", "saved", {"code": 10000, "message": "Success", "request_id": "r-1"}),
    submit("id before text", "saved", b'{"request_id": "r-1"}\n'),
    submit("two ids", "saved", {"id": "event-9", "request_id": "r-1", "task_id": "t-3"}),
    submit("a refusal", "refused", {"error_code": 400002, "message": "no balance"}, says="no balance", submit_http=402),
    submit(
        "a refusal with 200 and its code", "refused", {"error_code": 400002, "message": "no balance"}, says="no balance"
    ),
    submit("a refusal by the maker", "refused", {"code": 50412}, submit_http=400, says="the text was refused"),
    *(
        submit(name, "uncertain", body, says=says, facts={"answered": True})
        for name, says, body in [
            ("a refusal with 200", "Insufficient credits", {"success": False, "message": "Insufficient credits"}),
            ("an error with 200", "too long", {"error": {"message": "too long"}}),
            ("a code with 200", "busy", {"code": 7, "msg": "busy", "data": None}),
            (
                "a code beside an id of the log",
                "Pre Img Risk Not Pass",
                {"code": 50411, "message": "Pre Img Risk Not Pass", "request_id": "log-1"},
            ),
        ]
    ),
    *(
        submit(name, "uncertain", body, submit_http=http)
        for name, http, body in [
            ("nothing", 200, {}),
            ("a page", 200, b"<html>"),
            ("an empty submit", 202, b""),
            ("a broken proxy", 502, b"<html>"),
            ("an id nobody can use", 200, {"request_id": "../x"}),
        ]
    ),
]

CASES: list[Case] = [*OUTPUTS, *COSTS, *REASONS, *STATUSES, *NOT_READY, *SUBMITS]
