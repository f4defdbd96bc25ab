"""The documents: every command is run somewhere, every link has a target, every setting has its default."""

import ast
import re
import shutil
import sys
from pathlib import Path

import pytest

from dreamina_ui.settings import API_BASE, KEY_NAMES, Settings
from tests.servers import ROOT, Process, free_port

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("python", "bash", "pip", "npm", "node", "curl", "git", "cd", "nginx", '"$bin/python"', "bin=")
INSTALL = "bin=$(bash scripts/install requirements.txt requirements-dev.txt)"
IN_A_CLONE = (".ci/run", 'cd "$(dirname "$0")/.."')
BENCHMARKS = ("tests/benchmarks/test_pacing.py", '"-m", "benchmarks"')

NEW_WEBHOOK_SECRET = (
    """python -c "import base64, secrets; print('whsec_' + base64.b64encode(secrets.token_bytes(32)).decode())\""""
)
MONEY_SETTINGS = (
    "RUNCOMFY_API_TOKEN=secret RUNCOMFY_MODEL_API_BASE=http://127.0.0.1:8700/v1 DREAMINA_DAILY_BUDGET_USD=1"
)

# Where each command is run: a file, and what in it shows that. `python -m pytest FILES` needs no entry.
PLACES: dict[str, tuple[str, str]] = {
    "bash scripts/run": ("tests/test_docs.py", '"scripts" / "run"'),
    "bash scripts/test": (".ci/run", "bash scripts/test"),
    "bash scripts/test --fast": ("tests/test_fast.py", '"--fast"'),
    "git clone REPOSITORY dreamina-ui": IN_A_CLONE,
    "cd dreamina-ui": IN_A_CLONE,
    INSTALL: ("scripts/test", INSTALL),
    '"$bin/python" -m pytest tests/test_settings.py': ("scripts/test", '"$bin/python" -m pytest'),
    "pip install -r requirements.txt && python app.py": ("scripts/install", "-m pip install"),
    "pip install gradio_client": ("requirements.txt", "gradio[mcp,oauth]"),  # which brings it
    "npm install @gradio/client": ("scripts/javascript", "npm install"),
    "python app.py": ("tests/test_start.py", 'str(ROOT / "app.py")'),
    "python scripts/space ../my-space": ("tests/test_space.py", '"scripts/space"'),
    "python -m dreamina_ui.admin": ("tests/test_admin.py", '"-m", "dreamina_ui.admin"'),
    "python -m dreamina_ui.admin webhook test": ("tests/test_admin.py", '"webhook test"'),
    "python -m dreamina_ui.admin webhook list": ("tests/test_admin.py", '"webhook list"'),
    NEW_WEBHOOK_SECRET: ("tests/test_settings.py", "NEW_WEBHOOK_SECRET"),
    "python -m dreamina_ui.admin spending": ("tests/test_admin.py", 'owner.reads("spending")'),
    "python -m dreamina_ui.admin balance": ("tests/test_admin.py", 'owner.reads("balance")'),
    "python -m dreamina_ui.simulator --port 8700 --token secret": (
        "tests/simulator/test_curl.py",
        '"-m", "dreamina_ui.simulator"',
    ),
    "python -m dreamina_ui.simulator --port 8700 --token secret --price 0.05 --balance 2": (
        "tests/browser/test_money.py",
        '"--price", "0.6", "--per", "output", "--note", NOTE, "--balance", "2"',
    ),
    f"{MONEY_SETTINGS} python app.py": ("tests/browser/test_money.py", '"DREAMINA_DAILY_BUDGET_USD": "1"'),
    "DREAMINA_MODEL_CARD=cards/my-model.json python app.py": ("tests/web/test_input_files.py", "DREAMINA_MODEL_CARD="),
    "python -m dreamina_ui.card fetch somebody/some-model/text-to-video --to my-model.json": (
        "tests/test_card_command.py",
        'types("fetch", own.model_id, "--to"',
    ),
    "python -m dreamina_ui.card models": ("tests/test_card_command.py", 'types("models"'),
    "python -m dreamina_ui.card models dreamina": ("tests/test_card_command.py", 'types("models", '),
    "python -m dreamina_ui.card check my-model.json": ("tests/test_card_command.py", 'types("check"'),
    "python -m benchmarks": BENCHMARKS,
    "python -m benchmarks --report docs/performance.md": BENCHMARKS,
    "python -m benchmarks.history": ("tests/benchmarks/test_history.py", '"benchmarks.history"'),
    "python -m benchmarks --short": BENCHMARKS,
    **{
        f"python -m benchmarks.{name} --report docs/performance.md": (f"tests/benchmarks/test_{file}.py", shown)
        for name, file, shown in (
            ("pacing", "pacing", '"benchmarks", "pacing"'),
            ("watchers", "watchers", '"benchmarks.watchers"'),
            ("start", "small", '"start"'),
            ("page", "small", '"page"'),
            ("saving", "small", '"saving"'),
            ("playing", "small", '"playing"'),
            ("votes", "small", '"votes"'),
            ("simulator", "simulator", '"benchmarks.simulator"'),
            ("growth", "growth", '"benchmarks.growth"'),
            ("history", "history", '"benchmarks.history"'),
        )
    },
    "python -m tests.soak --report docs/reliability.md": ("tests/soak/test_soak.py", "from tests.soak"),  # in short
    "python -m tests.security.fuzz --inputs 10000": ("tests/security/test_fuzz.py", "fuzz"),  # with fewer inputs
}
DOCKER = {
    "docker build -t dreamina-ui .",
    "docker run --read-only --tmpfs /tmp -p 127.0.0.1:7860:7860 -v dreamina:/data -e RUNCOMFY_API_TOKEN dreamina-ui",
    "docker compose up --build",
}
"""tests/test_container.py checks the files that these take."""
UNRUN = {"python scripts/screenshots ADDRESS", "python -m tests.container FOLDER", *DOCKER}
"""Pictures, which people check, and a machine that is installed anew: run when the page, or the container, has changed."""
OWN_TEST = {"api.md"}
"""tests/api/test_examples.py runs and counts its blocks."""
DEFAULTS: dict[str, object] = {
    **dict.fromkeys(KEY_NAMES),
    "RUNCOMFY_MODEL_API_BASE": API_BASE,
    "DREAMINA_BACKEND": "auto",
    "DREAMINA_MCP": "auto",
    "DREAMINA_OUTPUT_PROXY": "auto",
    "PORT": None,
}
IN_WORDS = {"DREAMINA_MODEL_CARD", "DREAMINA_MODELS", "DREAMINA_DATA_DIR", "DREAMINA_DATABASE_URL", "DREAMINA_SECRET"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose_of(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def is_command(line: str) -> bool:
    return re.sub(r"^([A-Z_]+=\S* )+", "", line).startswith(PROGRAMS)


def commands(document: Path) -> set[str]:
    """Each line of a shell or indented block, and each `command` in the text, without comments."""
    text = document.read_text(encoding="utf-8")
    found: list[str] = []
    if document.name not in OWN_TEST:
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            lines = [line.removeprefix("$ ") for line in block.splitlines()]
            if language in ("", "bash", "console", "sh", "shell"):
                # A block without a language shows output, too; one of a shell's may also set something, for .env.
                found += [
                    line for line in lines if (language or is_command(line)) and not re.fullmatch(r"[A-Z_]+=\S*", line)
                ]
    prose = prose_of(text)
    found += [line for line in re.findall(r"^    (\S.*)$", prose, re.MULTILINE) if is_command(line)]
    found += re.findall(r"`((?:python|bash|pip|npm|nginx) [^`]+)`", prose)
    return {line.split(" #")[0].strip() for line in found} - {""}


ALL_COMMANDS = sorted({command for document in DOCUMENTS for command in commands(document)} - UNRUN)


@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_every_command_is_run_somewhere(command: str) -> None:
    """Each command is listed with the test or CI file that runs it, and that file still does."""
    if command.startswith("python -m pytest "):
        files = [word for word in command.split() if word.startswith("tests/")]
        assert files
        assert all((ROOT / file).exists() for file in files)
        return
    assert command in PLACES, f"where is {command!r} run?"
    file, shown = PLACES[command]
    assert shown in (ROOT / file).read_text(encoding="utf-8")


def test_every_listed_command_is_in_a_document() -> None:
    """The list has no command that is in no document."""
    assert set(PLACES) <= set(ALL_COMMANDS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links(document: Path) -> None:
    """A relative link is to a file of the project, and to a heading in it."""
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(document.read_text(encoding="utf-8"))):
        if link.startswith("https://"):
            continue
        name, _, heading = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}, link


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_no_document_names_a_machine(document: Path) -> None:
    """No document has a path of one computer, or the host of a package mirror."""
    text = document.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(?:root|tmp|work|Users|mnt)/", text)
    assert set(re.findall(r"/home/(\w+)", text)) <= {"ann"}
    assert not re.search(r"(?:pypi|npmjs|artifactory|nexus)\.\w+|index-url|registry\.", text, re.IGNORECASE)


def names_read() -> set[str]:
    """Every name that settings.py reads, from its source."""
    tree = ast.parse((ROOT / "dreamina_ui" / "settings.py").read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if re.fullmatch(r"(?:DREAMINA|RUNCOMFY|GRADIO)_[A-Z_]+|PORT", text)}


def test_every_setting_has_its_default() -> None:
    """docs/settings.md has each name that settings.py reads once, with its default."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| .+ \|$", text, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(names_read())
    nothing_set = Settings.from_env({})
    for name, told in rows:
        if name in IN_WORDS:
            assert "`" not in told
            continue
        attribute = name.removeprefix("DREAMINA_").removeprefix("GRADIO_").lower()
        default = DEFAULTS[name] if name in DEFAULTS else getattr(nothing_set, attribute)
        default = int(default) if isinstance(default, float) else default
        assert told == (f"`{default}`" if default else "–"), name


def test_the_limits_of_a_space() -> None:
    """The table has the default limits of a shared key on a Space."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    space = Settings.from_env({"SPACE_ID": "ann/studio", "RUNCOMFY_API_TOKEN": "key"})
    for limit in (space.daily_limit, space.daily_limit_per_visitor):
        assert f"on a Space with a shared key `{limit}`" in text


def test_the_example_has_every_setting() -> None:
    """.env.example has each setting, commented out, and the first name of the key."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^# ([A-Z_]+)=", text, re.MULTILINE)) == names_read() - set(KEY_NAMES[1:])


@pytest.mark.program
def test_the_first_command_starts_the_studio(tmp_path: Path) -> None:
    """`bash scripts/run` in a copy of the project with a ready environment starts the studio."""
    project = tmp_path / "project"
    python = project / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    for name in ("app.py", "requirements.txt"):
        shutil.copyfile(ROOT / name, project / name)
    for name in ("dreamina_ui", "assets", "scripts"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__", "screenshots"))
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    settings = {
        "DREAMINA_BACKEND": "simulator",
        "DREAMINA_DATA_DIR": str(tmp_path),
        "GRADIO_SERVER_PORT": str(free_port()),
    }
    running = Process(tmp_path / "log", ["bash", str(project / "scripts" / "run")], settings)
    running.start()
    running.stop()
    assert "Dreamina UI: http://127.0.0.1:" in running.log
    assert list(project.glob(".venv/installed-*"))
