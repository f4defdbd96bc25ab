"""The settings, read from environment variables."""

import base64
import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import platformdirs

from dreamina_ui.backends import Backend
from dreamina_ui.config.database_url import POSTGRES_SCHEMES, read_postgres
from dreamina_ui.config.hosts import HOST_NAME, SUB_PATH
from dreamina_ui.config.network import DIRECT, Network
from dreamina_ui.config.open_net import why_not_host
from dreamina_ui.config.pasted import plain_key, unquoted
from dreamina_ui.config.signing import SECRET_LEAST
from dreamina_ui.errors import SettingError
from dreamina_ui.masking import masked

__all__ = ["KEY_NAMES", "Settings"]

KEY_NAMES = ("RUNCOMFY_API_TOKEN", "RUNCOMFY_TOKEN", "RUNCOMFY_API_KEY")
"""The names of the key, in order of precedence; RunComfy's own clients use all three."""

KEY = re.compile(r"""[!#-&(-_a-~]+""")
"""Visible ASCII without quotes."""
API_BASE = "https://model-api.runcomfy.net/v1"
BUNDLED_CARDS = Path(__file__).parent / "cards" / "bundled"
DEFAULT_MODELS = ("bytedance/dreamina-3-0/pro/text-to-video", "bytedance/dreamina-3-0/pro/image-to-video")
MODEL_ID = re.compile(r"/?[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)+/?", re.ASCII)
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104  platforms ask from outside of the container
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
USD_MOST = 1_000_000
WEBHOOK_FORMATS = ("auto", "json", "ntfy", "slack", "discord")
WEBHOOK_KEY_LEAST = 24
SPACE_DAILY_LIMIT, SPACE_DAILY_LIMIT_PER_VISITOR = 50, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    api_key: str | None = field(default=None, repr=False)
    """The service's key; left out of `repr`."""
    api_base: str = API_BASE
    """The service's address, with `/v1` and without a trailing slash."""
    backend: Backend = Backend.SIMULATOR
    """The service: RunComfy, or the simulator in this process."""
    data_dir: Path
    """Videos, posters, and the SQLite file."""
    database_url: str | None = field(default=None, repr=False)
    """The URL of PostgreSQL, for several replicas, or of an SQLite file; None is the file in `data_dir`. It may contain a
    password."""
    models: tuple[Path | str, ...] = DEFAULT_MODELS
    """The models that are offered, the default first: paths of cards, or ids."""
    trusted_output_origins: frozenset[str] = frozenset()
    """Origins (`https://host[:port]`) of outputs, besides the API's own."""
    max_active: int = 100
    """Unfinished jobs at once, of all visitors."""
    max_active_per_visitor: int = 4
    daily_limit: int | None = None
    """Videos a day (UTC) with the shared key, of all visitors; None is no limit."""
    daily_limit_per_visitor: int | None = None
    daily_budget_usd: float | None = None
    """US dollars a day (UTC) that videos with the shared key may cost, of all visitors; None is no limit."""
    job_deadline_s: float = 3600.0
    """Seconds after which an unfinished job fails."""
    max_watchers: int = 2000
    """Pages that watch jobs at once."""
    mcp: bool = True
    """Whether MCP is served; by default only if videos cost nothing."""
    secret: str | None = field(default=None, repr=False)
    """Signs the visitor cookie; None is a random one that is kept in `data_dir`."""
    server_name: str | None = None
    server_port: int | None = None
    """Where the app listens; None is `127.0.0.1` and the first free port from 7860. A Space, and a platform that sets
    `PORT`, asks from outside: there it is all addresses."""
    root_path: str = ""
    """The path of its host that the app is served under, such as `/studio`."""
    allowed_hosts: frozenset[str] = frozenset()
    """Host names of this app behind a proxy or in a local network; `*.name` is all subdomains of a name."""
    public_url: str | None = None
    """The https URL of this app on the internet, from which the service fetches uploads."""
    webhook_url: str | None = field(default=None, repr=False)
    """The owner's address for messages about jobs and limits."""
    webhook_secret: str | None = field(default=None, repr=False)
    """Signs what is sent there: `whsec_` and a key in base64."""
    webhook_format: str = "auto"
    """What is read there."""
    on_space: bool = False
    """Whether this runs on a Hugging Face Space (which sets `SPACE_ID`)."""
    space_owner: str | None = None
    """The name of the account that the Space belongs to (`SPACE_AUTHOR_NAME`); it may be an organisation."""
    network: Network = DIRECT
    """The proxies and certificates for the service's API."""
    output_network: Network = DIRECT
    """The same for outputs."""

    @property
    def database_address(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'dreamina.sqlite3'}"

    @property
    def serves_this_machine_alone(self) -> bool:
        """Whether nobody beyond this machine can reach the app."""
        name = (self.server_name or "localhost").strip("[]").lower()
        is_loopback = name in LOOPBACK or name.startswith("127.")
        return is_loopback and not self.allowed_hosts and not self.on_space

    @property
    def spends_without_limit(self) -> bool:
        """Whether people beyond this machine can reach the app, and make as many videos with the shared key as they like.

        A limit for each visitor is none: a visitor is a cookie, and whoever throws it away is a new one.
        """
        is_reached = not self.serves_this_machine_alone
        has_limit = self.daily_limit is not None or self.daily_budget_usd is not None
        return is_reached and self.backend.charges and self.api_key is not None and not has_limit

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings. An empty value counts as not set.

        Raises `SettingError` at the first value that cannot be used, or name that is a misspelt one.
        """
        read = _Reader(env)
        key = read.key()
        port, platform_port = read.port("GRADIO_SERVER_PORT"), read.port("PORT")
        is_outside = bool(env.get("SPACE_ID")) or (platform_port is not None and port is None)
        chosen = read.choice("DREAMINA_BACKEND", ("auto", *Backend))
        paid = chosen == Backend.RUNCOMFY or (chosen == "auto" and key is not None)
        mcp = read.choice("DREAMINA_MCP", ("auto", "on", "off"))
        on_space = bool(env.get("SPACE_ID"))
        shared = paid and key is not None and on_space
        # The simulator needs no network: a proxy that cannot be used must not keep it from starting.
        network = Network.from_env(env, strict=paid)
        proxied = read.choice("DREAMINA_OUTPUT_PROXY", ("auto", "on", "off"))
        outputs_by_proxy = proxied == "on" or (proxied == "auto" and not on_space)
        trusted_origins = read.origins("DREAMINA_TRUSTED_OUTPUT_ORIGINS")
        settings = cls(
            api_key=key,
            api_base=read.api_base("RUNCOMFY_MODEL_API_BASE"),
            backend=Backend.RUNCOMFY if paid else Backend.SIMULATOR,
            data_dir=read.data_dir("DREAMINA_DATA_DIR"),
            database_url=read.database_url("DREAMINA_DATABASE_URL"),
            models=read.models("DREAMINA_MODEL_CARD", "DREAMINA_MODELS"),
            trusted_output_origins=trusted_origins,
            max_active=read.whole("DREAMINA_MAX_ACTIVE", 100),
            max_active_per_visitor=read.whole("DREAMINA_MAX_ACTIVE_PER_VISITOR", 4),
            daily_limit=read.limit("DREAMINA_DAILY_LIMIT", SPACE_DAILY_LIMIT if shared else None),
            daily_limit_per_visitor=read.limit(
                "DREAMINA_DAILY_LIMIT_PER_VISITOR", SPACE_DAILY_LIMIT_PER_VISITOR if shared else None
            ),
            daily_budget_usd=read.usd("DREAMINA_DAILY_BUDGET_USD"),
            job_deadline_s=float(read.whole("DREAMINA_JOB_DEADLINE_S", 3600)),
            max_watchers=read.whole("DREAMINA_MAX_WATCHERS", 2000),
            mcp=mcp == "on" or (mcp == "auto" and not paid),
            secret=read.secret("DREAMINA_SECRET"),
            server_name=read.text("GRADIO_SERVER_NAME") or (ALL_ADDRESSES if is_outside else None),
            server_port=port or platform_port,
            root_path=read.sub_path("GRADIO_ROOT_PATH"),
            # The service fetches uploads by the public name.
            allowed_hosts=read.hosts("DREAMINA_ALLOWED_HOSTS") | read.host_of("DREAMINA_PUBLIC_URL"),
            public_url=read.public_url("DREAMINA_PUBLIC_URL"),
            webhook_url=read.webhook("DREAMINA_WEBHOOK_URL", trusted_origins),
            webhook_secret=read.webhook_secret("DREAMINA_WEBHOOK_SECRET"),
            webhook_format=read.choice("DREAMINA_WEBHOOK_FORMAT", WEBHOOK_FORMATS),
            on_space=on_space,
            space_owner=read.text("SPACE_AUTHOR_NAME") or None if on_space else None,
            network=network,
            output_network=network if outputs_by_proxy else network.direct(),
        )
        read.refuse_misspelt(key_is_missing=key is None and chosen == "auto")
        return settings


class _Reader:
    """Reads one kind of value per method. Each method raises `SettingError`."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._names = set(KEY_NAMES)

    def text(self, name: str) -> str:
        self._names.add(name)
        value = unquoted(self._env.get(name, ""))
        if any(ord(letter) < 32 for letter in value):
            raise SettingError(name, masked(value), "one line; in .env, a path with \\ needs no quotes, or single ones")
        return value

    def key(self) -> str | None:
        for name in KEY_NAMES:
            if key := plain_key(self._env.get(name, "")):
                # Anything else is not allowed in an HTTP header, and would fail at the first click.
                if not KEY.fullmatch(key):
                    raise SettingError(name, masked(key), "a key in plain ASCII without blanks or quotes")
                return key
        return None

    def refuse_misspelt(self, *, key_is_missing: bool) -> None:
        """Raise if a name is nearly a setting's, or is one for a key and `key_is_missing`: what it says would be left out."""
        for name in sorted(self._env):
            if name in self._names or not unquoted(self._env[name]) or not name.startswith(("RUNCOMFY_", "DREAMINA_")):
                continue
            meant = difflib.get_close_matches(name, sorted(self._names), n=1, cutoff=0.9)
            if not meant and key_is_missing and name.endswith(("KEY", "TOKEN")):
                meant = [KEY_NAMES[0]]
            if meant:
                raise SettingError(name, masked(self._env[name]), f"no setting of this name, but {meant[0]}")

    def secret(self, name: str) -> str | None:
        value = self.text(name)
        if value and len(value) < SECRET_LEAST:
            allowed = f"{SECRET_LEAST} characters or more; with another secret, every visitor begins anew"
            raise SettingError(name, masked(value), allowed)
        return value or None

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name).lower() or allowed[0]
        if value not in allowed:
            raise SettingError(name, value, ", ".join(allowed))
        return value

    def whole(self, name: str, default: int, least: int = 1, most: int = 1_000_000) -> int:
        value = self.text(name)
        if not value:
            return default
        # int() also accepts "1_000" and Arabic digits.
        if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
            raise SettingError(name, value, f"a whole number from {least} to {most}")
        return int(value)

    def limit(self, name: str, default: int | None) -> int | None:
        return self.whole(name, 0, least=0) if self.text(name) else default

    def usd(self, name: str) -> float | None:
        value = self.text(name)
        if not value:
            return None
        if not (re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,6})?", value, re.ASCII) and float(value) <= USD_MOST):
            raise SettingError(name, value, f"US dollars from 0 to {USD_MOST}, such as 5 or 2.50")
        return float(value)

    def port(self, name: str) -> int | None:
        return self.whole(name, 0, least=1, most=65535) if self.text(name) else None

    def sub_path(self, name: str) -> str:
        value = self.text(name)
        # Gradio takes a whole address as well; the host is the one that the browser asks for.
        path = (urlsplit(value).path if "://" in value else value).strip("/")
        if path and not SUB_PATH.fullmatch(f"/{path}"):
            raise SettingError(name, value, "a path such as /studio")
        return path and f"/{path}"

    def api_base(self, name: str) -> str:
        value = self.text(name).rstrip("/") or API_BASE
        if not _is_web_address(value):
            raise SettingError(name, value, "an https address such as " + API_BASE + " (http only for this machine)")
        return value

    def origins(self, name: str) -> frozenset[str]:
        origins = [part.strip().rstrip("/") for part in self.text(name).split(",") if part.strip()]
        for origin in origins:
            if not _is_web_address(origin) or urlsplit(origin).path:
                raise SettingError(name, origin, "origins such as https://videos.example.com, separated by commas")
        return frozenset(origin.lower() for origin in origins)

    def hosts(self, name: str) -> frozenset[str]:
        hosts = [part.strip().lower() for part in self.text(name).split(",") if part.strip()]
        for host in hosts:
            if not HOST_NAME.fullmatch(host):
                raise SettingError(name, host, "names such as studio.example.com, separated by commas")
        # A Space has its own name, and one for each replica.
        # With a domain of its own, it has both in one variable.
        space = (
            {*self.text("SPACE_HOST").lower().replace(" ", "").split(","), "*.hf.space"}
            if self.text("SPACE_ID")
            else set()
        )
        return frozenset(hosts) | (space - {""})

    def public_url(self, name: str) -> str | None:
        value = self.text(name).rstrip("/")
        if value and not (_is_web_address(value) and value.startswith("https://")):
            raise SettingError(name, value, "an https address such as https://studio.example.com")
        return value or None

    def webhook(self, name: str, trusted: Collection[str]) -> str | None:
        """An https address of the open net, or any one of a trusted origin. The rest of it may be a secret."""
        value = self.text(name)
        if not value:
            return None
        allowed = "an https address of the internet, or one of an origin in DREAMINA_TRUSTED_OUTPUT_ORIGINS"
        try:
            parts = urlsplit(value)
            origin = f"{parts.scheme}://{parts.netloc}".lower()
            is_open = why_not_host(parts.hostname or "", bracketed="[" in parts.netloc) is None
        except ValueError:
            raise SettingError(name, masked(value), allowed) from None
        plain = _is_web_address(origin) and " " not in value and value.isascii()
        if not plain or not (origin in trusted or (is_open and parts.scheme == "https")):
            raise SettingError(name, masked(value), allowed)
        return value

    def webhook_secret(self, name: str) -> str | None:
        value = self.text(name)
        try:
            size = len(base64.b64decode(value.removeprefix("whsec_"), validate=True))
        except ValueError:
            size = 0
        if value and size < WEBHOOK_KEY_LEAST:
            raise SettingError(name, masked(value), f"whsec_ and then {WEBHOOK_KEY_LEAST} bytes or more in base64")
        return value or None

    def host_of(self, name: str) -> frozenset[str]:
        url = self.public_url(name)
        return frozenset({(urlsplit(url).hostname or "").lower()}) if url else frozenset()

    def data_dir(self, name: str) -> Path:
        value = self.text(name)
        folder = self._path(name, value)
        try:
            is_other = folder.exists() and not folder.is_dir()
        except OSError:  # a folder above it may not be entered: the start says so when it makes the folder
            is_other = False
        if is_other:
            raise SettingError(name, str(folder), "a folder, or a path where one can be made")
        return folder.absolute()

    def file(self, name: str, default: Path) -> Path:
        value = self.text(name)
        path = self._path(name, value) if value else default
        if not path.is_file():
            raise SettingError(name, str(path), "the path of a readable file")
        return path.absolute()

    def models(self, single: str, several: str) -> tuple[Path | str, ...]:
        """The card that `single` names, then the models of `several`; the bundled ones if neither is set."""
        models: list[Path | str] = [self.file(single, BUNDLED_CARDS)] if self.text(single) else []
        for part in filter(None, (part.strip() for part in self.text(several).split(","))):
            path = self._path(several, part)
            if path.is_file():
                models.append(path.absolute())
            elif MODEL_ID.fullmatch(part):
                models.append(part.strip("/"))
            else:
                raise SettingError(several, part, "ids such as maker/model, or paths of cards, separated by commas")
        return tuple(dict.fromkeys(models)) or DEFAULT_MODELS

    def _path(self, name: str, value: str) -> Path:
        """The path of `value`; of "", the data folder of this user."""
        try:
            path = Path(value or platformdirs.user_data_dir("dreamina-ui", appauthor=False)).expanduser()
            known = path.parts[:1] != ("~",)
        except RuntimeError:
            known = False
        if not known:
            # A container's user without a name has no home folder, nor has a service that HOME was not given to.
            raise SettingError(name, value, "a whole path, as this user has no home folder")
        return path

    def database_url(self, name: str) -> str | None:
        value = self.text(name)
        if not value:
            return None
        scheme, mark, _ = value.partition("://")
        # Only the scheme is shown: the rest may contain a password.
        if not mark or scheme not in ("sqlite", *POSTGRES_SCHEMES):
            shown = scheme if mark else masked(value)
            raise SettingError(name, shown[:40], "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
        if scheme in POSTGRES_SCHEMES:
            try:
                read_postgres(value)
            except ValueError as error:
                raise SettingError(name, f"{scheme}://", str(error)) from None
        return value


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if not parts.hostname or parts.username or parts.query or parts.fragment or not port_is_valid:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
