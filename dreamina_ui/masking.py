"""Keeps secrets out of the log and out of sentences, the texts of libraries included.

A library prints what it was given, in whole or in parts: a host with the end of a password, a header, an address. So the
secrets of the settings are made known once, at the start; every `DreaminaError` and every line of the log is masked.
"""

import base64
import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from types import TracebackType
from urllib.parse import parse_qsl, quote, quote_plus, unquote

__all__ = ["MaskedFormatter", "Secrets", "know_settings", "log_uncaught", "masked", "without_secrets"]

MASK = "…"
SECRET_NAMES = (
    "RUNCOMFY_API_TOKEN",
    "RUNCOMFY_TOKEN",
    "RUNCOMFY_API_KEY",
    "DREAMINA_SECRET",
    "DREAMINA_WEBHOOK_SECRET",
    "OAUTH_CLIENT_SECRET",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "PGPASSWORD",
)
ADDRESS_NAMES = ("DREAMINA_DATABASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""Settings whose value may hold a password; the names of proxies also in lower case."""
DELIMITERS = re.compile(r"[@/?#:\[\]]")
"""Where readers of addresses cut a password that is not percent-encoded."""
SHORTEST_PART = 4
SHORTEST_ANYWHERE = 8
"""Characters. A shorter secret is masked only where it stands as a word: `dev` must not hide the half of "development"."""


def masked(secret: str) -> str:
    """What may be shown of a secret: its length."""
    return f"({len(secret)} characters, not shown)" if secret else ""


class Secrets:
    """A set of secrets, and the removal of them from texts."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, *secrets: str) -> None:
        for secret in filter(None, secrets):
            self._forms.update(_forms(secret))
        # The longest first, so that none is cut by a shorter one inside it.
        ordered = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_searched, ordered))) if ordered else None

    def add_address(self, address: str) -> None:
        """The user's password in an address, and those among its parameters, however the address is to be read."""
        userinfo, at, _ = address.partition("://")[2].rpartition("@")
        user, _, password = userinfo.partition(":")
        if at and password:
            self.add(password, unquote(password))
            plain = f"{unquote(user)}:{unquote(password)}"
            self.add(base64.b64encode(plain.encode()).decode())
        for name, value in parse_qsl(address.partition("?")[2]):
            if "password" in name.lower():
                self.add(value)

    def remove_from(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text


_KNOWN = Secrets()
"""Of this process. The log is the process's, and so are its secrets."""


def know_settings(env: Mapping[str, str]) -> None:
    """Make the secrets known that the environment holds; called at a start, before anything can fail."""
    _KNOWN.add(*(env.get(name, "").strip() for name in SECRET_NAMES))
    for name in ADDRESS_NAMES:
        for address in (env.get(name, ""), env.get(name.lower(), "")):
            _KNOWN.add_address(address.strip() if "://" in address else f"http://{address.strip()}")
    # Whoever knows the path of a webhook may write to it; its last part is what cannot be guessed.
    _, _, path = env.get("DREAMINA_WEBHOOK_URL", "").strip().partition("://")[2].partition("/")
    last = path.rstrip("/").rpartition("/")[2]
    if len(last) >= SHORTEST_ANYWHERE:
        _KNOWN.add(last)


def without_secrets(text: str) -> str:
    """The text with `…` in place of each known secret, whole or cut, plain or encoded."""
    return _KNOWN.remove_from(text)


class MaskedFormatter(logging.Formatter):
    """Formats as usual, tracebacks included, and masks the whole."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


def log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For `sys.excepthook`: a traceback can show a secret, too."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger(__name__).critical("the program ends", exc_info=(kind, error, trace))


def _forms(secret: str) -> Iterator[str]:
    """A secret as libraries write it: plain, percent-encoded, in JSON, in `repr`; and the parts that an address was cut into."""
    cuts = [0, *(place for found in DELIMITERS.finditer(secret) for place in (found.start(), found.end())), len(secret)]
    parts = {secret[start:end] for start in cuts for end in cuts if end - start >= SHORTEST_PART}
    for form in (secret, *parts):
        yield from (form, quote(form), quote(form, safe=""), quote_plus(form))
        yield from (json.dumps(form)[1:-1], repr(form)[1:-1])


def _searched(form: str) -> str:
    text = re.escape(form)
    return text if len(form) >= SHORTEST_ANYWHERE else rf"(?<!\w){text}(?!\w)"
