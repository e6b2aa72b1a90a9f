"""Models of a user's own, as files that nothing describes: the colour classifier in each form that is taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support import colour_model
from tests.support.colour_model import SIDE, weights
from tests.support.tensorflow_import import import_tensorflow

Sizes = list[int | str]


def write_onnx(
    path: Path, sizes: Sizes | None = None, *, outputs: int = 1, kind: int = 1, channels: int = 1, name: str = "data"
) -> Path:
    """An ONNX file. ``channels`` is the channel axis; ``sizes`` are those of its input, texts for open ones.

    ``outputs`` of its answers are declared: the scores, and their sums. ``kind`` is the type of the input (2: bytes).
    """
    import onnx
    from onnx import helper, numpy_helper

    sizes = sizes or ["batch", 3, SIDE, SIDE]
    kernel = weights() if sizes[channels] in (3, "channels") else weights()[:1]
    spatial = [axis for axis in range(1, len(sizes)) if axis != channels]
    nodes = [
        helper.make_node("Cast", [name], ["floats"], to=1),
        helper.make_node("ReduceMean", ["floats"], ["mean"], axes=spatial, keepdims=0),
        helper.make_node("Sub", ["mean", "grey"], ["centred"]),
        helper.make_node("MatMul", ["centred", "kernel"], ["prob"]),
        helper.make_node("ReduceSum", ["prob"], ["sum"], keepdims=1),
    ]
    answers = [
        helper.make_tensor_value_info("prob", 1, [sizes[0], kernel.shape[1]]),
        helper.make_tensor_value_info("sum", 1, [1, 1]),
    ]
    constants = [
        numpy_helper.from_array(kernel, "kernel"),
        numpy_helper.from_array(np.array([127.5], np.float32), "grey"),
    ]
    image = helper.make_tensor_value_info(name, kind, sizes)
    graph = helper.make_graph(nodes[: 3 + outputs], "net", [image], answers[:outputs], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8), path)
    return path


def write_frozen_graph(path: Path) -> Path:
    """A frozen graph: NHWC, RGB, any number of images."""
    path.write_bytes(colour_model.frozen_graph().graph_def)
    return path


def write_graph_of_channels_first(path: Path) -> Path:
    """A frozen graph: NCHW, which TensorFlow's convolutions do not take on processors."""
    tensorflow = import_tensorflow()
    v1 = tensorflow.compat.v1
    with tensorflow.Graph().as_default() as graph:
        image = v1.placeholder(v1.float32, [None, 3, SIDE, SIDE], name="image")
        v1.linalg.matmul(v1.reduce_mean(image, [2, 3]) - 127.5, weights(), name="logits")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def write_saved_model(folder: Path) -> Path:
    """A SavedModel with a signature, its weights in a checkpoint: NHWC, RGB, any number of images."""
    v1 = import_tensorflow().compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(v1.float32, [None, SIDE, SIDE, 3], name="image")
        kernel = v1.get_variable("kernel", initializer=weights())
        scores = v1.linalg.matmul(v1.reduce_mean(image, [1, 2]) - 127.5, kernel, name="scores")
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(folder), {"image": image}, {"scores": scores})
    return folder
