"""The balance: which origin gets the key for it, and how rarely it is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest

from dreamina_ui.clock import Clock
from dreamina_ui.errors import UnreadableReply
from dreamina_ui.runcomfy.client import RunComfy, balance_url
from dreamina_ui.runcomfy.money.balances import AT_ONCE, KEPT_S, LEAST_KEPT_S, Balances
from tests.runcomfy.test_direct import asked

pytestmark = pytest.mark.anyio

KEY = "rc-key-0123456789abcdef"
TWO_DOLLARS = b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"balance_usd": 2}'


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://model-api.runcomfy.net/v1", "https://api.runcomfy.net/prod/v2/balance"),
        ("https://Model-API.RunComfy.net:443/v1", "https://api.runcomfy.net/prod/v2/balance"),
        ("https://gateway.example.com/runcomfy/v1", "https://gateway.example.com/prod/v2/balance"),
        ("https://model-api.runcomfy.net.example.com/v1", "https://model-api.runcomfy.net.example.com/prod/v2/balance"),
        ("https://model-api.runcomfy.net:8443/v1", "https://model-api.runcomfy.net:8443/prod/v2/balance"),
        ("http://127.0.0.1:8700/v1", "http://127.0.0.1:8700/prod/v2/balance"),
    ],
)
async def test_the_key_goes_to_the_accounts_own_origin(base: str, url: str) -> None:
    """RunComfy's balance is at its one other origin; the key for another base never leaves that one."""
    seen: list[httpx.Request] = []

    async def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"balance_usd": 1})

    async with RunComfy(base, transport=httpx.MockTransport(reply)) as service:
        await service.balance(key=KEY)
    assert balance_url(base) == url
    [request] = seen
    assert str(request.url) == url
    assert request.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_takes_the_key_nowhere(status: int) -> None:
    """Over sockets: another origin that the account's answer points to is not even asked."""
    async with asked(TWO_DOLLARS) as other:
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {other.base}\r\nContent-Length: 0\r\n\r\n"
        async with asked(head.encode()) as account, RunComfy(account.base) as service:
            with pytest.raises(UnreadableReply):
                await service.balance(key=KEY)
            assert [head.splitlines()[0] for head in account.heads] == ["GET /prod/v2/balance HTTP/1.1"]
            assert f"Bearer {KEY}" in account.heads[0]
        assert other.connections == 0


async def test_the_balance_is_read_over_a_socket() -> None:
    """The program's own way, without a stand-in for the network."""
    async with asked(TWO_DOLLARS) as account, RunComfy(account.base) as service:
        assert await service.balance(key=KEY) == 2.0


class Still(Clock):
    at = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.at += seconds * 0.999  # a sleep may end a moment early


@dataclass
class Account:
    """Answers with one dollar less each time, once `open` is set."""

    left: float = 10.0
    raises: Exception | None = None
    asked: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.headers["Authorization"])
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.open.wait()
        finally:
            self.at_once -= 1
        if self.raises:
            raise self.raises
        self.left -= 1
        return httpx.Response(200, json={"balance_usd": self.left})


async def with_balances(work: Callable[[Balances, Account, Still], Awaitable[None]], *, is_open: bool = True) -> None:
    account, clock = Account(), Still()
    if is_open:
        account.open.set()
    async with RunComfy("https://api.test/v1", transport=httpx.MockTransport(account), clock=clock) as service:
        await work(Balances(service, clock), account, clock)


async def test_a_balance_is_asked_once_a_minute() -> None:
    """Also by many at once; after a paid video a few seconds later, and another key is another account."""

    async def work(balances: Balances, account: Account, clock: Still) -> None:
        assert await asyncio.gather(*(balances.usd(KEY) for _ in range(20))) == [9.0] * 20
        before = clock.at
        clock.at += 1
        assert await balances.usd(KEY) == 9.0
        assert await balances.usd(KEY, may_have_changed=True) == 8.0
        assert clock.at == pytest.approx(before + LEAST_KEPT_S, abs=0.01)
        clock.at += KEPT_S
        assert await balances.usd(KEY) == 7.0
        assert await balances.usd("another") == 6.0
        assert account.asked == [f"Bearer {KEY}"] * 3 + ["Bearer another"]
        assert KEY not in repr(vars(balances))

    await with_balances(work)


async def test_a_failure_is_no_balance_and_is_not_repeated_at_once() -> None:
    """What was read before is not told as if it were so still."""

    async def work(balances: Balances, account: Account, clock: Still) -> None:
        assert await balances.usd(KEY) == 9.0
        account.raises = httpx.ConnectError("refused")
        clock.at += KEPT_S
        assert await balances.usd(KEY) is None
        account.raises = None
        assert await balances.usd(KEY, may_have_changed=True) is None
        assert len(account.asked) == 2
        clock.at += KEPT_S
        assert await balances.usd(KEY) == 8.0

    await with_balances(work)


async def test_few_balances_are_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred keys wait for a slow service together, a few at a time, and none for longer than its patience."""

    async def work(balances: Balances, account: Account, clock: Still) -> None:
        monkeypatch.setattr("dreamina_ui.runcomfy.money.balances.PATIENCE_S", 0.2)
        answers = await asyncio.gather(*(balances.usd(f"key-{number}") for number in range(100)))
        assert answers == [None] * 100
        assert account.most_at_once == AT_ONCE

    await with_balances(work, is_open=False)
