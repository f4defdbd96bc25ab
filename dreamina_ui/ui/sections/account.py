"""The account: the rest of today's allowance, the visitor's own key, and the balance of the account behind a key."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import gradio as gr
from gradio.events import Dependency
from markupsafe import Markup

from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError, KeyMissing, OwnKeyLost, VisitorLost, VisitorUnknown
from dreamina_ui.storage.allowances import Left
from dreamina_ui.ui.gradio_internals import kept_text
from dreamina_ui.ui.html.connection import unknown_visitor_html
from dreamina_ui.ui.html.stage import problem_html
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.wording import Words

__all__ = ["Account", "AllowanceOf", "left_html"]

_LEFT = Markup('<p class="left">{}</p>')
_BALANCE = Markup('<p class="balance{quiet}">{text}</p>')
ASKED_AGAIN_S = 60.0
"""The page asks for the balance at most once in so long, unless a video was made."""
_NOTE = Markup('<p class="note" role="status">{}</p>')


AllowanceOf = Callable[[str], Awaitable[Left]]


def left_html(left: Left, words: Words) -> Markup:
    """How many videos are left today; empty if there is no limit."""
    limits = [count for count in (left.per_visitor, left.in_all) if count is not None]
    if not limits:
        return Markup("")
    renewed = datetime.fromtimestamp(left.renews_at, UTC).strftime("%H:%M")
    return _LEFT.format(words.say("account.left", count=min(limits), time=renewed))


class Account:
    """The section below the header. `left` returns a visitor's allowance; without it none is shown.

    Only the engine gets a key. Its field is cleared after every attempt, and no output has any part of it.
    """

    def __init__(
        self, engine: Engine, callers: Callers, fixed: Fixed, left: AllowanceOf | None, *, login: bool
    ) -> None:
        self._engine = engine
        self._callers = callers
        self._allowance_of = left
        with gr.Row(elem_classes="account", equal_height=False, visible=login or engine.keys.offered) as self.section:
            self.left = gr.HTML("", elem_id="allowance", js_on_load=None)
            self.balance = gr.HTML("", elem_id="balance", js_on_load=None)
            # Its change asks for the balance, in an event of its own: nothing else waits for the service.
            self.balance_due = kept_text("balance-due")
            if login:
                # Gradio's icon is a file in its package: its address has a path of the server, and is refused.
                gr.LoginButton(size="sm", icon=None, elem_id="login", scale=0, min_width=160)
            with gr.Accordion(
                fixed.text("own_key.title"), open=False, visible=engine.keys.offered, elem_id="own-key"
            ) as self.disclosure:
                with gr.Row(equal_height=False):
                    self.key = gr.Textbox(
                        type="password",
                        label=fixed.text("own_key.field"),
                        info=fixed.text("own_key.hint"),
                        html_attributes=gr.InputHTMLAttributes(spellcheck=False),
                        elem_id="key",
                        scale=3,
                        min_width=180,
                    )
                    self.save = gr.Button(fixed.text("own_key.save"), elem_id="key-save", scale=1, min_width=80)
                    self.forget = gr.Button(
                        fixed.text("own_key.forget"), elem_id="key-forget", scale=1, min_width=80, visible=False
                    )
                self.message = gr.HTML("", elem_id="key-told", js_on_load=None)

    @property
    def outputs(self) -> list[Any]:
        return [self.left, self.message, self.forget, self.balance, self.balance_due]

    def connect(self, quiet: dict[str, Any]) -> None:
        self.key_saved: Dependency = gr.on(
            [self.save.click, self.key.submit],
            self.save_key,
            inputs=self.key,
            outputs=[self.key, *self.outputs],
            **quiet,
        )
        self.forget.click(self.forget_key, outputs=[self.key, *self.outputs], **quiet)
        self.balance_due.change(self.show_balance, inputs=self.balance_due, outputs=self.balance, **quiet)

    async def show(self, request: gr.Request) -> list[Any]:
        """The state of the account, in the order of `outputs`."""
        return await self._shown(self._callers.visitor(request), request)

    def balance_changed(self, what: str, request: gr.Request) -> dict[Any, Any]:
        """Ask for the balance again after the end of a job that may have been paid; `what` names the end."""
        is_shown = self._shows_balance(self._callers.visitor(request), request)
        return {self.balance_due: f"after {what}"} if is_shown else {}

    async def show_balance(self, due: str, request: gr.Request) -> Markup:
        """The balance of the account that the visitor may see; one quiet sentence if it cannot be read."""
        visitor_id, words = self._callers.visitor(request), self._callers.words(request)
        if not self._shows_balance(visitor_id, request):
            return Markup("")
        usd = await self._engine.money.balance_usd(
            visitor_id, is_owner=self._callers.is_owner(request), may_have_changed=str(due).startswith("after ")
        )
        if usd is None:
            return _BALANCE.format(quiet=" unknown", text=words.say("account.balance.unknown"))
        return _BALANCE.format(quiet="", text=words.say("account.balance", usd=words.money(usd)))

    def _shows_balance(self, visitor_id: str, request: gr.Request) -> bool:
        return self._engine.money.shows_balance(visitor_id, is_owner=self._callers.is_owner(request))

    async def _shown(self, visitor_id: str, request: gr.Request) -> list[Any]:
        words = self._callers.words(request)
        in_use = self._engine.keys.has(visitor_id)
        is_lost = await self._is_lost(visitor_id)
        message = _NOTE.format(words.say("own_key.in_use")) if in_use else Markup("")
        if is_lost:
            message = problem_html(words.sentence(OwnKeyLost()))
        left = await self._left(visitor_id, words, in_use or is_lost)
        return [left, message, gr.update(visible=in_use or is_lost), *self._balance_parts(visitor_id, request)]

    def _balance_parts(self, visitor_id: str, request: gr.Request) -> list[Any]:
        """What is shown of the balance, and what asks for it: an account that is not the visitor's to see leaves nothing."""
        if not self._shows_balance(visitor_id, request):
            return ["", ""]
        whose = "own" if self._engine.keys.has(visitor_id) else "shared"
        return [gr.skip(), f"{whose} {int(self._callers.now() // ASKED_AGAIN_S)}"]

    async def save_key(self, key: str, request: gr.Request) -> list[Any]:
        """Check and store the key; clears the field in any case."""
        try:
            visitor_id = self._callers.key_visitor(request)
            await self._engine.keys.bring(visitor_id, key, brought_by=self._callers.known_visitor(request))
        except (VisitorUnknown, VisitorLost) as error:
            return self._refused(unknown_visitor_html(error, self._callers.words(request)))
        except DreaminaError as error:
            words = self._callers.words(request)
            sentence = words.say("own_key.empty") if isinstance(error, KeyMissing) else words.sentence(error)
            return self._refused(sentence)
        return ["", *await self._shown(visitor_id, request)]

    async def forget_key(self, request: gr.Request) -> list[Any]:
        try:
            await self._engine.keys.forget(self._callers.visitor(request))
        except DreaminaError as error:
            return self._refused(self._callers.words(request).sentence(error))
        left, _, *others = await self.show(request)
        return ["", left, _NOTE.format(self._callers.words(request).say("own_key.forgotten")), *others]

    def _refused(self, sentence: str) -> list[Any]:
        """The field for the key is cleared, and says why; nothing else changes."""
        return ["", gr.skip(), problem_html(sentence), *[gr.skip()] * (len(self.outputs) - 2)]

    async def _is_lost(self, visitor_id: str) -> bool:
        try:
            return await self._engine.keys.is_lost(visitor_id)
        except DreaminaError:
            return False  # a click asks again

    async def _left(self, visitor_id: str, words: Words, in_use: bool) -> Markup:
        if self._allowance_of is None or in_use:
            return Markup("")
        try:
            return left_html(await self._allowance_of(visitor_id), words)
        except DreaminaError:
            return Markup("")
