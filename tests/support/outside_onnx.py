"""ONNX models of kinds that people bring, each with what ONNX Runtime itself answers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from mixnet_tools.conversion.comparison_inputs import natural_images
from mixnet_tools.inference.base import Array
from tests.support.graphs import ModelFolder, image_input
from tests.support.outside import OutsideModel

SIDE = 24
_FLOAT, _HALF = 1, 10  # of onnx.TensorProto
PICTURES = [image[None].transpose(0, 3, 1, 2) for image in natural_images(4, SIDE, SIDE, seed=4)]


class Builder:
    """Nodes and weights of a graph, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._rng = np.random.default_rng(12)

    def node(self, operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node; returns the name of its output."""
        from onnx import helper

        self.nodes.append(helper.make_node(operation, inputs, [output], name=f"node_{output}", **attributes))
        return output

    def constant(self, name: str, values: Array) -> str:
        """Add weights; returns their name."""
        from onnx import numpy_helper

        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def normal(self, name: str, *shape: int, scale: float = 0.4, kind: Any = np.float32) -> str:
        """Add random weights; returns their name."""
        return self.constant(name, self._rng.normal(0, scale, shape).astype(kind))

    def classifier(self, image: str, prefix: str = "") -> str:
        """A convolution, a mean and ten classes; returns the name of the logits."""
        p = prefix
        features = self.node("Conv", [image, self.normal(f"{p}kernel", 8, 3, 3, 3)], f"{p}conv", strides=[2, 2])
        pooled = self.node("GlobalAveragePool", [self.node("Relu", [features], f"{p}relu")], f"{p}pool")
        flat = self.node("Flatten", [pooled], f"{p}flat")
        return self.node("MatMul", [flat, self.normal(f"{p}classes", 8, 10)], f"{p}logits")

    def save(self, path: Path, inputs: list[str], outputs: list[str], kind: int = _FLOAT, **options: Any) -> None:
        """Write the file; all inputs are images, and all outputs [1, 10]."""
        import onnx
        from onnx import helper

        given = [helper.make_tensor_value_info(name, kind, [1, 3, SIDE, SIDE]) for name in inputs]
        taken = [helper.make_tensor_value_info(name, kind, [1, 10]) for name in outputs]
        graph = helper.make_graph(self.nodes, "outside", given, taken, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.save(model, path, **options)


def _folder(root: Path, arguments: list[str], inputs: list[str]) -> ModelFolder:
    info = [entry for name in inputs for entry in image_input(name, SIDE, "NCHW")]
    return ModelFolder(root, "outside", ["--input_model=$dl_dir/net.onnx", *arguments], info, framework="onnx")


def run(path: Path, feeds: list[dict[str, Array]], outputs: list[str]) -> list[list[Array]]:
    """ONNX Runtime's answers."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [session.run(outputs, feed) for feed in feeds]


def two_inputs(root: Path) -> OutsideModel:
    """Two images of one shape, described in another order than the file has them, each with its own mean."""
    mean = {"left": (10, 20, 30), "right": (40, 50, 60)}
    folder = _folder(root, ["--mean_values=left[10,20,30],right[40,50,60]"], ["right", "left"])
    build, path = Builder(), folder.files / "net.onnx"
    build.node("Sub", [build.classifier("left", "l_"), build.classifier("right", "r_")], "difference")
    build.save(path, ["left", "right"], ["difference"])
    feeds = [{"left": one, "right": other} for one, other in itertools.pairwise(PICTURES)]
    ready = [
        {name: (image - np.reshape(mean[name], (1, 3, 1, 1))).astype(np.float32) for name, image in feed.items()}
        for feed in feeds
    ]
    return OutsideModel(folder, feeds, run(path, ready, ["difference"]))


def _one_input(root: Path, arguments: list[str], outputs: list[str], *, image: str = "data") -> OutsideModel:
    """Logits and their Softmax as outputs, of which ``arguments`` choose."""
    folder = _folder(root, arguments, [image])
    build, path = Builder(), folder.files / "net.onnx"
    build.node("Softmax", [build.classifier("data")], "probabilities", axis=1)
    build.save(path, ["data"], ["logits", "probabilities"])
    feeds = [{"data": picture} for picture in PICTURES]
    whole = root / "whole.onnx"
    build.save(whole, ["data"], list(dict.fromkeys(["logits", "probabilities", *outputs])))
    return OutsideModel(folder, feeds, run(whole, feeds, outputs))


def one_of_two_outputs(root: Path) -> OutsideModel:
    """The descriptor asks for the first of two outputs."""
    return _one_input(root, ["--output=logits"], ["logits"])


def outputs_in_another_order(root: Path) -> OutsideModel:
    """The descriptor asks for both outputs, the last one first."""
    return _one_input(root, ["--output=probabilities,logits"], ["probabilities", "logits"])


def inner_output(root: Path) -> OutsideModel:
    """The descriptor asks for a value inside the graph, by the name of the value."""
    return _one_input(root, ["--output=flat"], ["flat"])


def inner_output_by_node(root: Path) -> OutsideModel:
    """The same by the name of the node that computes it."""
    return _one_input(root, ["--output=node_flat"], ["flat"])


def inner_input(root: Path) -> OutsideModel:
    """The descriptor cuts off the preprocessing in front of the network."""
    folder = _folder(root, [], ["scaled"])
    build, path = Builder(), folder.files / "net.onnx"
    build.node("Mul", ["data", build.constant("factor", np.array(1 / 255, np.float32))], "scaled")
    build.classifier("scaled")
    build.save(path, ["data"], ["logits"])
    feeds = [{"data": picture * np.float32(255)} for picture in PICTURES]
    return OutsideModel(folder, [{"scaled": picture} for picture in PICTURES], run(path, feeds, ["logits"]))


def masked_class(root: Path) -> OutsideModel:
    """A class is masked by a bias of -1e9, which float16 cannot hold."""
    folder = _folder(root, [], ["data"])
    build, path = Builder(), folder.files / "net.onnx"
    mask = np.where(np.arange(10) == 7, -1e9, 0).astype(np.float32)
    build.node("Add", [build.classifier("data"), build.constant("mask", mask)], "masked")
    build.save(path, ["data"], ["masked"])
    feeds = [{"data": picture} for picture in PICTURES]
    return OutsideModel(folder, feeds, run(path, feeds, ["masked"]))


def half(root: Path) -> OutsideModel:
    """Sixteen layers with skip connections, all in float16, and an image input in float16."""
    folder = _folder(root, ["--mean_values=[127.5,127.5,127.5]", "--scale_values=[127.5]"], ["data"])
    build, path, kind = Builder(), folder.files / "net.onnx", np.float16
    features, channels = "data", 3
    for layer in range(16):
        kernel = build.normal(f"kernel_{layer}", 16, channels, 3, 3, scale=(2 / (9 * channels)) ** 0.5, kind=kind)
        made = build.node("Conv", [features, kernel], f"conv_{layer}", pads=[1, 1, 1, 1])
        made = build.node("Relu", [made], f"relu_{layer}")
        if layer:
            added = build.node("Add", [features, made], f"sum_{layer}")
            made = build.node("Mul", [added, build.constant(f"half_{layer}", np.array(0.7, kind))], f"mean_{layer}")
        features, channels = made, 16
    flat = build.node("Flatten", [build.node("GlobalAveragePool", [features], "pool")], "flat")
    build.node("MatMul", [flat, build.normal("classes", 16, 10, kind=kind)], "logits")
    build.save(path, ["data"], ["logits"], _HALF)
    ready = [{"data": ((picture - 127.5) / 127.5).astype(kind)} for picture in PICTURES]
    return OutsideModel(folder, [{"data": picture} for picture in PICTURES], run(path, ready, ["logits"]))


def quantized(root: Path) -> OutsideModel:
    """Activations and weights quantized to 8 bits, by QuantizeLinear and DequantizeLinear."""
    folder = _folder(root, [], ["data"])
    build, path = Builder(), folder.files / "net.onnx"
    zero = build.constant("zero", np.array(0, np.uint8))

    def quantized_to(name: str, scale: float) -> str:
        step = build.constant(f"{name}_step", np.array(scale, np.float32))
        made = build.node("QuantizeLinear", [name, step, zero], f"{name}_q")
        return build.node("DequantizeLinear", [made, step, zero], f"{name}_dq")

    features = build.node("Conv", [quantized_to("data", 1.0), build.normal("kernel", 8, 3, 3, 3)], "conv")
    features = quantized_to(build.node("Relu", [features], "relu"), 4.0)
    features = build.node("Conv", [features, build.normal("kernel_2", 8, 8, 3, 3)], "conv_2")
    features = quantized_to(build.node("Relu", [features], "relu_2"), 16.0)
    flat = build.node("Flatten", [build.node("GlobalAveragePool", [features], "pool")], "flat")
    build.node("MatMul", [flat, build.normal("classes", 8, 10)], "logits")
    build.save(path, ["data"], ["logits"])
    feeds = [{"data": picture} for picture in PICTURES]
    return OutsideModel(folder, feeds, run(path, feeds, ["logits"]))


def weights_apart(root: Path) -> OutsideModel:
    """Weights in a file of their own, in a subfolder; one of two outputs is taken."""
    folder = _folder(root, ["--output=logits"], ["data"])
    build, path = Builder(), folder.files / "net.onnx"
    build.node("Softmax", [build.classifier("data")], "probabilities", axis=1)
    apart: dict[str, Any] = {"save_as_external_data": True, "location": "net.data", "size_threshold": 0}
    build.save(path, ["data"], ["logits", "probabilities"], **apart)
    feeds = [{"data": picture} for picture in PICTURES]
    return OutsideModel(folder, feeds, run(path, feeds, ["logits"]))
