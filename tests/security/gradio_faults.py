"""Inputs of a stranger that Gradio by itself answers with a traceback or a 5xx; the envelope answers them instead."""

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
        "a number that JSON has not, in a body that is refused",
        *(_JOIN, "NaN"),
    ),
    Fault(
        "half a surrogate pair, in a body that is refused",
        *(_JOIN, '{"data": "\\ud800"}'),
    ),
    Fault(
        "fewer values than inputs",
        *(_JOIN, _event("show", "[]")),
    ),
    Fault(
        "a choice that is none",
        *(_JOIN, _event("show", '["", "nonsense", "", "", 0]')),
    ),
    Fault(
        "a file that is not in the cache",
        *(_JOIN, _event("choose", "[]", '{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}')),
    ),
    Fault(
        "a file that is none",
        *(_JOIN, _event("fill_from_file", "[{}]")),
    ),
    Fault(
        "a file by a path that may not be had",
        *(_JOIN, _event("fill_from_file", '[{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]')),
    ),
    Fault(
        "a file whose meta is no object",
        *(_JOIN, _event("fill_from_file", '[{"path": "a", "meta": 1}]')),
    ),
    Fault(
        "an event that is not there",
        *(_JOIN, '{"fn_index": 9999, "data": [], "session_hash": "known"}'),
    ),
    Fault(
        "an endpoint that is not there",
        *(f"{_CALL}/nothing", '{"data": []}'),
    ),
    Fault(
        "an endpoint by names that are none",
        *(f"{_CALL}/v2/job", "{}"),
    ),
    Fault(
        "the stream of a session that is not there",
        *("/gradio_api/queue/data?session_hash=nobodys", None),
    ),
]
