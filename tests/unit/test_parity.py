"""Comparing logits: what passes, what fails, and images that are worth comparing on."""

from __future__ import annotations

import numpy as np
import pytest

from mixnet_tools.convert.parity import TOLERANCES, compare_logits, natural_images, require
from mixnet_tools.errors import ParityError

LOGITS = np.random.default_rng(5).normal(0, 1, (6, 10)).astype(np.float32)


def test_equal_logits_pass() -> None:
    result = compare_logits(LOGITS, LOGITS.copy(), "FP32")
    assert result.passed
    assert (result.max_difference, result.top1_agreement, result.images) == (0.0, 1.0, 6)
    require(result, "net")


@pytest.mark.parametrize("precision", ["FP32", "FP16"])
def test_the_limit_is_the_precisions(precision: str) -> None:
    limit = TOLERANCES[precision]
    for factor, passes in ((0.9, True), (1.1, False)):
        other = LOGITS.copy()
        other[2, 3] += np.float32(factor * limit)
        assert compare_logits(LOGITS, other, precision).passed is passes


def test_a_failure_says_how_far_off_and_what_to_look_at() -> None:
    with pytest.raises(ParityError) as caught:
        require(compare_logits(LOGITS, LOGITS[:, ::-1], "FP32"), "net")
    assert "net FP32" in str(caught.value)
    assert "limit 0.001" in str(caught.value)
    assert "--reverse_input_channels" in (caught.value.hint or "")


def test_logits_that_are_not_numbers_fail() -> None:
    broken = LOGITS.copy()
    broken[0, 0] = np.nan
    assert not compare_logits(LOGITS, broken, "FP16").passed
    assert not compare_logits(broken, broken, "FP16").passed


def test_logits_of_another_shape_are_an_error() -> None:
    with pytest.raises(ParityError, match=r"\(6, 10\), got \(6, 9\)"):
        compare_logits(LOGITS, LOGITS[:, :9], "FP32")


def test_images_are_deterministic_in_range_and_coloured() -> None:
    images = natural_images(3, 32, 48)
    assert images.shape == (3, 32, 48, 3)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, natural_images(3, 32, 48))
    assert images.min() >= 0
    assert images.max() <= 255
    np.testing.assert_array_equal(images, np.rint(images))
    # A forgotten reversal must show: red and blue differ by far more than rounding.
    assert np.abs(images - images[..., ::-1]).mean() > 20
    assert not np.array_equal(images[0], images[1])
