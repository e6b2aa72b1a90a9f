"""The IR that is to be quantized: read, and refused where it cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mixnet_tools.errors import QuantizationError, last_line
from mixnet_tools.optimization.kernels import forget, is_tuned
from mixnet_tools.optimization.tuning import SECTION
from mixnet_tools.quantization.settings import Layer
from mixnet_tools.values import IRModel

LAYER_KINDS = ("Convolution", "GroupConvolution", "MatMul")
_UNPACKING = ("Convert", "Multiply", "Subtract", "Reshape", "FakeQuantize", "Transpose")
_NARROW = ("i8", "u8", "i4", "u4", "nf4", "f8e4m3", "f8e5m2")


@dataclass(frozen=True)
class SourceModel:
    """``model`` is an ``openvino.Model`` with one image input [1, height, width, 3], or channels first."""

    ir: IRModel
    model: Any
    channels_first: bool
    height: int
    width: int


def read_source(ir: IRModel) -> SourceModel:
    """Read ``ir``. Raises :class:`QuantizationError` where it is missing, unreadable, quantized already, or does not
    take one image of fixed size.
    """
    missing = next((path for path in (ir.xml, ir.bin) if not path.is_file()), None)
    if missing is not None:
        raise QuantizationError(
            f"{missing}: {ir.name} has no such IR", hint=f"convert it first: mixnet-convert --name {ir.name}"
        )
    import openvino

    try:
        model = openvino.Core().read_model(ir.xml)
    except RuntimeError as error:
        raise QuantizationError(
            f"{ir.xml}: OpenVINO cannot read this IR: {last_line(error)}",
            hint=f"convert it again: mixnet-convert --name {ir.name}",
        ) from error
    _refuse_quantized(model, ir)
    _forget_tuning(model)
    if not layers(model):
        raise QuantizationError(f"{ir.xml}: has no convolution and no matrix product: there is nothing to quantize")
    channels_first, height, width = _image(model, ir)
    return SourceModel(ir, model, channels_first, height, width)


def layers(model: Any) -> tuple[Layer, ...]:
    """The convolutions and the matrix products by constant weights, in the order of the computation."""
    return tuple(
        Layer(operation.get_friendly_name(), operation.get_type_name())
        for operation in model.get_ordered_ops()
        if operation.get_type_name() in LAYER_KINDS and weights_in_eight_bits(operation) is not None
    )


def weights_in_eight_bits(operation: Any) -> bool | None:
    """Whether the weights of a layer are stored in eight bits or fewer, or pass a FakeQuantize; None where it has none,
    because both its inputs are computed.
    """
    for index in (1, 0):
        node, quantized = operation.input_value(index).get_node(), False
        while node.get_type_name() in _UNPACKING:
            quantized = quantized or node.get_type_name() == "FakeQuantize"
            node = node.input_value(0).get_node()
        if node.get_type_name() == "Constant":
            return quantized or node.get_output_element_type(0).get_type_name() in _NARROW
    return None


def _refuse_quantized(model: Any, ir: IRModel) -> None:
    hint = "quantize the IR that mixnet-convert wrote: --source_precision FP16, or FP32"
    fake = next((one for one in model.get_ops() if one.get_type_name() == "FakeQuantize"), None)
    if fake is not None:
        raise QuantizationError(f"{ir.xml}: is quantized already ({fake.get_friendly_name()})", hint=hint)
    for operation in model.get_ops():
        if operation.get_type_name() in LAYER_KINDS and weights_in_eight_bits(operation):
            raise QuantizationError(
                f"{ir.xml}: is quantized already (the weights of {operation.get_friendly_name()})", hint=hint
            )


def _forget_tuning(model: Any) -> None:
    """Kernels that were chosen for float layers: some of them add products of eight bits with saturation."""
    if not is_tuned(model):
        return
    forget(model)
    if model.has_rt_info([SECTION]):
        said = {key: model.get_rt_info([SECTION, key]).astype(str) for key in model.get_rt_info()[SECTION]}
        model.set_rt_info({key: value for key, value in said.items() if not key.startswith("tuned_")}, [SECTION])


def _image(model: Any, ir: IRModel) -> tuple[bool, int, int]:
    """(whether channels come first, height, width) of the one input. Where the IR names no layout, sizes tell."""
    if len(model.inputs) != 1:
        raise QuantizationError(f"{ir.xml}: expected one image input, got {len(model.inputs)} inputs")
    shape = model.input(0).get_partial_shape()
    sizes = [size.get_length() if size.is_static else -1 for size in shape] if shape.rank.is_static else []
    named = model.get_parameters()[0].get_layout()
    layout = "".join(char for char in named.to_string() if char.isalpha()) if not named.empty else ""
    layout = layout or ("NCHW" if len(sizes) == 4 and sizes[1] == 3 and sizes[3] != 3 else "NHWC")
    by_name = dict(zip(layout, sizes, strict=False))
    fixed = layout in ("NHWC", "NCHW") and len(sizes) == 4 and by_name["N"] == 1 and by_name["C"] == 3
    if not fixed or min(sizes) < 1:
        raise QuantizationError(
            f"{ir.xml}: expected an input of one image of fixed size with 3 channels, got {layout} {shape}"
        )
    return layout == "NCHW", by_name["H"], by_name["W"]
