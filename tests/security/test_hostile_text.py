"""Hostile text from visitors, files and the service is shown in the browser, and nothing of it runs, loads or links."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, FilePayload, Page, Request, expect

from dreamina_ui.cards.alternatives import literal
from dreamina_ui.simulator import Fault
from tests.browser.conftest import calm_context
from tests.browser.states import generate, reached
from tests.filled import past_job
from tests.rig import RECORDS, make_clip, recorded
from tests.security.service import Service
from tests.servers import Server

KEY = "rc-test-key-0123456789"
EVIL = "http://evil.example"
MARKUP = (
    "<script>window.pwned=1</script><img src=x onerror=window.pwned=2><svg/onload=window.pwned=3>"
    f"<iframe src='javascript:parent.pwned=4'></iframe>\"'><a href=javascript:window.pwned=5>a</a><base href={EVIL}>"
)
WRITTEN = (
    f"![x]({EVIL}/m.png) [y](javascript:window.pwned=6) </style><style>@import '{EVIL}/s.css'</style></textarea></title>"
    f" {{{{7*7}}}} ${{7*7}} {{0.__class__}} %(prompt)s {EVIL}/plain \u202ednuora\u2066 <!-- ]]> &lt;b&gt; \\u003cb\\u003e"
)
LONG = "w" * 700
TEXTS = {"markup": MARKUP, "written": WRITTEN, "long": LONG}

DANGERS = """() => [...document.querySelectorAll('*')].filter((element) =>
    ['IFRAME', 'OBJECT', 'EMBED'].includes(element.tagName)
    || (element.tagName === 'BASE' && element.getAttribute('href') !== './')
    || (element.tagName === 'SCRIPT' && /^[^{]{0,40}pwned/.test(element.textContent))
    || (element.tagName === 'STYLE' && element.textContent.includes('evil.example'))
    || [...element.attributes].some(({ name, value }) =>
        name.startsWith('on')
        || (['href', 'src', 'action', 'formaction', 'srcset', 'poster', 'style'].includes(name)
            && /^\\s*javascript:|evil\\.example/i.test(value) && !/^[?/]|[?&]prompt=/.test(value)))
  ).map((element) => element.outerHTML.slice(0, 300))"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service"), [KEY], queue_s=0, render_s=0.1) as service:
        yield service


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, service: Service) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    settings = {"RUNCOMFY_API_TOKEN": KEY, "RUNCOMFY_MODEL_API_BASE": service.address}
    server = Server(folder, DREAMINA_TRUSTED_OUTPUT_ORIGINS=service.outputs, **settings)
    server.start()
    yield server
    with suppress(ProcessLookupError):
        server.stop()
    assert "Traceback" not in server.log


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One visitor's, for all tests: what they show has texts of its own."""
    context = calm_context(browser, viewport={"width": 1366, "height": 900}, reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture(scope="module")
def opened(context: BrowserContext, server: Server) -> tuple[Page, list[str]]:
    """One page, which takes longer to open than most tests on it, and its problems."""
    problems: list[str] = []
    return watched(context, server.address, problems), problems


@pytest.fixture
def page(opened: tuple[Page, list[str]]) -> Iterator[Page]:
    """The page as the test before has left it. After a test it is harmless, and had no dialog, script error or request to another
    origin."""
    page, problems = opened
    yield page
    check_harmless(page)
    assert problems == []


def watched(context: BrowserContext, address: str, problems: list[str], query: str = "") -> Page:
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))

    def note_foreign(request: Request) -> None:
        if not request.url.startswith((address + "/", "data:", "blob:")):
            problems.append(f"asked {request.url}")

    page.on("request", note_foreign)

    def dismiss(dialog: Dialog) -> None:
        problems.append("dialog")
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.goto(f"{address}/{query}")
    page.wait_for_selector("#history .history-root")
    return page


def check_harmless(page: Page) -> None:
    assert page.evaluate("window.pwned") is None
    assert page.evaluate("document.title").endswith("Dreamina UI")
    assert page.evaluate(DANGERS) == []


def test_search_for_dangerous_markup_finds_it(page: Page) -> None:
    """Each kind of dangerous markup is found."""
    for markup in (
        "<img onerror=1>", "<iframe></iframe>", "<a href='javascript:1'>a</a>", "<base>", f"<img alt='' data-x src='{EVIL}/x'>",
        f"<style>a {{ background: url({EVIL}) }}</style>",
    ):  # fmt: skip
        inert = (
            "(html) => { const box = document.createElement('div'); box.id = 'box'; box.innerHTML = html; return box }"
        )
        page.evaluate(
            f"(html) => document.body.append(({inert})(html))", markup.replace("src='http", "style='color: http")
        )
        assert len(page.evaluate(DANGERS)) == 1, markup
        page.evaluate("document.getElementById('box').remove()")


