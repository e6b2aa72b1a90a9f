"""Settings of a quantization, the order in which a search tries them, and which trial it takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mixnet_tools.errors import UsageError
from mixnet_tools.quantization.search import keeps, search
from mixnet_tools.quantization.settings import Layer, QuantizationSettings, variants
from mixnet_tools.values import Comparison

LAYERS = (Layer("stem", "Convolution"), Layer("depthwise", "GroupConvolution"), Layer("dense", "MatMul"))
DEFAULT = QuantizationSettings()


def compared(difference: int, *, top1: int = 90, top5: int = 95, images: int = 100) -> Comparison:
    gained, lost = max(difference, 0), max(-difference, 0)
    return Comparison(
        "FP16-INT8", images, top1, top5, gained, lost, 90, 100.0 * difference / images, (-1.0, 1.0), images, None
    )


def test_defaults_are_those_that_keep_depthwise_networks() -> None:
    assert DEFAULT.preset == "mixed"
    assert not DEFAULT.fast_bias_correction
    assert DEFAULT.subset_size == 300
    assert DEFAULT.overflow_fix == "first_layer"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"preset": "best"}, "`preset`: expected mixed or performance, got 'best'"),
        ({"range_estimator": "median"}, "`range_estimator`: expected default or minmax"),
        ({"overflow_fix": None}, "`overflow_fix`: expected first_layer or enable or disable, got None"),
        ({"subset_size": 0}, "`subset_size`: expected at least 1, got 0"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        QuantizationSettings(**wrong)


def test_a_setting_is_described_with_what_it_ignores() -> None:
    assert DEFAULT.describe() == "preset mixed, accurate bias correction, default ranges, overflow fix first_layer"
    assert replace(DEFAULT, ignore=("a", "b")).describe().endswith(", without a, b")
    assert replace(DEFAULT, ignore=("a", "b", "c")).describe().endswith(", 3 names ignored")


def test_trials_begin_cheap_and_end_with_more_layers_in_float() -> None:
    found = list(variants(DEFAULT, frozenset(), LAYERS))
    assert found[0] == replace(DEFAULT, fast_bias_correction=True)
    assert found[1] == DEFAULT
    assert found[2] == replace(DEFAULT, range_estimator="histogram")
    assert [one.ignore for one in found[3:]] == [("stem", "dense")] * 2
    assert len(found) == len(set(found)) == 5


def test_what_the_user_chose_stays() -> None:
    own = replace(DEFAULT, fast_bias_correction=True, range_estimator="minmax", preset="performance", ignore=("x",))
    found = list(variants(own, frozenset({"fast_bias_correction", "range_estimator", "preset"}), LAYERS))
    assert {(one.fast_bias_correction, one.range_estimator, one.preset) for one in found} == {
        (True, "minmax", "performance")
    }
    assert [one.ignore for one in found] == [("x",), ("x", "stem", "dense")]


def test_saturating_processors_get_a_trial_more() -> None:
    found = list(variants(DEFAULT, frozenset(), LAYERS, vnni=False))
    assert found[2] == replace(DEFAULT, overflow_fix="enable")
    assert len(found) == 6


def test_a_fixed_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="no such setting: presets"):
        list(variants(DEFAULT, frozenset({"presets"}), LAYERS))


@pytest.mark.parametrize(
    ("difference", "max_drop", "kept"), [(-1, 1.0, True), (-2, 1.0, False), (3, 0.0, True), (0, 0.0, True)]
)
def test_a_drop_is_counted(difference: int, max_drop: float, kept: bool) -> None:
    assert keeps(compared(difference), max_drop) is kept


def test_a_third_of_a_point_of_300_images_is_one_image() -> None:
    assert keeps(compared(-1, images=300), 100 / 300)
    assert not keeps(compared(-1, images=300), 0.33)


def test_the_search_stops_at_the_first_that_is_kept() -> None:
    answers = iter([compared(-5), compared(-1), compared(4)])
    found = search(variants(DEFAULT, frozenset(), LAYERS), lambda _: (1.0, next(answers)), 1.0)
    assert [trial.kept for trial in found.trials] == [False, True]
    assert found.chosen == 1
    assert found.trials[1].settings == DEFAULT


def test_where_none_is_kept_the_best_is_taken_and_of_equals_the_first() -> None:
    tops = iter([(80, 90), (85, 91), (85, 92), (85, 92), (70, 99)])

    def attempt(_: QuantizationSettings) -> tuple[float, Comparison]:
        top1, top5 = next(tops)
        return 1.0, compared(-9, top1=top1, top5=top5)

    found = search(variants(DEFAULT, frozenset(), LAYERS), attempt, 1.0)
    assert len(found.trials) == 5
    assert not any(trial.kept for trial in found.trials)
    assert found.chosen == 2
