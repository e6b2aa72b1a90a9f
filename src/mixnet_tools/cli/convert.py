"""Convert downloaded models to OpenVINO IR, as omz_converter did, and prove each IR against the original.

The IR of a model is written to OUTPUT_DIR/public/<name>/<PRECISION>/<name>.xml and .bin.
"""

from __future__ import annotations

import argparse
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.cli.options import (
    Parser,
    add_model_selection,
    choice_list,
    make_progress,
    positive_int,
    print_all_models,
    selected_models,
)
from mixnet_tools.cli.output import print_json, table
from mixnet_tools.cli.parallel import for_each
from mixnet_tools.errors import ConversionError, MixnetToolsError

if TYPE_CHECKING:
    from mixnet_tools.convert.convert import ConvertedModel
    from mixnet_tools.descriptor import ModelDescriptor
    from mixnet_tools.progress import Progress


def add_arguments(parser: Parser) -> None:
    """The options of omz_converter that still mean something, and ``--json``."""
    add_model_selection(parser, verb="convert")
    parser.add_argument(
        "-d", "--download_dir", type=Path, default=Path(), metavar="DIR", help="where mixnet-download put the models"
    )
    parser.add_argument(
        "-o", "--output_dir", type=Path, metavar="DIR", help="where to write the IR (default: the download folder)"
    )
    parser.add_argument(
        "--precisions",
        type=choice_list("FP32", "FP16"),
        metavar="P[,P]",
        help="FP32, FP16 or both (default: both)",
    )
    parser.add_argument("--dry_run", action="store_true", help="print what would be done, and touch nothing")
    parser.add_argument("-j", "--jobs", type=positive_int, default=1, metavar="N", help="convert N models at once")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors and results only")


def run(args: argparse.Namespace) -> int:
    """Convert every chosen model; one that fails does not stop the others."""
    if args.print_all:
        return print_all_models(args)
    models = selected_models(args)
    convertible = [model for model in models if model.framework != "dldt"]
    progress = make_progress(args)
    for model in models:
        if model.framework == "dldt":
            progress.note(f"{model.name}: is OpenVINO IR already, nothing to convert")
    if args.dry_run:
        return _dry_run(args, convertible)

    outcomes = for_each(convertible, lambda model, stop: _attempt(args, model, progress, stop), args.jobs)
    return _report(args, outcomes)


def _attempt(
    args: argparse.Namespace, model: ModelDescriptor, progress: Progress, stop: threading.Event
) -> tuple[str, ConvertedModel | MixnetToolsError]:
    from mixnet_tools.convert.convert import convert
    from mixnet_tools.download.download import locate_downloaded

    try:
        locate_downloaded(model, args.download_dir)
        output_dir = args.output_dir or args.download_dir
        return model.name, convert(model, args.download_dir, output_dir, _precisions(args), progress, stop)
    except MixnetToolsError as error:
        return model.name, error


def _precisions(args: argparse.Namespace) -> tuple[str, ...]:
    from mixnet_tools.descriptor import PRECISIONS

    return args.precisions or PRECISIONS


def _dry_run(args: argparse.Namespace, models: list[ModelDescriptor]) -> int:
    from mixnet_tools.convert.arguments import plan_conversion
    from mixnet_tools.convert.convert import target_irs

    problems, plans = [], []
    for model in models:
        try:
            plan = plan_conversion(model, args.download_dir)
        except ConversionError as error:
            problems.append(str(error))
            continue
        targets = target_irs(model, args.output_dir or args.download_dir, _precisions(args))
        files = [str(path) for ir in targets for path in (ir.xml, ir.bin)]
        plans.append(
            {
                "model": plan.model,
                "meta_graph": str(plan.meta_graph),
                "checkpoint": str(plan.checkpoint),
                "input": plan.cut.text,
                "input_names": [plan.cut.placeholder, *plan.aliases],
                "input_shape": list(plan.input_shape),
                "layout": plan.layout,
                "channels": "BGR, reversed to RGB in the first convolution" if plan.reverse_input_channels else "as is",
                "output": plan.output,
                "files": files,
            }
        )
    if args.json:
        print_json({"schema": 1, "dry_run": True, "models": plans})
    else:
        for described in plans:
            print(table(("would convert", str(described.pop("model"))), [(k, _text(v)) for k, v in described.items()]))
    if problems:
        raise ConversionError("\n".join(problems))
    return 0


def _text(value: object) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) and isinstance(value[0], str) else str(value)


def _report(args: argparse.Namespace, outcomes: list[tuple[str, ConvertedModel | MixnetToolsError]]) -> int:
    done = [(name, result) for name, result in outcomes if not isinstance(result, MixnetToolsError)]
    failed = [(name, error) for name, error in outcomes if isinstance(error, MixnetToolsError)]
    if args.json:
        print_json(
            {
                "schema": 1,
                "models": [
                    {
                        "name": name,
                        "irs": [
                            {
                                "precision": ir.precision,
                                "xml": str(ir.xml),
                                "bin": str(ir.bin),
                                "parity": asdict(parity),
                            }
                            for ir, parity in zip(result.irs, result.parity, strict=True)
                        ],
                    }
                    for name, result in done
                ],
                "failed": [{"name": name, "error": str(error)} for name, error in failed],
            }
        )
    elif done:
        rows = [
            (
                name,
                ir.precision,
                f"{parity.max_difference:.2e}",
                f"{parity.mean_difference:.2e}",
                f"{parity.limit:.2e}",
                f"{parity.top1_agreement:.0%} of {parity.images}",
                ir.xml,
            )
            for name, result in done
            for ir, parity in zip(result.irs, result.parity, strict=True)
        ]
        headers = ("model", "precision", "max |logit diff|", "mean", "limit", "same top-1", "IR")
        print(table(headers, rows))
    if len(outcomes) == 1 and failed:
        raise failed[0][1]
    for name, error in failed:
        print(f"{name}: failed: {error}{f' (try: {error.hint})' if error.hint else ''}", file=sys.stderr)
    if failed:
        print(
            f"{len(failed)} of {len(outcomes)} models failed: {', '.join(name for name, _ in failed)}", file=sys.stderr
        )
    return 1 if failed else 0
