"""A converted MixNet as ONNX, to see how fast ONNX Runtime is: the operations of such a network, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

DIRECT = ("Add", "Multiply", "Relu", "Sigmoid")
OPSET = 13


def to_onnx(model: Any, path: Path) -> None:
    """Write ``model``, an ``openvino.Model`` with one input and one output, to ``path``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    constants: dict[str, Any] = {}

    def name(output: Any) -> str:
        return f"{output.get_node().get_friendly_name()}:{output.get_index()}"

    def constant(label: str, value: Any) -> str:
        constants[label] = numpy_helper.from_array(np.ascontiguousarray(value), label)
        return label

    def add(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        nodes.append(helper.make_node(kind, inputs, outputs, **attributes))

    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        inputs, outputs = [name(source) for source in node.input_values()], [name(output) for output in node.outputs()]
        values: list[Any] = [getattr(source.get_node(), "data", None) for source in node.input_values()]
        if kind in ("Parameter", "Result"):
            continue
        if kind == "Constant":
            constant(outputs[0], node.data)
        elif kind in DIRECT:
            add({"Multiply": "Mul"}.get(kind, kind), inputs, outputs)
        elif kind == "Swish":
            add("Sigmoid", inputs[:1], [f"{outputs[0]}/sigmoid"])
            add("Mul", [inputs[0], f"{outputs[0]}/sigmoid"], outputs)
        elif kind == "Transpose":
            add("Transpose", inputs[:1], outputs, perm=values[1].tolist())
        elif kind in ("Convolution", "GroupConvolution"):
            given, weights = node.get_attributes(), values[1]
            groups = weights.shape[0] if kind == "GroupConvolution" else 1
            flat = weights.reshape(-1, *weights.shape[-3:])
            auto = {"same_upper": "SAME_UPPER", "same_lower": "SAME_LOWER"}.get(given["auto_pad"].lower())
            pads: dict[str, Any] = {"auto_pad": auto} if auto else {"pads": [*given["pads_begin"], *given["pads_end"]]}
            label = constant(f"{outputs[0]}/weights", flat)
            add("Conv", [inputs[0], label], outputs, group=groups, strides=list(given["strides"]), **pads)
        elif kind == "VariadicSplit":
            label = constant(f"{outputs[0]}/lengths", values[2].astype(np.int64))
            add("Split", [inputs[0], label], outputs, axis=int(values[1]))
        elif kind == "Concat":
            add("Concat", inputs, outputs, axis=int(node.get_attributes()["axis"]))
        elif kind == "ReduceMean":
            axes = values[1].astype(int).tolist()
            add("ReduceMean", inputs[:1], outputs, axes=axes, keepdims=int(node.get_attributes()["keep_dims"]))
        elif kind == "MatMul":
            flip = values[1].T if node.get_attributes()["transpose_b"] else values[1]
            add("MatMul", [inputs[0], constant(f"{outputs[0]}/weights", flip)], outputs)
        else:
            raise SystemExit(f"{kind}: not an operation of a MixNet")
    (entry,), (result,) = model.inputs, model.outputs
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(name(entry), TensorProto.FLOAT, list(entry.shape))],
        [helper.make_tensor_value_info(name(result.get_node().input_value(0)), TensorProto.FLOAT, list(result.shape))],
        list(constants.values()),
    )
    used = {source for node in nodes for source in node.input}
    for index in reversed([i for i, one in enumerate(graph.initializer) if one.name not in used]):
        del graph.initializer[index]
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8), path)
