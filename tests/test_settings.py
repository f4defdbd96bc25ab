"""Settings: defaults, checks, and masked secrets."""

import shlex
from pathlib import Path

import pytest

from app import tell_of_open_key
from dreamina_ui.errors import SettingError
from dreamina_ui.settings import KEY_NAMES, Settings
from tests.test_docs import NEW_WEBHOOK_SECRET

CANARY = "rc-canary-0123456789abcdef"


def test_defaults() -> None:
    """Without settings the backend is the simulator, with the standard limits."""
    settings = Settings.from_env({})
    assert (settings.backend, settings.api_key, settings.daily_limit) == ("simulator", None, None)
    assert (settings.max_active, settings.max_active_per_visitor, settings.max_watchers) == (100, 4, 2000)
    assert settings.job_deadline_s == 3600
    assert settings.api_base == "https://model-api.runcomfy.net/v1"


@pytest.mark.parametrize("count", range(1, len(KEY_NAMES) + 1))
def test_the_first_key_name_wins(count: int) -> None:
    """The names of the key have the documented order."""
    names = KEY_NAMES[-count:]
    settings = Settings.from_env({name: f"key-from-{name}" for name in names})
    assert settings.api_key == f"key-from-{names[0]}"
    assert settings.backend == "runcomfy"


@pytest.mark.parametrize(
    ("backend", "key", "expected"),
    [
        ("auto", CANARY, "runcomfy"),
        ("auto", "", "simulator"),
        ("simulator", CANARY, "simulator"),
        ("runcomfy", "", "runcomfy"),
        ("", CANARY, "runcomfy"),
        ("RunComfy", "", "runcomfy"),
    ],
)
def test_backend(backend: str, key: str, expected: str) -> None:
    """With `auto` the backend depends on the key."""
    assert Settings.from_env({"DREAMINA_BACKEND": backend, "RUNCOMFY_API_TOKEN": key}).backend == expected


@pytest.mark.parametrize(
    ("held", "key", "expected"),
    [("", "", True), ("", CANARY, False), ("on", CANARY, True), ("OFF", "", False), ("auto", CANARY, False)],
)
def test_mcp(held: str, key: str, expected: bool) -> None:
    """With `auto`, MCP is on for the simulator only."""
    assert Settings.from_env({"DREAMINA_MCP": held, "RUNCOMFY_API_TOKEN": key}).mcp is expected


def test_space_with_a_shared_key_is_limited() -> None:
    """On a Space with a shared key the default is 50 videos a day, and 3 for each visitor."""
    space = {"SPACE_ID": "me/studio", "RUNCOMFY_API_TOKEN": CANARY}
    settings = Settings.from_env(space)
    assert (settings.daily_limit, settings.daily_limit_per_visitor) == (50, 3)
    assert Settings.from_env({**space, "DREAMINA_DAILY_LIMIT": "7"}).daily_limit == 7
    assert Settings.from_env({"SPACE_ID": "me/studio"}).daily_limit is None


@pytest.mark.parametrize(
    ("text", "usd"), [("", None), ("0", 0.0), ("5", 5.0), ("2.50", 2.5), ('"7.25"', 7.25), ("1000000", 1e6)]
)
def test_the_daily_budget(text: str, usd: float | None) -> None:
    """US dollars, also with cents; without one there is none, and a budget is a limit of what strangers may spend."""
    outside = {"GRADIO_SERVER_NAME": "0.0.0.0", "RUNCOMFY_API_TOKEN": CANARY, "DREAMINA_DAILY_BUDGET_USD": text}
    settings = Settings.from_env(outside)
    assert settings.daily_budget_usd == usd
    assert settings.spends_without_limit == (usd is None)


@pytest.mark.parametrize(
    ("env", "alone"),
    [
        ({}, True),
        ({"GRADIO_SERVER_NAME": "127.0.0.1"}, True),
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, False),
        ({"DREAMINA_ALLOWED_HOSTS": "studio.example.com"}, False),
        ({"DREAMINA_PUBLIC_URL": "https://studio.example.com"}, False),
        ({"PORT": "8080"}, False),
        ({"SPACE_ID": "me/studio", "GRADIO_SERVER_NAME": "127.0.0.1"}, False),
    ],
)
def test_whether_only_this_machine_is_served(env: dict[str, str], alone: bool) -> None:
    """Nobody else can reach a page on the loopback without a name of its own."""
    assert Settings.from_env(env).serves_this_machine_alone == alone


