"""Preprocessing profiles: other ways in which the same weights have been measured, and their references.

A profile replaces the crop and resize steps of accuracy-check.yml. Channel order, grey and normalization belong to the
model, and stay: an image becomes grey before it is scaled, and keeps 8 bits. Figures of two profiles cannot be
compared, so each profile has its own references: those of ``omz`` stand in accuracy-check.yml, those of the others in
``profiles.yml`` beside it.

``timm`` scales the shorter side to ``int(size / 0.875)`` and takes the central square, with Pillow's bicubic filter
(torchvision's Resize and CenterCrop, as timm evaluates; crop_pct 0.875). ``tpu-bicubic`` and ``tpu-bilinear`` are the
preprocessing of the Cloud TPU repository's MnasNet and MixNet, which runs under TensorFlow 1: JPEG files decoded with
libjpeg's fast DCT, the central square of ``int(size / (size + 32) * shorter side)``, scaled without half-pixel centres
and without antialias. One thing differs: there the square is cut out while the file is decoded. Where colours have half
the resolution, that changes the last column or row of the square.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from mixnet_tools.accuracy.preprocessing.grey import Library
from mixnet_tools.accuracy.preprocessing.steps import (
    AnyStep,
    ChannelSwap,
    Crop,
    Grayscale,
    LegacyResize,
    Normalization,
    Resize,
    SquareCrop,
    WrittenStep,
)
from mixnet_tools.descriptors import strict_yaml
from mixnet_tools.descriptors.strict_yaml import StrictModel
from mixnet_tools.errors import EvaluationError

PROFILES_FILE = "profiles.yml"
"""The file beside accuracy-check.yml with the references of profiles other than ``omz``."""

TIMM_CROP = 0.875

_Share = Annotated[float, Field(ge=0, le=1)]


class ProfileReference(StrictModel):
    """Published figures under a profile."""

    top1: _Share
    """Top-1 accuracy, a fraction between 0 and 1. Example: ``0.78774``."""
    top5: _Share
    """Top-5 accuracy, a fraction between 0 and 1. Example: ``0.94000``."""
    source: str
    """Who published the figures, and where. Example: ``timm results-imagenet.csv``."""


class ProfilesYml(StrictModel):
    """What the same weights reach under preprocessing other than that of accuracy-check.yml. OMZ does not have this
    file.
    """

    profiles: dict[Literal["timm", "tpu-bicubic", "tpu-bilinear"], ProfileReference]
    """The figures of each profile."""


@dataclass(frozen=True)
class ProfileSteps:
    """The geometric steps of a profile. ``orient`` says whether images are turned as their EXIF data asks, and
    ``fast_dct`` whether JPEG files are decoded as TensorFlow does; ``colours`` is the library that converts CMYK.
    """

    steps: tuple[AnyStep, ...]
    orient: bool
    fast_dct: bool = False
    colours: Library = "opencv"


def load_profile_references(accuracy_path: Path) -> dict[str, ProfileReference]:
    """The references in ``profiles.yml`` beside ``accuracy_path``, by profile; {} where there is no such file.

    Raises :class:`DescriptorError` that names each wrong key.
    """
    path = accuracy_path.with_name(PROFILES_FILE)
    if not path.is_file():
        return {}
    found = strict_yaml.validate(strict_yaml.read(path), ProfilesYml).profiles
    return {name: reference for name, reference in found.items()}  # noqa: C416 (the key's type widens)


def profile_steps(profile: str, size: int) -> ProfileSteps:
    """The steps of a ``profile`` other than ``omz`` for a square input with sides of ``size`` pixels."""
    if profile == "timm":
        resized = int(size / TIMM_CROP)
        scale = Resize(
            type="resize", size=resized, use_pillow=True, interpolation="BICUBIC", aspect_ratio_scale="greater"
        )
        return ProfileSteps((scale, Crop(type="crop", size=size, use_pillow=True)), False, colours="pillow")
    method: Literal["BICUBIC", "BILINEAR"] = "BICUBIC" if profile == "tpu-bicubic" else "BILINEAR"
    legacy = LegacyResize(size=size, interpolation=method)
    return ProfileSteps((SquareCrop(size=size), legacy), orient=False, fast_dct=True)


def with_profile_steps(steps: tuple[WrittenStep, ...], profile: str, where: str) -> ProfileSteps:
    """``steps`` with the geometric steps of ``profile`` instead of their own.

    ``where`` names the steps in messages. Raises :class:`EvaluationError` where they do not end in a square of a known
    size, which is the model's input.
    """
    sized = [step.target for step in steps if isinstance(step, (Crop, Resize)) and step.target]
    if not sized or sized[-1][0] != sized[-1][1]:
        raise EvaluationError(
            f"{where}.preprocessing: profile {profile} needs the side of a square input, and no step ends in one",
            hint="only `profile=omz` takes these steps as they are",
        )
    chosen = profile_steps(profile, sized[-1][0])
    steps = tuple(map(_in_8_bits, steps))
    swaps = tuple(step for step in steps if isinstance(step, (ChannelSwap, Grayscale)))
    values = tuple(step for step in steps if isinstance(step, Normalization))
    if not values:
        return replace(chosen, steps=(*swaps, *chosen.steps))
    # A normalization counts channels in their order at that step: swaps before it stay before it.
    split = steps.index(values[0])
    before = tuple(step for step in steps[:split] if isinstance(step, (ChannelSwap, Grayscale)))
    after = tuple(step for step in steps[split:] if isinstance(step, (ChannelSwap, Grayscale, Normalization)))
    return replace(chosen, steps=(*before, *chosen.steps, *after))


def _in_8_bits(step: WrittenStep) -> WrittenStep:
    return step.model_copy(update={"cast_to_float": False}) if isinstance(step, Grayscale) else step
