"""A headless Chromium for tests of pages: what a page shows, what it complains about, and whom it asks.

Chromium is the machine's own (Debian: ``apt-get install chromium``), driven by Playwright. Tests take the fixture
``browser`` and open pages with :func:`visit`::

    with visit(browser, report.as_uri(), width=390, dark=True) as seen:
        seen.page.hover("svg .bar")
        assert not seen.sideways()
    assert (seen.problems, seen.requests) == ([], [])
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Programs that are looked for, in this order."""

REQUIRED = "MIXNET_TOOLS_TEST_BROWSER"
"""An environment variable: with the value ``required``, tests fail where they would be skipped without a browser."""

PHONE, DESKTOP = 390, 1280
"""Widths of a window in pixels: a phone's, and a desktop's."""

ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # whatever a page asks for, nothing leaves the machine
)
LOCAL = ("file", "data", "blob", "about")
"""Schemes of addresses that are not on the network."""

SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class NoBrowserError(Exception):
    """There is no Chromium on this machine, or no Playwright to drive it."""


@dataclass
class Visit:
    """A page that was opened.

    ``problems`` has what the page complained about: errors and warnings on its console, and exceptions that nobody
    caught. ``requests`` has every address on the network that it asked for, refused ones among them. Files and
    ``data:`` are not on the network.
    """

    page: Page
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def sideways(self) -> int:
        """How many pixels of the page can only be seen by scrolling it sideways."""
        return int(self.page.evaluate(SIDEWAYS))


def executable() -> str | None:
    """The path of a Chromium on this machine."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextlib.contextmanager
def running() -> Iterator[Browser]:
    """A headless Chromium, in which every page is a stranger to the others. Raises :class:`NoBrowserError`.

    Playwright keeps an event loop in this thread: leave the block before anything else in it calls ``asyncio.run``.
    """
    program = executable()
    if program is None:
        raise NoBrowserError(f"none of {', '.join(NAMES)} is installed")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise NoBrowserError(str(error)) from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def visit(
    browser: Browser, address: str, *, width: int = DESKTOP, height: int = 900, dark: bool = False
) -> Iterator[Visit]:
    """Open ``address`` in a window of its own, ``width`` by ``height`` pixels, light or ``dark``."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    try:
        seen = Visit(context.new_page())
        seen.page.on(
            "console", lambda one: seen.problems.append(one.text) if one.type in ("error", "warning") else None
        )
        seen.page.on("pageerror", lambda error: seen.problems.append(str(error)))
        seen.page.on(
            "request", lambda one: seen.requests.append(one.url) if one.url.split(":")[0] not in LOCAL else None
        )
        seen.page.goto(address)
        yield seen
    finally:
        context.close()
