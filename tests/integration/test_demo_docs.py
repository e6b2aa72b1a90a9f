"""docs/demos.md: its commands for this project, Model API and benchmark_app run as they stand there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mixnet_tools.descriptors.labels import read_labels
from tests.support.commands import run_ok

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/demos.md").read_text()
NANO = ROOT / "models/public/mixnet-nano"
PROGRAMS = (
    "classification_demo.py", "classification_benchmark_demo", "openvino_model_api", "benchmark_app",
    "OpenVINO Model Server",
)  # fmt: skip
IR = "demo/public/mixnet-nano/FP16/mixnet-nano.xml"


def section(title: str) -> str:
    """The text below ``## title``."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def block(text: str, kind: str) -> str:
    """The first block of code of this kind in ``text``."""
    found = re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    assert found, f"no {kind} block"
    return found[1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a checkout, in which the first commands of the page were typed."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "models").symlink_to(ROOT / "models")
    for line in block(PAGE.partition("\n## ")[0], "sh").splitlines():
        program, *arguments = shlex.split(line)
        run_ok(program.removeprefix("mixnet-"), *arguments, cwd=folder)
    return folder


def test_model_api_names_the_picture(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    text = section("openvino_model_api")
    exec(compile(block(text, "python"), "demos.md", "exec"), {})
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    expected = [line.split() for line in block(text.partition("prints")[2], "text").splitlines()]
    assert printed[0][1] == expected[0][1] == "red_disc"
    assert abs(float(printed[0][0]) - float(expected[0][0])) < 0.05  # the processor's own type may be bfloat16
    assert len(printed) == len(expected) == 5


def test_model_api_names_most_pictures_right(checkout: Path) -> None:
    import cv2
    from model_api.models import Model

    model = Model.create_model(str(checkout / IR))
    names = read_labels(NANO / "labels.txt")
    rows = [line.split() for line in (NANO / "validation/val.txt").read_text().splitlines()]
    right = sum(
        model(cv2.imread(str(NANO / "validation" / name))).top_labels[0].name == names[int(label)]
        for name, label in rows
    )
    told = re.search(r"Of the (\d+) pictures in `validation`, it names (\d+) right", section("openvino_model_api"))
    assert told
    assert len(rows) == int(told[1])
    assert abs(right - int(told[2])) <= 6


def test_benchmark_app_runs_the_ir(checkout: Path) -> None:
    text = section("benchmark_app")
    program, *arguments = shlex.split(block(text, "sh"))
    tool = Path(sys.executable).with_name(program)
    done = subprocess.run([tool, *arguments], cwd=checkout, capture_output=True, text=True, check=True)
    for line in block(text.partition("prints")[2], "text").splitlines():
        told = line[max(line.find("(node:"), 0) :]  # the order of an output's names differs from run to run
        assert re.search(r"\S+".join(map(re.escape, told.split("..."))), done.stdout), line


def test_the_model_server_gets_what_it_asks_for(checkout: Path) -> None:
    import openvino

    served = checkout / "demo/served"
    files = sorted(str(path.relative_to(served)) for path in served.rglob("*") if path.is_file())
    assert files == ["mixnet-nano/1/mixnet-nano.bin", "mixnet-nano/1/mixnet-nano.xml"]
    model = openvino.Core().read_model(served / files[1])
    assert model.input().partial_shape == openvino.PartialShape([1, 64, 64, 3])
    assert str(model.inputs[0].node.layout) == "[N,H,W,C]"
    (key,) = re.findall(r'inputs = \{"(.*?)"', section("OpenVINO Model Server"))
    assert key in model.input().names
    assert "not run here" in section("OpenVINO Model Server")


def test_the_files_that_the_page_and_the_cards_name_exist() -> None:
    cards = [ROOT / f"models/public/{name}/README.md" for name in ("mixnet-l", "mixnet-nano")]
    for page in (ROOT / "docs/demos.md", *cards):
        text = page.read_text()
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (page.parent / target).exists(), f"{page}: {target}"
        for path in re.findall(r"(?<![\w/])models/public/[\w./-]+\w", text):
            assert (ROOT / path).exists(), path
    titles = {
        re.sub(r"[^\w\- ]", "", line[3:]).lower().replace(" ", "-") for line in PAGE.splitlines() if line[:3] == "## "
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= titles
    for card in cards:
        for program in PROGRAMS:
            assert program in card.read_text().partition("## Demo usage")[2], f"{card}: {program}"
