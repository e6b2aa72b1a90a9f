"""Options of Open Model Zoo's commands that scripts give: common ones, and those that have no effect any more."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.cli.common.options import positive_int
from mixnet_tools.cli.common.parser import Parser

if TYPE_CHECKING:
    from mixnet_tools.descriptors.model_yml import ModelDescriptor
    from mixnet_tools.progress import Progress

ZOO_PRECISIONS = ("FP32", "FP16", "FP16-INT8", "FP32-INT8", "FP16-INT1", "FP32-INT1")
"""The precisions that Open Model Zoo's commands know."""

IMAGENET = "ILSVRC2012_img_val"
"""The folder of ImageNet's images below the folder of data sets; their labels, val.txt, lie beside it."""


def dataset_below(folder: Path) -> Path:
    """The images in ``folder``, which Open Model Zoo's commands take as the folder of all data sets."""
    images = folder / IMAGENET
    return images if images.is_dir() else folder


def job_count(text: str) -> int:
    """Parse a number of jobs, for argparse: at least 1, or ``auto``, the number of processors that may be used."""
    from mixnet_tools.threads import processors

    return processors() if text == "auto" else positive_int(text)


def with_precisions(
    args: argparse.Namespace, made: Sequence[str], models: Sequence[ModelDescriptor], progress: Progress
) -> list[ModelDescriptor]:
    """Leave out of ``args.precisions`` those that the command does not make; the models, or none if none is left.

    As in Open Model Zoo's commands, this is no failure, and is said.
    """
    others = ", ".join(one for one in args.precisions if one not in made)
    args.precisions = tuple(one for one in args.precisions if one in made)
    if others and not args.precisions:
        for model in models:
            progress.note(f"{model.name}: skipped: {args.parser.prog} makes {' and '.join(made)}, not {others}")
        return []
    if others:
        progress.note(f"{others}: left out, {args.parser.prog} makes {' and '.join(made)}")
    return list(models)


def add_without_effect(parser: Parser, *spellings: str, reason: str) -> None:
    """Add options of Open Model Zoo's commands that scripts may give (``-p/--python``), and that change nothing."""
    group = parser.add_argument_group("accepted, and without effect")
    for spelling in spellings:
        group.add_argument(
            *spelling.split("/"), dest="without_effect", action="append", metavar="X", help=reason.partition(":")[0]
        )


def note_without_effect(args: argparse.Namespace, progress: Progress, reason: str) -> None:
    """Say so, in one line, where such an option was given."""
    if args.without_effect:
        actions = [action for action in args.parser._actions if action.dest == "without_effect"]
        options = " and ".join(max(action.option_strings, key=len) for action in actions)
        progress.note(f"{options} {'has' if len(actions) == 1 else 'have'} no effect: {reason}")
