"""Does the IR compute what the original computes? Both get the same images, and their logits are compared.

On the full-size MixNet-L with random weights, whose logits have a standard deviation of 1.5, rounding in FP32 moves
them by up to 8e-5, weights stored in FP16 by up to 0.11, and a forgotten channel reversal by up to 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from mixnet_tools.convert.arguments import CHANNELS, ConversionPlan
from mixnet_tools.errors import ParityError
from mixnet_tools.inference import OpenVinoModel, TensorFlowGraph
from mixnet_tools.values import FrozenGraph, IRModel

Array = npt.NDArray[np.float32]

IMAGES = 8
SEED = 20190722  # the day MixNet was published
TOLERANCES: Mapping[str, float] = MappingProxyType({"FP32": 1e-3, "FP16": 0.25})
"""Largest allowed |difference| of a logit, per unit of the original logits' standard deviation where that exceeds 1."""


@dataclass(frozen=True)
class ParityResult:
    """The comparison of one IR with its original over ``images`` images.

    ``max_difference`` and ``mean_difference`` are absolute differences of logits, ``limit`` is what the maximum may
    be, ``logit_range`` the smallest and largest logit of the original, ``top1_agreement`` the share (0..1) of images
    whose largest logit has the same index.
    """

    precision: str
    images: int
    max_difference: float
    mean_difference: float
    limit: float
    logit_range: tuple[float, float]
    top1_agreement: float

    @property
    def passed(self) -> bool:
        """Whether the IR is what it should be. NaN differences are not."""
        return self.max_difference <= self.limit


def natural_images(count: int, height: int, width: int, seed: int = SEED) -> Array:
    """``count`` images with the statistics of photographs: float32 [count, height, width, 3], RGB, 0..255, integers.

    Colour noise whose amplitude falls with spatial frequency (1/f, Field 1987), of varied brightness and contrast,
    crossed by a few flat shapes with sharp edges.
    """
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    amplitude = 1.0 / np.maximum(frequency, 1.0 / max(height, width))
    rows, columns = np.mgrid[0:height, 0:width]
    images = np.empty((count, height, width, CHANNELS), np.float32)
    for image in images:
        for channel in range(CHANNELS):
            noise = np.fft.irfft2(amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape)), (height, width))
            image[..., channel] = rng.uniform(60, 190) + rng.uniform(20, 60) * noise / noise.std()
        for _ in range(3):
            center_row, center_column = rng.uniform(0, height), rng.uniform(0, width)
            radii = rng.uniform(0.05, 0.3, 2) * (height, width)
            inside = ((rows - center_row) / radii[0]) ** 2 + ((columns - center_column) / radii[1]) ** 2 < 1
            image[inside] = rng.uniform(0, 255, CHANNELS)
    return np.rint(np.clip(images, 0, 255)).astype(np.float32)


class Reference:
    """The original's logits on the comparison images, computed once for all precisions."""

    def __init__(self, frozen: FrozenGraph, plan: ConversionPlan, count: int = IMAGES) -> None:
        sizes = dict(zip(plan.layout, plan.input_shape, strict=True))
        self.images = natural_images(count, sizes["H"], sizes["W"])
        if plan.layout.index("C") == 1:
            self.images = np.ascontiguousarray(self.images.transpose(0, 3, 1, 2))
        self.channel_axis = plan.layout.index("C")
        self.reverse = plan.reverse_input_channels
        self.logits = TensorFlowGraph(frozen).run(self.images)

    def compare(self, ir: IRModel) -> ParityResult:
        """Run ``ir`` on the same images, in the channel order that it takes."""
        images = np.flip(self.images, self.channel_axis) if self.reverse else self.images
        logits = OpenVinoModel(ir.xml).run(np.ascontiguousarray(images))
        return compare_logits(self.logits, logits, ir.precision)


def compare_logits(original: Array, converted: Array, precision: str) -> ParityResult:
    """Compare logits, float [images, classes] each. Raises :class:`ParityError` where the shapes differ."""
    if original.shape != converted.shape:
        raise ParityError(f"{precision}: expected logits of shape {original.shape}, got {converted.shape}")
    difference = np.abs(original.astype(np.float64) - converted.astype(np.float64))
    return ParityResult(
        precision=precision,
        images=len(original),
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        limit=TOLERANCES[precision] * max(1.0, float(original.std())),
        logit_range=(float(original.min()), float(original.max())),
        top1_agreement=float(np.mean(original.argmax(1) == converted.argmax(1))),
    )


def require(result: ParityResult, model: str) -> None:
    """Raise :class:`ParityError` unless ``result`` passed."""
    if result.passed:
        return
    raise ParityError(
        f"{model} {result.precision}: the IR does not compute what the original computes: largest logit difference "
        f"{result.max_difference:.3g} (limit {result.limit:.3g}) over logits from {result.logit_range[0]:.2f} to "
        f"{result.logit_range[1]:.2f}; same top-1 on {result.top1_agreement:.0%} of {result.images} images",
        hint="check input_info, --reverse_input_channels and --output in the model's descriptor",
    )
