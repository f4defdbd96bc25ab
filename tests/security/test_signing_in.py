"""Signing in on a Space, attacked: forged, replayed and planted; and whose history is shown to whom."""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from itsdangerous import TimestampSigner

from dreamina_ui.web.checks.signing_in import SESSION
from tests.oauth import HOST, Provider, begun, ended, held_by, signed_in, variables
from tests.rig import make_clip
from tests.servers import Server, SimulatorServer

KEY = "a-key-of-the-space"
VISITOR = "__Host-dreamina_visitor"


@dataclass
class Space:
    """A running Space, whose service takes jobs and finishes none."""

    server: Server
    provider: Provider


@dataclass
class Browser:
    """A browser that asks the Space through its proxy. `cookies` are those it sends."""

    http: httpx.Client
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **query: str) -> httpx.Response:
        answer = self.http.get(path, params=query, headers={"Cookie": self.cookie})
        self.take(answer)
        return answer

    def take(self, answer: httpx.Response) -> None:
        for line in answer.headers.get_list("set-cookie"):
            name, value, attributes = re.fullmatch(r"([^=]+)=([^;]*);?(.*)", line).groups()  # type: ignore[union-attr]
            assert {"secure", "httponly", "path=/"} <= {each.strip().lower() for each in attributes.split(";")}, line
            self.cookies[name] = value
        self.http.cookies.clear()

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def ask(self, endpoint: str, *values: object) -> str:
        """An endpoint's answer, which must be no error."""
        headers = {"Cookie": self.cookie}
        called = self.http.post(f"/gradio_api/call/{endpoint}", json={"data": values}, headers=headers)
        event = called.raise_for_status().json()["event_id"]
        answer = self.http.get(f"/gradio_api/call/{endpoint}/{event}", headers=headers).text
        assert "event: complete" in answer, answer
        return answer

    def click(self, prompt: str) -> None:
        self.ask("submit", prompt, "1440×1440(1:1)", 121, 7)

    def history(self) -> set[str]:
        """The prompts in the history."""
        return set(re.findall(r'"prompt": "([^"]*)"', self.ask("history", 24, 0)))

    def sign_in(self, provider: Provider, account: str) -> None:
        self.cookies[SESSION] = signed_in(self.http, provider, account)
        self.http.cookies.clear()


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    folder = tmp_path_factory.mktemp("space")
    clip = make_clip(folder / "clip.mp4")
    service = SimulatorServer(folder, "--token", KEY, "--queue", "600", "--quick", "600", "--clip", str(clip))
    with Provider() as provider:
        settings = {
            **variables(provider),
            "RUNCOMFY_API_TOKEN": KEY,
            "RUNCOMFY_MODEL_API_BASE": service.start(),
            "DREAMINA_DAILY_LIMIT_PER_VISITOR": "100",
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_OFFLINE": "1",
        }
        server = Server(folder, **settings)
        server.start()
        yield Space(server, provider)
        server.stop()
    service.stop()
    assert "Traceback" not in server.log


@pytest.fixture
def browsers(space: Space) -> Iterator[list[Browser]]:
    """Three browsers that have opened the page."""
    asked = {"Host": HOST, "X-Forwarded-Proto": "https"}
    clients = [httpx.Client(base_url=space.server.address, trust_env=False, timeout=60, headers=asked) for _ in "abc"]
    opened = [Browser(client) for client in clients]
    for browser in opened:
        assert browser.get("/").status_code == 200
        assert VISITOR in browser.cookies
    yield opened
    for client in clients:
        client.close()


def test_an_account_and_a_cookie_have_histories_of_their_own(space: Space, browsers: list[Browser]) -> None:
    """Signing in takes nothing over and loses nothing; the account is the same in every browser, and ends with logout."""
    one, other, stranger = browsers
    one.click("before")
    one.sign_in(space.provider, "ann-1")
    assert one.history() == set()
    one.click("signed in")
    other.sign_in(space.provider, "ann-1")
    assert one.history() == other.history() == {"signed in"}
    stranger.sign_in(space.provider, "bob-2")
    assert stranger.history() == set()
    assert one.get("/logout", _target_url="https://evil.example//x").headers["location"] == "//x".replace("//", "/")
    assert one.history() == {"before"}
    assert other.history() == {"signed in"}
    one.cookies.pop(VISITOR)  # who is signed in is the account, whatever cookie there is
    one.get("/")
    one.sign_in(space.provider, "ann-1")
    assert one.history() == {"signed in"}


