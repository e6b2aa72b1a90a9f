"""The options of omz_quantizer: where models and images are, precisions, and a dry run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.cli.common import hints
from mixnet_tools.cli.common.options import choice_list
from mixnet_tools.cli.common.output import print_fields, print_json
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.cli.omz.options import IMAGENET, ZOO_PRECISIONS, add_without_effect, dataset_below
from mixnet_tools.errors import MixnetToolsError, QuantizationError, UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.ir.locate import INT8_PRECISION

if TYPE_CHECKING:
    from mixnet_tools.api.quantization import QuantizationOptions
    from mixnet_tools.cli.common.options import Broken
    from mixnet_tools.descriptors.model_yml import ModelDescriptor

WITHOUT_POT = "the Post-Training Optimization Toolkit is not needed: NNCF quantizes the models"


def add_omz_quantizer(parser: Parser) -> None:
    """Add the options. ``--model_dir`` is ``--ir_dir``, which has to be added after it."""
    group = parser.add_argument_group("as in omz_quantizer")
    group.add_argument(
        "--model_dir", dest="ir_dir", type=Path, default=Path(), metavar="DIR", help="the same as --ir_dir"
    )
    group.add_argument(
        "--dataset_dir",
        type=Path,
        metavar="DIR",
        help=f"calibrate and measure with DIR/{IMAGENET}, its labels in DIR/val.txt; or with DIR itself (see --source)",
    )
    group.add_argument(
        "--precisions",
        type=choice_list(*(one for one in ZOO_PRECISIONS if one.endswith("INT8"))),
        default=(INT8_PRECISION,),
        metavar="P[,P]",
        help=f"{INT8_PRECISION} is made; a model is skipped where only FP32-INT8 is asked for",
    )
    add_without_effect(parser, "--pot", "-p/--python", reason=WITHOUT_POT)


def take_dataset_dir(args: argparse.Namespace) -> None:
    """Make ``args.source`` of ``args.dataset_dir``. Raises :class:`UsageError` where both are given."""
    if args.dataset_dir is None:
        return
    if args.source is not None:
        raise UsageError("only one of --source and --dataset_dir can be given")
    args.source = str(dataset_below(args.dataset_dir))


def print_plans(
    args: argparse.Namespace, models: Sequence[ModelDescriptor], options: QuantizationOptions, broken: Broken
) -> int:
    """Print what would be quantized. Raises :class:`QuantizationError` with what cannot be."""
    from mixnet_tools.api.quantization import plan_quantization

    plans: list[dict[str, object]] = []
    problems = [hints.failure(error, args) for _, error in broken]
    for model in models:
        output_dir = args.output_dir or args.ir_dir
        try:
            plan = plan_quantization(model, args.ir_dir, output_dir, Location.parse_optional(args.source), options)
        except MixnetToolsError as error:
            problems.append(f"{model.name}: {hints.failure(error, args)}")
            continue
        plans.append(
            {
                "model": model.name,
                "source": str(plan.source.xml),
                "images": str(plan.images),
                "settings": options.settings.describe(),
                "subset_size": options.settings.subset_size,
                "files": [str(plan.target.xml), str(plan.target.bin)],
            }
        )
    if args.json:
        print_json({"schema": 1, "dry_run": True, "models": plans, "refused": problems})
    else:
        for one in plans:
            rows = [(key, "\n".join(value) if isinstance(value, list) else str(value)) for key, value in one.items()]
            print_fields(f"would quantize {one['model']}", rows[1:])
            print()
    if problems:
        raise QuantizationError("\n".join(problems))
    return 0
