"""Compares a quantized model with the float model layer by layer: where the differences of its answers come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mixnet_tools.inference.openvino import FLOAT32_ONLY
from mixnet_tools.ir.core import openvino_core
from mixnet_tools.ir.image_input import read_image_input, set_batch
from mixnet_tools.ir.read import read_ir
from mixnet_tools.quantization.source import SourceModel, layers, weights_in_eight_bits
from mixnet_tools.values import CalibrationSet, IRModel

if TYPE_CHECKING:
    import openvino

IMAGES = 8
"""On how many images of the quantization calibration set layers are compared."""

Values = npt.NDArray[np.floating]


@dataclass(frozen=True)
class LayerDifference:
    """How far the output of a layer is from that of the same layer in the float model.

    ``difference`` is the length of the difference over the length of the float model's output, over all images: 0 where
    they are equal. It has what came in from earlier layers, too. ``quantized`` says whether the layer's own weights
    have eight bits.
    """

    name: str
    kind: str
    quantized: bool
    difference: float


def layer_differences(
    source: SourceModel, quantized: IRModel, calibration: CalibrationSet
) -> tuple[LayerDifference, ...]:
    """Compare the layers of ``quantized`` with those of ``source``, in the order of the computation.

    Layers that only one of them has are left out. Raises :class:`EvaluationError` where OpenVINO cannot run one.
    """
    original, image = source.model, source.image
    other = read_ir(quantized.xml)
    set_batch(other, read_image_input(other, quantized.xml), 1, quantized.xml)
    names = [layer.name for layer in layers(original)]
    narrow = {
        operation.get_friendly_name(): weights_in_eight_bits(operation) is True
        for operation in other.get_ops()
        if operation.get_friendly_name() in set(names)
    }
    shared = [layer for layer in layers(original) if layer.name in narrow]
    watched = [layer.name for layer in shared]
    runs = [_watching(model, watched) for model in (original, other)]
    error, size = np.zeros(len(shared)), np.zeros(len(shared))
    for one in calibration.images[:IMAGES]:
        batch = image.arrange(one[None].astype(original.input(0).get_element_type().to_dtype()))
        floats, ours = (_outputs(run, batch, len(shared)) for run in runs)
        for index, (expected, found) in enumerate(zip(floats, ours, strict=True)):
            error[index] += float(np.square(found - expected, dtype=np.float64).sum())
            size[index] += float(np.square(expected, dtype=np.float64).sum())
    shares = np.sqrt(error / np.maximum(size, 1e-30))
    return tuple(
        LayerDifference(layer.name, layer.kind, narrow[layer.name], round(float(share), 6))
        for layer, share in zip(shared, shares, strict=True)
    )


def _watching(model: openvino.Model, names: Sequence[str]) -> openvino.CompiledModel:
    """``model``, compiled so that its first outputs are those of the layers ``names``."""
    import openvino

    found = {operation.get_friendly_name(): operation for operation in model.get_ops()}
    watched = openvino.Model([found[name].output(0) for name in names], model.get_parameters())
    return openvino_core().compile_model(watched, "CPU", FLOAT32_ONLY)


def _outputs(run: openvino.CompiledModel, batch: npt.NDArray[np.generic], count: int) -> list[Values]:
    found = run([batch])
    return [np.asarray(found[index]) for index in range(count)]
