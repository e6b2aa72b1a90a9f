"""A classifier of grey images: it reads digits of seven segments, one channel of 16x16 pixels.

One convolution as large as the image compares it with each digit. In pictures the digit is darker than what is around
it, but only by the right weights: where red and blue are exchanged, it is lighter, and the answers are wrong.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import yaml

from tests.support.images import save
from tests.support.tensorflow_import import import_tensorflow
from tests.support.zoo_builder import descriptor_data, write_model

NAME = "digits-net"
SIDE, CLASSES = 16, 10
BACKGROUND, INK = (200, 80, 20), (10, 70, 250)
_SEGMENTS = ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg")
_PLACES = {
    "a": (slice(2, 4), slice(4, 12)),
    "b": (slice(2, 8), slice(10, 12)),
    "c": (slice(8, 14), slice(10, 12)),
    "d": (slice(12, 14), slice(4, 12)),
    "e": (slice(8, 14), slice(4, 6)),
    "f": (slice(2, 8), slice(4, 6)),
    "g": (slice(7, 9), slice(4, 12)),
}

Array = npt.NDArray[np.float32]


def mask(digit: int) -> npt.NDArray[np.bool_]:
    """Where the ink is, [16, 16]."""
    found = np.zeros((SIDE, SIDE), bool)
    for segment in _SEGMENTS[digit]:
        found[_PLACES[segment]] = True
    return found


def picture(digit: int, seed: int) -> npt.NDArray[np.uint8]:
    """``digit`` in colour with some grain: 48x48 pixels, RGB."""
    colours = np.where(mask(digit)[..., None], INK, BACKGROUND)
    grain = np.random.default_rng(seed).integers(-6, 7, (48, 48, 3))
    return np.clip(colours.repeat(3, axis=0).repeat(3, axis=1) + grain, 0, 255).astype(np.uint8)


def weights() -> Array:
    """[10, 16, 16]: dark where the digit is, of length 1 and without a constant part."""
    masks = np.stack([mask(digit) for digit in range(CLASSES)]).astype(np.float32)
    centred = masks.mean(axis=(1, 2), keepdims=True) - masks
    return np.asarray(centred / np.sqrt((centred**2).sum(axis=(1, 2), keepdims=True)), dtype=np.float32)


def write_pictures(folder: Path, count: int = 20, *, grey: bool = False) -> Path:
    """``count`` pictures and val.txt; as ``grey`` files of one channel too. Returns ``folder``."""
    for index in range(count):
        pixels = picture(index % CLASSES, index)
        levels = (pixels @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
        save(folder / f"{index:02}.png", levels if grey else pixels)
    (folder / "val.txt").write_text("".join(f"{index:02}.png {index % CLASSES}\n" for index in range(count)))
    return folder


def accuracy_data(reader: Any = "opencv_imread", first: str | None = "bgr_to_gray") -> dict[str, Any]:
    """The contents of an accuracy-check.yml for the original of either kind and the IR. The IR normalizes itself."""
    grey: list[dict[str, Any]] = [{"type": first, "cast_to_float": False}] if first else []
    resize = {"type": "resize", "size": SIDE, "use_pillow": True}
    normalization = {"type": "normalization", "mean": 127.5, "std": 64}
    metrics = [{"type": "accuracy", "reference": 1.0}]
    return {
        "models": [
            {
                "name": NAME,
                "launchers": [{"framework": name, "adapter": "classification"} for name in frameworks],
                "datasets": [{"name": "digits", "reader": reader, "preprocessing": steps, "metrics": metrics}],
            }
            for frameworks, steps in (
                (("onnx_runtime", "tf"), [*grey, resize, normalization]),
                (("openvino",), [*grey, resize]),
            )
        ]
    }


def write_zoo_model(root: Path, kind: Literal["onnx", "tf"]) -> Path:
    """The model in a zoo at ``root`` with its pictures. ONNX has it as NCHW, TensorFlow as NHWC. Returns its folder."""
    place = root / "public" / NAME
    place.mkdir(parents=True)
    file, data = ("net.onnx", _onnx()) if kind == "onnx" else ("net.pb", _graph_def())
    (place / file).write_bytes(data)
    entry = {
        "name": file,
        "size": len(data),
        "checksum": hashlib.sha384(data).hexdigest(),
        "source": {"$type": "file", "path": file},
    }
    shape = [1, 1, SIDE, SIDE] if kind == "onnx" else [1, SIDE, SIDE, 1]
    arguments = [f"--input_model=$dl_dir/{file}", "--mean_values=data[127.5]", "--scale_values=data[64]"]
    write_model(
        root,
        NAME,
        descriptor_data(
            files=[entry],
            postprocessing=None,
            framework=kind,
            input_info=[{"name": "data", "shape": shape, "layout": "NCHW" if kind == "onnx" else "NHWC"}],
            model_optimizer_args=[*arguments, "--output=logits"],
        ),
    )
    write_accuracy(place, accuracy_data())
    write_pictures(place / "validation")
    return place


def write_accuracy(place: Path, data: dict[str, Any]) -> None:
    """Write the model's accuracy-check.yml."""
    (place / "accuracy-check.yml").write_text(yaml.safe_dump(data, sort_keys=False))


def _onnx() -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Conv", ["data", "kernel"], ["scores"]),
        helper.make_node("Flatten", ["scores"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 1, SIDE, SIDE])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, CLASSES])
    kernel = numpy_helper.from_array(weights()[:, None], "kernel")
    graph = helper.make_graph(nodes, "digits", [image], [logits], [kernel])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def _graph_def() -> bytes:
    v1 = import_tensorflow().compat.v1
    with v1.Graph().as_default() as graph:
        data = v1.placeholder("float32", [None, SIDE, SIDE, 1], name="data")
        scores = v1.nn.conv2d(data, v1.constant(weights().transpose(1, 2, 0)[:, :, None]), strides=1, padding="VALID")
        v1.reshape(scores, [-1, CLASSES], name="logits")
    return bytes(graph.as_graph_def().SerializeToString())
