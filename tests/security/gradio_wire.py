"""A client of Gradio's protocol, for requests to every event of the page, as anybody can send them with curl."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

__all__ = ["API", "Event", "Input", "Talker", "texts_in"]

API = "/gradio_api"
WAIT_S = 60.0
_SESSION: Mapping[str, Any] = {"fn_index": 0, "event_data": None, "trigger_id": None}


@dataclass(frozen=True, slots=True)
class Input:
    kind: str
    """The component's type, such as `textbox`."""
    elem_id: str
    value: Any
    """Its value when the page opens."""


@dataclass(frozen=True, slots=True)
class Event:
    number: int
    name: str
    public: bool
    inputs: tuple[Input, ...]

    def data(self, **values: Any) -> list[Any]:
        """The values that the page would send; `values` replaces some of them, by `elem_id` (with `_` for `-`)."""
        return [values.get(each.elem_id.replace("-", "_"), each.value) for each in self.inputs]


class Talker:
    """An HTTP client of the server, with or without a visitor cookie. Use it as a context manager."""

    def __init__(self, address: str, cookies: Mapping[str, str] | None = None) -> None:
        self.http = httpx.Client(base_url=address, cookies=dict(cookies or {}), trust_env=False, timeout=WAIT_S)

    def __enter__(self) -> Self:
        self.http.get("/").raise_for_status()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def events(self) -> list[Event]:
        """Every event that runs on the server, from the page's configuration."""
        config = self.http.get("/config").raise_for_status().json()
        components = {one["id"]: one for one in config["components"]}
        return [
            Event(
                one["id"],
                one["api_name"],
                one["api_visibility"] == "public",
                tuple(
                    Input(
                        components[number]["type"],
                        components[number]["props"].get("elem_id") or "",
                        components[number]["props"].get("value"),
                    )
                    for number in one["inputs"]
                ),
            )
            for one in config["dependencies"]
            if one["backend_fn"]
        ]

    def join(self, session: str, event: Event | int, data: object, event_data: object = None) -> httpx.Response:
        number = event.number if isinstance(event, Event) else event
        body = {**_SESSION, "fn_index": number, "data": data, "event_data": event_data, "session_hash": session}
        return self.post(f"{API}/queue/join", json.dumps(body).encode())

    def post(self, path: str, body: bytes) -> httpx.Response:
        """Send any bytes as JSON."""
        try:
            return self.http.post(path, content=body, headers={"Content-Type": "application/json"})
        except (httpx.ReadError, httpx.RemoteProtocolError):
            # After an error the server closes the connection, which this client may just be about to use again.
            return self.http.post(path, content=body, headers={"Content-Type": "application/json"})

    def messages(self, session: str, seconds: float = WAIT_S) -> Iterator[dict[str, Any]]:
        """The session's messages, until the server ends it. Raises `httpx.ReadTimeout` if no more message comes."""
        yield from self._stream(f"{API}/queue/data?session_hash={session}", seconds)

    def ask(self, event: Event, data: object, session: str, event_data: object = None) -> list[dict[str, Any]]:
        """Call one event; returns all its messages."""
        self.join(session, event, data, event_data).raise_for_status()
        return list(self.messages(session))

    def call(self, name: str, data: object, **headers: str) -> tuple[int, str]:
        """Call a public endpoint; returns the status and the whole stream as text."""
        called = self.http.post(f"{API}/call/{name}", json={"data": data}, headers=headers)
        if called.status_code != 200:
            return called.status_code, called.text
        answer = self.http.get(f"{API}/call/{name}/{called.json()['event_id']}")
        return answer.status_code, answer.text

    def _stream(self, path: str, seconds: float) -> Iterator[dict[str, Any]]:
        with self.http.stream("GET", path, timeout=seconds) as answer:
            if answer.status_code != 200:
                return
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    message = json.loads(line[5:])
                    yield message
                    if message.get("msg") == "close_stream":
                        return


def texts_in(messages: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> str:
    """All that was said, in one text, with nothing escaped."""
    return json.dumps(list(messages), ensure_ascii=False)
