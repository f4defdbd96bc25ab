"""A stand-in for the service by which a Space's visitors sign in, and what a Space's environment has for it."""

from __future__ import annotations

import json
import secrets
import threading
import time
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from dreamina_ui.web.checks.signing_in import SESSION

__all__ = ["HOST", "Provider", "begun", "ended", "held_by", "signed_in", "variables"]

CLIENT = "11111111-2222-3333-4444-555555555555"
ACCOUNT = {
    "name": "Ann",
    "preferred_username": "ann",
    "profile": "https://huggingface.co/ann",
    "picture": "https://huggingface.co/avatars/ann.svg",
}
HOST = "ann-studio.hf.space"


def variables(provider: Provider) -> dict[str, str]:
    """What Hugging Face sets in a Space with `hf_oauth` on the smallest hardware."""
    return {
        "SYSTEM": "spaces",
        "SPACE_ID": "ann/studio",
        "SPACE_HOST": HOST,
        "SPACE_AUTHOR_NAME": "ann",
        "SPACE_REPO_NAME": "studio",
        "SPACE_TITLE": "Dreamina UI",
        "SPACE_SUBDOMAIN": "ann-studio",
        "SPACE_CREATOR_USER_ID": "0123456789abcdef01234567",
        "ACCELERATOR": "none",
        "CPU_CORES": "2",
        "MEMORY": "16Gi",
        "GRADIO_ALLOW_FLAGGING": "never",
        "GRADIO_NUM_PORTS": "1",
        "GRADIO_THEME": "huggingface",
        "GRADIO_SSR_MODE": "True",
        "PYTHONUNBUFFERED": "1",
        "TQDM_POSITION": "-1",
        "TQDM_MININTERVAL": "1",
        "OAUTH_CLIENT_ID": CLIENT,
        "OAUTH_CLIENT_SECRET": "a-secret-of-the-space",
        "OAUTH_SCOPES": "openid profile",
        "OPENID_PROVIDER_URL": provider.base,
    }


class Provider(ThreadingHTTPServer):
    """An OpenID provider. Each code signs one account in, once. Use it as a context manager."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ProviderAnswers)
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.key = RSAKey.generate_key(2048)
        self.codes: dict[str, tuple[str, str]] = {}
        """The account and the nonce of each code that was not used."""

    def code_for(self, account: str, nonce: str) -> str:
        """What the provider gives the browser of who has signed in there."""
        code = secrets.token_hex(8)
        self.codes[code] = account, nonce
        return code

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def answer(self, path: str, form: dict[str, list[str]]) -> dict[str, Any]:
        if path == "/.well-known/openid-configuration":
            places = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
            ends = {f"{name}_endpoint": f"{self.base}/oauth/{place}" for name, place in places.items()}
            return {"issuer": self.base, "jwks_uri": f"{self.base}/keys", **ends}
        if path == "/keys":
            return {"keys": [self.key.as_dict(private=False)]}
        if path == "/oauth/token":
            account, nonce = self.codes.pop(form["code"][0], ("", ""))
            if not account:
                return {"error": "invalid_grant"}
            told = {"iss": self.base, "aud": CLIENT, "sub": account, "nonce": nonce, **ACCOUNT}
            now = int(time.time())
            signed = jwt.encode({"alg": "RS256"}, {**told, "iat": now, "exp": now + 600}, self.key)
            return {"access_token": "access", "token_type": "bearer", "expires_in": 600, "id_token": signed}
        return {}


class ProviderAnswers(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self.tell({})

    def do_POST(self) -> None:
        self.tell(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))

    def tell(self, form: dict[str, list[str]]) -> None:
        answer = self.server.answer(self.path, form)
        body = json.dumps(answer).encode()
        self.send_response(400 if "error" in answer else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def begun(browser: httpx.Client, provider: Provider) -> tuple[str, dict[str, str]]:
    """The session of who is sent to sign in, and what the address to sign in at says."""
    leaving = browser.get("/login/huggingface")
    assert leaving.status_code == 302, leaving.text
    assert leaving.headers["location"].startswith(f"{provider.base}/oauth/authorize?")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(leaving.headers["location"]).query).items()}
    back = urlsplit(asked["redirect_uri"])
    assert (back.scheme, back.netloc, back.path) == ("https", HOST, "/login/callback")
    return leaving.cookies[SESSION], asked


def ended(browser: httpx.Client, session: str, **query: str) -> httpx.Response:
    """The answer to who comes back from signing in with this session."""
    browser.cookies.delete(SESSION) if SESSION in browser.cookies else None
    return browser.get("/login/callback", params=query, headers={"Cookie": f"{SESSION}={session}"})


def signed_in(browser: httpx.Client, provider: Provider, account: str = "ann-1") -> str:
    """Sign in as a browser does. Returns the session."""
    session, asked = begun(browser, provider)
    code = provider.code_for(account, asked["nonce"])
    returned = ended(browser, session, code=code, state=asked["state"])
    assert (returned.status_code, returned.headers["location"]) == (307, "/"), returned.text
    return returned.cookies[SESSION]


def held_by(session: str) -> dict[str, Any]:
    """What is in a session."""
    held: dict[str, Any] = json.loads(b64decode(session.split(".")[0]))
    return held
