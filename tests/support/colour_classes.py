"""A classifier of a thousand classes, each of which is a colour: a model of ImageNet's size whose answers are known.

One multiplication finds the colour that is nearest to the mean of the pixels. Images are plain, so all of them are
answered rightly where they have the right label.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from mixnet_tools.descriptors.imagenet import imagenet_classes
from mixnet_tools.ir.locate import ir_model
from tests.support.colour_model import SIDE, accuracy_data
from tests.support.images import plain, save
from tests.support.zoo_builder import descriptor_data, write_model

NAME = "thousand-colours"
CLASSES = 1000
IDS = [one.wordnet_id for one in imagenet_classes()]


def colour(label: int) -> tuple[int, int, int]:
    """The colour (RGB) of a class."""
    return 20 + 23 * (label // 100), 20 + 23 * (label // 10 % 10), 20 + 23 * (label % 10)


def write_image(path: Path, label: int) -> Path:
    """A plain image of a class: PNG, or what the suffix asks for."""
    return save(path, plain(colour(label)))


def write_zoo_model(root: Path, *, background: bool = False, labels: list[str] | None = None) -> Path:
    """The model in a zoo at ``root``, and its IR below it. ``background`` puts a class before all others.

    ``labels`` are written into labels.txt. Returns ``root``.
    """
    import openvino
    from openvino import opset13 as ops

    place = root / "public" / NAME
    write_model(root, NAME, descriptor_data())
    data = accuracy_data(top1=0.9, top5=0.9, dataset="imagenet_1001_classes" if background else "imagenet_1000_classes")
    (place / "accuracy-check.yml").write_text(yaml.safe_dump(data, sort_keys=False))
    if labels is not None:
        (place / "labels.txt").write_text("".join(f"{label}\n" for label in labels))
    colours = np.array([colour(label)[::-1] for label in range(CLASSES)], dtype=np.float32) - 127.5  # BGR
    weights, bias = 2 * colours.T / 255, -(colours**2).sum(axis=1) / 255
    if background:
        weights, bias = np.pad(weights, ((0, 0), (1, 0))), np.append(np.float32(-1000), bias)
    image = ops.parameter([1, SIDE, SIDE, 3], np.float32, name="image")
    mean = ops.reduce_mean(ops.subtract(image, np.array(127.5, np.float32)), ops.constant([1, 2]))
    scores = ops.matmul(mean, ops.constant(weights.astype(np.float32)), False, False)
    answer = ops.add(scores, ops.constant(bias.reshape(1, -1).astype(np.float32)))
    model = openvino.Model([answer], [image], NAME)
    model.get_parameters()[0].set_layout(openvino.Layout("NHWC"))
    target = ir_model(root, f"public/{NAME}", NAME, "FP32")
    target.xml.parent.mkdir(parents=True)
    openvino.save_model(model, target.xml, compress_to_fp16=False)
    return root