BAD = [
    *(("DREAMINA_DAILY_BUDGET_USD", text) for text in ("-1", "five", "1e3", "2,50", "$5", "1000001", "nan", "٣")),
    ("DREAMINA_BACKEND", "cloud"),
    ("DREAMINA_MAX_ACTIVE", "0"),
    ("DREAMINA_MAX_ACTIVE", "many"),
    ("DREAMINA_MAX_ACTIVE", "1_000"),
    ("DREAMINA_MAX_ACTIVE", "-4"),
    ("DREAMINA_MAX_ACTIVE_PER_VISITOR", "1.5"),
    ("DREAMINA_DAILY_LIMIT", "-1"),
    ("DREAMINA_DAILY_LIMIT_PER_VISITOR", "x"),
    ("DREAMINA_JOB_DEADLINE_S", "soon"),
    ("DREAMINA_MAX_WATCHERS", "٣"),
    ("DREAMINA_SECRET", "short"),
    ("DREAMINA_SECRET", "x" * 31),
    ("DREAMINA_DATA_DIR", __file__),
    ("DREAMINA_DATABASE_URL", "mysql://me:pass@host/db"),
    ("DREAMINA_MODEL_CARD", "/nowhere/card.json"),
    ("DREAMINA_TRUSTED_OUTPUT_ORIGINS", "https://a.example/path"),
    ("DREAMINA_TRUSTED_OUTPUT_ORIGINS", "ftp://a.example"),
    ("RUNCOMFY_MODEL_API_BASE", "http://api.example/v1"),
    ("RUNCOMFY_MODEL_API_BASE", "https://me:pw@api.example/v1"),
    ("RUNCOMFY_MODEL_API_BASE", "https://api.example:port/v1"),
    ("RUNCOMFY_API_TOKEN", "two words"),
    ("RUNCOMFY_TOKEN", "schlüssel"),
    ("GRADIO_SERVER_PORT", "http"),
    ("GRADIO_SERVER_PORT", "70000"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_values_stop_the_start_with_one_line(name: str, value: str) -> None:
    """The error is one line with the setting and what is allowed."""
    with pytest.raises(SettingError) as caught:
        Settings.from_env({name: value})
    assert str(caught.value).startswith(f"{name} is ")
    assert "allowed: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [*KEY_NAMES, "DREAMINA_SECRET"])
def test_a_bad_secret_is_masked(name: str) -> None:
    """The error has only the length of a refused key or secret."""
    with pytest.raises(SettingError) as caught:
        Settings.from_env({name: "a b"})
    assert "a b" not in str(caught.value)
    assert "3 characters" in str(caught.value)


@pytest.mark.parametrize(
    "held",
    [f'"{CANARY}"', f" Bearer {CANARY} ", f"“{CANARY}”", f"{CANARY}\n", f"\ufeff{CANARY}", f"BEARER: '{CANARY}'"],
)
def test_a_key_as_it_was_pasted(held: str) -> None:
    """Quotes, blanks and `Bearer` around a key are left out, as in a container's variables."""
    assert Settings.from_env({"RUNCOMFY_TOKEN": held}).api_key == CANARY


def test_values_lose_their_quotes() -> None:
    """`--env-file` of a container passes quotes on."""
    assert Settings.from_env({"DREAMINA_BACKEND": '"RunComfy"', "DREAMINA_MAX_ACTIVE": "'7'"}).max_active == 7


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, (None, None)),
        ({"PORT": "8080"}, ("0.0.0.0", 8080)),
        ({"PORT": "8080", "GRADIO_SERVER_NAME": "::"}, ("::", 8080)),
        ({"PORT": "8080", "GRADIO_SERVER_PORT": "7861"}, (None, 7861)),
        ({"SPACE_ID": "ann/studio"}, ("0.0.0.0", None)),
        ({"GRADIO_SERVER_PORT": "7861", "GRADIO_SERVER_NAME": "127.0.0.2"}, ("127.0.0.2", 7861)),
    ],
)
def test_where_it_listens(env: dict[str, str], expected: tuple[str | None, int | None]) -> None:
    """A platform's `PORT` means all addresses; Gradio's own names come first."""
    settings = Settings.from_env(env)
    assert (settings.server_name, settings.server_port) == expected


