"""What documents show of commands is what they print, but for the figures, which depend on the processor."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.captures import CAPTURE, ROOT, documents, output, prepare, shown


def without_figures(text: str) -> str:
    """``text`` without numbers and the widths that vary with them. All rows of probabilities are one."""
    rows = re.sub(r"(^.*\d %.*\n)+", "ROWS\n", text, flags=re.MULTILINE)
    return re.sub(r"[ #\-]+", " ", re.sub(r"[+-]?\d+(\.\d+)?", "#", rows))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captures")
    prepare(folder)
    return folder


@pytest.mark.parametrize("path", list(documents()), ids=lambda path: path.name)
def test_a_document_shows_what_commands_print(path: Path, place: Path) -> None:
    captures = list(CAPTURE.finditer(path.read_text(encoding="utf-8")))
    assert captures
    for capture in captures:
        again = shown(capture["command"], output(capture["command"], place))
        assert without_figures(capture[0].partition("\n")[2]) == without_figures(again), capture["command"]


def test_the_first_screen_of_the_readme_classifies() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## ")[0]
    assert any("mixnet-classify" in capture["command"] for capture in CAPTURE.finditer(first))
