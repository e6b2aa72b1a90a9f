"""The scripts of docs/python.md, run as they stand there."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest

from mixnet_tools.descriptors.model_yml import ModelDescriptor

PAGE = Path(__file__).parents[2] / "docs/python.md"


def scripts() -> dict[str, str]:
    """Each script by the title above it and the first package that it imports."""
    found: dict[str, str] = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        for code in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
            found[f"{section.splitlines()[0]}: {code.split()[1]}"] = code
    return found


@pytest.fixture
def place(nano_dir: Path, nano: ModelDescriptor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the scripts name, as the current one."""
    public = nano_dir / "public/mixnet-nano"
    for suffix in (".xml", ".bin"):
        shutil.copy(public / f"FP16/mixnet-nano{suffix}", tmp_path / f"my_model{suffix}")
    shutil.copytree(nano_dir, tmp_path / "work")
    (tmp_path / "my_images").symlink_to(nano.directory / "validation")
    shutil.copy(nano.directory / "baseline.json", tmp_path)
    (tmp_path / "my_zoo/public").mkdir(parents=True)
    (tmp_path / "my_zoo/public/mixnet-nano").symlink_to(nano.directory)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_four_scripts_of_about_ten_lines() -> None:
    assert [title.partition(":")[0] for title in scripts()] == [
        "An IR of my own",
        "A baseline in pytest",
        "Every answer, in pandas",
        "Every answer, in pandas",
        "A loop over a zoo",
    ]
    assert all(len(code.strip().splitlines()) <= 13 for code in scripts().values())


@pytest.mark.parametrize("title", scripts())
def test_a_script_runs(title: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if title.endswith(": pandas"):
        pytest.importorskip("pandas")
    names: dict[str, object] = {}
    exec(compile(scripts()[title], str(PAGE), "exec"), names)
    for name, value in names.items():
        if name.startswith("test_") and callable(value):
            value()
    said = capsys.readouterr().out
    if title.startswith("An IR"):
        assert "top-1 91.83 %, top-5 99.50 % of 600 images\nclass " in said
    elif title.startswith("A loop"):
        assert said.startswith("mixnet-nano: 91.83 %, mixnet-nano: passed (full set, tolerance 0.2 points)")
    elif title.endswith(": csv"):
        rows = list(csv.DictReader((place / "answers.csv").read_text().splitlines()))
        assert len(rows) == 400
        assert {row["model"] for row in rows} == {"openvino FP32", "openvino FP16"}
        right = sum(row["correct"] == "True" for row in rows)
        assert 0.8 < right / len(rows) < 1
        assert all((row["label"] == row["predicted"]) == (row["correct"] == "True") for row in rows)
