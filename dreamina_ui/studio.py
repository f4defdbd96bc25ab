"""The composition root: picks the service, and wires engine, page and web guard together."""

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from gradio.utils import get_upload_folder
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import ASGIApp

from dreamina_ui.api.mcp import Agents
from dreamina_ui.backends import Backend
from dreamina_ui.cards.model_card import Card, load_card
from dreamina_ui.engine.engine import Engine, EngineSettings
from dreamina_ui.errors import SettingError
from dreamina_ui.hosts import Hosts
from dreamina_ui.settings import Settings
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.ui.gradio_internals import PageStates
from dreamina_ui.ui.page import build_page
from dreamina_ui.ui.theme import studio_theme
from dreamina_ui.web.call_check import Envelope
from dreamina_ui.web.callers import LANGUAGE_COOKIE, Asking, words_for
from dreamina_ui.web.cookies import ChosenLanguage, VisitorCookie
from dreamina_ui.web.downloads import Downloads
from dreamina_ui.web.guard import Guard
from dreamina_ui.web.health import Health, running
from dreamina_ui.web.page_cache import KeptPage
from dreamina_ui.web.page_head import PageHead, PageScripts
from dreamina_ui.web.public_files import PublicPlace
from dreamina_ui.web.saved_files import SavedFiles
from dreamina_ui.web.sessions import Sessions
from dreamina_ui.web.uploads import VIDEO_MOST
from dreamina_ui.web.visitors import Visitors, signing_secret
from dreamina_ui.wording import LANGUAGES, Words

__all__ = ["Studio"]

GRACE_S = 3
"""Seconds that open connections get to end by themselves when the program stops."""
SWITCH_S = 0.001
"""A thread of the database gives the interpreter up at each statement, and under load gets it back only after this."""
COLLECTED_AFTER = (2_000, 20, 20)
"""What the page is made of, a million objects, is never garbage: it is set aside. And a thousand visitors are no reason to look
through everything again and again."""
ASSETS = Path(__file__).parents[1] / "assets"
SIMULATOR_BASE = "http://simulator.internal/v1"
"""The simulator in this process is reached by this name and no socket."""


