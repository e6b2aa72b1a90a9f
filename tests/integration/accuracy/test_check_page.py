"""The HTML report: whole by itself, true to its figures, and rendered by a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.support.browser import visit
from tests.support.commands import run_ok

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def page(nano_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    run_ok("check", "--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "-q", "--html", path)
    return path


class Reader(HTMLParser):
    """Every tag and every address of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")]


def test_the_page_needs_nothing_from_outside(page: Path) -> None:
    reader = Reader()
    reader.feed(page.read_text())
    assert "script" not in reader.tags
    assert reader.tags.count("svg") == 4
    assert reader.tags.count("img") == 24
    assert all(address.startswith(("data:", "#")) for address in reader.addresses)
    assert "Content-Security-Policy" in page.read_text()
    assert "@import" not in page.read_text()


def test_the_page_says_what_the_command_says(page: Path) -> None:
    text = re.sub(r"\s+", " ", page.read_text())
    for part in (
        "91.83 %",
        "89.37 to 93.77",
        "mixnet-nano: passed (full set, tolerance 0.2 points)",
        "Surest mistakes",
        "Worst confusions",
        "Reliability",
        "cyan_star",
        "Where the time went",
        "fingerprint",
    ):
        assert part in text, part


def test_a_browser_renders_it_without_a_complaint_or_a_request(page: Path, browser: Browser, tmp_path: Path) -> None:
    with visit(browser, page.as_uri()) as seen:
        assert seen.page.locator("h1").inner_text() == "mixnet-nano"
        seen.page.screenshot(path=tmp_path / "shot.png", full_page=True)
    assert (seen.problems, seen.requests) == ([], [])
    with Image.open(tmp_path / "shot.png") as image:
        colours = image.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 5000  # pictures and charts, not a blank or an error page


def test_the_browser_would_see_a_fault(browser: Browser, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(
        "<!doctype html><script>undefinedFunction()</script><img src='http://127.0.0.1:1234/outside.png' alt=''>"
    )
    with visit(browser, broken.as_uri()) as seen:
        pass
    assert "undefinedFunction is not defined" in seen.problems
    assert seen.requests == ["http://127.0.0.1:1234/outside.png"]
