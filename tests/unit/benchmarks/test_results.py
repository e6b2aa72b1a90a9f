"""What the benchmarks show: tables, and pictures with the machine at their foot."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import results
from mixnet_tools.inference.machine import this_machine
from mixnet_tools.pages.plot import Bars

ROOT = Path(__file__).parents[3]
NO_BENCHMARKS = {"__init__", "results", "onnx_export", "served_files"}
BENCHMARKS = sorted({path.stem for path in (ROOT / "benchmarks").glob("*.py")} - NO_BENCHMARKS)


def test_quartiles_of_ratios_are_those_of_runs_that_follow_each_other() -> None:
    found = results.ratios("ours", [1.0, 2.0, 3.0, 40.0], [2.0, 4.0, 6.0, 40.0])
    assert (found.label, found.value, found.low) == ("ours", 0.5, 0.5)
    assert found.high == pytest.approx(0.625)
    one = results.quartiles("one", [3.0])
    assert (one.low, one.value, one.high) == (3.0, 3.0, 3.0)


def test_a_picture_names_the_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new/picture.svg"
    bars = (results.quartiles("ours", [1.0, 1.5, 2.0]), results.quartiles("theirs", [1.0]))
    results.write(path, "speed", [Bars("a group", "times theirs", bars, least=1.0)], "a note")
    texts = "\n".join(ElementTree.fromstring(path.read_bytes()).itertext())
    for part in ("speed", "a group", "times theirs", "ours", "1.5", this_machine().describe(), "a note"):
        assert part in texts
    assert str(path) in capsys.readouterr().out


def test_a_table_has_a_line_for_each_row() -> None:
    header, _, first, second = results.table(("", "seconds"), [("ours", "1.0"), ("theirs", "2.0")]).splitlines()
    assert header.split() == ["seconds"]
    assert (first.split(), second.split()) == (["ours", "1.0"], ["theirs", "2.0"])


def test_a_wrong_file_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    """By the benchmark that starts fastest; the others import TensorFlow first."""
    command = [sys.executable, "-m", "benchmarks.download", "--plot", str(tmp_path / "chart.gif")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert "expected a name that ends with .png or .svg" in done.stderr


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_draws(name: str) -> None:
    calls = {
        f"{node.func.value.id}.{node.func.attr}"
        for node in ast.walk(ast.parse((ROOT / f"benchmarks/{name}.py").read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
    }
    assert {"results.add_plot", "results.write"} <= calls


def test_all_benchmarks_are_known() -> None:
    assert BENCHMARKS == ["check", "cluster", "convert", "download", "infer", "timm_port"]