class Studio:
    """Everything, wired. Making one prepares the database and builds the page; the engine starts with the server.

    Raises `SettingError`, `CardError`, `StoreError` or `LibraryError`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        card = load_card(settings.model_card)
        _make_data_dir(settings.data_dir)
        self._simulator = _simulator(settings, card) if settings.backend is Backend.SIMULATOR else None
        self.engine = Engine(
            EngineSettings(
                card=card,
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
                deadline_s=settings.job_deadline_s,
            )
        )
        self._visitors = Visitors(signing_secret(settings))
        self._saved_files = SavedFiles(self.engine.library.folder, ASSETS / "examples")
        self._downloads = Downloads(self.engine.queries, self.engine.library, _say)
        self._scripts = PageScripts(ASSETS / "js")
        self._health = Health(
            {
                "engine": running("leases", "followed jobs"),
                "database": self._ask_database,
                "disk": self.engine.library.check_room,
            }
        )
        self._place = (
            PublicPlace(settings.data_dir / "uploads", settings.public_url, _say) if settings.public_url else None
        )
        self._agents = Agents(self.engine, self._visitors, time.time) if settings.mcp else None
        self._login = login = _offers_login()
        asking = Asking(self._visitors, login=login)
        self.blocks, self._translations = build_page(
            self.engine, asking, self.engine.allowances.left, login=login, place=self._place
        )

    def launch(self, *, wait: bool = True) -> str:
        """Serve, and give the address; with `wait`, only after SIGTERM or Ctrl+C, when all has been kept.

        Raises `SettingError` if the address cannot be taken.
        """
        if not wait:
            return self._serve()
        address = ""
        with suppress(KeyboardInterrupt), _sigterm_like_ctrl_c():
            address = self._serve()
            name, meaning = (Words().say(f"badge.{self.settings.backend}{part}") for part in ("", ".meaning"))
            print(f"Dreamina UI: {address.rstrip('/')} ({name}: {meaning})", flush=True)  # noqa: T201  what a start is for
            while self.blocks.is_running:
                time.sleep(1)
        self.close()
        return address

    def close(self) -> None:
        """Stop serving, after the engine has kept what it was told."""
        server = self.blocks.server
        logging.getLogger("uvicorn.error").addFilter(_is_news_at_a_stop)
        self.blocks.close(verbose=False)
        if server:
            # Gradio gives up waiting after 5 s; the answer to a paid POST may take longer.
            server.thread.join()

    def _serve(self) -> str:
        try:
            _, address, _ = self.blocks.launch(**self._launch_options())
        except OSError as error:
            held = f"{self.settings.server_name or '127.0.0.1'}:{self.settings.server_port or '7860-7959'}"
            allowed = "an address of this machine, with a port that no other program uses"
            raise SettingError("GRADIO_SERVER_NAME:GRADIO_SERVER_PORT", held, allowed) from error
        # An open page holds an event stream, a player a download: without a bound these would hold up the stop.
        self.blocks.server.config.timeout_graceful_shutdown = GRACE_S
        return str(address)

    def _launch_options(self) -> dict[str, Any]:
        return {
            "server_name": self.settings.server_name,
            "server_port": self.settings.server_port,
            "prevent_thread_lock": True,
            "quiet": True,
            "share": False,
            "show_error": False,
            "run_history": False,
            "enable_monitoring": False,
            "max_file_size": VIDEO_MOST,
            "ssr_mode": False,
            "mcp_server": False,  # Gradio's own, which the environment could turn on, would offer the page's events
            "max_threads": self.settings.max_watchers,
            "theme": studio_theme(),
            "i18n": self._translations,
            "css_paths": sorted((ASSETS / "css").glob("*.css")),
            "favicon_path": ASSETS / "logo.svg",
            "footer_links": ["api"],
            "app_kwargs": {
                "lifespan": self._lifespan,
                "middleware": [
                    self._envelope(),
                    Middleware(Sessions, visitors=self._visitors, say=_say),
                    Middleware(VisitorCookie, visitors=self._visitors),
                    Middleware(KeptPage, varies=self._varies),
                    Middleware(PageHead, html=self._scripts.tag),
                    Middleware(ChosenLanguage, cookie=LANGUAGE_COOKIE, languages=LANGUAGES),
                ],
                "routes": [
                    *self._downloads.routes,
                    *self._saved_files.routes,
                    *self._health.routes,
                    *self._scripts.routes,
                    *(self._agents.routes if self._agents else []),
                    *(self._place.routes if self._place else []),
                ],
            },
        }

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        sys.setswitchinterval(SWITCH_S)
        gc.freeze()
        gc.set_threshold(*COLLECTED_AFTER)
        gc.enable()
        states = PageStates()
        states.set_blocks(self.blocks)
        app.state_holder = states  # type: ignore[attr-defined]
        if app.middleware_stack:
            # Gradio puts its own middleware around what it is given, and the guard has to stand before that.
            app.middleware_stack = self._guarded(app.middleware_stack)
        async with AsyncExitStack() as stack:
            if self._simulator:
                stack.push_async_callback(self._simulator.state.simulator.aclose)
            await stack.enter_async_context(self.engine)
            if self._agents:
                await stack.enter_async_context(self._agents.running())
            yield

    def _varies(self, cookies: Mapping[str, str]) -> Sequence[str] | None:
        """What the page depends on, beside its address: the chosen language; and whoever has signed in gets a page made anew."""
        return None if self._login and "session" in cookies else (cookies.get(LANGUAGE_COOKIE, ""),)

    def _guarded(self, app: ASGIApp) -> Guard:
        names = {*self.settings.allowed_hosts, *filter(None, [self.settings.server_name])}
        return Guard(
            app,
            hosts=Hosts({name.lower() for name in names}),
            folders=[Path(get_upload_folder())],
            say=_say,
            # Names to be asked by are what a proxy, a Space's among them, needs.
            behind_proxy=bool(self.settings.allowed_hosts),
            on_space=self.settings.on_space,
            media=self._place is not None,
        )

    def _envelope(self) -> Middleware:
        queue = self.blocks._queue

        def knows(name: str) -> bool:
            """Whether a session of this name, or a call, is answered or waits to be."""
            waiting = name in queue.pending_messages_per_session or name in queue.event_ids_to_events
            return waiting or any(name in calls for calls in queue.pending_event_ids_session.values())

        folder = Path(get_upload_folder())
        return Middleware(Envelope, events=self.blocks.fns, knows=knows, uploads=folder, say=_say)

    async def _ask_database(self) -> None:
        await self.engine.database.run(lambda connection: connection.exec_driver_sql("SELECT 1"))


def _simulator(settings: Settings, card: Card) -> Any:
    # Only imported when nothing else answers.
    from dreamina_ui.simulator import create_app

    return create_app(settings.data_dir / "simulator", cards=[card.source])


def _offers_login() -> bool:
    """Whether this is a Space with `hf_oauth`. Without the client's secret, Gradio would sign sessions with a known one."""
    return os.environ.get("SYSTEM") == "spaces" and all(
        os.environ.get(name) for name in ("SPACE_ID", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET")
    )


def _say(request: Request, key: str, **values: object) -> str:
    return words_for(request).say(key, **values)


def _make_data_dir(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError("DREAMINA_DATA_DIR", str(folder), f"a folder that can be made ({error.strerror})") from error


def _is_news_at_a_stop(record: logging.LogRecord) -> bool:
    """Connections that outstay their grace are cut off, and uvicorn tells each as an error, with a traceback."""
    return not record.getMessage().startswith(("Cancel ", "Exception in ASGI application"))


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    """A Space or a container is stopped by SIGTERM: leave as after Ctrl+C, so that paid answers under way are kept."""

    def leave(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
