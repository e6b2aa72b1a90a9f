"""The part of an image that preprocessing keeps, held against what reaches the model."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mixnet_tools.accuracy.preprocessing.pipeline import apply, kept_box
from mixnet_tools.accuracy.preprocessing.plan import Operations
from mixnet_tools.accuracy.preprocessing.steps import Crop, Normalization, Operation, Resize, SquareCrop

STEPS: dict[str, tuple[Operation, ...]] = {
    "crop": (
        Crop(type="crop", central_fraction=0.875, use_pillow=True),
        Resize(type="resize", size=40, use_pillow=True),
    ),
    "resize, then crop": (
        Resize(type="resize", size=64, use_pillow=True, interpolation="BOX", aspect_ratio_scale="greater"),
        Crop(type="crop", size=56, use_pillow=True),
    ),
    "square": (SquareCrop(size=40), Resize(type="resize", size=40, use_pillow=True)),
    "all": (
        Resize(type="resize", size=40, use_pillow=True),
        Normalization.model_validate({"type": "normalization", "std": 1.0}),
    ),
    "two crops": (Crop(type="crop", central_fraction=0.5), Crop(type="crop", size=20)),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("size", [(97, 64), (64, 131), (80, 80)])
def test_the_model_sees_what_is_kept_from_edge_to_edge(name: str, size: tuple[int, int]) -> None:
    """The image's values are its coordinates: red is the column, green the row."""
    operations = Operations(True, STEPS[name])
    width, height = size
    left, top, right, bottom = kept_box(operations, width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([columns, rows, np.zeros_like(rows)], axis=2).astype(np.uint8)
    seen = apply(Image.fromarray(pixels), operations).astype(np.float64)
    across, down = (right - left) / seen.shape[1], (bottom - top) / seen.shape[0]
    assert seen[:, 0, 0] == pytest.approx(left + (across - 1) / 2, abs=1.0)
    assert seen[:, -1, 0] == pytest.approx(right - (across + 1) / 2, abs=1.0)
    assert seen[0, :, 1] == pytest.approx(top + (down - 1) / 2, abs=1.0)
    assert seen[-1, :, 1] == pytest.approx(bottom - (down + 1) / 2, abs=1.0)


def test_a_crop_that_is_larger_than_the_image_keeps_all_of_it() -> None:
    wide = Operations(True, (Crop(type="crop", size=100, use_pillow=True),))
    assert kept_box(wide, 50, 60) == (0.0, 0.0, 50.0, 60.0)
    enlarging = Operations(True, (Crop(type="crop", size=100),))
    left, top, right, bottom = kept_box(enlarging, 50, 60)
    assert (left, right) == (0.0, 50.0)
    assert (top, bottom) == (5.0, 55.0)
