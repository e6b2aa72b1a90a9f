"""Finds the layers of a quantized model that stayed in float, and the reason for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mixnet_tools.quantization.source import LAYER_KINDS, name_before, weights_in_eight_bits

if TYPE_CHECKING:
    import openvino

Reason = Literal[
    "--ignore", "depthwise in float", "NNCF's pattern: squeeze and excitation", "NNCF put no quantizer here"
]

_BETWEEN = {*LAYER_KINDS, "Add", "Relu", "PRelu", "Swish", "HSwish", "Reshape", "Squeeze", "Unsqueeze", "Convert"}
_GATES = {"Sigmoid", "HSigmoid"}
_STEPS = 12
"""Operations between a pooling and its gate, at most. A squeeze-and-excitation branch has about eight."""


@dataclass(frozen=True)
class FloatLayer:
    """A layer whose weights are floats. ``kind`` is its type in OpenVINO."""

    name: str
    kind: str
    reason: Reason


@dataclass(frozen=True)
class LayerCounts:
    """``quantized`` layers have weights in eight bits; ``in_float`` are all the others, in the model's order."""

    quantized: int
    in_float: tuple[FloatLayer, ...]

    def by_reason(self) -> dict[str, int]:
        """Count the layers in float by their reason."""
        reasons = [layer.reason for layer in self.in_float]
        return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}


def examine(model: openvino.Model, ignored: Iterable[str], depthwise: Iterable[str] = ()) -> LayerCounts:
    """Examine the layers of the quantized ``model``.

    ``ignored`` are the names of those that were to stay in float, ``depthwise`` of those that were as their whole kind.
    """
    asked, by_kind, quantized, found = set(ignored), set(depthwise), 0, []
    for operation in model.get_ordered_ops():
        narrow = weights_in_eight_bits(operation) if operation.get_type_name() in LAYER_KINDS else None
        if narrow is None:
            continue
        if narrow:
            quantized += 1
            continue
        name = operation.get_friendly_name()
        reason: Reason = "NNCF put no quantizer here"
        names = {name, name_before(name)}
        if names & asked:
            reason = "--ignore"
        elif names & by_kind:
            reason = "depthwise in float"
        elif _is_excitation(operation):
            reason = "NNCF's pattern: squeeze and excitation"
        found.append(FloatLayer(name, operation.get_type_name(), reason))
    return LayerCounts(quantized, tuple(found))


def _is_excitation(operation: openvino.Node) -> bool:
    """Whether ``operation`` lies between a mean over the image and a gate, as both layers of such a block do."""
    return _reaches(operation, _before, {"ReduceMean"}) and _reaches(operation, _after, _GATES)


def _reaches(operation: openvino.Node, step: Callable[[openvino.Node], list[openvino.Node]], kinds: set[str]) -> bool:
    """Whether steps from ``operation`` over operations of a branch lead to one of ``kinds``."""
    for _ in range(_STEPS):
        reached = step(operation)
        if any(node.get_type_name() in kinds for node in reached):
            return True
        between = [node for node in reached if node.get_type_name() in _BETWEEN]
        if not between:
            return False
        operation = between[0]
    return False


def _before(operation: openvino.Node) -> list[openvino.Node]:
    nodes = [value.get_node() for value in operation.input_values()]
    return [node for node in nodes if not _is_constant(node)]


def _is_constant(node: openvino.Node) -> bool:
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == "Constant")


def _after(operation: openvino.Node) -> list[openvino.Node]:
    return [target.get_node() for target in operation.output(0).get_target_inputs()]
