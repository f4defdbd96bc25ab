"""Visitors with earlier jobs, which are written into the data folder of the running program."""

from collections.abc import Sequence

from playwright.sync_api import BrowserContext, Locator, Page

from dreamina_ui.jobs import Job
from dreamina_ui.web.visitors import COOKIE
from tests.filled import known_visitor, write_past
from tests.rig import make_clip
from tests.servers import Server

__all__ = ["known", "posters", "search_for", "visit", "visited", "with_past"]


def known(context: BrowserContext, server: Server) -> str:
    """Make the browser a visitor of the program; gives the visitor's id."""
    visitor_id, cookie = known_visitor(server.data)
    context.add_cookies([{"name": COOKIE, "value": cookie, "url": server.address}])
    return visitor_id


def with_past(server: Server, jobs: Sequence[Job]) -> Sequence[Job]:
    """Write the rows and files of these jobs; their videos have two seconds."""
    clip = server.data.parent / "past.mp4"
    if not clip.exists():
        make_clip(clip, frames=48)
    write_past(server.data, jobs, clip)
    return jobs


def visited(context: BrowserContext, server: Server, query: str = "", problems: list[str] | None = None) -> Page:
    """Open the page with a query, and wait until it is filled. Script errors are added to `problems`."""
    page = context.new_page()
    page.on("pageerror", lambda error: None if problems is None else problems.append(str(error)))
    visit(page, server, query)
    return page


def visit(page: Page, server: Server, query: str = "") -> None:
    """As `visited`, in an open tab, where a page costs less than in a new one."""
    page.goto(f"{server.address}/{query}")
    page.wait_for_selector("#history .history-root")


def posters(page: Page) -> Locator:
    return page.locator("#history .poster")


def search_for(page: Page, words: str) -> None:
    """Type the words into the search."""
    box = page.locator("#history-search input, #history-search textarea")
    box.fill(words)
