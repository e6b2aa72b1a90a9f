"""The text of mixnet-classify: it fits the terminal, whatever its width."""

from __future__ import annotations

import io
import sys

import pytest

from mixnet_tools.accuracy.classification.values import Classification, ClassifiedImage, ClassScore, ModelAnswer
from mixnet_tools.cli.classify.shown_answers import TextPrinter

NAMES = ("tabby, tabby cat", "great white shark, white shark, man-eater, man-eating shark", "ox")
MODELS = ("tf", "openvino FP32", "openvino FP16-INT8")


def answer(model: str, *scores: float) -> ModelAnswer:
    return ModelAnswer(model, tuple(ClassScore(index, NAMES[index], score) for index, score in enumerate(scores)))


def shown(count: int, capsys: pytest.CaptureFixture[str], *, differ: bool = False) -> list[str]:
    answers = [answer(model, 0.9, 0.09, 0.00001) for model in MODELS[:count]]
    if differ:
        answers[-1] = ModelAnswer(MODELS[count - 1], tuple(reversed(answers[-1].classes)))
    image = ClassifiedImage("a picture with a rather long name.jpg", 640, 480, None, ("grey",), tuple(answers))
    models = tuple((model, "f32") for model in MODELS[:count])
    printer = TextPrinter(Classification("net", models, "omz", ("resize to 224x224",), ()))
    printer.image(image)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_line_is_longer_than_the_terminal(
    width: int, count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = shown(count, capsys, differ=count > 1)
    assert max(map(len, lines)) <= width
    assert sum("90.0 %" in line for line in lines) >= 1


def test_models_stand_side_by_side_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    lines = shown(3, capsys, differ=True)
    (head,) = [line for line in lines if line.split() == ["tf", "FP32", "FP16-INT8"]]
    (row,) = [line for line in lines if line.startswith("tabby, tabby cat")]
    assert row[: len(head)].split("  ")[-1].strip() == "90.0 %"
    assert "█" in row
    assert lines[-1] == "the models disagree: tf tabby, tabby cat, FP32 tabby, tabby cat, FP16-INT8 ox"


def test_an_output_without_blocks_gets_other_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    printer = TextPrinter(Classification("net", (("tf", "f32"),), "omz", (), ()))
    printer.image(ClassifiedImage("a.jpg", 1, 1, None, (), (answer("tf", 1.0),)))
    out.flush()
    assert out.buffer.getvalue().endswith(b"100.0 %  " + b"#" * 30 + b"\n")
