"""`python -m tests.security.fuzz --inputs 10000`: sends arbitrary input to the running program.

Prints one line with the counts, and each finding with the input that led to it; exits with 1 if there is any.
"""

import argparse
import json
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import jsonschema
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from tests.rig import CARD, make_clip
from tests.security.gradio_wire import API, Talker
from tests.security.hostile import SESSION, Sent, anything
from tests.servers import Server, SimulatorServer, wait_for

__all__ = ["Fuzzer", "drawn", "fuzzer", "tracebacks"]

KEY = "rc-test-key-0123456789"
ROUND = 25
"""The number of inputs whose answers are read together."""
QUIET_S = 30.0
_TRACEBACK = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n|\n(?=[ \t]))*([^\n]*)")
_FRAME = re.compile(r'^\s+(?:\| )*File "[^"]*?([^/"]+)", line \d+, in (\S+)', re.MULTILINE)


@dataclass
class Fuzzer:
    server: Server
    service: SimulatorServer
    talker: Talker
    inputs: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    _read: int = 0
    _rounds: int = 0

    def send(self, inputs: Sequence[Sent]) -> None:
        """Send them, read the answers, and search the log for tracebacks."""
        for at in range(0, len(inputs), ROUND):
            self._round(inputs[at : at + ROUND])

    def check_ledger(self) -> int:
        """Check that each sent job fits the card's schema. Returns the number of jobs."""
        validator = jsonschema.Draft202012Validator(CARD.source["input_schema"])
        sent = self.service.control("ledger", KEY)["requests"]
        for request in sent:
            for error in validator.iter_errors(request["input"]):
                self.findings.append(f"sent {json.dumps(request['input'])[:300]}: {error.message[:200]}")
        return len(sent)

    def check_alive(self) -> None:
        search = next(event for event in self.talker.events() if event.name == "show")
        messages = self.talker.ask(search, search.data(), "at-the-end")
        if not any(message["msg"] == "process_completed" and message["success"] for message in messages):
            self.findings.append(f"the page does not answer any more: {messages}")

    def _round(self, inputs: Sequence[Sent]) -> None:
        self._rounds += 1
        session, joined, called = f"round-{self._rounds}", False, []
        found: list[str] = []
        for one in inputs:
            answer = self.talker.post(one.path, one.body.replace(SESSION.encode(), session.encode()))
            self.inputs += 1
            self.answers[answer.status_code] += 1
            if answer.status_code == 200 and one.path == f"{API}/queue/join":
                joined = joined or session.encode() in one.body.replace(SESSION.encode(), session.encode())
            elif answer.status_code == 200 and one.path.startswith(f"{API}/call/"):
                called.append(f"{one.path}/{answer.json()['event_id']}")
            elif answer.status_code >= 500:
                found.append(f"{answer.status_code} of {one.path} for {one.body[:300]!r}")
        found += self._answered(session if joined else "", called)
        broken = bool(found)
        with suppress(AssertionError):  # an answer may arrive before its fault is in the log
            wait_for(lambda: "logged" if not broken or "Traceback" in self.server.log[self._read :] else "", 5)
        found += self._new_faults()
        if found:
            self.findings += [*found, f"one of: {[one.body[:200] for one in inputs]}"[:3000]]

    def _answered(self, session: str, called: Sequence[str]) -> Iterator[str]:
        """Missing answers, and answers with a server error."""
        try:
            if session:
                for _ in self.talker.messages(session, QUIET_S):
                    pass
            for path in called:
                answer = self.talker.http.get(path, timeout=QUIET_S)
                if answer.status_code >= 500:
                    yield f"{answer.status_code} of {path}"
        except (httpx.RemoteProtocolError, httpx.ReadError) as error:
            yield f"5xx: broken off with {error!r}"  # after the answer has begun, no status can report an error
        except httpx.HTTPError as error:
            yield f"no end of the answers: {error!r}"

    def _new_faults(self) -> Iterator[str]:
        """The last line and the frames of each new traceback."""
        log = self.server.log
        new, self._read = log[self._read :], len(log)
        for end, frames in tracebacks(new):
            yield f"traceback: {end[:300]} in {' > '.join(frames[-5:])}"


