"""Reads the IR that is to be quantized, and refuses one that cannot be."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mixnet_tools.errors import QuantizationError
from mixnet_tools.ir.image_input import ImageInput, read_image_input, set_batch
from mixnet_tools.ir.inspect import NARROW_TYPES
from mixnet_tools.ir.read import read_ir
from mixnet_tools.optimization.kernels import kind_of
from mixnet_tools.optimization.optimize import listed, rewritten
from mixnet_tools.optimization.rewrites import AFTER_QUANTIZATION, BEFORE_QUANTIZATION
from mixnet_tools.optimization.tuning import SECTION, remove_tuning
from mixnet_tools.quantization.settings import Layer
from mixnet_tools.values import IRModel

if TYPE_CHECKING:
    import openvino

LAYER_KINDS = ("Convolution", "GroupConvolution", "MatMul")
_UNPACKING = ("Convert", "Multiply", "Subtract", "Reshape", "FakeQuantize", "Transpose")


@dataclass(frozen=True)
class SourceModel:
    """An IR to quantize.

    ``model`` takes one image at a time, as NNCF needs it. ``image`` is its input; ``image.batch`` is the batch that the
    IR on disk has, and that the quantized one gets.
    """

    ir: IRModel
    model: openvino.Model
    image: ImageInput


def read_source(ir: IRModel) -> SourceModel:
    """Read ``ir``.

    Raises :class:`IRError` where it is missing, unreadable, or takes no images of fixed size,
    :class:`QuantizationError` where it is quantized already, or has no layer to quantize.
    """
    model = read_ir(ir.xml)
    _refuse_quantized(model, ir)
    remove_tuning(model)  # some kernels that are right for floats add products of eight bits with saturation
    if not layers(model):
        raise QuantizationError(f"{ir.xml}: has no convolution and no matrix product: there is nothing to quantize")
    image = read_image_input(model, ir.xml)
    set_batch(model, image, 1, ir.xml)
    return SourceModel(ir, model, image)


@dataclass(frozen=True)
class RewrittenSource:
    """A source whose graph is rewritten: in part before it is quantized, and by :func:`finished` after that.

    ``to_quantize`` is rewritten in part. ``whole`` is rewritten altogether, and computes in float what the result does
    in INT8.
    """

    to_quantize: SourceModel
    whole: SourceModel


def rewritten_source(source: SourceModel) -> tuple[RewrittenSource | None, str]:
    """Rewrite the graph of ``source`` into one that computes the same: None where it stays, and a note."""
    whole, rewrites, note = rewritten(source.model)
    if not rewrites:
        return None, note
    part = _rewrite(source.model, BEFORE_QUANTIZATION)
    return RewrittenSource(replace(source, model=part), replace(source, model=whole)), note


def finished(model: openvino.Model) -> openvino.Model:
    """``model``, which was quantized from ``to_quantize`` of a :class:`RewrittenSource`, rewritten altogether."""
    return _rewrite(model, AFTER_QUANTIZATION)


def name_before(name: str) -> str:
    """The name of the layer in the source that the layer ``name`` of a rewritten model is, or is a part of.

    >>> name_before("stem/conv/part_1"), name_before("stem/conv")
    ('stem/conv', 'stem/conv')
    """
    return re.sub(r"/part_\d+$", "", name)


def _rewrite(model: openvino.Model, names: tuple[str, ...]) -> openvino.Model:
    """Rewrite ``model`` where it then computes the same, and write into its rt_info by which rewrites."""
    changed, rewrites, _ = rewritten(model, names)
    if not rewrites:
        return model
    place = [SECTION, "rewrites"]
    earlier = [changed.get_rt_info(place).astype(str)] if changed.has_rt_info(place) else []
    changed.set_rt_info(", ".join([*earlier, listed(rewrites)]), place)
    return changed


def layers(model: openvino.Model) -> tuple[Layer, ...]:
    """List the convolutions, and the matrix products by constant weights, in the order of the computation."""
    return tuple(
        Layer(operation.get_friendly_name(), operation.get_type_name(), is_depthwise(operation))
        for operation in model.get_ordered_ops()
        if operation.get_type_name() in LAYER_KINDS and weights_in_eight_bits(operation) is not None
    )


def is_depthwise(operation: openvino.Node) -> bool:
    """Whether ``operation`` is a convolution of each channel by itself."""
    return kind_of(operation) == "depthwise"


def weights_in_eight_bits(operation: openvino.Node) -> bool | None:
    """Whether the weights of a layer are stored in eight bits or fewer, or pass a FakeQuantize.

    None where the layer has no weights, because both its inputs are computed.
    """
    for index in (1, 0):
        node, quantized = operation.input_value(index).get_node(), False
        while node.get_type_name() in _UNPACKING:
            quantized = quantized or node.get_type_name() == "FakeQuantize"
            node = node.input_value(0).get_node()
        if node.get_type_name() == "Constant":
            return quantized or node.get_output_element_type(0).get_type_name() in NARROW_TYPES
    return None


def _refuse_quantized(model: openvino.Model, ir: IRModel) -> None:
    hint = "quantize a float IR: `source_precision=FP16`, or FP32"
    fake = next((one for one in model.get_ops() if one.get_type_name() == "FakeQuantize"), None)
    if fake is not None:
        raise QuantizationError(f"{ir.xml}: is quantized already ({fake.get_friendly_name()})", hint=hint)
    for operation in model.get_ops():
        if operation.get_type_name() in LAYER_KINDS and weights_in_eight_bits(operation):
            raise QuantizationError(
                f"{ir.xml}: is quantized already (the weights of {operation.get_friendly_name()})", hint=hint
            )
