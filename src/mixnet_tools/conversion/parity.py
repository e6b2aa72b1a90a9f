"""Compares an IR with the original: both get the same generated inputs, and their outputs may hardly differ.

The limit is relative to how much the original's output varies from image to image, so that it means the same for
logits and for probabilities. On the full-size MixNet-L with random weights, in units of that variation, rounding in
FP32 moves a logit by up to 2.5e-5, weights stored in FP16 by up to 0.035, and a forgotten channel reversal by 2.7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mixnet_tools.conversion.plan import CHANNELS, ConversionPlan, InputPlan
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.errors import ParityError
from mixnet_tools.inference.base import Array, Model
from mixnet_tools.inference.openvino import listed, port_named

if TYPE_CHECKING:
    import openvino

IMAGES = 8
SEED = 20190722  # the day MixNet was published
TOLERANCES: Mapping[str, float] = MappingProxyType({"FP32": 1e-3, "FP16": 0.25})
"""Largest allowed |difference| by precision, in units of the output's variation: the standard deviation over the
images of the element that varies most."""

ROUNDING: Mapping[str, float] = MappingProxyType({"FP32": 1e-5, "FP16": 2e-3})
"""Added to the limit, in units of the largest |output|: the rounding of an output that hardly varies."""

CONCLUSIVE = 1e-4
"""Least variation of an output, in units of its largest value, with which a comparison proves something."""


@dataclass(frozen=True)
class ParityResult:
    """The comparison of one output of an IR with the original's, over ``images`` inputs.

    ``max_difference`` and ``mean_difference`` are absolute differences, ``limit`` is what the maximum may be,
    ``variation`` the standard deviation over the inputs of the original's element that varies most, ``output_range``
    the smallest and largest value of the original; ``top1_agreement`` and ``top5_agreement`` are shares (0..1) of the
    images whose largest value, and whose five largest as a set, have the same indices.
    """

    output: str
    precision: str
    images: int
    max_difference: float
    mean_difference: float
    limit: float
    variation: float
    output_range: tuple[float, float]
    top1_agreement: float
    top5_agreement: float

    @property
    def passed(self) -> bool:
        """Whether the largest difference is within the limit. A difference of NaN is not."""
        return self.max_difference <= self.limit

    @property
    def conclusive(self) -> bool:
        """Whether the original answers the inputs differently. If not, a wrong conversion would pass as well."""
        return self.variation > CONCLUSIVE * max(map(abs, self.output_range))


def natural_images(count: int, height: int, width: int, seed: int = SEED) -> npt.NDArray[np.float32]:
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


@dataclass(frozen=True)
class Port:
    """An input of the IR: its ``name`` in the original, static ``shape``, numpy ``dtype``, and what the plan says of it
    (None: nothing).
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    plan: InputPlan | None


class ParityCheck:
    """The original's outputs on the comparison inputs, computed once for all precisions.

    Both sides are fed and read by the original's names.
    """

    def __init__(self, original: Reference, ports: Sequence[Port], count: int = IMAGES) -> None:
        """Run ``original`` on ``count`` generated inputs for ``ports``."""
        self._feeds = make_feeds(ports, count)
        planned = {port.name: port for port in ports}
        runs = [
            original.infer({name: as_original(array, planned[name]) for name, array in feed.items()})
            for feed in self._feeds
        ]
        self._expected = {name: np.stack([run[name] for run in runs]) for name in original.outputs}

    def compare(self, converted: Model, precision: str) -> tuple[ParityResult, ...]:
        """Run the IR on the same inputs; a result per output. Raises :class:`ParityError` where outputs differ in
        number or shape.
        """
        if len(converted.outputs) != len(self._expected):
            raise ParityError(f"{precision}: expected {len(self._expected)} outputs, got {len(converted.outputs)}")
        runs = [converted.infer(feed, tuple(self._expected)) for feed in self._feeds]
        return tuple(
            compare_outputs(expected, np.stack([run[name] for run in runs]), precision, name)
            for name, expected in self._expected.items()
        )


def ports_of(model: openvino.Model, original: Reference, plan: ConversionPlan) -> tuple[Port, ...]:
    """The inputs of ``model``, found by the names that ``original`` has for them.

    Raises :class:`ParityError` where the two do not have the same inputs.
    """
    planned = {entry.cut.text: entry for entry in plan.inputs}
    ports = []
    for name in original.inputs:
        port = port_named(model.inputs, name)
        if port is None:
            raise ParityError(f"{plan.model}: the IR has no input {name!r}; available: {listed(model.inputs)}")
        ports.append(Port(name, tuple(port.get_shape()), port.get_element_type().to_dtype(), planned.get(name)))
    if len(ports) != len(model.inputs):
        names = ", ".join(original.inputs)
        raise ParityError(f"{plan.model}: expected the original's inputs ({names}), got {listed(model.inputs)}")
    return tuple(ports)


