"""Everything that can be set from outside, as one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import platformdirs

from dreamina_ui.backends import Backend
from dreamina_ui.errors import SettingError
from dreamina_ui.hosts import HOST_NAME

__all__ = ["KEY_NAMES", "Settings", "masked"]

KEY_NAMES = ("RUNCOMFY_API_TOKEN", "RUNCOMFY_TOKEN", "RUNCOMFY_API_KEY")
"""Where the key may stand, in the order to look; all three are in use by RunComfy's own clients."""

API_BASE = "https://model-api.runcomfy.net/v1"
BUNDLED_CARD = Path(__file__).parent / "cards" / "bundled" / "dreamina-3-0-pro-text-to-video.json"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SPACE_DAILY_LIMIT, SPACE_DAILY_LIMIT_PER_VISITOR = 50, 3


def masked(secret: str) -> str:
    """A key as it may be shown: its length, and nothing of itself."""
    return f"({len(secret)} characters, not shown)" if secret else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    api_key: str | None = field(default=None, repr=False)
    """The service's key. Never in `repr`."""
    api_base: str = API_BASE
    """The service's address, with `/v1` and without a trailing slash."""
    backend: Backend = Backend.SIMULATOR
    """Which service answers: the paid one, or the simulator in this process."""
    data_dir: Path
    """Videos, posters, and the SQLite file."""
    database_url: str | None = field(default=None, repr=False)
    """An SQLAlchemy address for several replicas; None is the SQLite file in `data_dir`. It may hold a password."""
    model_card: Path = BUNDLED_CARD
    trusted_output_origins: frozenset[str] = frozenset()
    """Origins (`https://host[:port]`) videos may come from besides the API's own."""
    max_active: int = 100
    """Unfinished jobs at once, in all."""
    max_active_per_visitor: int = 4
    daily_limit: int | None = None
    """Videos a day (UTC) on the shared key, in all; None is no limit."""
    daily_limit_per_visitor: int | None = None
    job_deadline_s: float = 3600.0
    """Seconds after which an unfinished job is failed."""
    max_watchers: int = 2000
    """Pages watching at once."""
    mcp: bool = True
    """Whether agents are served; by default where that costs nothing."""
    secret: str | None = field(default=None, repr=False)
    """Signs the visitor cookie; None is one made once and kept in `data_dir`."""
    server_name: str | None = None
    server_port: int | None = None
    """Where Gradio listens; None leaves the choice to Gradio."""
    allowed_hosts: frozenset[str] = frozenset()
    """Names that browsers may ask by, behind a proxy or in a network of one's own; `*.name` is all below a name."""
    public_url: str | None = None
    """The https address by which this app can be reached from outside: what visitors hand in is fetched there."""
    on_space: bool = False
    """Whether this runs on a Hugging Face Space (which sets `SPACE_ID`)."""

    @property
    def database_address(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'dreamina.sqlite3'}"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings. An empty value counts as not set.

        Raises `SettingError` at the first value that cannot be used.
        """
        read = _Reader(env)
        key = read.key()
        chosen = read.choice("DREAMINA_BACKEND", ("auto", *Backend))
        paid = chosen == Backend.RUNCOMFY or (chosen == "auto" and key is not None)
        mcp = read.choice("DREAMINA_MCP", ("auto", "on", "off"))
        shared = paid and key is not None and bool(env.get("SPACE_ID"))
        return cls(
            api_key=key,
            api_base=read.api_base("RUNCOMFY_MODEL_API_BASE"),
            backend=Backend.RUNCOMFY if paid else Backend.SIMULATOR,
            data_dir=read.data_dir("DREAMINA_DATA_DIR"),
            database_url=read.database_url("DREAMINA_DATABASE_URL"),
            model_card=read.file("DREAMINA_MODEL_CARD", BUNDLED_CARD),
            trusted_output_origins=read.origins("DREAMINA_TRUSTED_OUTPUT_ORIGINS"),
            max_active=read.whole("DREAMINA_MAX_ACTIVE", 100),
            max_active_per_visitor=read.whole("DREAMINA_MAX_ACTIVE_PER_VISITOR", 4),
            daily_limit=read.limit("DREAMINA_DAILY_LIMIT", SPACE_DAILY_LIMIT if shared else None),
            daily_limit_per_visitor=read.limit(
                "DREAMINA_DAILY_LIMIT_PER_VISITOR", SPACE_DAILY_LIMIT_PER_VISITOR if shared else None
            ),
            job_deadline_s=float(read.whole("DREAMINA_JOB_DEADLINE_S", 3600)),
            max_watchers=read.whole("DREAMINA_MAX_WATCHERS", 2000),
            mcp=mcp == "on" or (mcp == "auto" and not paid),
            secret=read.secret("DREAMINA_SECRET"),
            server_name=read.text("GRADIO_SERVER_NAME") or None,
            server_port=read.port("GRADIO_SERVER_PORT"),
            # Who fetches what was handed in asks by the public name.
            allowed_hosts=read.hosts("DREAMINA_ALLOWED_HOSTS") | read.host_of("DREAMINA_PUBLIC_URL"),
            public_url=read.public_url("DREAMINA_PUBLIC_URL"),
            on_space=bool(env.get("SPACE_ID")),
        )


class _Reader:
    """One method for each kind of value. Each raises `SettingError`: the name, what it held, what is allowed."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def text(self, name: str) -> str:
        return self._env.get(name, "").strip()

    def key(self) -> str | None:
        for name in KEY_NAMES:
            if key := self.text(name):
                # Anything else could not stand in an HTTP header, and would fail at the first click instead.
                if not (key.isascii() and key.isprintable() and " " not in key):
                    raise SettingError(name, masked(key), "a key in plain ASCII without blanks or quotes around it")
                return key
        return None

    def secret(self, name: str) -> str | None:
        held = self.text(name)
        if held and len(held) < 16:
            raise SettingError(name, masked(held), "16 characters or more")
        return held or None

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        held = self.text(name).lower() or allowed[0]
        if held not in allowed:
            raise SettingError(name, held, ", ".join(allowed))
        return held

    def whole(self, name: str, default: int, least: int = 1, most: int = 1_000_000) -> int:
        held = self.text(name)
        if not held:
            return default
        # int() alone would also take "1_000" and Arabic digits.
        if not (held.isascii() and held.isdigit() and least <= int(held) <= most):
            raise SettingError(name, held, f"a whole number from {least} to {most}")
        return int(held)

    def limit(self, name: str, default: int | None) -> int | None:
        return self.whole(name, 0, least=0) if self.text(name) else default

    def port(self, name: str) -> int | None:
        return self.whole(name, 0, least=1, most=65535) if self.text(name) else None

    def api_base(self, name: str) -> str:
        held = self.text(name).rstrip("/") or API_BASE
        if not _is_web_address(held):
            raise SettingError(name, held, "an https address such as " + API_BASE + " (http only for this machine)")
        return held

    def origins(self, name: str) -> frozenset[str]:
        held = [part.strip().rstrip("/") for part in self.text(name).split(",") if part.strip()]
        for origin in held:
            if not _is_web_address(origin) or urlsplit(origin).path:
                raise SettingError(name, origin, "origins such as https://videos.example.com, separated by commas")
        return frozenset(origin.lower() for origin in held)

    def hosts(self, name: str) -> frozenset[str]:
        held = [part.strip().lower() for part in self.text(name).split(",") if part.strip()]
        for host in held:
            if not HOST_NAME.fullmatch(host):
                raise SettingError(name, host, "names such as studio.example.com, separated by commas")
        # A Space is asked by its own name, which it is told, and by those of its replicas.
        space = {self.text("SPACE_HOST").lower(), "*.hf.space"} if self.text("SPACE_ID") else set()
        return frozenset(held) | (space - {""})

    def public_url(self, name: str) -> str | None:
        held = self.text(name).rstrip("/")
        if held and not (_is_web_address(held) and held.startswith("https://")):
            raise SettingError(name, held, "an https address such as https://studio.example.com")
        return held or None

    def host_of(self, name: str) -> frozenset[str]:
        url = self.public_url(name)
        return frozenset({(urlsplit(url).hostname or "").lower()}) if url else frozenset()

    def data_dir(self, name: str) -> Path:
        held = self.text(name)
        folder = Path(held).expanduser() if held else Path(platformdirs.user_data_dir("dreamina-ui", appauthor=False))
        if folder.exists() and not folder.is_dir():
            raise SettingError(name, str(folder), "a folder, or a path where one can be made")
        return folder.absolute()

    def file(self, name: str, default: Path) -> Path:
        held = self.text(name)
        path = Path(held).expanduser() if held else default
        if not path.is_file():
            raise SettingError(name, str(path), "the path of a readable file")
        return path.absolute()

    def database_url(self, name: str) -> str | None:
        held = self.text(name)
        if not held:
            return None
        scheme = held.split("://", 1)[0]
        if "://" not in held or scheme not in ("sqlite", "postgresql+psycopg"):
            # Only the scheme is shown: the rest may hold a password.
            raise SettingError(name, scheme[:40], "sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
        return held


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if not parts.hostname or parts.username or parts.query or parts.fragment or not port_is_valid:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
