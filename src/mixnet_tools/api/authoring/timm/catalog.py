"""Reads what the installed timm says of its pretrained classifiers."""

from __future__ import annotations

import difflib
import fnmatch
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mixnet_tools.api.authoring.presets import Values
from mixnet_tools.errors import MissingDependency, UsageError, first_line

COLOURS = 3
"""Channels of the images that a classifier here takes."""

_INSTALL = "pip install 'mixnet-tools[timm]'; torch and torchvision must come from one place, see the README"


@dataclass(frozen=True)
class Evaluation:
    """How images are brought to a size: ``side`` in pixels, and the share ``crop_pct`` of a side that is kept."""

    side: int
    crop_pct: float


@dataclass(frozen=True)
class TimmModel:
    """A pretrained classifier of timm, from its pretrained_cfg.

    ``name`` is the architecture and the weights' tag (``tf_mixnet_l.in1k``). ``trained`` is how it was trained to be
    evaluated, ``tested`` at the larger size that timm knows for it, None where it knows none. ``mean`` and ``std`` are
    RGB, on the scale 0 to 1. ``repository`` is that on the Hugging Face Hub, None where the Hub has none.
    """

    name: str
    architecture: str
    repository: str | None
    file: str | None
    trained: Evaluation
    tested: Evaluation | None
    crop_mode: str
    interpolation: str
    mean: Values
    std: Values
    classes: int
    license: str | None


def version() -> str:
    """The installed timm's. Raises :class:`MissingDependency`."""
    return str(_timm().__version__)


def find(name: str) -> TimmModel:
    """The classifier ``name``; an architecture stands for its default weights.

    Raises :class:`UsageError` where timm has none of that name, and :class:`MissingDependency`.
    """
    timm = _timm()
    config = timm.models.get_pretrained_cfg(name) if timm.models.is_model(name.partition(".")[0]) else None
    known = _names(timm)
    if config is not None and config.tag:
        name = f"{config.architecture}.{config.tag}"
    if config is None or name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        raise UsageError(
            f"timm {timm.__version__} has no pretrained model {name!r}",
            hint=f"did you mean {' or '.join(near)}?" if near else "list what it has with a pattern: '*mixnet*'",
        )
    model = _described(name, config)
    if model is None:
        raise UsageError(f"{name}: is no classifier of square colour images, and only those are described")
    return model


def matching(pattern: str) -> tuple[TimmModel, ...]:
    """The classifiers whose names match ``pattern`` (``*`` and ``?``), by name. Raises :class:`MissingDependency`."""
    timm = _timm()
    found = [
        _described(name, timm.models.get_pretrained_cfg(name))
        for name in _names(timm)
        if fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name.partition(".")[0], pattern)
    ]
    return tuple(model for model in found if model is not None)


def _timm() -> ModuleType:
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # torch and torchvision that do not fit raise RuntimeError
        raise MissingDependency(f"timm cannot be imported: {first_line(error)}", hint=_INSTALL) from error
    module: ModuleType = timm
    return module


def _names(timm: ModuleType) -> list[str]:
    return sorted(timm.models.list_pretrained())


def _described(name: str, config: Any) -> TimmModel | None:
    channels, height, width = config.input_size
    if not config.num_classes or channels != COLOURS or height != width:
        return None
    tested = None
    if config.test_input_size is not None and config.test_input_size != config.input_size:
        tested = Evaluation(config.test_input_size[1], config.test_crop_pct or config.crop_pct)
    return TimmModel(
        name=name,
        architecture=config.architecture,
        repository=config.hf_hub_id,
        file=config.hf_hub_filename,
        trained=Evaluation(height, config.crop_pct),
        tested=tested,
        crop_mode=config.crop_mode or "center",
        interpolation=config.interpolation,
        mean=tuple(config.mean),
        std=tuple(config.std),
        classes=config.num_classes,
        license=config.license,
    )