def make_feeds(ports: Sequence[Port], count: int = IMAGES) -> list[dict[str, Array]]:
    """``count`` sets of inputs as the IR takes them, by name: images where the plan says that an input is one.

    Other inputs get numbers: normally distributed ones, or 0 and 1 for whole numbers and booleans.
    """
    rng = np.random.default_rng(SEED)
    columns: dict[str, Array] = {}
    for port in ports:
        shape = (count, *port.shape)
        if _is_image(port):
            sizes = dict(zip(port.plan.layout or "", port.shape, strict=True)) if port.plan else {}
            images = natural_images(count * sizes.get("N", 1), sizes["H"], sizes["W"])
            images = images[..., ::-1] if port.plan and port.plan.reverse else images  # the IR takes BGR
            axes = ["NHWC".index(axis) for axis in (port.plan.layout if port.plan else "") or ""]
            column: Array = images.reshape(shape) if len(axes) == 3 else images.transpose(axes).reshape(shape)
        elif np.issubdtype(port.dtype, np.floating):
            column = rng.normal(size=shape)
        else:
            column = rng.integers(0, 2, shape)
        columns[port.name] = np.ascontiguousarray(column.astype(port.dtype))
    return [{name: column[index] for name, column in columns.items()} for index in range(count)]


def as_original(array: Array, port: Port) -> Array:
    """The original's input where the IR gets ``array``: the plan's preprocessing, done by numpy."""
    plan = port.plan
    if plan is None:
        return array
    axis = plan.channel_axis
    if plan.reverse and axis is not None:
        array = np.flip(array, axis)
    if plan.mean or plan.scale:
        array = array.astype(np.float32)
    for values, apply in ((plan.mean, np.subtract), (plan.scale, np.divide)):
        if values:
            shape = [1] * array.ndim
            if len(values) > 1 and axis is not None:
                shape[axis] = len(values)
            array = apply(array, np.array(values, np.float32).reshape(shape))
    return np.ascontiguousarray(array)


def compare_outputs(original: Array, converted: Array, precision: str, name: str = "logits") -> ParityResult:
    """Compare outputs, [images, ...] each. Raises :class:`ParityError` where the shapes differ."""
    if original.shape != converted.shape:
        raise ParityError(f"{precision}: {name}: expected the shape {original.shape}, got {converted.shape}")
    expected = original.astype(np.float64).reshape(len(original), -1)
    found = converted.astype(np.float64).reshape(len(original), -1)
    difference = np.abs(expected - found)
    variation = float(np.std(expected, axis=0).max())
    return ParityResult(
        output=name,
        precision=precision,
        images=len(original),
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        variation=variation,
        limit=TOLERANCES[precision] * variation + ROUNDING[precision] * float(np.abs(expected).max()),
        output_range=(float(expected.min()), float(expected.max())),
        top1_agreement=_agreement(expected, found, 1),
        top5_agreement=_agreement(expected, found, min(5, expected.shape[1])),
    )


def require(results: Sequence[ParityResult], model: str) -> None:
    """Raise :class:`ParityError` unless all of ``results`` passed."""
    for result in results:
        if not result.passed:
            low, high = result.output_range
            raise ParityError(
                f"{model} {result.precision}: the IR does not compute what the original computes: largest difference "
                f"of {result.output} {result.max_difference:.3g} (limit {result.limit:.3g}) over values from "
                f"{low:.3g} to {high:.3g}; same top-1 on {result.top1_agreement:.0%} of {result.images} images",
                hint="this is a fault of the conversion, please report it (`verify=False` converts all the same)",
            )


def _is_image(port: Port) -> bool:
    layout = port.plan.layout if port.plan else None
    return (
        bool(layout)
        and sorted(layout or "") in (sorted("HWC"), sorted("NHWC"))
        and (port.shape[(layout or "").index("C")] == CHANNELS)
    )


def _agreement(expected: Array, found: Array, count: int) -> float:
    best = [np.sort(np.argsort(-values, axis=1, kind="stable")[:, :count], axis=1) for values in (expected, found)]
    return float(np.mean((best[0] == best[1]).all(axis=1)))
