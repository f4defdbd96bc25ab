"""Connections to the service: what is read from the disk is read before the first call."""

import httpx
import pytest

from dreamina_ui.runcomfy.connections import Connections

pytestmark = pytest.mark.anyio


async def test_certificates_are_not_read_while_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are there when the connections are made: a call, on the event loop, reads no file."""
    connections = Connections(timeout=httpx.Timeout(1), headers={})
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **_: pytest.fail("the certificates are read by a call"))
    async with connections.client():
        pass
    await connections.aclose()
