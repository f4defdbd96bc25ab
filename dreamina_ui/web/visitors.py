"""Who is asking. A visitor is 128 random bits in a signed cookie: nobody can name another one."""

import hmac
import os
import secrets
from pathlib import Path

from itsdangerous import BadSignature, Signer

from dreamina_ui.settings import Settings

__all__ = ["COOKIE", "COOKIE_KEPT_S", "Visitors", "signing_secret"]

COOKIE = "dreamina_visitor"
COOKIE_KEPT_S = 400 * 86_400
"""Browsers keep no cookie longer than 400 days."""


class Visitors:
    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._signer = Signer(secret, salt="visitor")

    def issue(self) -> str:
        """A new visitor's cookie."""
        return self._signer.sign(secrets.token_hex(16)).decode()

    def of_user(self, user: str) -> str:
        """The visitor's id of somebody who has signed in: always the same, and not to be traced back to the account."""
        return "hf-" + hmac.digest(self._secret, b"signed in " + user.encode(errors="replace"), "sha256").hex()[:32]

    def of_agent(self, name: str) -> str:
        """The visitor's id of an agent, by a secret of its own (a key, a session): not to be traced back to that."""
        return "agent-" + hmac.digest(self._secret, b"agent " + name.encode(errors="replace"), "sha256").hex()[:32]

    def call_id(self, key: str, owner: str = "") -> str:
        """The id of a program's call, by its idempotency key: of this owner's, or of whoever has the key."""
        named = f"call {owner} {key}".encode(errors="replace")
        return "call-" + hmac.digest(self._secret, named, "sha256").hex()[:40]

    def read(self, cookie: str | None) -> str | None:
        """The visitor's id, or None if the cookie is not one of ours."""
        if not cookie:
            return None
        try:
            return self._signer.unsign(cookie).decode()
        except (BadSignature, UnicodeError):
            return None


def signing_secret(settings: Settings) -> str:
    """The secret that was set, or one made once and kept, readable only by its owner, in the data folder."""
    if settings.secret:
        return settings.secret
    path: Path = settings.data_dir / "secret"
    try:
        with open(path, "x", opener=_owner_only) as file:
            file.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return path.read_text().strip()


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
