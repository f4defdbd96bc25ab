"""Arbitrary requests: unusual values, in bodies that are valid JSON or nearly so, to events that exist or do not."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.security.gradio_wire import API, Event

__all__ = ["SESSION", "Sent", "anything"]

SESSION = "session-of-this-round"
"""A placeholder for the session whose stream is read afterwards."""
_DEEP = "nested-a-thousand-deep"
_NESTED = {1000: b"[" * 1000 + b"]" * 1000, 100_000: b'{"a":' * 50_000 + b"1" + b"}" * 50_000}


@dataclass(frozen=True, slots=True)
class Sent:
    path: str
    body: bytes


_TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", " ", "\0", "a\0b", "\ud800", "a\udfff b", "\u202e", "x" * 801, "x" * 300_000, "a b " * 9000]),
    st.sampled_from(
        ["1440×1440(1:1)", "121", "-1", "lines", "csv", "sweep", "NaN", "null", "1e999", "../../etc/passwd"]
    ),
    st.sampled_from(
        ["{{7*7}}", "{0.__class__}", "%s%n", "' OR 1=1 --", "<script>1</script>", "http://169.254.169.254/"]
    ),
)
_NUMBERS = st.one_of(
    st.sampled_from([0, -1, 1, 121, 241, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, -0.0, 0.5, True, False]),
    st.sampled_from([float("nan"), float("inf"), float("-inf")]),
    st.integers(),
    st.floats(),
)
_FILES = st.fixed_dictionaries(
    {"path": _TEXTS | st.sampled_from(["/etc/passwd", "C:\\", "/proc/self/environ"])},
    optional={
        "url": _TEXTS,
        "orig_name": _TEXTS,
        "size": _NUMBERS,
        "meta": st.sampled_from([{"_type": "gradio.FileData"}, {}, None, 1]),
    },
)
_LEAVES = st.one_of(st.none(), _TEXTS, _NUMBERS, st.just(_DEEP))
_LIKELY = (
    st.sampled_from(["a boat", "x" * 800, "海", "<b>"]) | _TEXTS,
    st.sampled_from([None, "1440×1440(1:1)", "2:1"]),
    st.sampled_from([None, 121, 241, 122, "121", 121.0]),
    st.none() | st.integers(-2, 2**32),
)
_VALUES = st.recursive(
    _LEAVES | _FILES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=8,
)


def anything(events: Sequence[Event]) -> SearchStrategy[Sent]:
    """One request to the app: mostly to an existing event, with the right number of values of any kind."""
    return st.one_of(_joined(events), _joined(events), _called(events), _malformed(events), _raw(events))


def _data(event: Event) -> SearchStrategy[Any]:
    """One value for each input, some of them the page's own; or another number of values, or no list at all."""
    as_it_is = st.tuples(*(st.just(each.value) | _VALUES for each in event.inputs)).map(list)
    # At most one of them is wrong, so that the request is not refused early.
    likely = [
        _LIKELY[at % 4] if len(event.inputs) == 4 and event.public else st.just(each.value)
        for at, each in enumerate(event.inputs)
    ]
    nearly = st.tuples(st.tuples(*likely).map(list), st.integers(0, 12), _VALUES).map(_with_one_wrong)
    return st.one_of(nearly, nearly, as_it_is, st.lists(_VALUES, max_size=12), _VALUES)


def _with_one_wrong(given: tuple[list[Any], int, Any]) -> list[Any]:
    data, at, value = given
    return [value if number == at else kept for number, kept in enumerate(data)]


def _joined(events: Sequence[Event]) -> SearchStrategy[Sent]:
    def body(event: Event) -> SearchStrategy[Sent]:
        fields = st.fixed_dictionaries(
            {
                "fn_index": st.just(event.number),
                "data": _data(event),
                "session_hash": st.just(SESSION),
                "event_data": st.none() | _event_data() | _VALUES,
                "trigger_id": st.none() | st.integers(0, 200),
            }
        )
        return fields.map(lambda given: Sent(f"{API}/queue/join", _json(given)))

    return st.sampled_from(list(events)).flatmap(body)


def _event_data() -> SearchStrategy[Any]:
    names = st.sampled_from(["job_id", "job_ids", "name", "index", "value", "_data"])
    return st.dictionaries(names, _VALUES | st.lists(_TEXTS, max_size=5), max_size=3)


def _called(events: Sequence[Event]) -> SearchStrategy[Sent]:
    def body(event: Event) -> SearchStrategy[Sent]:
        fields = st.fixed_dictionaries({"data": _data(event)}, optional={"unknown": _VALUES, "event_data": _VALUES})
        return fields.map(lambda given: Sent(f"{API}/call/{event.name}", _json(given)))

    public = [event for event in events if event.public]
    return st.sampled_from(public * 4 + list(events)).flatmap(body)


def _malformed(events: Sequence[Event]) -> SearchStrategy[Sent]:
    """Bodies with Gradio's fields in forms that the page never sends."""
    fields = st.fixed_dictionaries(
        {"data": st.lists(_VALUES, max_size=5) | _VALUES},
        optional={
            "fn_index": st.integers(-2, len(events) + 20) | _VALUES,
            "session_hash": _TEXTS | _VALUES,
            "event_data": _VALUES,
            "trigger_id": _VALUES,
            "event_id": _TEXTS | _VALUES,
            "api_name": st.sampled_from([event.name for event in events]) | _TEXTS,
            "simple_format": _VALUES,
            "batched": _VALUES,
            "request": _VALUES,
            "unknown": _VALUES,
        },
    )
    paths = [f"{API}/queue/join", f"{API}/cancel", f"{API}/reset", f"{API}/call/nothing", f"{API}/run/submit", "/"]
    return st.builds(lambda path, given: Sent(path, _json(given)), st.sampled_from(paths), fields)


def _raw(events: Sequence[Event]) -> SearchStrategy[Sent]:
    whole = b'{"data": [], "fn_index": 1, "session_hash": "' + SESSION.encode() + b'"}'
    bodies = st.one_of(
        st.binary(max_size=60),
        st.integers(0, len(whole)).map(lambda length: whole[:length]),
        st.sampled_from(
            [b"NaN", b"null", b"[]", b"{}", b"1" * 5000, b"\xff\xfe{\x00", b'{"data":1,"data":2}', *_NESTED.values()]
        ),
    )
    names = [f"{API}/call/{event.name}" for event in events if event.public]
    paths = [f"{API}/queue/join", f"{API}/cancel", f"{API}/reset", f"{API}/upload", *names]
    return st.builds(Sent, st.sampled_from(paths), bodies)


def _json(given: object) -> bytes:
    """JSON as Python writes it, with NaN and half surrogate pairs, and with deeper nesting than Python can write."""
    return json.dumps(given).encode().replace(json.dumps(_DEEP).encode(), _NESTED[1000])