def test_only_what_a_browser_has_begun_signs_it_in(space: Space, browsers: list[Browser]) -> None:
    """A forged state, no state, a code for a second time, an address of somebody else who wants to be this visitor's account, an
    error of the provider, words that no provider says: nobody is signed in, and there is no fault."""
    victim, mallory, _ = browsers
    victim.click("the victim's own")
    session, asked = begun(victim.http, space.provider)
    theirs, mallorys = begun(mallory.http, space.provider)
    code = space.provider.code_for("mallory-3", mallorys["nonce"])
    good = space.provider.code_for("ann-1", asked["nonce"])
    tries: list[dict[str, str]] = [
        {"code": code, "state": mallorys["state"]},  # mallory's address, opened by the victim
        {"code": code, "state": "forged"},
        {"code": code},
        {"code": code, "state": asked["state"]},  # a code for another nonce
        {"code": "no-code", "state": asked["state"]},
        {"error": "access_denied", "state": asked["state"]},
        {"error": "access_denied"},
        {"code": code, "state": "forged", "_nb_redirects": "x"},
        {"code": code, "state": "forged", "_nb_redirects": "9" * 5000},
        {},
    ]
    for query in tries:
        answer = ended(victim.http, session, **query)
        assert answer.status_code < 500, query
        assert "oauth_info" not in held_by(answer.cookies.get(SESSION) or session), query
        victim.http.cookies.clear()
    assert victim.history() == {"the victim's own"}
    answer = ended(victim.http, session, code=good, state=asked["state"], _target_url="////evil.example/x")
    victim.take(answer)
    assert (answer.status_code, answer.headers["location"]) == (307, "/evil.example/x")
    assert "oauth_info" in held_by(victim.cookies[SESSION])
    again = ended(
        victim.http, session, code=good, state=asked["state"]
    )  # the code, and the session of before, replayed
    assert again.status_code == 400
    assert "oauth_info" not in held_by(again.cookies.get(SESSION) or session)
    assert theirs != session


def test_a_session_from_elsewhere_is_nobodys(space: Space, browsers: list[Browser]) -> None:
    """One of another Space's secret or of none, one that has expired there, and a real one under the name that a subdomain can
    plant: whoever brings it is the visitor of the cookie, for whom nothing has changed."""
    ann, victim, _ = browsers
    ann.sign_in(space.provider, "ann-9")
    ann.click("of the account")
    victim.click("of the victim")
    held: dict[str, Any] = held_by(ann.cookies[SESSION])
    body = b64encode(json.dumps(held).encode())
    elsewhere = hashlib.sha256(b"another secret-v4").hexdigest()
    late = b64encode(json.dumps({"oauth_info": {**held["oauth_info"], "expires_at": 1}}).encode())
    own = hashlib.sha256(b"a-secret-of-the-space-v4").hexdigest()
    planted = {
        "another secret": {SESSION: TimestampSigner(elsewhere).sign(body).decode()},
        "no secret": {SESSION: TimestampSigner(hashlib.sha256(b"-v4").hexdigest()).sign(body).decode()},
        "no signature": {SESSION: body.decode()},
        "expired": {SESSION: TimestampSigner(own).sign(late).decode()},
        "the plain name": {"session": ann.cookies[SESSION]},
        "no session": {SESSION: "null"},
    }
    for name, cookies in planted.items():
        victim.cookies = {VISITOR: victim.cookies[VISITOR], **cookies}
        assert victim.history() == {"of the victim"}, name
    victim.cookies = {VISITOR: victim.cookies[VISITOR], SESSION: ann.cookies[SESSION]}
    assert victim.history() == {"of the account"}  # the control: whoever holds it is the account
