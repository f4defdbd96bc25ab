"""Inputs that Gradio alone answers with a traceback or a 5xx; `CallCheck` refuses them."""

from dataclasses import dataclass

__all__ = ["FAULTS", "Fault"]


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    path: str
    body: str | None
    """None for a GET. `@search` is the number of that event, and likewise for others."""


_JOIN, _CALL = "/gradio_api/queue/join", "/gradio_api/call"


def _event(name: str, data: str, event_data: str = "null") -> str:
    return f'{{"fn_index": @{name}, "data": {data}, "event_data": {event_data}, "session_hash": "known"}}'


FAULTS = [
    Fault(
        "NaN as the body",
        *(_JOIN, "NaN"),
    ),
    Fault(
        "half a surrogate pair in a body",
        *(_JOIN, '{"data": "\\ud800"}'),
    ),
    Fault(
        "fewer values than inputs",
        *(_JOIN, _event("show", "[]")),
    ),
    Fault(
        "an unknown choice",
        *(_JOIN, _event("show", '["", "nonsense", "", "", 0]')),
    ),
    Fault(
        "a file that is not in the cache",
        *(_JOIN, _event("choose", "[]", '{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}')),
    ),
    Fault(
        "a file that is an empty object",
        *(_JOIN, _event("fill_from_file", "[{}]")),
    ),
    Fault(
        "a file by a forbidden path",
        *(_JOIN, _event("fill_from_file", '[{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]')),
    ),
    Fault(
        "a file whose meta is no object",
        *(_JOIN, _event("fill_from_file", '[{"path": "a", "meta": 1}]')),
    ),
    Fault(
        "an unknown event",
        *(_JOIN, '{"fn_index": 9999, "data": [], "session_hash": "known"}'),
    ),
    Fault(
        "an unknown endpoint",
        *(f"{_CALL}/nothing", '{"data": []}'),
    ),
    Fault(
        "a call without any input",
        *(f"{_CALL}/v2/job", "{}"),
    ),
    Fault(
        "the stream of an unknown session",
        *("/gradio_api/queue/data?session_hash=nobodys", None),
    ),
]
