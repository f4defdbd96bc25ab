"""Pure modules do not import the network, the database, threads or the clock."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dreamina_ui"
PURE = [
    "backends",
    "errors",
    "config.database_url",
    "config.hosts",
    "config.open_net",
    "config.pasted",
    "jobs",
    "retrying",
    "wording",
    "cards.batches.encodings",
    "cards.batches.lines",
    "cards.batches.plans",
    "cards.batches.sweep",
    "cards.batches.tables",
    "cards.batches.written_tables",
    "cards.schema.dialect",
    "cards.links",
    "cards.media.media_rules",
    "cards.model_card",
    "cards.values",
    "engine.polls.schedule",
    "media.download.addresses",
    "media.kinds",
    "runcomfy.addresses",
    "runcomfy.outputs",
    "runcomfy.replies",
    "runcomfy.texts",
    "runcomfy.words",
]
IMPURE = {"asyncio", "httpx", "sqlalchemy", "threading", "time", "random", "gradio"}


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_do_not_wait_or_store(module: str) -> None:
    """A pure module imports nothing that waits, stores or is random."""
    tree = ast.parse((PACKAGE / Path(*module.split(".")).with_suffix(".py")).read_text(encoding="utf-8"))
    names = {a.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not names & IMPURE
