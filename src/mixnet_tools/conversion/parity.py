"""Compares an IR with the original: both get the same generated inputs, and their outputs may hardly differ.

The limit is relative to how much the original's output varies from image to image, so that it means the same for
logits and for probabilities. On the full-size MixNet-L with random weights, in units of that variation, rounding in
FP32 moves a logit by up to 2.5e-5, weights stored in FP16 by up to 0.035, and a forgotten channel reversal by 2.7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from mixnet_tools.conversion.comparison_inputs import IMAGES, Port, as_original, make_feeds
from mixnet_tools.conversion.exactness import FLOAT32, Exactness
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.errors import ParityError
from mixnet_tools.inference.base import Array, Model

TOLERANCES: Mapping[str, float] = MappingProxyType({"FP32": 1e-3, "FP16": 0.25})
"""Largest allowed |difference| by precision, in units of the output's variation: the standard deviation over the
images of the element that varies most."""

ROUNDING: Mapping[str, float] = MappingProxyType({"FP32": 1e-5, "FP16": 2e-3})
"""Added to the limit, in units of the largest |output|: the rounding of an output that hardly varies."""

MASKED = 1e3
"""An element that never varies is masked if its |value| is this many times that of all that vary."""

CONCLUSIVE = 1e-4
"""Least variation of an output, in units of its largest value, with which a comparison proves something."""


@dataclass(frozen=True)
class ParityResult:
    """The comparison of one output of an IR with the original's, over ``images`` inputs.

    ``max_difference`` and ``mean_difference`` are absolute differences. ``limit`` is what the maximum may be; where the
    output's elements have different limits, both are of the element that comes nearest to its own or exceeds it most.
    ``variation`` is the standard deviation over the inputs of the original's element that varies most, ``scale`` its
    largest |value|, ``output_range`` its smallest and largest value. ``masked`` counts elements that are the same for
    every input and huge, such as a class that a bias of -1e9 masks: they are left out of ``variation`` and ``scale``,
    and have limits of their own. ``top1_agreement`` and ``top5_agreement`` are shares (0..1) of the images whose
    largest value, and whose five largest as a set, have the same indices.
    """

    output: str
    precision: str
    images: int
    max_difference: float
    mean_difference: float
    limit: float
    variation: float
    scale: float
    masked: int
    output_range: tuple[float, float]
    top1_agreement: float
    top5_agreement: float

    @property
    def passed(self) -> bool:
        """Whether the largest difference is within the limit. A value that is not a number (NaN) is not."""
        return self.max_difference <= self.limit

    @property
    def conclusive(self) -> bool:
        """Whether the original answers the inputs differently. If not, a wrong conversion would pass as well."""
        return self.variation > CONCLUSIVE * self.scale


class ParityCheck:
    """The original's outputs on the comparison inputs, computed once for all precisions.

    Both sides are fed and read by the original's names.
    """

    def __init__(
        self, original: Reference, ports: Sequence[Port], count: int = IMAGES, exactness: Exactness = FLOAT32
    ) -> None:
        """Run ``original``, which is as exact as ``exactness`` says, on ``count`` generated inputs for ``ports``.

        It is not asked again after that.
        """
        self.exactness = exactness
        self._original = original
        self._feeds = make_feeds(ports, count)
        self._planned = {port.name: port for port in ports}
        runs = [self._run(feed) for feed in self._feeds]
        self._expected = {name: [run[name] for run in runs] for name in original.outputs}
        self._repeats = all(
            np.array_equal(again[name], runs[0], equal_nan=_is_float(runs[0]))
            for again in map(self._run, self._feeds[:1])
            for name, runs in self._expected.items()
        )

    def compare(self, converted: Model, precision: str) -> tuple[ParityResult, ...]:
        """Run the IR on the same inputs; a result per output. Raises :class:`ParityError` where outputs differ in
        number or shape.
        """
        if len(converted.outputs) != len(self._expected):
            raise ParityError(f"{precision}: expected {len(self._expected)} outputs, got {len(converted.outputs)}")
        runs = [converted.infer(feed, tuple(self._expected)) for feed in self._feeds]
        return tuple(
            compare_outputs(expected, [run[name] for run in runs], precision, name, self.exactness)
            for name, expected in self._expected.items()
        )

    def repeats(self) -> bool:
        """Whether the original gave the first inputs the same answer again, to the last bit."""
        return self._repeats

    def undefined(self) -> str | None:
        """The name of an output in which the original has a value that is not a number, or None."""
        broken = (
            name for name, runs in self._expected.items() if any(_is_float(run) and np.isnan(run).any() for run in runs)
        )
        return next(broken, None)

    def _run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        return self._original.infer({name: as_original(array, self._planned[name]) for name, array in feed.items()})


def compare_outputs(
    original: Sequence[Array] | Array,
    converted: Sequence[Array] | Array,
    precision: str,
    name: str = "logits",
    exactness: Exactness = FLOAT32,
) -> ParityResult:
    """Compare the outputs for each image: arrays of any shape and number type, which may differ from image to image.

    ``exactness`` is the original's own. Raises :class:`ParityError` where the two sides' shapes differ.
    """
    for one, other in zip(original, converted, strict=True):
        if one.shape != other.shape:
            raise ParityError(f"{precision}: {name}: expected the shape {one.shape}, got {other.shape}")
    shares = [_agreement(original, converted, count) for count in (1, 5)]
    if len({one.shape for one in original}) == 1:
        expected, found = (np.stack([one.astype(np.float64).ravel() for one in side]) for side in (original, converted))
    else:  # of open shape: all values are taken for values of one element
        expected, found = (
            np.concatenate([one.astype(np.float64).ravel() for one in side])[:, None] for side in (original, converted)
        )
    if not expected.size:
        expected = found = np.zeros((1, 1))  # nothing was found on either side
    with np.errstate(invalid="ignore"):
        difference = np.where(expected == found, 0.0, np.abs(expected - found))  # equal infinities differ by nothing
    difference = np.nan_to_num(difference, nan=np.inf, posinf=np.inf)
    variation, magnitude, masked = _spread(expected)
    scale = float(magnitude[~masked].max())
    sizes = np.where(masked, magnitude, scale)
    tolerance = max(TOLERANCES[precision], exactness.tolerance)
    limits = tolerance * variation + max(ROUNDING[precision], exactness.rounding) * sizes
    largest = difference.max(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares_of_limit = np.where(largest > 0, largest / limits, 0.0)
    worst = int(shares_of_limit.argmax()) if shares_of_limit.any() else int(limits.argmin())
    return ParityResult(
        output=name,
        precision=precision,
        images=len(original),
        max_difference=float(largest[worst]),
        mean_difference=float(difference.mean()),
        variation=variation,
        limit=float(limits[worst]),
        scale=scale,
        masked=int(masked.sum()),
        output_range=_range(expected),
        top1_agreement=shares[0],
        top5_agreement=shares[1],
    )


def _spread(values: Array) -> tuple[float, Array, npt.NDArray[np.bool_]]:
    """How ``values`` [images, elements] vary: the largest standard deviation of an element, the largest |value| of each
    element, and which elements are masked.
    """
    finite = np.isfinite(values)
    magnitude = np.where(finite, np.abs(values), 0.0).max(axis=0)
    with np.errstate(invalid="ignore"):
        deviation = np.where(finite.all(axis=0), np.std(np.where(finite, values, 0.0), axis=0), 0.0)
    # What changes by less than this share of the values is rounding of float32.
    varies = deviation > 1e-6 * np.maximum(magnitude, np.quantile(magnitude, 0.1))
    ordinary = float(magnitude[varies].max()) if varies.any() else np.inf
    masked = ~varies & ((magnitude > MASKED * ordinary) | ~finite.all(axis=0))
    if masked.all():
        masked[:] = False
    return float(deviation[~masked].max()), magnitude, masked


def _range(values: Array) -> tuple[float, float]:
    """The smallest and the largest of ``values`` that are numbers; NaN where none is."""
    numbers = values[~np.isnan(values)]
    return (float(numbers.min()), float(numbers.max())) if numbers.size else (float("nan"), float("nan"))


def _agreement(original: Sequence[Array] | Array, converted: Sequence[Array] | Array, count: int) -> float:
    """The share of images whose ``count`` largest values have the same indices, as a set."""
    same = [_largest(one, count) == _largest(other, count) for one, other in zip(original, converted, strict=True)]
    return float(np.mean(same))


def _largest(values: Array, count: int) -> frozenset[int]:
    return frozenset(np.argsort(-values.astype(np.float64).ravel(), kind="stable")[:count].tolist())


def _is_float(values: Array) -> bool:
    return bool(np.issubdtype(values.dtype, np.inexact))