WEBHOOKS = [
    ("https://ntfy.sh/topic", "", True),
    ("https://hooks.example.com:8443/a?b=c", "", True),
    ("http://localhost:2586/topic", "http://localhost:2586", True),
    ("https://ntfy.lan/topic", "https://ntfy.lan", True),
    ("https://ntfy.lan/topic", "", False),
    ("http://hooks.example.com/", "", False),
    ("http://localhost:2586/topic", "", False),
    ("https://ann:password@hooks.example.com/", "", False),
    ("https://169.254.169.254/latest", "", False),
    ("https://[::1/", "", False),
    ("topic", "", False),
]


@pytest.mark.parametrize(("url", "trusted", "is_taken"), WEBHOOKS)
def test_the_address_for_news(url: str, trusted: str, is_taken: bool) -> None:
    """It is of the open net, or of an origin that the owner trusts; a bad one is not shown, as it may be a secret."""
    env = {"DREAMINA_WEBHOOK_URL": url, "DREAMINA_TRUSTED_OUTPUT_ORIGINS": trusted}
    if is_taken:
        assert Settings.from_env(env).webhook_url == url
        return
    with pytest.raises(SettingError) as caught:
        Settings.from_env(env)
    assert url not in str(caught.value)


def test_the_secret_for_news(capsys: pytest.CaptureFixture[str]) -> None:
    """The command in docs/webhooks.md makes a good one; what is shorter or no base64 is refused without being shown."""
    exec(shlex.split(NEW_WEBHOOK_SECRET)[2])
    secret = capsys.readouterr().out.strip()
    assert Settings.from_env({"DREAMINA_WEBHOOK_SECRET": secret}).webhook_secret == secret
    for bad in ("whsec_c2hvcnQ=", "no base64 but long enough to be one!"):
        with pytest.raises(SettingError) as caught:
            Settings.from_env({"DREAMINA_WEBHOOK_SECRET": bad})
        assert bad not in str(caught.value)


@pytest.mark.parametrize("name", ["RUNCOMFY_API_TOKN", "RUNCOMFY_KEY", "DREAMINA_TOKEN", "RUNCOMFY_API_TOKENS"])
def test_a_misspelt_key_is_not_the_simulator(name: str) -> None:
    """The error names what was set and what was meant, without the key."""
    with pytest.raises(SettingError) as caught:
        Settings.from_env({name: CANARY})
    assert str(caught.value).startswith(name)
    assert "RUNCOMFY_API_TOKEN" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_variables_of_others_are_left_alone() -> None:
    """What a cluster or another program sets is no misspelt setting."""
    others = {"DREAMINA_SERVICE_HOST": "10.0.0.1", "DREAMINA_PORT": "tcp://10.0.0.1", "OPENAI_API_KEY": CANARY}
    assert Settings.from_env(others).backend == "simulator"
    assert Settings.from_env({"RUNCOMFY_API_TOKEN": CANARY, "RUNCOMFY_OTHER_KEY": "x"}).api_key == CANARY


