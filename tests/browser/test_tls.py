"""Behind a real nginx with TLS: the visitor's cookie as a browser keeps it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from dreamina_ui.web.visitors import COOKIE
from tests.browser.conftest import KEY, calm_context, filled
from tests.chromium import browsing
from tests.nginx import running
from tests.outside import authority
from tests.servers import Server, SimulatorServer, free_port

NAME = f"__Host-{COOKIE}"
HOST = "studio.example.com"
CONFIGURATION = """
events {{ }}
http {{
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/certificate.pem;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_buffering off;
    proxy_http_version 1.1;
    location / {{ proxy_pass {studio}; }}
  }}
  # Another program on another port of the same name, which plants what it can.
  server {{
    listen 127.0.0.1:{other};
    add_header Set-Cookie "{plain}={planted}; Path=/";
    add_header Set-Cookie "{secure}={planted}; Path=/";
    location / {{ return 200 "planted"; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing("--ignore-certificate-errors", f"--host-resolver-rules=MAP {HOST} 127.0.0.1") as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Of this file's own browser."""
    context = calm_context(browser)
    yield context
    context.close()


def test_the_visitors_cookie_over_tls(context: BrowserContext, tmp_path: Path, quick_service: SimulatorServer) -> None:
    """It has the name, Secure, the root as its path and no domain; a click and its history survive a reload, and what another
    program of the same name plants, with a cookie that is valid over http."""
    settings = {"RUNCOMFY_API_TOKEN": KEY, "RUNCOMFY_MODEL_API_BASE": quick_service.address}
    server = Server(tmp_path, DREAMINA_ALLOWED_HOSTS=HOST, **settings)
    server.start()
    try:
        port, other = free_port(), free_port()
        authority().issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "certificate.pem"))
        planted = httpx.get(server.address, trust_env=False).cookies[COOKIE]
        text = CONFIGURATION.format(
            port=port,
            other=other,
            folder=tmp_path,
            studio=server.address,
            plain=COOKIE,
            secure=NAME,
            planted=planted,
        )
        with running(tmp_path / "nginx", text, port):
            page = context.new_page()
            page.goto(f"https://{HOST}:{port}/")
            filled(page)

            def visitor() -> str:
                [cookie] = [each for each in context.cookies(page.url) if each["name"] == NAME]
                kept = {name: cookie.get(name) for name in ("domain", "path", "secure", "httpOnly", "sameSite")}
                assert kept == {"domain": HOST, "path": "/", "secure": True, "httpOnly": True, "sameSite": "None"}
                return str(cookie["value"])

            first = visitor()
            page.locator("#field-prompt textarea").fill("a kite over dunes")
            page.locator("#generate").click()
            page.wait_for_function("() => document.querySelector('#player video')?.readyState >= 2")
            page.reload()
            filled(page)
            expect(page.locator("#history img")).to_have_count(1)
            assert visitor() == first

            elsewhere = context.new_page()
            elsewhere.goto(f"http://{HOST}:{other}/")
            assert [each["value"] for each in context.cookies(elsewhere.url) if each["name"] == COOKIE] == [planted]
            elsewhere.close()
            page.reload()
            filled(page)
            expect(page.locator("#history img")).to_have_count(1)
            assert visitor() == first
    finally:
        server.stop()
    assert "Traceback" not in server.log
