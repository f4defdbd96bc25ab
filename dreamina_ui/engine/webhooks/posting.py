"""Sends one message to an untrusted address: open net only, no redirects, bounded in time, and little of the answer is read."""

import asyncio
import socket
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from dreamina_ui.clock import Clock
from dreamina_ui.config.open_net import INSIDE
from dreamina_ui.engine.webhooks.messages import Form, Message, form_of, signature
from dreamina_ui.errors import InvalidInput, OutputRefused
from dreamina_ui.media.download.addresses import origin_of, read_address
from dreamina_ui.media.download.pinned import TRUSTED

__all__ = ["Answer", "Poster", "Target", "checked_address", "look_up_aside", "target_of"]

ANSWER_MOST = 1024
"""Bytes of an answer that are read: what a person needs to see why it is not the right one."""
ANSWER_TIME_S = 1.0
SAID_MOST = 200
URL_MOST = 2000
TIME_MOST_S = 10.0
TIMEOUT = httpx.Timeout(5.0)
RETRY_AFTER_MOST_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An address, the form that it reads, and the key that signs for it; without a key nothing is signed."""

    url: str
    form: Form
    key: bytes | None
    is_owners: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a try: `short` for the owner's list, `said` is the beginning of the receiver's own text."""

    short: str
    is_good: bool = False
    is_final: bool = False
    """No other try can go better."""
    retry_after_s: float = 0.0
    said: str = ""


def checked_address(given: str) -> tuple[str, str]:
    """A visitor's address and its host. Raises `InvalidInput` if it is none of the open net."""
    url = given.strip()
    try:
        if len(url) > URL_MOST or not url.isascii():
            raise OutputRefused("not an address")
        return url, read_address(url).host
    except OutputRefused as error:
        problem = "inside_webhook" if error.message == INSIDE else "not_webhook"
        raise InvalidInput("webhook", problem, f"webhook: {error.message}") from error


class Poster:
    """`trusted_origins` may be plain http and of this machine, for the owner's address alone."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        clock: Clock,
        *,
        trusted_origins: Collection[str] = (),
        time_most_s: float = TIME_MOST_S,
    ) -> None:
        # No httpx.AsyncClient: it would keep cookies and log every address, which is a secret of its receiver's.
        self._transport = transport
        self._clock = clock
        self._trusted = frozenset(map(origin_of, trusted_origins))
        self._time_most_s = time_most_s

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def post(self, message: Message, target: Target) -> Answer:
        """Send the message once."""
        try:
            async with asyncio.timeout(self._time_most_s):
                return await self._post(message, target)
        except TimeoutError:
            return Answer("no answer in time")
        except OutputRefused as error:
            return Answer(error.message, is_final=True)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return Answer(type(error).__name__)

    async def _post(self, message: Message, target: Target) -> Answer:
        trusted = target.is_owners and origin_of(target.url) in self._trusted
        address = read_address(target.url, trusted=trusted)
        url = httpx.URL(address.url)
        if (url.scheme, url.raw_host.decode()) != (address.scheme, address.host) or url.userinfo:
            raise OutputRefused("not an address")  # two readers, two meanings
        body, headers = message.written(target.form)
        at = int(self._clock.now())
        headers |= {"User-Agent": "dreamina-ui", "webhook-id": message.event_id, "webhook-timestamp": str(at)}
        if target.key is not None:
            headers["webhook-signature"] = signature(target.key, message.event_id, at, body)
        extensions = {"timeout": TIMEOUT.as_dict(), TRUSTED: trusted}
        request = httpx.Request("POST", url, headers=headers, content=body, extensions=extensions)
        reply = await self._transport.handle_async_request(request)
        try:
            return Answer(
                f"HTTP {reply.status_code}",
                is_good=reply.is_success,
                is_final=reply.status_code == httpx.codes.GONE,
                retry_after_s=_retry_after_s(reply),
                said=await _beginning(reply),
            )
        finally:
            await reply.aclose()


async def _beginning(reply: httpx.Response) -> str:
    """The beginning of the answer's text, as one printable line."""
    data = b""
    # The status has come, and counts, whatever becomes of the text.
    with suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(ANSWER_TIME_S):
            assert isinstance(reply.stream, httpx.AsyncByteStream)
            async for chunk in reply.stream:
                data += chunk[: ANSWER_MOST - len(data)]
                if len(data) >= ANSWER_MOST:
                    break
    text = " ".join(data.decode(errors="replace").split())
    return "".join(letter for letter in text if letter.isprintable())[:SAID_MOST]


def _retry_after_s(reply: httpx.Response) -> float:
    given = reply.headers.get("retry-after", "").strip()
    return min(float(given), RETRY_AFTER_MOST_S) if given.isascii() and given.isdigit() and len(given) < 9 else 0.0


async def look_up_aside(host: str, port: int) -> list[str]:
    """As `look_up`, in a thread of its own: a name that gets no answer must not hold one of those that all share."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(answer: list[str] | OSError | UnicodeError) -> None:
        if found.done():
            return
        if isinstance(answer, Exception):
            found.set_exception(answer)
        else:
            found.set_result(answer)

    def work() -> None:
        answer: list[str] | OSError | UnicodeError
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer = list(dict.fromkeys(str(each[4][0]) for each in answers))
        except (OSError, UnicodeError) as error:
            answer = error
        with suppress(RuntimeError):  # the studio has stopped meanwhile
            loop.call_soon_threadsafe(settle, answer)

    threading.Thread(target=work, name="look-up", daemon=True).start()
    return await found


def target_of(url: str, *, key: bytes | None, form: Form | None = None, is_owners: bool = False) -> Target:
    """The target of an address, in the form that it is known for unless another one is given."""
    parts = urlsplit(url)
    found = form_of((parts.hostname or "").lower(), parts.path)
    return Target(url=url, form=form or found, key=key, is_owners=is_owners)
