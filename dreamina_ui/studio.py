"""The composition root: picks the service, and wires engine, page and web guard together."""

import gc
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request

from dreamina_ui.api.job_json import job_response
from dreamina_ui.api.mcp import McpServer
from dreamina_ui.backends import Backend
from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.models import MODEL, Models
from dreamina_ui.clock import SYSTEM_CLOCK
from dreamina_ui.config.folders import make_folder
from dreamina_ui.config.hosts import Hosts
from dreamina_ui.config.signing import signing_secret
from dreamina_ui.engine.engine import Engine, EngineSettings
from dreamina_ui.engine.webhooks.webhooks import WebhookSettings
from dreamina_ui.media.download.loader import Loader
from dreamina_ui.runcomfy.card_changes import CardChanges
from dreamina_ui.runcomfy.catalogue import Catalogue, cards_of
from dreamina_ui.settings import BUNDLED_CARDS, Settings
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.ui.gradio_internals import OpenCalls, events_of, mount_page, page_files, page_styles, upload_folder
from dreamina_ui.ui.page import build_page
from dreamina_ui.ui.pages.shared_collection import SharedCollections
from dreamina_ui.ui.pages.show_page import ShowPage
from dreamina_ui.ui.pages.vote_page import VotePage
from dreamina_ui.ui.theme import studio_theme
from dreamina_ui.web.callers import LANGUAGE_COOKIE, Callers, words_for
from dreamina_ui.web.checks.bodies import BodyTime
from dreamina_ui.web.checks.calls import CallCheck
from dreamina_ui.web.checks.connections import ConnectionLimits
from dreamina_ui.web.checks.sessions import Sessions
from dreamina_ui.web.checks.signing_in import SigningIn
from dreamina_ui.web.checks.upload_form import VIDEO_MOST
from dreamina_ui.web.checks.upload_quota import UploadQuota
from dreamina_ui.web.checks.uploads import Uploads
from dreamina_ui.web.downloads import Downloads
from dreamina_ui.web.exports import ExportRoutes
from dreamina_ui.web.guard import Guard
from dreamina_ui.web.health import Health, running
from dreamina_ui.web.input_files import InputRoutes
from dreamina_ui.web.page_response import PageCache, PageFiles, PageHead, PageScripts
from dreamina_ui.web.saved_files import SavedFiles
from dreamina_ui.web.server import address_of, listening, serve
from dreamina_ui.web.sub_path import SubPath
from dreamina_ui.web.visitors import ChosenLanguage, VisitorCookie, Visitors
from dreamina_ui.wording import LANGUAGES, Words

__all__ = ["Studio"]

SWITCH_S = 0.001
"""A thread of the database gives the interpreter up at each statement, and under load gets it back only after this."""
CONNECTIONS_OF_PAGE, OTHER_CONNECTIONS = 2, 1_000
"""A page that watches holds one, and asks for files by others."""
COLLECTED_AFTER = (2_000, 20, 20)
"""What the page is made of, a million objects, is never garbage: it is set aside. And a thousand visitors are no reason to check
through everything again and again."""
ASSETS = Path(__file__).parents[1] / "assets"
OAUTH = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL")
SIMULATOR_BASE = "http://simulator.internal/v1"
"""The simulator in this process is reached by this name and no socket."""


