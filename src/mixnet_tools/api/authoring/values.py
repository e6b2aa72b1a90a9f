"""The options of describing a model, and the result, as frozen values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.api.authoring.presets import PRESETS, UNKNOWN, Preset, Values
from mixnet_tools.errors import UsageError


@dataclass(frozen=True)
class NewModelOptions:
    """What is known of a model beside its file. None and empty: what the file says, or an assumption with a comment.

    ``preset`` is a name of :data:`~mixnet_tools.api.authoring.presets.PRESETS`. ``size`` is the height and width of the
    images in pixels, where the model leaves it open. ``mean`` is subtracted from the pixels and the result divided by
    ``std``: one number or one for each channel, in the order of the model's channels, on the scale 0 to 255; where each
    ``std`` is below 1, both are on the scale 0 to 1. ``crop_pct`` is the share of a side that is kept. ``channels`` is
    ``RGB`` or ``BGR`` (None: RGB, or what an IR says), ``layout`` ``NCHW`` or ``NHWC``. ``inputs`` and ``outputs`` name
    tensors as a descriptor does; ``signature`` and ``tags`` choose a part of a SavedModel, and
    ``inside`` a model in an archive, by its path. ``labels`` is a file with
    the names of the classes, or ``imagenet``. ``license`` and ``description`` are texts. ``copy`` puts the model's
    files beside the descriptor.
    """

    preset: str | None = None
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    crop_pct: float | None = None
    channels: str | None = None
    layout: str | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    signature: str | None = None
    tags: tuple[str, ...] | None = None
    inside: str | None = None
    labels: str | Path | None = None
    license: str | None = None
    description: str | None = None
    copy: bool = False

    @property
    def values_known(self) -> bool:
        """Whether the caller said how pixel values are prepared."""
        return self.preset is not None or self.mean is not None or self.std is not None

    def checked_preset(self) -> Preset:
        """The preset. Raises :class:`UsageError` for a wrong option."""
        if self.preset is not None and self.preset not in PRESETS:
            raise UsageError(f"`preset`: expected one of {', '.join(PRESETS)}, got {self.preset!r}")
        if self.channels not in (None, "RGB", "BGR"):
            raise UsageError(f"`channels`: expected RGB or BGR, got {self.channels!r}")
        if self.layout not in (None, "NCHW", "NHWC"):
            raise UsageError(f"`layout`: expected NCHW or NHWC, got {self.layout!r}")
        if self.crop_pct is not None and not 0.1 <= self.crop_pct <= 1:
            raise UsageError(f"`crop_pct`: expected a share from 0.1 to 1, got {self.crop_pct}")
        if self.size is not None and not all(1 <= side <= 1 << 14 for side in self.size):
            raise UsageError(f"`size`: expected pixels from 1 to {1 << 14}, got {self.size}")
        return PRESETS[self.preset] if self.preset is not None else UNKNOWN

    def mean_and_std(self) -> tuple[Values | None, Values | None]:
        """Mean and std in the order of the model's channels, 0 to 255; None where nothing is done.

        Raises :class:`UsageError` for a wrong option.
        """
        preset, is_rgb = self.checked_preset(), self.channels != "BGR"
        mean, std = (values if is_rgb or values is None else values[::-1] for values in (preset.mean, preset.std))
        if self.mean is not None:
            mean = _three("mean", self.mean)
        if self.std is not None:
            std = _three("std", self.std)
            if not all(value > 0 for value in std):
                raise UsageError(f"`std`: expected numbers above 0, got {list(self.std)}")
            if max(std) < 1:
                std = _times(std, 255)
                mean = _times(mean, 255) if self.mean is not None and mean is not None else mean
        elif self.mean is not None and 0 < max(_three("mean", self.mean)) < 1:
            raise UsageError(
                f"`mean`: {list(self.mean)} is on the scale 0 to 1, and `std` is not given",
                hint="give both, or `mean` on the scale 0 to 255",
            )
        return None if mean == (0, 0, 0) else mean, None if std == (1, 1, 1) else std


def _three(name: str, values: Sequence[float]) -> Values:
    if len(values) not in (1, 3) or not all(abs(value) < float("inf") for value in values):
        raise UsageError(f"`{name}`: expected one number or three, got {list(values)}")
    first, second, third = values if len(values) == 3 else (values[0],) * 3
    return float(first), float(second), float(third)


def _times(values: Values, factor: float) -> Values:
    first, second, third = (round(value * factor, 6) for value in values)
    return first, second, third


@dataclass(frozen=True)
class NewModel:
    """A model that was described.

    ``directory`` is its folder in the zoo. ``files`` are what was written (or would be: ``written`` is False after a
    dry run): those of the model, and JSON Schemas for editors that the zoo did not have. ``model_yml`` and
    ``accuracy_check_yml`` are texts (None for a model that is no classifier). ``kind`` is the kind of source (``ir``
    for one that needs no conversion). ``has_measured_original`` says whether accuracy-check.yml describes the original
    too. ``decisions`` are the places where a person must decide: the comments in the texts.
    """

    name: str
    kind: str
    directory: Path
    files: tuple[Path, ...]
    model_yml: str
    accuracy_check_yml: str | None
    classes: int | None
    has_measured_original: bool
    decisions: tuple[str, ...]
    written: bool
