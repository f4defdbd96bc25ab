"""Model cards for the owner: `python -m dreamina_ui.card fetch MODEL_ID` writes one, `… check FILE` checks one, `… models` lists
what the service offers and whether its cards can be used."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from dreamina_ui.cards.media.media_rules import MEGABYTE
from dreamina_ui.cards.model_card import Card, card_of, load_card
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.config.env_file import load_env_file
from dreamina_ui.errors import CardError, DreaminaError
from dreamina_ui.masking import know_settings
from dreamina_ui.runcomfy.catalogue import Catalogue, file_name, write_card
from dreamina_ui.settings import Settings

__all__ = ["commands", "described"]

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
    path = to or Path(file_name(model_id))
    if path.exists() and not replace:
        _refuse(f"That cannot be done: {path} is there already; --replace writes over it.")
    try:
        card = asyncio.run(_catalogue().fetch(model_id))
        write_card(card, path)
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


@commands.command()
def models(
    search: Annotated[str, typer.Argument(help="Words of ids and titles; without them, all models.")] = "",
) -> None:
    """List the service's models, and whether this studio can use their cards; free of charge."""
    try:
        found = asyncio.run(_catalogue().listed(search))
    except DreaminaError as error:
        _refuse(f"That cannot be done: {error}")
    usable = 0
    for source in found:
        try:
            card = card_of(str(source.get("model_id", "?")), source)
        except CardError as error:
            typer.echo(_plain(f"{source.get('model_id', '?')}: cannot be used: {error}"))
        else:
            usable += 1
            typer.echo(_plain(f"{card.model_id}  {card.title}"))
    typer.echo(f"{len(found)} models, {usable} of them can be used.")


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


def _catalogue() -> Catalogue:
    load_env_file(os.environ)
    know_settings(os.environ)
    settings = Settings.from_env(os.environ)
    # Without a key, the client raises `KeyMissing`.
    return Catalogue(settings.api_base, network=settings.network, key=settings.api_key or "")


def _show(path: Path) -> None:
    try:
        card = load_card(path)
    except CardError as error:
        _refuse(_plain(f"This card cannot be used: {error}"))
    typer.echo(_plain(f"{card.title} ({card.model_id}), {len(card.fields)} fields:"))
    for line in described(card):
        typer.echo("  " + line)


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
