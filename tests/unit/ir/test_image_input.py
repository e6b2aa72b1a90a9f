"""Reading an IR's image input and the number of its classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mixnet_tools.errors import IRError
from mixnet_tools.ir.image_input import OPEN, ImageInput, classes_of, count_classes, read_image_input, set_batch

if TYPE_CHECKING:
    import openvino

XML = Path("net.xml")


def model_of(shape: list[int], layout: str = "", outputs: int = 1) -> openvino.Model:
    """A model with one input, whose outputs are the means over each image and channel: [N, channels]."""
    import openvino
    from openvino import opset13 as ops

    image = ops.parameter(openvino.PartialShape(shape), np.float32)
    if layout:
        image.set_layout(openvino.Layout(layout))
    spatial = [2, 3] if layout == "NCHW" else [1, 2]
    means = [ops.reduce_mean(image, ops.constant(spatial)) for _ in range(outputs)]
    return openvino.Model([ops.result(mean) for mean in means], [image], "net")


@pytest.mark.parametrize(
    ("shape", "layout", "expected"),
    [
        ([1, 4, 6, 3], "NHWC", ImageInput("NHWC", 1, 4, 6)),
        ([1, 3, 4, 6], "NCHW", ImageInput("NCHW", 1, 4, 6)),
        ([1, 4, 6, 3], "", ImageInput("NHWC", 1, 4, 6)),
        ([1, 3, 4, 6], "", ImageInput("NCHW", 1, 4, 6)),
        ([1, 3, 6, 3], "", ImageInput("NHWC", 1, 3, 6)),
        ([4, 4, 6, 3], "NHWC", ImageInput("NHWC", 4, 4, 6)),
        ([OPEN, 4, 6, 3], "NHWC", ImageInput("NHWC", OPEN, 4, 6)),
        ([1, 4, 6, 1], "NHWC", ImageInput("NHWC", 1, 4, 6, 1)),
        ([1, 1, 4, 6], "NCHW", ImageInput("NCHW", 1, 4, 6, 1)),
        ([1, 1, 4, 6], "", ImageInput("NCHW", 1, 4, 6, 1)),
        ([1, 4, 6, 1], "", ImageInput("NHWC", 1, 4, 6, 1)),
        ([1, 3, 4, 1], "", ImageInput("NCHW", 1, 4, 1)),
        ([1, 1, 4, 3], "", ImageInput("NHWC", 1, 1, 4)),
        ([1, 1, 4, 1], "", ImageInput("NHWC", 1, 1, 4, 1)),
    ],
)
def test_the_layout_is_named_or_told_by_the_sizes(shape: list[int], layout: str, expected: ImageInput) -> None:
    model = model_of(shape, layout)
    found = read_image_input(model, XML)
    assert found == expected
    set_batch(model, found, 1, XML)
    assert list(model.input(0).shape) == found.shape(1)
    set_batch(model, found, found.batch, XML)
    assert model.input(0).get_partial_shape().to_string() == model_of(shape).input(0).get_partial_shape().to_string()


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ([1, 4, 6, 2], "NHWC"),
        ([1, 4, 6, 2], ""),
        ([1, OPEN, 6, 3], "NHWC"),
        ([1, 3, 4, 6], "NCWH"),
        ([1, 3, 4, 6], "NHWC"),
        ([1, 3, 4], ""),
    ],
)
def test_other_inputs_are_refused_with_what_was_found(shape: list[int], layout: str) -> None:
    with pytest.raises(IRError, match=r"net\.xml: expected an image input of fixed size with 3 channels or 1.*, got N"):
        read_image_input(model_of(shape, layout), XML)


def test_a_batch_that_the_model_cannot_take_is_an_error() -> None:
    import openvino
    from openvino import opset13 as ops

    image = ops.parameter([4, 2, 2, 3], np.float32)
    model = openvino.Model([ops.reshape(image, ops.constant([2, 24]), False)], [image])
    with pytest.raises(IRError, match=r"net\.xml: cannot take a batch of 1 images: .*"):
        set_batch(model, read_image_input(model, XML), 1, XML)


def test_images_are_arranged_as_the_model_takes_them() -> None:
    images = np.arange(2 * 4 * 6 * 3, dtype=np.float32).reshape(2, 4, 6, 3)
    assert ImageInput("NHWC", 1, 4, 6).arrange(images) is images
    arranged = ImageInput("NCHW", 1, 4, 6).arrange(images)
    assert arranged.flags.c_contiguous
    assert (arranged == images.transpose(0, 3, 1, 2)).all()
    assert ImageInput("NCHW", 1, 4, 6, 1).arrange(images[..., :1]).shape == (2, 1, 4, 6)


def test_the_classes_of_an_answer(tmp_path: Path) -> None:
    import openvino

    assert count_classes(model_of([4, 4, 6, 3])) == 3
    assert count_classes(model_of([OPEN, 4, 6, 3])) == 3
    assert count_classes(model_of([1, 4, 6, OPEN])) is None
    assert count_classes(model_of([1, 4, 6, 3], outputs=2)) is None
    openvino.save_model(model_of([1, 4, 6, 3]), tmp_path / "net.xml")
    assert classes_of(tmp_path / "net.xml") == 3
    assert classes_of(tmp_path / "gone.xml") is None
