"""What is sent to a webhook: its body in the form that the receiver reads, and its signature. Pure.

The headers are those of Standard Webhooks (https://www.standardwebhooks.com), so that receivers can check them with a library.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dreamina_ui.wording import iso_time

__all__ = ["Form", "Message", "form_of", "key_of", "key_text", "signature"]

KEY_PREFIX = "whsec_"
TEXT_MOST = 1000
"""Characters that people are shown; Discord refuses a message of more than 2,000."""
DISCORD = ("discord.com", "discordapp.com")


class Form(StrEnum):
    """Who reads the message: a program, or one of the services that show it to people."""

    JSON = "json"
    NTFY = "ntfy"
    SLACK = "slack"
    DISCORD = "discord"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `link` is where people see what it is about; `more` is what only programs read."""

    event_id: str
    event: str
    at: float
    text: str
    link: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def written(self, form: Form) -> tuple[bytes, dict[str, str]]:
        """The body and the headers that describe it."""
        text = self.text[:TEXT_MOST]
        line = " ".join(filter(None, (text, self.link)))
        if form is Form.NTFY:
            link = {"X-Click": self.link} if self.link else {}
            return text.encode(), {"Content-Type": "text/plain; charset=utf-8", "X-Title": "Dreamina UI", **link}
        if form is Form.SLACK:
            body: dict[str, Any] = {"text": line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
        elif form is Form.DISCORD:
            body = {"content": line, "allowed_mentions": {"parse": []}}
        else:
            head = {"id": self.event_id, "event": self.event, "time": iso_time(self.at)}
            body = {**head, "text": self.text, "link": self.link, **self.more}
        return json.dumps(body).encode(), {"Content-Type": "application/json"}


def form_of(host: str, path: str) -> Form:
    """The form that a receiver is known to read by its address."""
    if host == "ntfy.sh":
        return Form.NTFY
    if host == "hooks.slack.com":
        return Form.SLACK
    if (host in DISCORD or host.endswith(tuple(f".{name}" for name in DISCORD))) and path.startswith("/api/webhooks/"):
        return Form.DISCORD
    return Form.JSON


def key_of(secret: str) -> bytes:
    """The key in a secret, `whsec_` and then base64. Raises `ValueError`."""
    try:
        return base64.b64decode(secret.removeprefix(KEY_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


def key_text(key: bytes) -> str:
    return KEY_PREFIX + base64.b64encode(key).decode()


def signature(key: bytes, event_id: str, at: int, body: bytes) -> str:
    """The signature of a message sent at `at`, in whole seconds since the epoch."""
    signed = b".".join((event_id.encode(), str(at).encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
