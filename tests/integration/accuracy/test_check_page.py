"""The HTML report: whole by itself, true to its figures, and rendered by a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from tests.support.commands import run_ok

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-first-run",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--window-size=1100,3200",
)


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


def look_at(page: Path, scratch: Path) -> tuple[Path, str, list[str]]:
    """(screenshot, what the browser wrote to stderr, addresses on the network that the page asked for)."""
    assert CHROMIUM
    shot, log = scratch / "shot.png", scratch / "net.json"
    done = subprocess.run(
        [
            CHROMIUM,
            *FLAGS,
            f"--user-data-dir={scratch / 'profile'}",
            f"--log-net-log={log}",
            f"--screenshot={shot}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # An event a line. What the browser wants for itself (updates, dictionaries) is not of the page's file:// origin.
    own = [line for line in log.read_text(errors="replace").splitlines() if '"network_isolation_key":"file:' in line]
    asked = [address for line in own for address in re.findall(r'"url":"(https?:[^"]+)"', line)]
    return shot, done.stderr, asked


needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed: the page was not looked at by a browser"
)


@needs_browser
def test_a_browser_renders_it_without_a_complaint_or_a_request(page: Path, tmp_path: Path) -> None:
    shot, said, asked = look_at(page, tmp_path)
    assert "CONSOLE" not in said, said  # messages of the page, errors among them
    assert asked == []
    with Image.open(shot) as image:
        assert image.size == (1100, 3200)
        colours = image.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 5000  # pictures and charts, not a blank or an error page


@needs_browser
def test_the_browser_would_see_a_fault(tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(
        "<!doctype html><script>undefinedFunction()</script><img src='http://127.0.0.1:9/outside.png' alt=''>"
    )
    _, said, asked = look_at(broken, tmp_path)
    assert "undefinedFunction is not defined" in said
    assert asked
    assert set(asked) == {"http://127.0.0.1:9/outside.png"}
