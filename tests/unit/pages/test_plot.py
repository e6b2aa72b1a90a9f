"""Charts as files: right forms, the same bytes for the same figures, and no word on stderr."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from mixnet_tools.errors import UsageError
from mixnet_tools.pages import plot
from mixnet_tools.pages.charts import Measured, Point

ROWS = [Measured("tf", 91.8, 89.4, 93.8, 91.83), Measured("$x$ <FP16> & \x1b[2J", 92.2, 89.7, 94.1)]
POINTS = [Point(row.label, Measured(row.label, 100.0 * n, 90.0 * n, 110.0 * n), row) for n, row in enumerate(ROWS, 1)]
BARS = [plot.Bars("speed", "x the plain IR", (Measured("a", 1.2, 1.1, 1.3), Measured("b", 1.0, 1.0, 1.0)), least=1.0)]


@pytest.mark.parametrize("points", [[], POINTS], ids=["top-1 alone", "with speeds"])
def test_a_chart_has_the_form_of_its_file(points: list[Point]) -> None:
    with Image.open(io.BytesIO(plot.accuracy("title", ROWS, points, ".PNG"))) as image:
        assert image.format == "PNG"
        assert image.size[0] > 900
    drawn = plot.accuracy("title", ROWS, points, ".svg")
    texts = [text for text in ElementTree.fromstring(drawn).itertext() if text.strip()]
    assert "title" in texts
    assert "$x$ <FP16> & \\x1b[2J" in texts
    assert ("images/s here, with quartiles" in texts) is bool(points)


def test_the_same_figures_give_the_same_bytes() -> None:
    for form in (".svg", ".png"):
        assert plot.accuracy("t", ROWS, POINTS, form) == plot.accuracy("t", ROWS, POINTS, form)
        assert plot.bars("t", BARS, form, "note") == plot.bars("t", BARS, form, "note")
    assert len(plot.bars("t", BARS, ".svg")) < 30_000


def test_bars_have_values_quartiles_and_a_note() -> None:
    texts = [text.strip() for text in ElementTree.fromstring(plot.bars("t", BARS, ".svg", "a note")).itertext()]
    for part in ("t", "speed", "x the plain IR", "a", "1.2", "a note"):
        assert part in texts


@pytest.mark.parametrize("name", ["chart.pdf", "chart", "chart.svg.gz"])
def test_other_forms_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"expected a name that ends with \.png or \.svg"):
        plot.require(Path(name))


@pytest.mark.parametrize("broken", ["HOME", "MPLCONFIGDIR"])
def test_matplotlib_says_nothing_where_it_may_not_write(tmp_path: Path, broken: str) -> None:
    """Its own warning about a temporary folder is nobody's business; it works all the same."""
    (tmp_path / "file").write_text("")
    environment = {**os.environ, "TMPDIR": str(tmp_path), broken: str(tmp_path / "file/sub")}
    for name in {"HOME", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"} - {broken}:
        environment.pop(name, None)
    code = (
        "from mixnet_tools.pages import plot, charts; plot.accuracy('t', [charts.Measured('a', 1, 0, 2)], [], '.svg')"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
