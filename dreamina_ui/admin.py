"""The owner's commands: `python -m dreamina_ui.admin --help`. They use the studio's settings, and work while it runs."""

import asyncio
import io
import os
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

import sqlalchemy as sa
import typer

from dreamina_ui.backends import charges
from dreamina_ui.clock import SYSTEM_CLOCK
from dreamina_ui.config.env_file import load_env_file
from dreamina_ui.engine.webhooks.messages import Form
from dreamina_ui.engine.webhooks.webhooks import WebhookSettings, owners_target, send_test
from dreamina_ui.errors import DreaminaError, KeyMissing, ServiceError, StoreUnavailable
from dreamina_ui.masking import know_settings
from dreamina_ui.media.library import Library
from dreamina_ui.runcomfy.client import RunComfy
from dreamina_ui.settings import Settings
from dreamina_ui.storage.allowances import DAY_S, Allowances, Limits, midnight, month_start
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import Overview, Spending
from dreamina_ui.storage.maintenance import prune as prune_old
from dreamina_ui.storage.webhook_events import Outbox, WebhookEvents

__all__ = ["commands"]

PROMPT_SHOWN = 40
VISITOR_MOST = 200
REASON_MOST = 500
PATIENCE_S = 15.0
"""For the service's answer about the balance."""

