"""The page's scripts: their comments, the one response with all of them, and the tag in the page."""

import re
import shutil
from pathlib import Path

import httpx
import pytest
import rjsmin
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from dreamina_ui.web.page_response import ADDRESS, PageFiles, PageHead, PageScripts
from tests.servers import ROOT

FOLDER = ROOT / "assets" / "js"
SCRIPTS = sorted(FOLDER.glob("*.js"))


def head_and_code(script: Path) -> tuple[str, str]:
    """The comment at the top of a script, and its code."""
    lines = script.read_text(encoding="utf-8").splitlines()
    length = next(number for number, line in enumerate(lines) if not line.startswith("//"))
    return "\n".join(lines[:length]), "\n".join(line for line in lines[length:] if not line.strip().startswith("//"))


def attributes(code: str) -> set[str]:
    """The data attributes and ids that a script names."""
    found = set(re.findall(r"\bdata-[a-z-]+", code)) | set(re.findall(r"[\"'` (,](#[a-z][a-z-]+)", code))
    names = re.findall(r"dataset\.(\w+)", code)
    for group in re.findall(r"\{ ([\w, ]+) \} = \w+(?:\.\w+)*\.dataset", code):
        names += group.split(", ")
    return found | {"data-" + re.sub(r"[A-Z]", lambda letter: f"-{letter[0].lower()}", name) for name in names}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_comment_of_a_script(script: Path) -> None:
    """The comment is one sentence, then the elements and attributes in the code."""
    head, code = head_and_code(script)
    first, _, rest = head.removeprefix("// ").partition("\n")
    assert first[0].isupper()
    assert "// Needs:" in rest
    assert not {name for name in attributes(code) if not re.search(rf"{re.escape(name)}\b", head)}


def test_every_attribute_is_in_the_markup() -> None:
    """Every attribute in a script is in the page's markup, or set by a script."""
    code = "\n".join(head_and_code(script)[1] for script in SCRIPTS)
    markup = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "dreamina_ui" / "ui").rglob("*.py"))
    for name in attributes(code):
        if name.startswith("#"):
            ids = (f'id="{name[1:]}"', f'elem_id="{name[1:]}"', f'id: "{name[1:]}"')
            assert any(one in markup or one in code for one in ids) or name.startswith(("#field-", "#problem-")), name
        else:
            camel = re.sub(r"-(\w)", lambda letter: letter[1].upper(), name.removeprefix("data-"))
            assert name in markup or f'"{name}"' in code or f"dataset.{camel} =" in code, name


async def ask(scripts: PageScripts | PageFiles, address: str, encoding: str = "identity") -> httpx.Response:
    transport = httpx.ASGITransport(Starlette(routes=scripts.routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as browser:
        return await browser.get(address, headers={"Accept-Encoding": encoding})


def address_in(tag: str) -> str:
    [address] = re.findall(r'^<script src="(dreamina/scripts\.js\?v=[0-9a-f]{16})"></script>$', tag)
    return f"/{address}"


@pytest.mark.anyio
@pytest.mark.parametrize("encoding", ["identity", "br"])
async def test_all_scripts_are_one_response(encoding: str) -> None:
    """The response has the helpers, then every other script, without comments; compressed if the browser accepts it."""
    scripts = PageScripts(FOLDER)
    reply = await ask(scripts, address_in(scripts.tag), encoding)
    code = {script: rjsmin.jsmin(script.read_text(encoding="utf-8")).strip() for script in SCRIPTS}
    assert reply.text.startswith(code[FOLDER / "dreamina.js"])
    assert all(each in reply.text for each in code.values())
    assert len(reply.text) < 0.7 * sum(script.stat().st_size for script in SCRIPTS)
    assert reply.headers["content-type"].startswith("text/javascript")
    assert reply.headers.get("content-encoding", "identity") == encoding
    if encoding == "br":
        assert int(reply.headers["content-length"]) < len(reply.text) / 2


@pytest.mark.anyio
async def test_the_address_changes_with_the_scripts(tmp_path: Path) -> None:
    """The scripts are cached for a year by their URL; at a URL of another version they are not cached."""
    shutil.copytree(FOLDER, tmp_path / "js")
    before = PageScripts(tmp_path / "js")
    (tmp_path / "js" / "seed.js").write_text("// changed")
    after = PageScripts(tmp_path / "js")
    assert before.tag != after.tag
    assert "immutable" in (await ask(after, address_in(after.tag))).headers["cache-control"]
    for address in (address_in(before.tag), ADDRESS):
        assert (await ask(after, address)).headers["cache-control"] == "no-cache"


@pytest.mark.anyio
async def test_the_page_loads_the_scripts_first() -> None:
    """What is added is at the start and at the end of the page's head, and in no other response."""
    html = "<!doctype html><html><head><title>a</title></head></html>"

    async def page(_request: Request) -> HTMLResponse:
        return HTMLResponse(html)

    app = Starlette(
        routes=[Route("/", page), Route("/other", page)],
        middleware=[Middleware(PageHead, start="<script></script>", end="<link>")],
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as browser:
        reply = await browser.get("/")
        assert reply.text == html.replace("<head>", "<head><script></script>").replace("</head>", "<link></head>")
        assert int(reply.headers["content-length"]) == len(reply.content)
        assert (await browser.get("/other")).text == html


@pytest.mark.anyio
async def test_the_styles_are_one_response(tmp_path: Path) -> None:
    """Gradio's and ours, in this order; files that Gradio's name are where they were; each of Gradio's is switched off."""
    for name, text in (("a.css", "a { background: url(./x.svg) }"), ("b.css", "b { color: red }")):
        (tmp_path / name).write_text(text)
    files = PageFiles([tmp_path / "a.js"], [tmp_path / "a.css", tmp_path / "b.css"], own="c { color: blue }")
    [address] = re.findall(r'<link rel="stylesheet" href="(dreamina/styles\.css\?v=[0-9a-f]{16})">', files.end)
    assert f'<link rel="preload" as="style" href="{address}">' in files.start
    assert '<link rel="modulepreload" crossorigin href="./assets/a.js">' in files.start
    assert re.findall(r'<link rel="stylesheet" disabled href="\./assets/(\w+)\.css">', files.end) == ["a", "b"]
    reply = await ask(files, f"/{address}")
    assert reply.text == "a { background: url(../assets/x.svg) }\nb { color: red }\nc { color: blue }"
    assert reply.headers["content-type"].startswith("text/css")


def test_without_files_of_gradio_the_page_names_ours() -> None:
    """Gradio's own files may be built otherwise one day: the page then finds them step by step."""
    files = PageFiles([], [], own="c { color: blue }")
    assert "assets" not in files.start + files.end
    assert "dreamina/styles.css" in files.end
