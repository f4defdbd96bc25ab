"""Visitors and their cookies. A visitor id is 128 random bits in a signed cookie, so nobody can use another one's."""

import hmac
import os
import secrets
from pathlib import Path

from itsdangerous import BadSignature, Signer

from dreamina_ui.settings import Settings

__all__ = ["COOKIE", "COOKIE_MAX_AGE_S", "Visitors", "signing_secret"]

COOKIE = "dreamina_visitor"
COOKIE_MAX_AGE_S = 400 * 86_400
"""The maximum age in seconds: browsers keep no cookie longer than 400 days."""


class Visitors:
    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._signer = Signer(secret, salt="visitor")

    def issue(self) -> str:
        """The cookie of a new visitor."""
        return self._signer.sign(secrets.token_hex(16)).decode()

    def of_user(self, user: str) -> str:
        """The visitor id of an account: always the same, a digest from which the account cannot be found."""
        return "hf-" + hmac.digest(self._secret, b"signed in " + user.encode(errors="replace"), "sha256").hex()[:32]

    def of_mcp_client(self, name: str) -> str:
        """The visitor id of an MCP client, a digest of its key or session id, from which neither can be found."""
        return "agent-" + hmac.digest(self._secret, b"agent " + name.encode(errors="replace"), "sha256").hex()[:32]

    def read(self, cookie: str | None) -> str | None:
        """The visitor id in a cookie, or None if this app did not sign it."""
        if not cookie:
            return None
        try:
            return self._signer.unsign(cookie).decode()
        except (BadSignature, UnicodeError):
            return None


def signing_secret(settings: Settings) -> str:
    """The secret of the settings, or the one in the data folder, made at the first call and readable only by its owner."""
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
