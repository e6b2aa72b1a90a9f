"""A MixConv block as a small ``openvino.Model``, in every variation that the rewrites know, or must leave alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

INPUTS, SIDE = 8, 6
NAMES = {"image", "picture"}


def build(
    parts: Sequence[int] = (6, 6),
    *,
    groups: int = 1,
    kernel: int = 1,
    activation: str = "swish",
    transposed: bool = False,
    obstacle: str = "",
    weights: type[np.floating[Any]] = np.float32,
    element: str = "f32",
    compressed: str = "",
    state: bool = False,
) -> Any:
    """An expansion to ``sum(parts)`` channels, split over depthwise convolutions and joined again.

    ``element`` is the type of the input, whatever it is computed in. ``compressed`` is the type in which the kernels
    are stored, with a zero point and a scale. With ``state``, what the model answers depends on the inference before.

    ``obstacle`` is what a rewrite must not pass: ``second reader`` of the expansion, ``quantizer`` behind it,
    ``second reader of the concat``, or ``other axis`` of the split.
    """
    import openvino
    from openvino import opset13 as ops

    rng = np.random.default_rng(3)
    channels = sum(parts)

    def constant(*shape: int) -> Any:
        values = rng.normal(0, 0.5, shape).astype(np.float32)
        if weights is np.float32:
            return ops.constant(values)
        return ops.convert(ops.constant(values.astype(weights)), "f32")

    shape = [1, SIDE, SIDE, INPUTS] if transposed else [1, INPUTS, SIDE, SIDE]

    def kernels(*shape: int) -> Any:
        if not compressed:
            return constant(*shape)
        low, kind = 0 if compressed.startswith("u") else -4, getattr(openvino.Type, compressed)
        stored = ops.convert(ops.constant(rng.integers(low, low + 8, shape), dtype=kind), "f32")
        centred = ops.subtract(stored, ops.convert(ops.constant(low + 4, dtype=kind), "f32"))
        return ops.multiply(centred, np.full((shape[0], *[1] * (len(shape) - 1)), 0.25, np.float32))

    image = ops.parameter(shape, getattr(openvino.Type, element), name="image")
    image.output(0).set_names(NAMES)
    x = image if element == "f32" else ops.convert(image, "f32")
    if transposed:
        x = ops.transpose(x, np.array([0, 3, 1, 2]))
        x = ops.add(x, constant(1, INPUTS, 1, 1))
    same = {"strides": [1, 1], "pads_begin": [0, 0], "pads_end": [0, 0], "dilations": [1, 1], "auto_pad": "SAME_UPPER"}
    if groups == 1:
        x = ops.convolution(x, kernels(channels, INPUTS, kernel, kernel), **same)
    else:
        x = ops.group_convolution(x, kernels(groups, channels // groups, INPUTS // groups, kernel, kernel), **same)
    expanded = ops.add(x, constant(1, channels, 1, 1))
    x = {"swish": ops.swish, "relu": ops.relu}[activation](expanded)
    if obstacle == "quantizer":
        x = ops.fake_quantize(x, np.float32(-4), np.float32(4), np.float32(-4), np.float32(4), 256)
    if obstacle == "other axis":
        x = ops.variadic_split(x, np.int64(2), np.array([SIDE // 2, SIDE // 2], np.int64))
        parts = (channels, channels)
    else:
        x = ops.variadic_split(x, np.int64(1), np.array(parts, np.int64))
    branches = [
        ops.group_convolution(output, kernels(count, 1, 1, size, size), **same)
        for output, count, size in zip(x.outputs(), parts, (3, 5, 7), strict=False)
    ]
    joined = ops.concat(branches, 1 if obstacle != "other axis" else 2)
    x = ops.add(ops.multiply(joined, constant(1, channels, 1, 1)), constant(1, channels, 1, 1))
    answer = ops.swish(x)
    answer.set_friendly_name("answer")
    results = [ops.result(answer, name="answer/sink_port_0")]
    answer.output(0).set_names({"answer"})
    if obstacle == "second reader":
        results.append(ops.result(expanded, name="second"))
    if obstacle == "second reader of the concat":
        results.append(ops.result(joined, name="second"))
    sinks = []
    if state:
        before = ops.read_value(ops.constant(np.zeros(tuple(joined.output(0).shape), np.float32)), "kept")
        sinks.append(ops.assign(joined, "kept"))
        results.append(ops.result(before, name="before"))
    model = openvino.Model(results, sinks, [image], "block")
    model.set_rt_info("kept", ["section", "key"])
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Parameter":
            node.set_layout(openvino.Layout("NHWC" if transposed else "NCHW"))
    return model


def outputs(model: Any) -> list[Any]:
    """What ``model`` computes for one fixed input."""
    import openvino

    image = np.random.default_rng(7).normal(size=tuple(model.input(0).shape)).astype(np.float32)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled([image])
    return [found[index].copy() for index in range(len(model.outputs))]
