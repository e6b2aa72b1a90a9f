"""A classifier small enough to reason about: it names the colour of :data:`tests.support.images.COLOURS` it sees most.

One 1x1 convolution and a mean over all pixels: each class scores by how well a pixel fits its colour. It exists in the
three forms that the checker meets: a published-style checkpoint, a frozen graph, an IR that takes BGR.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from mixnet_tools.ir.locate import ir_model
from mixnet_tools.values import FrozenGraph, IRModel
from tests.support.images import COLOURS
from tests.support.tensorflow_import import import_tensorflow
from tests.support.zoo_builder import descriptor_data, write_model

SIDE = 16
CLASSES = len(COLOURS)
NAME = "colour-net"


def weights() -> npt.NDArray[np.float32]:
    """[3 (RGB), classes]: unit vectors from middle grey towards each colour."""
    towards = np.array(COLOURS, dtype=np.float32).T - 127.5
    return np.asarray(towards / np.linalg.norm(towards, axis=0), dtype=np.float32)


def frozen_graph(kernel: npt.NDArray[np.float32] | None = None) -> FrozenGraph:
    """The original (RGB). ``kernel`` [3, classes] replaces the weights."""
    tensorflow = import_tensorflow()
    graph = tensorflow.Graph()
    with graph.as_default():
        images = tensorflow.compat.v1.placeholder("float32", [None, SIDE, SIDE, 3], name="images")
        _layers(tensorflow, images, tensorflow.constant(weights() if kernel is None else kernel))
    return FrozenGraph(NAME, graph.as_graph_def().SerializeToString(), ("images:0",), ("logits:0",), (1, SIDE, SIDE, 3))


def write_ir(folder: Path, precision: str = "FP32", *, layout: str = "NHWC", reverse: bool = True) -> IRModel:
    """The converted model below ``folder``, in the zoo's layout. ``reverse=False`` forgets that it takes BGR."""
    import openvino
    from openvino import opset13 as ops

    channels = layout.index("C")
    shape = [1, SIDE, SIDE, 3] if layout == "NHWC" else [1, 3, SIDE, SIDE]
    kernel = weights()[::-1] if reverse else weights()
    image = ops.parameter(shape, np.float32, name="image")
    spatial = ops.constant([axis for axis in (1, 2, 3) if axis != channels])
    centred = ops.subtract(image, ops.constant(np.array(127.5, np.float32)))
    mean = ops.reduce_mean(centred, spatial)
    model = openvino.Model([ops.matmul(mean, ops.constant(kernel.copy()), False, False)], [image], NAME)
    model.get_parameters()[0].set_layout(openvino.Layout(layout))
    target = ir_model(folder, f"public/{NAME}", NAME, precision)
    target.xml.parent.mkdir(parents=True)
    openvino.save_model(model, target.xml, compress_to_fp16=precision == "FP16")
    return target


def write_zoo_model(root: Path, *, top1: float, top5: float) -> Path:
    """The model in a zoo at ``root``, its checkpoint in files beside its model.yml. Returns its folder."""
    place = root / "public" / NAME
    _write_checkpoint(place)
    files = [
        {
            "name": path.name,
            "size": path.stat().st_size,
            "checksum": hashlib.sha384(path.read_bytes()).hexdigest(),
            "source": {"$type": "file", "path": path.name},
        }
        for path in sorted(place.glob("model.ckpt*"))
    ]
    write_model(
        root,
        NAME,
        descriptor_data(
            files=files,
            postprocessing=None,
            input_info=[{"name": "IteratorGetNext:0", "shape": [1, SIDE, SIDE, 3], "layout": "NHWC"}],
            model_optimizer_args=[
                "--input_meta_graph=$dl_dir/model.ckpt.meta",
                "--output=logits",
                "--reverse_input_channels",
            ],
        ),
    )
    config = accuracy_data(top1=top1, top5=top5)
    (place / "accuracy-check.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    return place


def accuracy_data(*, top1: float | None, top5: float | None, dataset: str = "colours") -> dict[str, Any]:
    """The contents of an accuracy-check.yml for both launchers, of mixnet-l's form."""
    shared: list[dict[str, Any]] = [
        {"type": "crop", "central_fraction": 0.875, "use_pillow": True},
        {"type": "resize", "size": SIDE, "use_pillow": True, "interpolation": "BICUBIC"},
    ]
    metrics = [{"type": "accuracy", "top_k": k, "reference": value} for k, value in ((1, top1), (5, top5))]
    metrics = [{key: value for key, value in metric.items() if value is not None} for metric in metrics]
    swap: list[dict[str, Any]] = [{"type": "bgr_to_rgb"}]
    data = {
        "models": [
            {
                "name": NAME,
                "launchers": [{"framework": framework, "adapter": "classification"}],
                "datasets": [{"name": dataset, "preprocessing": steps, "metrics": metrics}],
            }
            for framework, steps in (("tf", swap + shared), ("openvino", shared))
        ]
    }
    plain: dict[str, Any] = json.loads(json.dumps(data))  # nothing shared: a test may change one place
    return plain


def _layers(tensorflow: Any, images: Any, kernel: Any) -> None:
    spread = tensorflow.reshape(kernel, [1, 1, 3, CLASSES])
    scores = tensorflow.nn.conv2d(images - 127.5, spread, strides=1, padding="SAME")
    tensorflow.identity(tensorflow.reduce_mean(scores, [1, 2]), name="logits")


def _write_checkpoint(folder: Path) -> None:
    tensorflow = import_tensorflow()
    v1 = tensorflow.compat.v1
    folder.mkdir(parents=True)
    graph = tensorflow.Graph()
    with graph.as_default(), v1.Session(graph=graph) as session:
        blank = np.zeros((SIDE, SIDE, 3), np.float32)
        images = v1.data.make_one_shot_iterator(tensorflow.data.Dataset.from_tensors(blank).batch(1)).get_next()
        _layers(tensorflow, images, v1.get_variable("kernel", initializer=weights(), use_resource=False))
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(folder / "model.ckpt"))