class Studio:
    """Everything, wired. Making one prepares the database and builds the page; the engine starts with the server.

    Raises `SettingError`, `CardError`, `StoreError` or `LibraryError`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        catalogue = _catalogue(settings)
        models = Models(_cards(settings, catalogue))
        make_folder("DREAMINA_DATA_DIR", settings.data_dir)
        secret = signing_secret(settings.data_dir, settings.secret)
        self.starts_again = False
        """Whether `serve` has ended because a model has changed at the service: a new start offers it as it is now."""
        self._card_changes = CardChanges(
            models,
            [model for model in settings.models if isinstance(model, str)],
            catalogue=catalogue,
            bundled=BUNDLED_CARDS,
            kept=settings.data_dir / "cards",
            clock=SYSTEM_CLOCK,
            changed=self._start_again,
        )
        self._loader = Loader(settings.output_network)
        self._simulator = _simulator(settings, models, self._loader) if settings.backend is Backend.SIMULATOR else None
        self.engine = Engine(
            EngineSettings(
                models=models,
                data_dir=settings.data_dir,
                database_url=settings.database_address,
                service_base=SIMULATOR_BASE if self._simulator else settings.api_base,
                transport=httpx.ASGITransport(self._simulator) if self._simulator else None,
                network=settings.network,
                output_network=settings.output_network,
                trusted_origins=settings.trusted_output_origins,
                backend=settings.backend,
                key=settings.api_key if settings.backend.needs_key else None,
                limits=Limits.of(settings),
                secret=secret,
                public_url=settings.public_url,
                deadline_s=settings.job_deadline_s,
                webhooks=WebhookSettings.of(settings),
                describe=job_response,
                look_at_cards=self._card_changes.look,
            )
        )
        self._visitors = Visitors(secret)
        self._saved_files = SavedFiles(self.engine.queries, self.engine.library, ASSETS / "examples")
        self._downloads = Downloads(self.engine.queries, self.engine.collections.store, self.engine.library, _say)
        self._shared_collections = SharedCollections(self.engine, ASSETS / "show" / "collection.css")
        self._exports = ExportRoutes(self.engine.exports, visitor_of=self._visitors.of_request)
        self._scripts = PageScripts(ASSETS / "js")
        self._vote_page = VotePage(self.engine, ASSETS / "show", settings.public_url)
        self._show_page = ShowPage(self.engine, ASSETS / "show", self._scripts.address)
        self._health = Health(
            {
                "engine": running("leases", "followed jobs"),
                "database": self._ask_database,
                "disk": self.engine.library.check_room,
            }
        )
        self._input_routes = InputRoutes(self.engine.inputs, _say, visitor_of=self._visitors.of_request)
        self._mcp_server = (
            McpServer(self.engine, self._visitors, time.time, behind_proxy=self._is_behind_proxy)
            if settings.mcp
            else None
        )
        self._login = login = _offers_login()
        callers = Callers(
            self._visitors,
            login=login,
            owner=settings.space_owner,
            serves_this_machine_alone=settings.serves_this_machine_alone,
        )
        self.blocks, self._translations = build_page(self.engine, callers, self.engine.allowances.left, login=login)
        self._page_files = PageFiles(*page_files(self.blocks), own=page_styles(sorted((ASSETS / "css").glob("*.css"))))
        self._failure: Exception | None = None
        self.app = self._app()

    def serve(self) -> None:
        """Serve until SIGTERM or Ctrl+C, and until all has been kept. Prints the address once it answers.

        Raises `SettingError` if the address cannot be taken; and what keeps the engine from starting.
        """
        with closing(listening(self.settings.server_name, self.settings.server_port)) as listener:
            name, meaning = (Words().say(f"badge.{self.settings.backend}{part}") for part in ("", ".meaning"))
            line = f"Dreamina UI: {address_of(listener)} ({name}: {meaning})"
            serve(
                self.app,
                listener,
                when_ready=lambda: print(line, flush=True),  # noqa: T201  what a start is for
                limits=ConnectionLimits(open=CONNECTIONS_OF_PAGE * self.settings.max_watchers + OTHER_CONNECTIONS),
            )
        if self._failure:
            raise self._failure

    def _start_again(self) -> None:
        """End as after SIGTERM: jobs go on with the next start, and open pages are told to reload, with what was typed."""
        self.starts_again = True
        signal.raise_signal(signal.SIGTERM)

    def _app(self) -> FastAPI:
        """Our routes, Gradio's page behind them, and what stands before both."""
        uploads = upload_folder()
        app = FastAPI(
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            lifespan=self._lifespan,
            middleware=[
                Middleware(SubPath, root_path=self.settings.root_path, believed=self._is_behind_proxy),
                self._guard(uploads),
                Middleware(BodyTime, say=_say),
                Middleware(
                    Uploads,
                    say=_say,
                    quota=UploadQuota(uploads, is_own=uploads.is_relative_to(self.settings.data_dir)),
                    visitor_of=self._visitors.of_request,
                    media=any(field.media for card in self.engine.models for field in card.fields),
                ),
                Middleware(
                    CallCheck,
                    events=events_of(self.blocks, self.engine.models.version),
                    calls=OpenCalls(self.blocks, most=self.settings.max_watchers),
                    visitors=self._visitors,
                    uploads=uploads,
                    say=_say,
                ),
                *([Middleware(SigningIn, say=_say)] if self._login else []),
                Middleware(Sessions, visitors=self._visitors, say=_say),
                Middleware(VisitorCookie, visitors=self._visitors, follow=self.engine.history.follow),
                Middleware(PageCache, varies=self._varies, hosts=self._hosts),
                Middleware(PageHead, start=self._head_start, end=self._page_files.end),
                Middleware(ChosenLanguage, cookie=LANGUAGE_COOKIE, languages=LANGUAGES),
            ],
            routes=[
                *self._downloads.routes,
                *self._shared_collections.routes,
                *self._exports.routes,
                *self._saved_files.routes,
                *self._health.routes,
                *self._scripts.routes,
                *self._show_page.routes,
                *self._vote_page.routes,
                *self._page_files.routes,
                *(self._mcp_server.routes if self._mcp_server else []),
                *self._input_routes.routes,
            ],
        )
        mount_page(
            app,
            self.blocks,
            max_watchers=self.settings.max_watchers,
            root_path=self.settings.root_path,
            show_error=False,
            run_history=False,
            enable_monitoring=False,
            max_file_size=VIDEO_MOST,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,  # Gradio's own, which the environment could turn on, would offer the page's events
            theme=studio_theme(),
            i18n=self._translations,
            favicon_path=str(ASSETS / "logo.svg"),
            footer_links=["api"],
        )
        return app

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        sys.setswitchinterval(SWITCH_S)
        gc.freeze()
        gc.set_threshold(*COLLECTED_AFTER)
        gc.enable()
        async with AsyncExitStack() as stack:
            if self._simulator:
                stack.push_async_callback(self._loader.aclose)
                stack.push_async_callback(self._simulator.state.simulator.aclose)
            try:
                await stack.enter_async_context(self.engine)
                await stack.enter_async_context(self._card_changes)
                if self._mcp_server:
                    await stack.enter_async_context(self._mcp_server.running())
            except Exception as error:
                self._failure = error
                raise
            yield

    def _varies(self, cookies: Mapping[str, str]) -> Mapping[str, str] | None:
        """What the page depends on, beside its address: the chosen language; and whoever has signed in gets a page made anew."""
        if self._login and "session" in cookies:
            return None
        chosen = cookies.get(LANGUAGE_COOKIE, "")
        return {LANGUAGE_COOKIE: chosen} if chosen in LANGUAGES else {}

    @property
    def _is_behind_proxy(self) -> bool:
        """Names to be asked by are what a proxy, a Space's among them, needs."""
        return bool(self.settings.allowed_hosts)

    @property
    def _hosts(self) -> Hosts:
        names = {*self.settings.allowed_hosts, *filter(None, [self.settings.server_name])}
        return Hosts({name.lower() for name in names})

    def _guard(self, uploads: Path) -> Middleware:
        return Middleware(
            Guard,
            hosts=self._hosts,
            folders=[uploads],
            say=_say,
            named=[MODEL.name, *(field.name for card in self.engine.models for field in card.fields)],
            behind_proxy=self._is_behind_proxy,
            on_space=self.settings.on_space,
        )

    @property
    def _head_start(self) -> str:
        version = f'<meta name="dreamina-forms" content="{self.engine.models.version}">'
        return version + self._scripts.tag + self._page_files.start

    async def _ask_database(self) -> None:
        await self.engine.database.run(lambda connection: connection.exec_driver_sql("SELECT 1"))


def _simulator(settings: Settings, models: Models, loader: Loader) -> Any:
    # Only imported when nothing else answers.
    from dreamina_ui.simulator import create_app

    cards = [card.source for card in models]
    return create_app(settings.data_dir / "simulator", cards=cards, fetch=loader.load)


def _catalogue(settings: Settings) -> Catalogue | None:
    """The service's catalogue, where there is a key to read it with."""
    if settings.backend.needs_key and settings.api_key:
        return Catalogue(settings.api_base, network=settings.network, key=settings.api_key)
    return None


def _cards(settings: Settings, catalogue: Catalogue | None) -> list[Card]:
    kept = settings.data_dir / "cards"
    return cards_of(settings.models, bundled=BUNDLED_CARDS, kept=kept, catalogue=catalogue)


def _offers_login() -> bool:
    """Whether this is a Space with `hf_oauth`, which sets all of these. Without the client's secret, Gradio would sign sessions
    with a known one; without another of them, it would not start."""
    return os.environ.get("SYSTEM") == "spaces" and all(os.environ.get(name) for name in ("SPACE_ID", *OAUTH))


def _say(request: Request, key: str, **values: object) -> str:
    return words_for(request).say(key, **values)
