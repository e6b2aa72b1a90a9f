"""References, tolerance and chance."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mixnet_tools.accuracy.gate.verdict import DEFAULT_TOLERANCE, judge
from mixnet_tools.errors import UsageError
from tests.support.reports import report, result

FULL = 50_000


@pytest.mark.parametrize(
    ("correct1", "correct5", "passed"),
    [
        (39_150, 46_955, True),  # the card: 78.30 and 93.91
        (39_050, 46_855, True),  # exactly 0.2 points below
        (39_049, 46_855, False),
        (39_050, 46_854, False),
    ],
)
def test_the_full_set_has_its_tolerance_and_no_more(correct1: int, correct5: int, passed: bool) -> None:
    verdict = judge(
        report(result(correct1, correct5, FULL), images=FULL, total=FULL, reference_images=FULL), DEFAULT_TOLERANCE
    )
    assert verdict.passed is passed
    assert verdict.basis == "full set"
    assert [round(one.lowest, 6) for one in verdict.judgements] == [0.781, 0.9371]


def test_the_tolerance_is_the_users() -> None:
    measured = report(result(38_650, 46_955, FULL), images=FULL, total=FULL, reference_images=FULL)  # 77.30
    assert judge(measured, 1.0).passed
    assert not judge(measured, 0.99).passed
    assert not judge(measured, 0.0).passed
    for wrong in (-0.1, 101.0, math.nan):
        with pytest.raises(UsageError, match="expected points from 0 to 100"):
            judge(measured, wrong)


def test_a_quantized_ir_has_a_tolerance_of_its_own() -> None:
    figures = [result(38_650, 46_455, FULL, precision=precision) for precision in ("FP16", "FP16-INT8")]
    verdict = judge(report(*figures, images=FULL, total=FULL, reference_images=FULL))
    assert [one.passed for one in verdict.judgements] == [False, False, True, True]
    assert [one.tolerance for one in verdict.judgements] == [0.2, 0.2, 1.0, 1.0]
    assert "tolerance 0.2 points (1 for INT8)" in verdict.summary()
    whole = report(figures[1], images=FULL, total=FULL, reference_images=FULL)
    assert not judge(whole, int8_tolerance=0.99).passed
    assert judge(whole, 1.0).passed
    assert not judge(whole, 1.0, int8_tolerance=0.0).passed, "what is given counts"
    with pytest.raises(UsageError, match="int8_tolerance: expected points"):
        judge(whole, int8_tolerance=-1)


def test_each_figure_is_judged_and_the_summary_names_the_missed_ones() -> None:
    good, bad = result(39_150, 46_955, FULL, precision=None), result(39_000, 46_955, FULL, precision="FP16")
    verdict = judge(report(good, bad, images=FULL, total=FULL, reference_images=FULL))
    assert [one.passed for one in verdict.judgements] == [True, True, False, True]
    lines = verdict.summary().splitlines()
    assert lines[0] == "mixnet-l: FAILED (full set, tolerance 0.2 points)"
    assert lines[1:] == [
        "  openvino FP16: top-1 78.00 % misses its reference 78.30 %: at least 78.10 % is needed",
    ]
    assert verdict.to_json()["passed"] is False


def test_without_a_reference_there_is_nothing_to_miss() -> None:
    none = dataclasses.replace(result(0, 0, FULL), reference_top1=None, reference_top5=None)
    verdict = judge(report(none, images=FULL, total=FULL, reference_images=FULL))
    assert verdict.passed
    assert verdict.judgements == ()
    assert "no reference is known" in verdict.summary()


def test_a_figure_far_above_its_reference_draws_a_remark_and_passes() -> None:
    above = report(result(39_387, 46_955, FULL), images=FULL, total=FULL, reference_images=FULL)  # timm's 78.774
    verdict = judge(above)
    assert verdict.passed
    assert "0.47 points above its reference" in verdict.notes[0]
    assert judge(report(result(39_200, 46_955, FULL), images=FULL, total=FULL, reference_images=FULL)).notes == ()


def test_what_the_images_are_to_the_reference() -> None:
    one = result(700, 900, 1000)
    assert judge(report(one, images=1000, total=FULL, reference_images=FULL)).basis == "subset"
    assert judge(report(one, images=1000, total=1000, reference_images=FULL)).basis == "other images"
    assert judge(report(one, images=1000, total=1000, reference_images=None)).basis == "other images"
    assert "what chance allows" in judge(report(one, images=1000, total=1000, reference_images=None)).summary()


def test_the_identical_model_passes_on_random_subsets_and_a_broken_one_does_not() -> None:
    rng = np.random.default_rng(7)
    right = np.zeros(FULL, dtype=bool)
    right[:39_150] = True
    broken = np.zeros(FULL, dtype=bool)
    broken[:30_000] = True
    for _ in range(100):
        chosen = rng.choice(FULL, 500, replace=False)
        for answers, passes in ((right, True), (broken, False)):
            figures = result(int(answers[chosen].sum()), 480, 500)
            assert judge(report(figures, images=500, total=FULL, reference_images=FULL)).passed is passes
