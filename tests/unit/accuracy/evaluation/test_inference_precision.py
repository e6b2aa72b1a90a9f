"""One IR in several inference precisions: its names, its agreement with f32, what is judged, and the remark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixnet_tools.accuracy.evaluation.model_under_test import in_another_precision, model_under_test
from mixnet_tools.accuracy.evaluation.timing import Timing
from mixnet_tools.accuracy.gate.verdict import judge
from mixnet_tools.accuracy.launchers.base import RunnerInfo
from mixnet_tools.accuracy.launchers.openvino import OpenVinoRunner
from mixnet_tools.accuracy.predictions.values import (
    Answers,
    DatasetSummary,
    ModelSetup,
    Predictions,
    Setup,
    Versions,
)
from mixnet_tools.accuracy.preprocessing.preprocessing import Preprocessing
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport
from mixnet_tools.accuracy.reports.summarize import summarize
from mixnet_tools.accuracy.reports.table import cells
from mixnet_tools.errors import EvaluationError
from tests.support.colour_model import write_ir

IMAGES = 20


def model(inference_precision: str | None, launcher: str = "openvino", precision: str | None = "FP16") -> ModelSetup:
    return ModelSetup(launcher, precision, "CPU", (), 1.0, None, (), inference_precision=inference_precision)


def report(wrong: dict[int, int], *models: ModelSetup) -> AccuracyReport:
    """``wrong`` says of how many of 20 images model number so and so gives a wrong answer."""
    answers = []
    for number in range(len(models)):
        first = np.zeros((IMAGES, 5), dtype=np.int64)
        first[:, 1:] = np.arange(1, 5)
        first[: wrong.get(number, 0), 0], first[: wrong.get(number, 0), 1] = 1, 0
        answers.append(Answers(first, np.full((IMAGES, 5), 0.2)))
    data = DatasetSummary("d", "s", "annotations", None, IMAGES, IMAGES, 0, IMAGES)
    setup = Setup("net", "omz", 10, data, models, Versions("0", None, None, "0", "0", "3"))
    names = tuple(f"{number}.png" for number in range(IMAGES))
    predictions = Predictions(names, ((0,),) * IMAGES, tuple(answers))
    return summarize(setup, predictions, Timing(1.0, IMAGES, 0.0, 0.0, 0.0, 0.0, None))


def test_rows_name_the_precision_and_their_agreement_with_f32() -> None:
    found = report({0: 1, 1: 3}, model("f32"), model("bf16"), model("f16", precision="FP32"))
    f32, bf16, alone = found.results
    assert [one.label for one in found.results] == ["openvino FP16", "openvino FP16 in bf16", "openvino FP32 in f16"]
    assert f32.agreement_f32 is None
    assert bf16.agreement_f32 is not None
    assert (bf16.agreement_f32.correct, bf16.agreement_f32.total) == (18, 20)
    assert alone.agreement_f32 is None  # FP32 was not measured in f32
    assert cells(found, bf16)[1:3] == ("openvino", "FP16 in bf16")
    assert found.to_json()["results"][1]["agreement_f32"]["correct"] == 18


def test_references_judge_f32_where_it_was_measured() -> None:
    both = judge(report({1: 10}, model("f32"), model("bf16")))
    assert both.passed
    assert [one.label for one in both.judgements] == ["openvino FP16"]
    alone = judge(report({0: 10}, model("bf16")))
    assert not alone.passed
    assert "openvino FP16 in bf16" in alone.summary()
    unknown = judge(report({}, model(None), model("bf16")))  # of an earlier version
    assert [one.label for one in unknown.judgements] == ["openvino FP16"]


def test_a_remark_says_what_applications_compute_in(tmp_path: Path) -> None:
    config = Preprocessing(16).config()

    def info(inference_precision: str, would_choose: str | None) -> RunnerInfo:
        return RunnerInfo(
            "openvino", "FP16", "CPU", 16, 16, 6, (), inference_precision=inference_precision, would_choose=would_choose
        )

    def remark(*infos: RunnerInfo) -> list[str]:
        return in_another_precision([model_under_test(one, config, "omz") for one in infos])

    assert remark(info("f32", "f32")) == remark(info("f32", None)) == []
    (text,) = remark(info("f32", "bf16"))
    assert "OpenVINO computes in bf16 on this processor" in text
    assert "`inference_precision=f32,bf16`" in text
    assert remark(info("f32", "bf16"), info("bf16", "bf16")) == []


def test_what_the_device_computes_in_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    ir = write_ir(tmp_path)
    capable = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    own = OpenVinoRunner(ir, inference_precision="default").info
    assert own.inference_precision == own.would_choose == ("bf16" if capable else "f32")
    assert OpenVinoRunner(ir).info.inference_precision == "f32"
    if capable:
        assert OpenVinoRunner(ir, inference_precision="bf16").info.label == "openvino FP32 in bf16"
    else:
        with pytest.raises(EvaluationError, match="CPU cannot compute in bf16, but in f32"):
            OpenVinoRunner(ir, inference_precision="bf16")
    assert replace(own, inference_precision="f16").label == "openvino FP32 in f16"
