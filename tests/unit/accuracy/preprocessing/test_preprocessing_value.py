"""Preprocessing as a value: the steps that it stands for, and wrong values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from mixnet_tools import Preprocessing
from mixnet_tools.accuracy.preprocessing.pipeline import apply, ordered
from mixnet_tools.accuracy.preprocessing.plan import make_plan
from mixnet_tools.errors import UsageError
from tests.support.images import pattern

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
IMAGE = Image.fromarray(pattern(150, 211))


def prepared(preprocessing: Preprocessing) -> npt.NDArray[Any]:
    plan = make_plan(preprocessing.config().measurement("openvino"))
    return np.asarray(ordered(apply(IMAGE, plan.operations)[None], plan.order)[0])


def test_each_side_is_cropped_and_scaled() -> None:
    expected = IMAGE.crop((14, 10, 14 + 184, 10 + 131)).resize((64, 48), Image.Resampling.BICUBIC)
    assert (prepared(Preprocessing((64, 48), crop=0.875)) == np.asarray(expected)).all()


def test_torchvisions_steps() -> None:
    scaled = IMAGE.resize((int(72 * 211 / 150), 72), Image.Resampling.BILINEAR)
    left = round((scaled.width - 64) / 2)
    pixels = np.asarray(scaled.crop((left, 4, left + 64, 68)), dtype=np.float64)
    found = prepared(Preprocessing(64, shorter_side=72, interpolation="BILINEAR", mean=MEAN, std=STD))
    assert found.dtype == np.float32
    assert np.allclose(found, (pixels - MEAN) / STD, atol=1e-6)


def test_values_are_in_the_order_of_the_channels() -> None:
    forwards = prepared(Preprocessing(32, mean=MEAN, std=STD))
    backwards = prepared(Preprocessing(32, channels="BGR", mean=MEAN[::-1], std=STD[::-1]))
    assert (forwards == backwards[..., ::-1]).all()
    assert (prepared(Preprocessing(32, channels="BGR")) == prepared(Preprocessing(32))[..., ::-1]).all()
    one = prepared(Preprocessing(32, mean=127.5, std=127.5))
    assert (one == prepared(Preprocessing(32, mean=(127.5,) * 3, std=(127.5,) * 3))).all()
    assert -1 <= one.min() < 0 < one.max() <= 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 0}, "dst_width: Input should be greater than or equal to 1, got 0"),
        ({"size": 32, "crop": 1.5}, "central_fraction: Input should be less than or equal to 1, got 1.5"),
        ({"size": 32, "crop": 0.5, "shorter_side": 40}, "only one of `crop` and `shorter_side`"),
        ({"size": 32, "channels": "rgb"}, "expected channels 'RGB', 'BGR' or 'GRAY', got 'rgb'"),
        ({"size": 32, "std": 0}, "std must not be 0"),
        ({"size": 32, "mean": (1.0, 2.0)}, "expected a number or three numbers"),
    ],
)
def test_wrong_values_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match="Preprocessing: ") as caught:
        Preprocessing(**wrong).config()
    assert message in str(caught.value)
