"""How a model is quantized, as a value; and the variants that a search tries, cheap ones first. No NNCF here.

Defaults are those that keep networks with depthwise convolutions and squeeze-and-excitation gates (MixNet,
MobileNetV3): fast bias correction costs such networks up to 15 points (mobilenetv3_small_050: 57.91 to 42.16, and 56.70
without it).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from mixnet_tools.errors import UsageError

Preset = Literal["mixed", "performance"]
RangeEstimator = Literal[
    "default", "minmax", "mean_minmax", "median_minmax", "mean_no_outliers_minmax", "mean_quantile", "histogram"
]
OverflowFix = Literal["first_layer", "enable", "disable"]

SUBSET_SIZE = 300


@dataclass(frozen=True)
class QuantizationSettings:
    """Everything that decides the bytes of the quantized IR, beside the model and the images.

    ``preset``: activations asymmetric (``mixed``) or symmetric (``performance``, quicker on some devices).
    ``fast_bias_correction``: the cheaper of NNCF's two corrections. ``range_estimator``: how ranges of activations are
    found (``default``: NNCF's own). ``overflow_fix``: half the range for the weights of the first layer, of all layers,
    or of none, against saturation on processors without VNNI; it does not depend on the machine at hand. ``ignore``:
    names or shell patterns of layers to leave in float. ``subset_size`` images are chosen by ``seed``.
    """

    preset: Preset = "mixed"
    fast_bias_correction: bool = False
    range_estimator: RangeEstimator = "default"
    overflow_fix: OverflowFix = "first_layer"
    ignore: tuple[str, ...] = ()
    subset_size: int = SUBSET_SIZE
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises :class:`UsageError` for values that the command line would not have let through."""
        for name, known in (
            ("preset", get_args(Preset)),
            ("range_estimator", get_args(RangeEstimator)),
            ("overflow_fix", get_args(OverflowFix)),
        ):
            if getattr(self, name) not in known:
                raise UsageError(f"{name}: expected {' or '.join(known)}, got {getattr(self, name)!r}")
        if self.subset_size < 1:
            raise UsageError(f"subset_size: expected at least 1, got {self.subset_size}")

    def describe(self) -> str:
        """In one line, for people."""
        bias = "fast" if self.fast_bias_correction else "accurate"
        parts = [f"preset {self.preset}", f"{bias} bias correction", f"{self.range_estimator} ranges"]
        parts += [f"overflow fix {self.overflow_fix}"]
        parts += [f"{len(self.ignore)} names ignored"] if len(self.ignore) > 2 else []
        parts += [f"without {', '.join(self.ignore)}"] if 0 < len(self.ignore) <= 2 else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Layer:
    """A convolution or matrix product of a model, in the order of the computation."""

    name: str
    kind: str


def trials(
    settings: QuantizationSettings, fixed: frozenset[str], layers: Sequence[Layer], *, vnni: bool = True
) -> Iterator[QuantizationSettings]:
    """Variants of ``settings`` to try, the cheapest first; at most seven, each different from those before it.

    Fields named in ``fixed`` were chosen by the user and stay; ``layers`` are those that could be quantized; ``vnni``
    says whether the processor that measures them adds products of eight bits without saturation.
    """
    unknown = fixed - {field.name for field in fields(QuantizationSettings)}
    if unknown:
        raise UsageError(f"no such setting: {', '.join(sorted(unknown))}")
    ends = tuple(layer.name for layer in (layers[0], layers[-1])) if layers else ()
    depthwise = tuple(layer.name for layer in layers if layer.kind == "GroupConvolution")
    accurate: dict[str, Any] = {"fast_bias_correction": False}
    histogram = {**accurate, "range_estimator": "histogram"}
    steps: tuple[dict[str, Any], ...] = (
        {"fast_bias_correction": True},
        accurate,
        *([] if vnni else [{**accurate, "overflow_fix": "enable"}]),
        histogram,
        {**accurate, "ignore": (*settings.ignore, *ends)},
        {**histogram, "ignore": (*settings.ignore, *ends)},
        {**histogram, "ignore": (*settings.ignore, *ends, *depthwise)},
    )
    seen = set()
    for step in steps:
        one = replace(settings, **{name: value for name, value in step.items() if name not in fixed})
        if one not in seen:
            seen.add(one)
            yield one