def test_without_a_home_folder_the_data_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who is in no list and has no HOME is told which setting to make."""
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    for env in ({}, {"DREAMINA_DATA_DIR": "~/videos"}):
        with pytest.raises(SettingError, match=r"DREAMINA_DATA_DIR .*no home folder"):
            Settings.from_env(env)


def test_a_password_in_a_database_address_is_masked() -> None:
    """The error has only the scheme of a refused database URL."""
    with pytest.raises(SettingError) as caught:
        Settings.from_env({"DREAMINA_DATABASE_URL": f"mysql://me:{CANARY}@host/db"})
    assert CANARY not in str(caught.value)


def test_keys_are_not_in_repr() -> None:
    """`repr` contains neither the key nor other secrets."""
    settings = Settings.from_env(
        {
            "RUNCOMFY_API_TOKEN": CANARY,
            "DREAMINA_SECRET": CANARY * 2,
            "DREAMINA_DATABASE_URL": f"postgresql+psycopg://me:{CANARY}@host/db",
        }
    )
    assert CANARY not in repr(settings)
    assert CANARY not in str(settings)


def test_paths_and_origins(tmp_path: Path) -> None:
    """Folders need not exist, `~` is expanded, and origins lose a trailing slash."""
    settings = Settings.from_env(
        {
            "DREAMINA_DATA_DIR": str(tmp_path / "new" / "folder"),
            "DREAMINA_TRUSTED_OUTPUT_ORIGINS": "https://A.example/ , http://127.0.0.1:8700,",
            "RUNCOMFY_MODEL_API_BASE": "http://localhost:8700/v1/",
        }
    )
    assert settings.data_dir == tmp_path / "new" / "folder"
    assert settings.trusted_output_origins == {"https://a.example", "http://127.0.0.1:8700"}
    assert settings.api_base == "http://localhost:8700/v1"
    assert Settings.from_env({"DREAMINA_DATA_DIR": "~/videos"}).data_dir == Path.home() / "videos"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/studio", "/studio"),
        ("/tools/video/", "/tools/video"),
        ("studio", "/studio"),
        ("https://example.com/studio", "/studio"),
        ("/", ""),
        ("//", ""),
        ("https://example.com", ""),
    ],
)
def test_the_sub_path_is_read_as_it_was_meant(value: str, expected: str) -> None:
    """With or without slashes around it, or as a whole address, which Gradio takes."""
    assert Settings.from_env({"GRADIO_ROOT_PATH": value}).root_path == expected


@pytest.mark.parametrize("value", ["/a b", "/..", "/studio/../x", "/studio?x=1", "/stüdio"])
def test_a_sub_path_that_is_none_is_refused(value: str) -> None:
    """One sentence names the setting."""
    with pytest.raises(SettingError, match="GRADIO_ROOT_PATH"):
        Settings.from_env({"GRADIO_ROOT_PATH": value})


@pytest.mark.parametrize(
    ("env", "tells"),
    [
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, True),
        ({"GRADIO_SERVER_NAME": "::"}, True),
        ({"GRADIO_SERVER_NAME": "192.168.1.20"}, True),
        ({"PORT": "8080"}, True),
        ({"DREAMINA_ALLOWED_HOSTS": "studio.example.com"}, True),
        ({"DREAMINA_PUBLIC_URL": "https://studio.example.com"}, True),
        ({"GRADIO_SERVER_NAME": "0.0.0.0", "DREAMINA_DAILY_LIMIT_PER_VISITOR": "3"}, True),  # a visitor is a cookie
        ({}, False),
        ({"GRADIO_SERVER_NAME": "[::1]"}, False),
        ({"GRADIO_SERVER_NAME": "127.0.0.2"}, False),
        ({"GRADIO_SERVER_NAME": "0.0.0.0", "DREAMINA_DAILY_LIMIT": "50"}, False),
        ({"GRADIO_SERVER_NAME": "0.0.0.0", "DREAMINA_BACKEND": "simulator"}, False),
        ({"SPACE_ID": "me/studio"}, False),  # it has limits of its own
    ],
)
def test_a_key_that_strangers_may_use_up_is_told(
    env: dict[str, str], caplog: pytest.LogCaptureFixture, *, tells: bool
) -> None:
    """One sentence in the log names the setting; where visitors bring their own keys, or nothing costs money, there is none."""
    for key, told in ((CANARY, tells), ("", False)):
        caplog.clear()
        tell_of_open_key(Settings.from_env({**env, "RUNCOMFY_API_TOKEN": key, "DREAMINA_BACKEND": "runcomfy", **env}))
        assert ["DREAMINA_DAILY_LIMIT" in record.getMessage() for record in caplog.records] == [True] * told
        assert CANARY not in caplog.text
