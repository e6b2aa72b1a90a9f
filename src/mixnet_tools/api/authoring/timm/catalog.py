"""Reads what the installed timm says of its pretrained classifiers."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mixnet_tools.api.authoring.presets import Values
from mixnet_tools.errors import MissingDependency, UsageError, first_line, listed

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
    known = _names(timm)
    if "." not in name and timm.models.is_model(name):
        config = timm.models.get_pretrained_cfg(name)  # the default weights of an architecture
        name = f"{config.architecture}.{config.tag}" if config is not None and config.tag else name
    if name not in known:
        raise UsageError(f"timm {timm.__version__} has no pretrained model {name!r}", hint=_near(name, known))
    model = _described(name, timm.models.get_pretrained_cfg(name))
    if model is None:
        raise UsageError(f"{name}: is no classifier of square colour images, and only those are described")
    return model


def matching(pattern: str) -> tuple[TimmModel, ...]:
    """The classifiers whose names match ``pattern`` (``*`` and ``?``), by name.

    Raises :class:`UsageError` where there is none, and :class:`MissingDependency`.
    """
    timm = _timm()
    known = _names(timm)
    named = [
        name
        for name in known
        if fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name.partition(".")[0], pattern)
    ]
    every = [_described(name, timm.models.get_pretrained_cfg(name)) for name in named]
    found = tuple(model for model in every if model is not None)
    if found:
        return found
    message = f"timm {timm.__version__} has no classifier that matches {pattern!r}"
    if named:
        raise UsageError(f"{message}: {listed(named)} are no classifiers of square colour images")
    raise UsageError(message, hint=_near(pattern.strip("*?"), known))


def _timm() -> ModuleType:
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # torch and torchvision that do not fit raise RuntimeError
        raise MissingDependency(f"timm cannot be imported: {first_line(error)}", hint=_INSTALL) from error
    module: ModuleType = timm
    return module


def _names(timm: ModuleType) -> list[str]:
    return sorted(timm.models.list_pretrained())


def _near(name: str, known: Sequence[str]) -> str:
    """What to try instead of ``name``: the nearest weights of its architecture, or the nearest names of all."""
    architecture = name.partition(".")[0]
    same = [one for one in known if one.partition(".")[0] == architecture]
    near = difflib.get_close_matches(name, same, n=3, cutoff=0) or difflib.get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else "list what it has with a pattern: '*mixnet*'"


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
