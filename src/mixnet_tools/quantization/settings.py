"""The settings of a quantization, and the variants of them that a search tries, the cheap ones first.

The defaults keep the accuracy of networks with depthwise convolutions and squeeze-and-excitation gates (MixNet,
MobileNetV3). Fast bias correction costs such a network up to 15 points: mobilenetv3_small_050 falls from 57.91 to 42.16
with it, and to 56.70 without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

from mixnet_tools.errors import UsageError

Preset = Literal["mixed", "performance"]
RangeEstimator = Literal[
    "default", "minmax", "mean_minmax", "median_minmax", "mean_no_outliers_minmax", "mean_quantile", "histogram"
]
OverflowFix = Literal["first_layer", "enable", "disable"]
TargetDevice = Literal["ANY", "CPU", "GPU", "NPU", "CPU_SPR"]
Depthwise = Literal["auto", "float", "int8"]

SUBSET_SIZE = 300


@dataclass(frozen=True)
class QuantizationSettings:
    """Everything that decides the bytes of the quantized IR, beside the model and the images.

    ``preset`` quantizes activations asymmetrically (``mixed``) or symmetrically (``performance``, quicker on some
    devices). ``fast_bias_correction`` takes the cheaper of NNCF's two corrections. ``range_estimator`` finds the ranges
    of activations (``default``: NNCF's own choice). ``overflow_fix`` uses half the range for the weights of the first
    layer (``first_layer``), of all layers (``enable``) or of none (``disable``): on processors without VNNI, sums of
    products saturate otherwise. It does not depend on the machine at hand. ``ignore`` has names or shell patterns of
    layers to leave in float. ``subset_size`` is the number of images to calibrate with, and ``seed`` chooses them.
    ``target_device`` is the device that NNCF quantizes for.

    ``optimize`` quantizes the rewritten graph (True) or the graph as it is (False). ``depthwise`` is what depthwise
    convolutions compute in. None and ``auto`` leave the choice open (see :mod:`mixnet_tools.quantization.forms`); a
    trial has one of the others.
    """

    preset: Preset = "mixed"
    fast_bias_correction: bool = False
    range_estimator: RangeEstimator = "default"
    overflow_fix: OverflowFix = "first_layer"
    ignore: tuple[str, ...] = ()
    subset_size: int = SUBSET_SIZE
    seed: int = 0
    target_device: TargetDevice = "ANY"
    optimize: bool | None = None
    depthwise: Depthwise = "auto"

    def __post_init__(self) -> None:
        """Raise :class:`UsageError` for a value that is not allowed."""
        for name, known in (
            ("preset", get_args(Preset)),
            ("range_estimator", get_args(RangeEstimator)),
            ("overflow_fix", get_args(OverflowFix)),
            ("target_device", get_args(TargetDevice)),
            ("depthwise", get_args(Depthwise)),
        ):
            if getattr(self, name) not in known:
                raise UsageError(f"`{name}`: expected {' or '.join(known)}, got {getattr(self, name)!r}")
        if self.subset_size < 1:
            raise UsageError(f"`subset_size`: expected at least 1, got {self.subset_size}")

    def describe(self) -> str:
        """Describe the settings in one line, for people."""
        bias = "fast" if self.fast_bias_correction else "accurate"
        parts = [f"preset {self.preset}", f"{bias} bias correction", f"{self.range_estimator} ranges"]
        parts += [f"overflow fix {self.overflow_fix}"]
        parts += [f"for {self.target_device}"] if self.target_device != "ANY" else []
        parts += [f"{len(self.ignore)} names ignored"] if len(self.ignore) > 2 else []
        parts += [f"without {', '.join(self.ignore)}"] if 0 < len(self.ignore) <= 2 else []
        parts += ["optimized graph"] if self.optimize else []
        parts += ["depthwise layers in float"] if self.depthwise == "float" else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Layer:
    """A convolution or matrix product of a model, in the order of the computation.

    ``kind`` is its type in OpenVINO. ``depthwise`` says whether it is a convolution of each channel by itself.
    """

    name: str
    kind: str
    depthwise: bool = False


def variants(
    settings: QuantizationSettings, fixed: frozenset[str], layers: Sequence[Layer], *, vnni: bool = True
) -> Iterator[QuantizationSettings]:
    """List variants of ``settings`` to try, the cheapest first: at most six, all different.

    The settings named in ``fixed`` were chosen by the user and stay as they are. ``layers`` are those that can be
    quantized. ``vnni`` says whether the processor at hand adds products of eight bits without saturation. Raises
    :class:`UsageError` where ``fixed`` names no setting.
    """
    unknown = fixed - {field.name for field in fields(QuantizationSettings)}
    if unknown:
        raise UsageError(f"`fixed`: no such setting: {', '.join(sorted(unknown))}")
    quantized = [layer.name for layer in layers if not (layer.depthwise and settings.depthwise == "float")]
    ends = tuple(layer.name for layer in (layers[0], layers[-1])) if layers else ()
    if set(quantized) <= set(ends):  # one at least is to be quantized
        ends = ()
    ignored = (*settings.ignore, *ends)
    accurate = replace(settings, fast_bias_correction=False)
    histogram = replace(accurate, range_estimator="histogram")
    steps = (
        replace(settings, fast_bias_correction=True),
        accurate,
        *([] if vnni else [replace(accurate, overflow_fix="enable")]),
        histogram,
        replace(accurate, ignore=ignored),
        replace(histogram, ignore=ignored),
    )
    chosen_by_user = {name: getattr(settings, name) for name in fixed}
    yield from dict.fromkeys(replace(step, **chosen_by_user) for step in steps)
