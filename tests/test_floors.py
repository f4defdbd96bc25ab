"""The house's floors: an import only ever points down."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "dreamina_ui"

# From the ground up; a module may import what stands on lower floors.
FLOORS: list[set[str]] = [
    {
        "connections",
        "envelope",
        "errors",
        "hosts",
        "kept_page",
        "media.edits",
        "media.kinds",
        "pacing",
        "points",
        "polls",
        "runcomfy_addresses",
        "runcomfy_texts",
        "runcomfy_words",
        "ui.blocks",
        "ui.theme",
    },
    {
        "addresses",
        "card_fields",
        "health",
        "jobs",
        "media.boxes",
        "media.examine",
        "media.mp3_comments",
        "media.picture_comments",
        "runcomfy_outputs",
        "runcomfy_reply",
        "settings",
        "uploads",
    },
    {
        "card_problems",
        "guard",
        "media.movie_comments",
        "news",
        "pinned",
        "public_place",
        "recording",
        "records",
        "rows",
        "runcomfy_faults",
        "runcomfy_replies",
        "ui.wording",
        "visitors",
    },
    {
        "fetching",
        "media.embed",
        "migrations",
        "model_card",
        "runcomfy",
        "sessions",
        "ui.asking",
        "ui.fixed",
        "ui.prompting",
        "ui.sheet",
        "web",
    },
    {"card", "database", "keys", "library", "prices", "reading", "sending"},
    {"allowances", "archive", "leases", "links", "overview", "plan", "saving", "ui.form", "ui.settings_file"},
    {"cleaning", "downloads", "durations", "store", "ui.history_html"},
    {"admin", "intake", "keeper", "looks", "past", "rebuild", "watching"},
    {"batches", "runner"},
    {"key_holders"},
    {"engine"},
    {"ui.answers", "ui.history", "ui.shown"},
    {"ui.api", "ui.outputs_html", "ui.tools"},
    {"ui.agents", "ui.batch_html", "ui.stage_html"},
    {"ui.account", "ui.batch", "ui.compose", "ui.stage"},
    {"ui.page"},
    {"studio"},
    {"app"},
]
FLOOR = {module: number for number, modules in enumerate(FLOORS) for module in modules}
PATHS = {
    **{
        ".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts): path
        for path in (ROOT / PACKAGE).rglob("*.py")
        if path.name != "__init__.py" and "simulator" not in path.parts
    },
    "app": ROOT / "app.py",
}


def imported(path: Path) -> set[str]:
    """The project's own modules that a file imports, without the package's name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            module = str(node.module).removeprefix(PACKAGE).removeprefix(".")
            inner = {f"{module}.{alias.name}".removeprefix(".") for alias in node.names} & set(PATHS)
            found |= inner or {module}
        elif isinstance(node, ast.Import):
            found |= {a.name.removeprefix(PACKAGE + ".") for a in node.names if a.name.startswith(PACKAGE + ".")}
    return found


def test_every_module_has_a_floor() -> None:
    """A new module must say where it stands."""
    assert set(PATHS) == set(FLOOR)


@pytest.mark.parametrize("module", sorted(PATHS))
def test_imports_point_down(module: str) -> None:
    """No module imports one of its own floor or of a higher one; the simulator is known to the studio alone."""
    for other in imported(PATHS[module]):
        if other == "simulator":
            assert module == "studio"
        else:
            assert FLOOR[other] < FLOOR[module], f"{module} imports {other}"


def test_simulator_shares_nothing_with_the_house() -> None:
    """The simulator imports nothing of ours, so that it cannot share our mistakes."""
    for path in (ROOT / PACKAGE / "simulator").rglob("*.py"):
        assert all(other.startswith("simulator") for other in imported(path)), path


@pytest.mark.parametrize(
    "module",
    [
        "errors",
        "addresses",
        "hosts",
        "jobs",
        "model_card",
        "reading",
        "plan",
        "links",
        "pacing",
        "media.kinds",
        "ui.wording",
    ],
)
def test_pure_modules_do_not_wait_or_store(module: str) -> None:
    """The pure floors know nothing of the network, the database, threads or the clock."""
    tree = ast.parse(PATHS[module].read_text(encoding="utf-8"))
    names = {a.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not names & {"asyncio", "httpx", "sqlalchemy", "threading", "time", "random", "gradio"}