commands = typer.Typer(
    help="What the owner of a studio can see and do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@dataclass(frozen=True, slots=True)
class Context:
    settings: Settings
    overview: Overview
    allowances: Allowances
    events: WebhookEvents


def checked_reason(value: str) -> str:
    if not (value.isprintable() and len(value) <= REASON_MOST):
        raise typer.BadParameter(f"a reason has at most {REASON_MOST} printable characters")
    return value


def checked_visitor(value: str) -> str:
    if not value.strip() or len(value) > VISITOR_MOST or not value.isprintable():
        raise typer.BadParameter(f"a visitor's id has 1 to {VISITOR_MOST} printable characters")
    return value


Visitor = Annotated[str, typer.Argument(callback=checked_visitor, help="As `allowances` and `uncertain` show it.")]


@commands.command()
def today() -> None:
    """Videos paid today (UTC), and their cost if the service reports it."""

    async def work(context: Context) -> None:
        since = midnight(time.time())
        spent = await context.overview.spending(since)
        typer.echo(f"Since {_utc(since)}:")
        for spending in spent:
            typer.echo("  " + _spending_line(spending))
        if not spent:
            typer.echo("  nothing")

    _run(work)


@commands.command()
def spending() -> None:
    """What today and this month (UTC) have cost, by model and by whose key; and the shared key's balance."""

    async def work(context: Context) -> None:
        now = time.time()
        for name, since in (("Today", midnight(now)), ("This month", month_start(now))):
            spent = await context.overview.spending(since, by_model=True)
            typer.echo(f"{name}, since {_utc(since)}:")
            for each in spent:
                typer.echo("  " + _spending_line(each))
            for own_key in (False, True):
                paid = [each for each in spent if each.own_key is own_key and charges(each.backend)]
                if len(paid) > 1:
                    typer.echo("  " + _sum_line(paid))
            if not spent:
                typer.echo("  nothing")
        if (budget_line := await _budget_line(context)) is not None:
            typer.echo(budget_line)
        try:
            typer.echo(await _balance_line(context.settings))
        except ServiceError as error:
            typer.echo(f"The balance cannot be read: {error}")

    _run(work)


@commands.command()
def balance() -> None:
    """What the account of the shared key has left, by the service."""

    async def work(context: Context) -> None:
        typer.echo(await _balance_line(context.settings))

    _run(work)


@commands.command()
def jobs() -> None:
    """How many jobs are in each state, and the oldest unfinished one."""

    async def work(context: Context) -> None:
        for state, count in (await context.overview.by_state()).items():
            typer.echo(f"{state:<12} {count:>7}")
        oldest = await context.overview.oldest_unfinished()
        if oldest is None:
            typer.echo("Nothing is unfinished.")
        else:
            line = (
                f"{oldest.job_id}  {oldest.state}  since {_utc(oldest.created_at)}  visitor {_plain(oldest.visitor_id)}"
            )
            typer.echo(f"Oldest unfinished: {line}")

    _run(work)


@commands.command()
def uncertain() -> None:
    """Jobs whose reply was lost: they may be paid. RunComfy's own list of requests shows it."""

    async def work(context: Context) -> None:
        found = await context.overview.uncertain()
        for job in found:
            prompt = _plain(job.prompt)[:PROMPT_SHOWN]
            note = "  (dismissed)" if job.dismissed else ""
            request = _plain(job.request_id or "no request id")
            when, who = _utc(job.submitted_at or job.created_at), _plain(job.visitor_id)
            typer.echo(f"{job.job_id}  {when}  visitor {who}  {request}  {prompt}{note}")
        if not found:
            typer.echo("Nothing is uncertain.")

    _run(work)


@commands.command()
def allowances() -> None:
    """Today's uses of the allowances and of the budget for the shared key, by visitor and in all; and the blocked visitors."""

    async def work(context: Context) -> None:
        limits = Limits.of(context.settings)
        used, blocked = await context.allowances.used(), await context.allowances.blocked()
        renews_at = midnight(time.time()) + DAY_S
        typer.echo(f"In all: {_of(sum(used.values()), limits.daily)}; renews at {_utc(renews_at)}")
        if (budget_line := await _budget_line(context)) is not None:
            typer.echo(budget_line)
        for visitor_id, count in used.items():
            typer.echo(f"  {_plain(visitor_id)}  {_of(count, limits.daily_per_visitor)}")
        for block in blocked:
            reason = f": {_plain(block.reason)}" if block.reason else ""
            typer.echo(f"Blocked: {_plain(block.visitor_id)} since {_utc(block.at)}{reason}")

    _run(work)


@commands.command()
def block(
    visitor_id: Visitor,
    reason: Annotated[str, typer.Option(callback=checked_reason, help="For you; the visitor is not told.")] = "",
) -> None:
    """Refuse a visitor's clicks, and cancel what is not sent yet. The visitor can still see their videos."""

    async def work(context: Context) -> None:
        known = await context.overview.knows(visitor_id)
        cancelled = await context.allowances.block(visitor_id, reason)
        note = "" if known else " Nobody with this id has been here yet."
        typer.echo(f"{_plain(visitor_id)} is blocked; {_many(cancelled, 'waiting job')} cancelled.{note}")

    _run(work)


@commands.command()
def unblock(visitor_id: Visitor) -> None:
    """Let a blocked visitor make videos again."""

    async def work(context: Context) -> None:
        if not await context.allowances.unblock(visitor_id):
            _refuse(f"{_plain(visitor_id)} was not blocked.")
        typer.echo(f"{_plain(visitor_id)} is no longer blocked.")

    _run(work)


@commands.command()
def prune(
    older_than: Annotated[int, typer.Option(min=1, max=10_000, metavar="DAYS", help="Days since a job ended.")],
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Remove them; else they are only counted.")] = False,
) -> None:
    """Remove old videos of all visitors, with their rows; never unfinished or uncertain jobs."""

    async def work(context: Context) -> None:
        before = time.time() - older_than * DAY_S
        library = Library(context.settings.data_dir / "videos")
        async with AsyncExitStack() as stack:
            stack.push_async_exit(library)  # not entered, which would also clean up after a crash
            pruned = await prune_old(context.overview, context.allowances, library, before=before, really=yes)
        verb = "Removed" if yes else "Would remove"
        jobs, videos = f"{_many(pruned.jobs, 'job')} that ended before {_utc(before)}", _many(pruned.videos, "video")
        typer.echo(f"{verb} {jobs}, with {videos} ({pruned.size / 1e6:.1f} MB)." + ("" if yes else " --yes does it."))

    _run(work)


webhooks = typer.Typer(help="Messages to DREAMINA_WEBHOOK_URL and to the addresses of batches.", no_args_is_help=True)
commands.add_typer(webhooks, name="webhook")


@webhooks.command()
def test() -> None:
    """Send a test to DREAMINA_WEBHOOK_URL, and say what came back."""

    async def work(context: Context) -> None:
        settings = WebhookSettings.of(context.settings)
        target = owners_target(settings)
        if target is None:
            _refuse("DREAMINA_WEBHOOK_URL is not set, so nothing was sent.")
        host = urlsplit(target.url).netloc
        answer = await send_test(settings, target, context.settings.public_url, SYSTEM_CLOCK)
        signed = (
            ""
            if target.key or target.form is not Form.JSON
            else " It was not signed: DREAMINA_WEBHOOK_SECRET is not set."
        )
        said = f": {_plain(answer.said)}" if answer.said else ""
        if answer.short.startswith("HTTP "):
            line = f"The test went to {host} as {target.form}, and the answer is {answer.short}{said}.{signed}"
        else:
            line = f"The test to {host} as {target.form} got no answer: {answer.short}."
        if not answer.is_good:
            _refuse(line)
        typer.echo(line)

    _run(work)


@webhooks.command(name="list")
def list_messages() -> None:
    """Messages that wait for their next try, and those of the last week that were given up."""

    async def work(context: Context) -> None:
        found = await context.events.undelivered()
        for event in found:
            whose = f"to {_plain(event.host)}, visitor {_plain(event.visitor_id)}" if event.host else "to the owner"
            then = "given up" if event.next_at is None else f"next try at {_utc(event.next_at)}"
            came = f" ({_plain(event.answer)})" if event.answer else ""
            tries = _many(event.tries, "try").replace("trys", "tries")
            typer.echo(f"{event.event_id}  {event.event}  {_utc(event.at)}  {whose}  {tries}{came}, {then}")
        if not found:
            typer.echo("Nothing waits, and nothing was given up.")

    _run(work)


def _run(work: Callable[[Context], Coroutine[Any, Any, None]]) -> None:
    """Run `work` with the database of the settings; an error is printed as one sentence, with exit code 1."""
    try:
        load_env_file(os.environ)
        know_settings(os.environ)
        settings = Settings.from_env(os.environ)
        with closing(_database(settings)) as database:
            database.prepare()
            outbox = Outbox(database, for_owner=settings.webhook_url is not None)
            allowances = Allowances(database, Limits.of(settings), settings.backend, outbox=outbox)
            asyncio.run(work(Context(settings, Overview(database), allowances, WebhookEvents(database))))
    except DreaminaError as error:
        _refuse(f"That cannot be done: {error}")
    except OSError as error:
        _refuse(f"That cannot be done: {error.filename or 'a file'}: {error.strerror}")


def _database(settings: Settings) -> Database:
    url = settings.database_address
    path = ""
    with suppress(sa.exc.ArgumentError, ValueError):  # `Database` reports it
        path = (sa.make_url(url).database or "") if url.startswith("sqlite") else ""
    if path and not Path(path).exists():  # SQLite would create one
        raise StoreUnavailable(f"there is no database at {path}")
    return Database(url)


def _refuse(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


async def _budget_line(context: Context) -> str | None:
    """How much of today's budget is used; None without one."""
    budget_usd = context.settings.daily_budget_usd
    if budget_usd is None:
        return None
    use = await context.allowances.budget_use()
    unknown = f"; {_many(use.unknown, 'video')} of unknown price not counted" if use.unknown else ""
    return f"Budget: {_usd(use.spent_usd)} of {_usd(budget_usd)} used today{unknown}"


async def _balance_line(settings: Settings) -> str:
    """Raises `ServiceError`."""
    if not settings.backend.charges:
        return "Balance: the simulator charges nothing"
    if settings.api_key is None:
        raise KeyMissing("there is no shared key")
    async with RunComfy(settings.api_base, network=settings.network, read_timeout_s=PATIENCE_S) as service:
        return f"Balance of the shared key: {_usd(await service.balance(key=settings.api_key))}"


def _spending_line(spending: Spending) -> str:
    videos = _many(spending.videos, "video")
    model = f", {_plain(spending.model_id)}" if spending.model_id else ""
    if not charges(spending.backend):
        return f"{spending.backend}{model}: {videos}, free"
    key = "own keys" if spending.own_key else "shared key"
    unpriced = f", {spending.unpriced} without a known price" if spending.unpriced else ""
    return f"{_plain(spending.backend)}, {key}{model}: {videos}, {_usd(spending.usd)}{unpriced}"


def _sum_line(spent: Sequence[Spending]) -> str:
    """The same, of several models."""
    videos, usd, unpriced = (sum(getattr(each, name) for each in spent) for name in ("videos", "usd", "unpriced"))
    first = replace(spent[0], model_id="all models", videos=videos, usd=usd, unpriced=unpriced)
    return _spending_line(first)


def _usd(usd: float) -> str:
    return f"-${-usd:,.2f}" if usd < 0 else f"${usd:,.2f}"


def _many(count: int, one: str) -> str:
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def _of(used: int, limit: int | None) -> str:
    return f"{used} used, no limit" if limit is None else f"{used} of {limit} used"


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _plain(text: str) -> str:
    """Without control characters, which a terminal would interpret."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the terminal may lack a prompt's letters
    commands(prog_name="python -m dreamina_ui.admin")
