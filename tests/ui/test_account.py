"""The account section: it shows the allowance, and no output has any part of a key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from dreamina_ui.engine.keys import TRIES_EACH
from dreamina_ui.storage.allowances import Left
from dreamina_ui.ui.sections.account import Account, left_html
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.web.visitors import KEY_VISITOR
from dreamina_ui.wording import Words
from tests.engine.test_ownership import VISITORS, request_of
from tests.rig import Rig, rigged

pytestmark = pytest.mark.anyio
KEY = "rc-canary-anns-0123456789"
MIDNIGHT = 1_700_006_400.0


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (Left(3, 50, MIDNIGHT), "Videos left today: 3 (new ones at 00:00 UTC)"),
        (Left(3, 1, MIDNIGHT), "Videos left today: 1 (new ones at 00:00 UTC)"),
        (Left(0, None, MIDNIGHT), "Videos left today: 0 (new ones at 00:00 UTC)"),
        (Left(None, 7, MIDNIGHT), "Videos left today: 7 (new ones at 00:00 UTC)"),
        (Left(None, None, MIDNIGHT), ""),
    ],
)
def test_the_smaller_allowance_is_shown(left: Left, words: str) -> None:
    """It shows one number and the time of renewal; nothing without a limit."""
    assert left_html(left, Words("en")).striptags() == words


@asynccontextmanager
async def account(
    folder: Path, backend: str = "runcomfy", key: str | None = None
) -> AsyncIterator[tuple[Rig, Account]]:
    async def left(visitor_id: str) -> Left:
        return Left({"ann": 2}.get(visitor_id, 3), 50, MIDNIGHT)

    async with rigged(folder, backend=backend, key=key) as rig:
        rig.gate.keys = {KEY}
        with gr.Blocks(analytics_enabled=False):
            yield rig, Account(rig.engine, Callers(VISITORS), Fixed(), left, login=False)


async def test_a_key_can_be_saved_and_deleted(tmp_path: Path) -> None:
    """The field is cleared; while a visitor uses a key of their own, no allowance is shown."""
    async with account(tmp_path) as (rig, section):
        assert "left today: 2" in (await section.show(request_of("ann")))[0]
        field, left, told, forget, *_ = await section.save_key(KEY, request_of("ann"))
        assert (field, left, forget["visible"]) == ("", "", True)
        assert "Your key is in use" in told
        assert "Your key is in use" not in repr(await section.show(request_of("bob")))
        field, left, told, forget, *_ = await section.forget_key(request_of("ann"))
        assert (field, forget["visible"]) == ("", False)
        assert "left today: 2" in left
        assert "forgotten" in told
        assert not rig.engine.keys.has("ann")


async def test_a_key_is_kept_for_the_visitor_that_it_makes(tmp_path: Path) -> None:
    """Whoever else has the cookie that came with the request has no use of the key."""
    async with account(tmp_path) as (rig, section):
        request = request_of("planted")
        assert request.request is not None
        request.request.scope[KEY_VISITOR] = "new"
        _, _, told, forget, *_ = await section.save_key(KEY, request)
        assert "Your key is in use" in told
        assert forget["visible"]
        assert rig.engine.keys.of_visitor("new") == KEY
        assert not rig.engine.keys.has("planted")


async def test_refused_keys_count_for_the_visitor_who_brings_them(tmp_path: Path) -> None:
    """Each key would make a new visitor, who has never tried: the service is asked no more often for that."""
    async with account(tmp_path) as (rig, section):
        before = len(rig.gate.requests)
        for number in range(TRIES_EACH + 5):
            request = request_of("eve")
            assert request.request is not None
            request.request.scope[KEY_VISITOR] = f"new-{number}"
            await section.save_key(f"rc-guess-{number:04}", request)
        assert len(rig.gate.requests) - before == TRIES_EACH


@pytest.mark.parametrize(
    ("key", "raises", "sentence"),
    [
        ("rc-canary-wrong", None, "RunComfy refused the key"),
        ("rc-canary with <b>blanks</b>", None, "RunComfy refused the key"),
        ("", None, "Enter a key first."),
        (None, None, "Enter a key first."),
        (KEY, httpx.ConnectError(f"away with {KEY}"), "RunComfy could not check this key"),
    ],
)
async def test_a_failed_attempt_clears_the_field_and_shows_why(
    tmp_path: Path, key: Any, raises: Exception | None, sentence: str
) -> None:
    """One sentence is shown below the field, without any part of the key."""
    async with account(tmp_path) as (rig, section):
        rig.gate.raises = raises
        answer = await section.save_key(key, request_of("ann"))
        assert answer[0] == ""
        assert sentence in repr(answer)
        assert "canary" not in repr(answer)
        assert not rig.engine.keys.has("ann")


@pytest.mark.parametrize(("backend", "visible"), [("runcomfy", True), ("simulator", False)])
async def test_the_simulator_has_no_field_for_a_key(tmp_path: Path, backend: str, visible: bool) -> None:
    """The simulator charges nothing, so the field is hidden."""
    async with account(tmp_path, backend) as (_, section):
        assert (section.disclosure.visible, section.disclosure.open) == (visible, False)
        assert section.key.type == "password"