def tracebacks(log: str) -> Iterator[tuple[str, list[str]]]:
    """Each traceback of a log: its last line, and its frames as `file:function`, the innermost last.

    Of chained exceptions only the last one counts.
    """
    for block in re.split(
        r"(?=^(?:\s*[+|]\s)*(?:Exception Group )?Traceback \(most recent call last\):)", log, flags=re.MULTILINE
    )[1:]:
        if re.search(r"\n(During handling of the above|The above exception was the direct)", block):
            continue
        frames = [f"{file}:{function}" for file, function in _FRAME.findall(block)]
        after = block[[match.end() for match in _FRAME.finditer(block)][-1] :] if frames else block
        ends = [line for line in after.splitlines()[1:] if line and not line.startswith((" ", "\t"))]
        yield (ends[0] if ends else after.strip()[-200:]), frames


@contextmanager
def fuzzer(folder: Path) -> Iterator[Fuzzer]:
    """The program, with a service that makes a video at once."""
    clip = make_clip(folder / "clip.mp4")
    options = ("--token", KEY, "--slots", "8", "--queue", "0", "--quick", "0", "--clip", str(clip))
    service = SimulatorServer(folder, *options)
    much = {"DREAMINA_MAX_ACTIVE": "1000000", "DREAMINA_MAX_ACTIVE_PER_VISITOR": "1000000"}
    server = Server(folder, RUNCOMFY_API_TOKEN=KEY, RUNCOMFY_MODEL_API_BASE=service.start(), **much)
    try:
        with Talker(server.start()) as talker:
            yield Fuzzer(server, service, talker)
    finally:
        server.stop()
        service.stop()


def drawn(strategy: SearchStrategy[Any], count: int, number: int = 0) -> list[Any]:
    """`count` examples, the same ones for the same `number`."""
    found: list[Any] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(value: Any) -> None:
        found.append(value)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # large texts are intended
        draw()
    return found


def described(talker: Talker, count: int, number: int = 0) -> list[Sent]:
    """Requests that schemathesis makes from the app's OpenAPI document: half of them valid, half invalid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies
        import schemathesis
        from schemathesis import GenerationMode

        document = talker.http.get(f"{API}/openapi.json").raise_for_status().json()
        schema = schemathesis.openapi.from_dict(document)
        posts = [cast(Any, each).ok() for each in schema.get_all_operations()]
        posts = [each for each in posts if each.method == "post" and not each.path.endswith("/upload")]
        each_count = max(1, count // (2 * len(posts)))
        found = []
        for operation in posts:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                for case in drawn(operation.as_strategy(generation_mode=mode), each_count, number):
                    body = case.body if isinstance(case.body, dict | list | str | int | float | bool | None) else None
                    found.append(Sent(str(case.formatted_path), json.dumps(body).encode()))
        return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.security.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dreamina-fuzz-") as folder, fuzzer(Path(folder)) as fuzz:
        share = args.inputs // 10
        fuzz.send(described(fuzz.talker, share, args.seed))
        step, number = 1000, args.seed
        while fuzz.inputs < args.inputs:
            left = min(step, args.inputs - fuzz.inputs)
            fuzz.send(drawn(anything(fuzz.talker.events()), left, number))
            number += 1
            print(f"… {fuzz.inputs}, findings: {len(fuzz.findings)}", file=sys.stderr, flush=True)
        fuzz.check_alive()
        jobs = fuzz.check_ledger()
    for finding in dict.fromkeys(fuzz.findings):
        print(finding)
    server_errors = sum(count for code, count in fuzz.answers.items() if code >= 500)
    print(
        f"inputs {fuzz.inputs}, answers {dict(sorted(fuzz.answers.items()))}, 5xx {server_errors}, jobs sent {jobs}, "
        f"findings {len(fuzz.findings)}"
    )
    return 1 if fuzz.findings else 0


if __name__ == "__main__":
    sys.exit(main())
