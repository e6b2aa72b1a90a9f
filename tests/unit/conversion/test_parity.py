"""Comparing outputs: what passes, what fails, and inputs that are worth comparing on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from mixnet_tools.conversion.comparison_inputs import Port, as_original, make_feeds, natural_images
from mixnet_tools.conversion.parity import ParityCheck, compare_outputs
from mixnet_tools.conversion.plan import InputPlan, parse_cut
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.errors import ParityError
from mixnet_tools.inference.base import Array, Model

LOGITS = np.random.default_rng(5).normal(0, 1, (6, 10)).astype(np.float32)
MEAN, SCALE = (10.0, 20.0, 30.0), (2.0, 4.0, 8.0)


def image_port(layout: str = "NHWC", **changes: Any) -> Port:
    shape = (1, 8, 6, 3) if layout == "NHWC" else (1, 3, 8, 6)
    return Port("x", shape, np.dtype(np.float32), InputPlan(parse_cut("x"), shape, layout, **changes))


def test_equal_logits_pass() -> None:
    result = compare_outputs(LOGITS, LOGITS.copy(), "FP32")
    assert result.passed
    assert (result.max_difference, result.top1_agreement, result.top5_agreement, result.images) == (0.0, 1.0, 1.0, 6)


@pytest.mark.parametrize("precision", ["FP32", "FP16"])
@pytest.mark.parametrize("unit", [1.0, 1e-4, 1e3])
def test_the_limit_is_the_precisions_and_goes_with_the_outputs_scale(precision: str, unit: float) -> None:
    limit = compare_outputs(unit * LOGITS, unit * LOGITS, precision).limit
    assert limit == pytest.approx(unit * compare_outputs(LOGITS, LOGITS, precision).limit, rel=1e-5)
    for factor, passes in ((0.9, True), (1.1, False)):
        other = (unit * LOGITS).astype(np.float64)
        other[2, 3] += factor * limit
        assert compare_outputs(unit * LOGITS, other, precision).passed is passes


def test_a_constant_part_of_the_output_does_not_widen_the_limit() -> None:
    shifted = compare_outputs(LOGITS + 50, LOGITS + 50, "FP32").limit
    assert shifted < 2 * compare_outputs(LOGITS, LOGITS, "FP32").limit


def test_outputs_that_are_not_numbers_fail() -> None:
    broken = LOGITS.copy()
    broken[0, 0] = np.nan
    assert not compare_outputs(LOGITS, broken, "FP16").passed
    assert not compare_outputs(broken, broken, "FP16").passed


def test_an_original_that_ignores_its_input_proves_nothing() -> None:
    constant = np.repeat(LOGITS[:1], 6, axis=0)
    assert compare_outputs(LOGITS, LOGITS, "FP32").conclusive
    assert not compare_outputs(constant, constant, "FP32").conclusive
    assert not compare_outputs(0 * LOGITS, 0 * LOGITS, "FP32").conclusive


def test_outputs_of_another_shape_are_an_error() -> None:
    with pytest.raises(ParityError, match=r"\(10,\), got \(9,\)"):
        compare_outputs(LOGITS, LOGITS[:, :9], "FP32")


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


@pytest.mark.parametrize("layout", ["NHWC", "NCHW", "HWC"])
def test_a_grey_input_gets_grey_images(layout: str) -> None:
    shape = tuple({"N": 1, "H": 8, "W": 6, "C": 1}[axis] for axis in layout)
    port = Port("x", shape, np.dtype(np.float32), InputPlan(parse_cut("x"), shape, layout, mean=(10.0,), scale=(2.0,)))
    (feed,) = make_feeds([port], 1)
    assert feed["x"].shape == shape
    assert len(np.unique(feed["x"])) > 8
    assert 0 <= feed["x"].min() < feed["x"].max() <= 255
    np.testing.assert_array_equal(feed["x"], np.rint(feed["x"]))
    np.testing.assert_allclose(as_original(feed["x"], port), (feed["x"] - 10) / 2, rtol=1e-6)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_both_sides_see_the_same_picture(layout: str) -> None:
    plain, port = image_port(layout), image_port(layout, reverse=True, mean=MEAN, scale=SCALE)
    original = make_feeds([plain], 1)[0]["x"]
    converted = make_feeds([port], 1)[0]["x"]
    axis = layout.index("C")
    np.testing.assert_array_equal(np.flip(converted, axis), original)
    shape = [1, 1, 1, 1]
    shape[axis] = 3
    expected = (original - np.reshape(MEAN, shape)) / np.reshape(SCALE, shape)
    np.testing.assert_allclose(as_original(converted, port), expected, rtol=1e-6)


def test_other_inputs_get_numbers_of_their_type() -> None:
    ports = [Port(kind.__name__, (1, 5), np.dtype(kind), None) for kind in (np.float32, np.int64, np.bool_)]
    floats, integers, booleans = make_feeds(ports, 1)[0].values()
    assert floats.dtype == np.float32
    assert len(np.unique(floats)) == 5
    assert set(integers.ravel()) <= {0, 1}
    assert booleans.dtype == np.bool_


class Sum(Model):
    """A model whose output depends on channel order, mean and scale: a weighted sum of channels."""

    inputs, outputs = ("x",), ("sum",)

    def __init__(self, *preprocessing: Any) -> None:
        self.preprocessing = preprocessing

    def infer(self, feeds: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        image = feeds["x"].astype(np.float64)
        for step in self.preprocessing:
            image = step(image)
        answer = (image.mean(axis=(1, 2)) * [1.0, 3.0, 9.0]).repeat(4, axis=1)
        return dict.fromkeys(outputs or self.outputs, answer)


class Original(Reference):
    """What is converted: the sum of channels, without preprocessing, and as many times as there are ``outputs``."""

    inputs, versions, software, restrictions = ("x",), {}, "numpy", ()

    def __init__(self, *outputs: str) -> None:
        self.outputs = outputs

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return Sum().infer(feeds, self.outputs)


def _reverse(image: Any) -> Any:
    return image[..., ::-1]


def _minus(image: Any) -> Any:
    return image - MEAN


def _divided(image: Any) -> Any:
    return image / SCALE


@pytest.mark.parametrize(
    ("steps", "passes"),
    [
        ((_reverse, _minus, _divided), True),
        ((_minus, _divided), False),
        ((_reverse, _divided, _minus), False),
        ((_minus, _reverse, _divided), False),
        ((_reverse, _minus), False),
        ((_reverse, _divided), False),
    ],
)
def test_lost_or_swapped_preprocessing_is_noticed(steps: tuple[Any, ...], passes: bool) -> None:
    port = image_port(reverse=True, mean=MEAN, scale=SCALE)
    check = ParityCheck(Original("sum"), [port])
    for precision in ("FP32", "FP16"):
        (result,) = check.compare(Sum(*steps), precision)
        assert result.passed is passes


def test_an_ir_that_lacks_an_output_is_an_error() -> None:
    check = ParityCheck(Original("sum", "other"), [image_port()])
    with pytest.raises(ParityError, match="FP32: expected 2 outputs, got 1"):
        check.compare(Sum(), "FP32")
