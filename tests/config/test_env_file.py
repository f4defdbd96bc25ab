"""The file `.env`: each way in which editors, shells and people write it is read, or refused in one sentence."""

from pathlib import Path

import pytest

from dreamina_ui.config.env_file import load_env_file
from dreamina_ui.errors import SettingError
from dreamina_ui.settings import Settings

KEY = "rc-canary-0123456789abcdef"
PLAIN = f"RUNCOMFY_API_TOKEN={KEY}\r\nDREAMINA_MAX_ACTIVE=50\r\n"


def loaded(folder: Path, content: str | bytes, **environ: str) -> Settings:
    """The settings of a file with this content."""
    (folder / ".env").write_bytes(content.encode() if isinstance(content, str) else content)
    load_env_file(environ, folder)
    return Settings.from_env(environ)


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        b"\xff\xfe" + PLAIN.encode("utf-16-le"),  # Out-File and > of Windows PowerShell
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-32"),
        f"# für die Vorführung\r\n{PLAIN}".encode("cp1252"),
        f"# für die Vorführung\r\n{PLAIN}".encode("utf-16"),
        PLAIN.replace("\r\n", "\n").encode(),
        PLAIN.replace("\r\n", "\r").encode(),  # an old Mac
        PLAIN.replace("\r\n", "\u2028").encode(),
        PLAIN.strip().encode(),
        ("\ufeff" + PLAIN).encode("utf-8-sig"),  # two files that were joined
        PLAIN.replace("DREAMINA", "\ufeffDREAMINA").encode(),
    ],
)
def test_encodings_and_line_ends(tmp_path: Path, content: bytes) -> None:
    """Both settings are read from each encoding that an editor or a shell writes."""
    settings = loaded(tmp_path, content)
    assert (settings.api_key, settings.max_active, settings.backend) == (KEY, 50, "runcomfy")


@pytest.mark.parametrize(
    "line",
    [
        f"RUNCOMFY_API_TOKEN = {KEY}",
        f"  RUNCOMFY_API_TOKEN={KEY}  # mine",
        f"RUNCOMFY_API_TOKEN: {KEY}",
        f'RUNCOMFY_API_TOKEN: "{KEY}"',
        f'"RUNCOMFY_API_TOKEN": "{KEY}"',
        f"- RUNCOMFY_API_TOKEN={KEY}",
        f"export RUNCOMFY_API_TOKEN={KEY}",
        f"export RUNCOMFY_API_TOKEN='{KEY}'",
        f"set RUNCOMFY_API_TOKEN={KEY}",
        f'$env:RUNCOMFY_API_TOKEN = "{KEY}"',
        f"runcomfy_api_token={KEY}",
        f"RUNCOMFY_API_TOKEN=“{KEY}”",
        f"RUNCOMFY_API_TOKEN=„{KEY}“",
        f"RUNCOMFY_API_TOKEN=‘{KEY}’",
        f"RUNCOMFY_API_TOKEN=«{KEY}»",
        f"RUNCOMFY_API_TOKEN=`{KEY}`",
        f"RUNCOMFY_API_TOKEN=\"'{KEY}'\"",
        f"RUNCOMFY_API_TOKEN=Bearer {KEY}",
        f'RUNCOMFY_API_TOKEN="bearer {KEY}"',
        f"RUNCOMFY_API_TOKEN=Authorization: Bearer {KEY}",
        f'RUNCOMFY_API_TOKEN=" {KEY}\n"',
        f"RUNCOMFY_API_TOKEN=\u200b{KEY}\u2060",
        f"RUNCOMFY_API_TOKEN\xa0=\xa0{KEY}\xa0",
        f"RUNCOMFY_API_TOKEN={KEY}\nRUNCOMFY_API_TOKEN=",
        f"RUNCOMFY_API_TOKEN=\nRUNCOMFY_TOKEN={KEY}",
        f"SHARED={KEY}\nRUNCOMFY_API_TOKEN=${{SHARED}}",
    ],
)
def test_ways_to_write_a_key(tmp_path: Path, line: str) -> None:
    """The key is read as it was meant."""
    settings = loaded(tmp_path, f"# a comment\n\n{line}\n")
    assert (settings.api_key, settings.backend) == (KEY, "runcomfy")


