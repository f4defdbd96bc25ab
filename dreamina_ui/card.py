"""Model cards for the owner: `python -m dreamina_ui.card fetch MODEL_ID` writes one, `… check FILE` checks one."""

import asyncio
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from dreamina_ui.cards.media_rules import MEGABYTE
from dreamina_ui.cards.model_card import Card, Field, card_of, load_card
from dreamina_ui.config.env_file import load_env_file
from dreamina_ui.errors import CardError, DreaminaError
from dreamina_ui.masking import know_settings
from dreamina_ui.runcomfy.client import RunComfy
from dreamina_ui.settings import Settings

__all__ = ["card_from", "commands", "described"]

SCHEMA_PLACES = (
    ("input_schema",),
    ("schema", "input"),
    ("schema", "input_schema"),
    ("schema", "properties", "input"),
    ("schema",),
    ("inputs",),
    ("input",),
)
"""Where the input schema may be in a reply about a model; RunComfy does not document it."""
OUTPUT_PLACES = (("output_schema",), ("schema", "output"), ("schema", "output_schema"))
WRAPPERS = ("model", "data")
REFERRED_TO = ("$defs", "definitions", "components")
"""What a schema may refer to, beside it."""
SHOWN_MOST = 60
_MEDIA = {"image": "picture", "video": "video", "audio": "sound"}

commands = typer.Typer(
    help="Model cards: what a model takes, and so what the form shows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@commands.command()
def fetch(
    model_id: Annotated[str, typer.Argument(help="Such as bytedance/dreamina-3-0/pro/text-to-video.")],
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the card goes; by itself, the id's name.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a file that is there.")] = False,
) -> None:
    """Write a model's card from the service's reply about it; free of charge."""
    model_id = model_id.strip("/ ")
    path = to or Path(re.sub(r"[^A-Za-z0-9._-]+", "-", model_id).strip("-.") + ".json")
    if path.exists() and not replace:
        _refuse(f"That cannot be done: {path} is there already; --replace writes over it.")
    try:
        load_env_file(os.environ)
        know_settings(os.environ)
        source = card_from(model_id, asyncio.run(_reply(model_id, Settings.from_env(os.environ))))
        card_of(path.name, source)  # a card that no studio can load is not written
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_text(json.dumps(source, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except DreaminaError as error:
        _refuse(f"That cannot be done: {error}")
    except OSError as error:
        _refuse(f"That cannot be done: {path}: {error.strerror}")
    typer.echo(f"Written: {path}")
    _show(path)


@commands.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A card.")]) -> None:
    """Show what is wrong with a card, or the fields that the form will have."""
    _show(file)


def card_from(model_id: str, reply: Mapping[str, Any]) -> dict[str, Any]:
    """The card of the service's reply about a model. Raises `CardError` if the reply has no input schema."""
    replies = [reply, *(inner for name in WRAPPERS if isinstance(inner := reply.get(name), Mapping))]
    schema = next(filter(None, (_at(each, place, "properties") for each in replies for place in SCHEMA_PLACES)), None)
    if schema is None:
        raise CardError(f"the service's reply about {model_id} holds no input schema; write the card by hand")
    output = next(filter(None, (_at(each, place) for each in replies for place in OUTPUT_PLACES)), None)
    names = {"title": ("display_name", "title", "name"), "task": ("category", "task")}
    texts = {
        key: str(found)
        for key, places in names.items()
        if (found := next((reply[place] for place in places if isinstance(reply.get(place), str)), None))
    }
    categories = reply.get("categories")
    if isinstance(categories, list) and (named := [each for each in categories if isinstance(each, str)]):
        texts.setdefault("task", named[0])
    fps = reply.get("frames_per_second")
    around = {name: each[name] for each in replies for name in REFERRED_TO if isinstance(each.get(name), Mapping)}
    return {
        "model_id": model_id,
        **texts,
        **({"frames_per_second": fps} if isinstance(fps, int | float) and not isinstance(fps, bool) else {}),
        "input_schema": {**schema, "type": "object"},
        **around,
        **({"output_schema": output} if output else {}),
    }


def described(card: Card) -> Iterator[str]:
    """The fields that the form shows, one line each, in their order."""
    width = max((len(field.name) for field in card.fields), default=0)
    for field in card.fields:
        facts = [_kind(field), *_limits(field)]
        if field.default is not None:
            default = json.dumps(field.default, ensure_ascii=False)
            facts.append("default " + (default if len(default) <= SHOWN_MOST else default[: SHOWN_MOST - 1] + "…"))
        facts += ["required"] if field.required else []
        facts += ["or nothing (null)"] if field.nullable else []
        facts += [f"for example {field.sample}"] if field.sample else []
        facts += [f"not checked here: {rule}" for rule in field.unread_rules]
        yield _plain(f"{field.name:<{width}}  {field.title}: {', '.join(facts)}")


async def _reply(model_id: str, settings: Settings) -> dict[str, Any]:
    async with RunComfy(settings.api_base, network=settings.network) as service:
        # Without a key, the client raises `KeyMissing`.
        return await service.model(model_id, key=settings.api_key or "")


def _show(path: Path) -> None:
    try:
        card = load_card(path)
    except CardError as error:
        _refuse(_plain(f"This card cannot be used: {error}"))
    typer.echo(_plain(f"{card.title} ({card.model_id}), {len(card.fields)} fields:"))
    for line in described(card):
        typer.echo("  " + line)


def _at(reply: Mapping[str, Any], place: tuple[str, ...], needed: str = "") -> dict[str, Any] | None:
    """The object at `place`, parsed if it is text; None if there is none, or none with an object named `needed`."""
    value: Any = reply
    for name in place:
        value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = None
    if not isinstance(value, dict) or (needed and not isinstance(value.get(needed), dict)):
        return None
    return value


def _kind(field: Field) -> str:
    if field.kind == "list" and field.item is not None:
        return f"list of: {_kind(field.item)}"
    if field.kind == "choice":
        return "one of " + ", ".join(str(choice) for choice in field.choices)
    names = {
        "text": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "yes or no",
        "address": f"{_MEDIA.get(field.media or '', 'file')}, by https address or as a file",
    }
    return names.get(field.kind, "JSON")


def _limits(field: Field) -> Iterator[str]:
    limits = (
        (field.most_characters, "at most {} characters"),
        (field.least, "from {}"),
        (field.most, "to {}"),
        (field.step, "in steps of {}"),
        (field.least_items, "at least {} entries"),
        (field.most_items, "at most {} entries"),
    )
    yield from (words.format(limit) for limit, words in limits if limit is not None)
    for rule in field.rules:
        bound = rule.bound / MEGABYTE if rule.quantity == "bytes" else rule.bound
        unit = "MB" if rule.quantity == "bytes" else rule.quantity.replace("_", " ").removesuffix(" s")
        yield f"{unit} {'at most' if rule.is_upper else 'at least'} {bound:.6g}"


def _refuse(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


def _plain(text: str) -> str:
    """Without control characters, which a terminal would interpret."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


if __name__ == "__main__":
    commands(prog_name="python -m dreamina_ui.card")
