"""The documentation site: it builds strictly; its pages and its search need no network, on a server or as files."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mixnet_tools.cli.main import COMMANDS
from tests.support.browser import DESKTOP, PHONE, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
PAGES = ("index", "check", "from-omz", "reference/commands/mixnet-check", "reference/python")


def build(config: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", config, "-d", target],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by MkDocs with every warning an error."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site on a server of this machine."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_every_command_has_its_page_with_its_options(site: Path) -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (site / "reference/commands").glob("*.html")}
    assert {name.replace("mixnet-", "", 1) for name in pages} - {"index", "check-merge", "check-diff"} == set(COMMANDS)
    assert "--overflow_fix" in pages["mixnet-quantize"]
    assert ">--shard</code>" in pages["mixnet-check"]


def test_the_python_reference_has_every_public_name(site: Path) -> None:
    import mixnet_tools

    page = (site / "reference/python.html").read_text(encoding="utf-8")
    missing = [name for name in mixnet_tools.__all__ if name != "__version__" and f".{name}" not in page]
    assert not missing
    assert ":class:" not in page


def test_a_dead_link_and_a_dead_anchor_fail(site: Path, tmp_path: Path) -> None:
    config = tmp_path / "mkdocs.yml"
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nhooks:")[0]
    rules = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nvalidation:")[2].partition("\nnav:")[0]
    config.write_text(f"{text}\nvalidation:{rules}\n")
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs/index.md"
    for words, code in (("[a](#here)\n\n## Here", 0), ("[a](#there)\n\n## Here", 1), ("[a](gone.md)", 1)):
        page.write_text(f"# Title\n\n{words}\n")
        done = build(config, tmp_path / "out")
        assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_asks_nobody_else(browser: Browser, address: str, name: str, width: int) -> None:
    with visit(browser, f"{address}/{name}.html", width=width) as seen:
        seen.page.wait_for_load_state("networkidle")
        assert seen.sideways() == 0
        assert seen.problems == []
        assert [one for one in seen.requests if not one.startswith(address)] == []


@pytest.mark.parametrize("as_file", [False, True])
def test_search_finds_an_option_without_a_network(browser: Browser, site: Path, address: str, as_file: bool) -> None:
    with visit(browser, f"{site.as_uri() if as_file else address}/index.html") as seen:
        seen.page.click(".md-search__input")
        seen.page.keyboard.type("overflow_fix")
        found = seen.page.wait_for_selector(".md-search-result__item a")
        assert found is not None
        seen.page.wait_for_function(
            "[...document.querySelectorAll('.md-search-result__item a')].some(a => a.href.includes('quantize'))"
        )
        assert [one for one in seen.requests if not one.startswith(address)] == []
        assert seen.problems == []