def test_hostile_prompts_are_only_text(page: Page) -> None:
    """Each prompt is shown unchanged on the stage and in the history, and all of them when the page is opened again."""
    search, posters = page.locator("#history-search input, #history-search textarea"), page.locator("#history .poster")
    for made, text in enumerate(TEXTS.values(), 1):
        generate(page, "succeeded", literal(text))
        assert page.locator("#facts .stage-prompt").text_content() == text
        title = page.locator("#history .poster-open").first
        expect(title).to_be_visible()
        assert (title.get_attribute("title") or "")[:100] == text[:100]
        for words, count in ((text, 1), ("", made)):
            search.fill(words)
            search.press("Enter")
            expect(posters).to_have_count(count)
        check_harmless(page)
    page.reload()
    expect(posters).to_have_count(len(TEXTS))


@pytest.mark.parametrize("kind", ["markup", "written"])
def test_hostile_service_error_is_only_text(page: Page, service: Service, kind: str) -> None:
    """The service's reason for a failure is shown as text, wherever it is in the reply."""
    text = TEXTS[kind]
    service.add_faults(Fault("submit", "failed_result", error=text))
    failed = page.locator("#history .poster.failed")
    before = failed.count()
    generate(page, "failed", "a boat")
    expect(page.locator("#screen")).to_contain_text(text[:40])
    check_harmless(page)
    service.add_faults(Fault("submit", "error_shape", message=text, code=422))
    page.fill("#field-prompt textarea", "another boat")
    page.click("#generate")
    expect(failed).to_have_count(before + 2)
    reached(page, "failed")
    expect(page.locator("#screen")).to_contain_text(text[:40])


def test_hostile_link_is_only_text(context: BrowserContext, server: Server) -> None:
    """Invalid values of a link are shown as text, and valid ones fill the form."""
    text = f"{MARKUP} {WRITTEN}"
    query = {
        "prompt": text,
        "aspect_ratio": text,
        "frames": text,
        "seed": text,
        text: text,
        "lang": text,
        "__theme": text,
    }
    problems: list[str] = []
    page = watched(context, server.address, problems, "?" + urlencode(query))
    expect(page.locator("#field-prompt textarea")).to_have_value(literal(text))
    expect(page.locator("#problem-aspect_ratio")).to_contain_text(text[:20])
    check_harmless(page)
    for short in (MARKUP[:60], WRITTEN[:60]):
        page.goto(f"{server.address}/?" + urlencode({"video": short}))
        expect(page.locator("#status .note")).to_be_visible()
        check_harmless(page)
    # A longer name is none: it is not even read.
    refused = page.goto(f"{server.address}/?" + urlencode({"video": text}))
    assert refused is not None
    assert (refused.status, refused.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert text[:20] not in refused.text()
    page.close()
    assert problems == []


def test_hostile_file_is_only_text(page: Page, tmp_path: Path) -> None:
    """A file's record fills the form with text; a file's name is text or is not shown."""
    job = replace(past_job(1, "ann", prompt=MARKUP[:700]))
    path = recorded(make_clip(tmp_path / "clip.mp4"), RECORDS.of(job, job.created_at))
    name = "<img src=x onerror=window.pwned=7>\u202e${7*7}.mp4"
    choose(page, {"name": name, "mimeType": "video/mp4", "buffer": path.read_bytes()})
    expect(page.locator("#field-prompt textarea")).to_have_value(MARKUP[:700])
    choose(page, {"name": name, "mimeType": "video/mp4", "buffer": MARKUP.encode()})
    expect(page.locator(".toast-body").first).to_contain_text("This file cannot be read")
    expect(page.locator("#field-prompt textarea")).to_have_value(MARKUP[:700])
    check_harmless(page)


def choose(page: Page, file: FilePayload) -> None:
    with page.expect_file_chooser() as chooser:
        page.click("#settings-file")
    chooser.value.set_files(file)


def test_hostile_table_is_only_text(page: Page) -> None:
    """Headers and cells of a table are shown as text."""
    page.get_by_role("tab", name="Batch").click()
    page.get_by_label("A table (CSV)").check()
    upload = page.locator("#batch-csv input[type=file]")
    earlier = page.locator("#batch-csv").get_by_label("Clear")
    name = "<img src=x onerror=window.pwned=8>.csv"
    quoted = json.dumps(MARKUP).replace('\\"', '""')
    for table, shown in (
        (f"prompt,{quoted}\na,b\n", "<script>"),
        (f"prompt,frames,aspect_ratio\n{quoted},{quoted},{quoted}\n", "is not one of"),
        (f"prompt,seed\n{quoted},5\n=cmd|' /C calc'!A0,6\n", "Videos: 2"),
    ):
        if earlier.count():
            earlier.click()
        upload.set_input_files({"name": name, "mimeType": "text/csv", "buffer": table.encode()})
        expect(page.locator("#batch-plan")).to_contain_text(shown)
        check_harmless(page)


@pytest.mark.parametrize(
    "name", ["Accept-Language", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For", "X-Forwarded-Prefix"]
)
def test_hostile_header_is_not_repeated(server: Server, name: str) -> None:
    """The value of a proxy's or browser's header is in no document, configuration or header of an answer."""
    text = f'{EVIL.removeprefix("http://")}"><script>window.pwned=9</script>'
    for path in ("/", "/config", "/gradio_api/info", "/?video=nothing"):
        answer = httpx.get(server.address + path, headers={name: text}, trust_env=False, timeout=30)
        assert answer.status_code < 500
        assert "evil.example" not in answer.text + str(answer.headers), path