def test_typographic_quotes_of_windows(tmp_path: Path) -> None:
    """cp1252 has these quotes as single bytes."""
    assert loaded(tmp_path, b"RUNCOMFY_API_TOKEN=\x93" + KEY.encode() + b"\x94").api_key == KEY


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (KEY, "line 1"),
        (f"# mine\n\n{KEY}", "line 3"),
        (f"RUNCOMFY_API_TOKEN {KEY}", "line 1"),
        (f"RUNCOMFY_API_TOKEN\n{KEY}", "line 1"),
        (f"RUNCOMFY_API_TOKEN=\n{KEY}\n", "line 2"),
        (f"DREAMINA_MCP=on\nRUNCOMFY_API_TOKEN='{KEY}", "line 2"),
        (f"https://model-api.runcomfy.net {KEY}", "line 1"),
        (f'{{"RUNCOMFY_API_TOKEN": "{KEY}"}}', "line 1"),
        (f"{{\\rtf1 RUNCOMFY_API_TOKEN={KEY}}}", "line 1"),
        (f"RUNCOMFY_API_TOKN={KEY}", "RUNCOMFY_API_TOKN"),
        (f"RUNCOMFY_KEY={KEY}", "RUNCOMFY_KEY"),
        (f"DREAMINA_API_KEY={KEY}", "DREAMINA_API_KEY"),
        ("DREAMINA_DALY_LIMIT=5", "DREAMINA_DALY_LIMIT"),
        (f"RUNCOMFY_API_TOKEN={KEY}'", "RUNCOMFY_API_TOKEN"),
        (f"RUNCOMFY_API_TOKEN={KEY}, {KEY}", "RUNCOMFY_API_TOKEN"),
        ('DREAMINA_DATA_DIR="C:\\new\\videos"', "DREAMINA_DATA_DIR"),
        (b"RUNCOMFY_API_TOKEN=\xd2" + KEY.encode() + b"\xd3", "RUNCOMFY_API_TOKEN"),  # quotes of MacRoman
        (b"\x81\x8d" + KEY.encode(), "UTF-8"),
        (b"\x7fELF\x00\x01\x02\x03" + KEY.encode(), "line 1"),
        (b"\xff\xfe" + PLAIN.encode("utf-16-le")[:-1], "UTF-8"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(tmp_path: Path, content: str | bytes, named: str) -> None:
    """The sentence names the line or the setting, and has no part of a key."""
    with pytest.raises(SettingError) as caught:
        loaded(tmp_path, content)
    sentence = str(caught.value)
    assert named in sentence
    assert "\n" not in sentence
    assert "canary" not in sentence


def test_a_file_of_another_kind_is_one_sentence(tmp_path: Path) -> None:
    """A folder, and the name that Notepad gives, are refused."""
    (tmp_path / ".env.txt").write_text(PLAIN)
    with pytest.raises(SettingError, match=r"without \.txt"):
        load_env_file({}, tmp_path)
    (tmp_path / ".env").mkdir()
    with pytest.raises(SettingError, match="a text file"):
        load_env_file({}, tmp_path)


def test_the_environment_comes_first_unless_empty(tmp_path: Path) -> None:
    """A value of the environment is kept; an empty one counts as not set."""
    assert loaded(tmp_path, PLAIN, DREAMINA_MAX_ACTIVE="7").max_active == 7
    assert loaded(tmp_path, PLAIN, RUNCOMFY_API_TOKEN=" ").api_key == KEY


def test_only_the_file_beside_the_program_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files above the program's folder, and in the folder it is started from, are left alone."""
    program, caller = tmp_path / "program", tmp_path / "caller"
    for folder in (program, caller):
        folder.mkdir()
    for folder in (tmp_path, caller):
        (folder / ".env").write_text(PLAIN)
    monkeypatch.chdir(caller)
    environ: dict[str, str] = {}
    load_env_file(environ, program)
    assert environ == {}


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """PYTHON_DOTENV_DISABLED leaves the file unread."""
    assert loaded(tmp_path, PLAIN, PYTHON_DOTENV_DISABLED="1").api_key is None
