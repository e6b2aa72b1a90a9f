"""Quantize a converted model to INT8 by NNCF, calibrated on images, and measure what that costs and gains.

The IR is written to OUTPUT_DIR/public/<name>/FP16-INT8/<name>.xml and .bin. quantization.json beside them says how it
was made and what was measured. The same inputs give the same bytes.

IMAGES is a folder of images, or a data set in any form that mixnet-check takes: a path or a URL. If IMAGES or
--eval_source has labels, the accuracy of FP32, FP16 and INT8 is measured. With --max_drop, settings are tried until one
keeps top-1. If none does, the best one is written, and the exit code is 3.

examples:
  mixnet-quantize --name mixnet-nano -d work
  mixnet-quantize --name mixnet-l -d models -s /data/imagenet/val --max_drop 1
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.cli.common import hints
from mixnet_tools.cli.common.options import (
    add_model_selection,
    make_progress,
    points,
    positive_int,
    print_all_models,
    readable_models,
)
from mixnet_tools.cli.common.output import MISSED, print_json, print_table, print_text, require_writable, save
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.cli.common.tables import Column
from mixnet_tools.cli.omz.options import note_without_effect, with_precisions
from mixnet_tools.cli.omz.quantizer import WITHOUT_POT, add_omz_quantizer, print_plans, take_dataset_dir
from mixnet_tools.descriptors.labels import find_labels
from mixnet_tools.errors import MixnetToolsError, OutputError, QuantizationError, UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.ir.locate import INT8_PRECISION
from mixnet_tools.quantization.settings import (
    Depthwise,
    OverflowFix,
    Preset,
    QuantizationSettings,
    RangeEstimator,
    TargetDevice,
)

if TYPE_CHECKING:
    from mixnet_tools.api.quantization import QuantizationOptions
    from mixnet_tools.descriptors.model_yml import ModelDescriptor
    from mixnet_tools.progress import Progress
    from mixnet_tools.quantization.report import QuantizationReport

DEFAULTS = QuantizationSettings()


def add_arguments(parser: Parser) -> None:
    """What to quantize, with which images and settings, and how to judge it."""
    add_model_selection(parser, verb="quantize")
    places = parser.add_argument_group("places")
    add_omz_quantizer(parser)
    places.add_argument(
        "-d", "--ir_dir", type=Path, default=Path(), metavar="DIR", help="mixnet-convert's --output_dir (default: here)"
    )
    places.add_argument(
        "-o", "--output_dir", type=Path, metavar="DIR", help="where to write the INT8 IR (default: as --ir_dir)"
    )
    images = parser.add_argument_group("images")
    images.add_argument(
        "-s",
        "--source",
        metavar="IMAGES",
        help="images to calibrate with, labelled or not: a path, or a URL (default: those that come with the model)",
    )
    images.add_argument(
        "--exclude", type=Path, metavar="FILE", help="leave out the images that FILE names, a name or number a line"
    )
    images.add_argument("--eval_source", metavar="DATASET", help="labelled images to measure on (default: IMAGES)")
    images.add_argument(
        "--split",
        metavar="NAME",
        help="the split of IMAGES to take (default: validation, where there are several)",
    )
    images.add_argument("--annotations", metavar="FILE", help="the labels of the images to measure on")
    images.add_argument(
        "--num_images", type=positive_int, metavar="N", help="measure on N images only: always the same N of a data set"
    )
    images.add_argument(
        "--profile", choices=PROFILES, default=PROFILES[0], help="how images are prepared (default: %(default)s)"
    )
    _add_settings(parser)
    gate = parser.add_argument_group("accuracy")
    gate.add_argument(
        "--max_drop",
        type=points,
        metavar="POINTS",
        help="try settings, cheap ones first, until top-1 stays within POINTS of the float model's",
    )
    gate.add_argument("--no_verify", action="store_true", help="measure neither accuracy nor throughput")
    parser.add_argument("--dry_run", action="store_true", help="print what would be done, and touch nothing")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write a report to look at: the table, and where the differences lie"
    )


def run(args: argparse.Namespace) -> int:
    """Quantize every chosen model; one that fails does not stop the others."""
    if args.print_all:
        return print_all_models(args)
    take_dataset_dir(args)
    if args.no_verify and args.max_drop is not None:
        raise UsageError("--max_drop with --no_verify: nothing would be measured", hint="leave one of them out")
    if args.annotations and not (args.source or args.eval_source):
        raise UsageError("--annotations without images", hint="give them as well: -s DATASET, or --eval_source DATASET")
    if args.html:
        from mixnet_tools.pages.page import require

        require()
        require_writable(args.html)
    from mixnet_tools.accuracy.preprocessing.decode import silence_pillow

    silence_pillow()
    started = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    options = _options(args)
    (readable, broken), progress = readable_models(args), make_progress(args)
    note_without_effect(args, progress, WITHOUT_POT)
    models = with_precisions(args, (INT8_PRECISION,), readable, progress)
    if args.dry_run:
        return print_plans(args, models, options, broken)
    reports: list[QuantizationReport] = []
    names: list[Path | None] = []
    failed: list[tuple[str, MixnetToolsError]] = list(broken)
    for model in models:
        try:
            reports.append(_quantize(args, model, options, progress))
            names.append(find_labels(model.directory))
        except MixnetToolsError as error:
            failed.append((model.name, error))
        except OSError as error:
            failed.append((model.name, QuantizationError(hints.system_message(error))))
    if len(failed) == 1 and not reports:
        raise failed[0][1]
    code = _finish(args, reports, failed)
    if args.html and reports:
        from mixnet_tools.quantization.html_page import render

        sys.stdout.flush()  # what was measured is shown, even if the page cannot be written
        problems = save(args.html, render(reports, names, command=args.command_line, started=started))
        if problems:
            raise OutputError("\n".join(problems), hint="the models were quantized; only this file is missing")
    return code


def _add_settings(parser: Parser) -> None:
    group = parser.add_argument_group("settings (with --max_drop, those that are given stay as they are)")
    group.add_argument(
        "--source_precision",
        choices=("FP32", "FP16"),
        help="the IR to quantize (default: FP16, or FP32 where there is no other)",
    )
    group.add_argument(
        "--preset",
        choices=get_args(Preset),
        help=f"activations asymmetric (mixed) or symmetric (performance) (default: {DEFAULTS.preset})",
    )
    group.add_argument(
        "--fast_bias_correction",
        action="store_true",
        default=None,
        help="the cheaper correction of biases (default: the accurate one)",
    )
    group.add_argument(
        "--no_fast_bias_correction", action="store_false", dest="fast_bias_correction", help="the accurate correction"
    )
    group.add_argument(
        "--range_estimator",
        choices=get_args(RangeEstimator),
        metavar="NAME",
        help=f"how the ranges of activations are found: {', '.join(get_args(RangeEstimator))} "
        f"(default: {DEFAULTS.range_estimator}, which is NNCF's own)",
    )
    group.add_argument(
        "--overflow_fix",
        choices=get_args(OverflowFix),
        help=f"half the range of weights, for processors without VNNI (default: {DEFAULTS.overflow_fix})",
    )
    group.add_argument(
        "--ignore",
        action="append",
        metavar="PAT[,PAT...]",
        help="layers to leave in float, by name or shell pattern (repeatable)",
    )
    group.add_argument(
        "--subset_size",
        type=positive_int,
        metavar="N",
        help=f"calibrate with N images (default: {DEFAULTS.subset_size})",
    )
    group.add_argument(
        "--target_device",
        type=str.upper,
        choices=get_args(TargetDevice),
        help=f"the device to quantize for, as NNCF knows it (default: {DEFAULTS.target_device})",
    )
    group.add_argument(
        "--optimize",
        action="store_true",
        default=None,
        help="quantize the rewritten graph, as of mixnet-convert --optimize (default: unless it is slower here)",
    )
    group.add_argument("--no_optimize", action="store_false", dest="optimize", help="quantize the graph as it is")
    group.add_argument(
        "--depthwise",
        choices=get_args(Depthwise),
        help="leave depthwise convolutions in float or not (default: auto, float unless INT8 is much faster here)",
    )
    group.add_argument("--seed", type=_seed, metavar="N", help="choose other images (default: 0)")


def _options(args: argparse.Namespace) -> QuantizationOptions:
    from mixnet_tools.api.quantization import QuantizationOptions

    given = {one.name: value for one in fields(QuantizationSettings) if (value := getattr(args, one.name)) is not None}
    if "ignore" in given:
        given["ignore"] = tuple(part.strip() for text in given["ignore"] for part in text.split(","))
        if "" in given["ignore"]:
            raise UsageError("--ignore: an empty name", hint="--ignore NAME[,NAME...]")
    return QuantizationOptions(
        settings=QuantizationSettings(**given),
        fixed=frozenset(given) - {"ignore", "subset_size", "seed"},  # a search may leave more layers in float
        source_precision=args.source_precision,
        max_drop=args.max_drop,
        verify=not args.no_verify,
        profile=args.profile,
        num_images=args.num_images,
        compare_layers=args.html is not None,
    )


def _quantize(
    args: argparse.Namespace, model: ModelDescriptor, options: QuantizationOptions, progress: Progress
) -> QuantizationReport:
    from mixnet_tools.api.quantization import quantize_model

    return quantize_model(
        model,
        args.ir_dir,
        args.output_dir or args.ir_dir,
        source=Location.parse_optional(args.source),
        annotations=Location.parse_optional(args.annotations),
        eval_source=Location.parse_optional(args.eval_source),
        split=args.split,
        exclude=args.exclude,
        options=options,
        progress=progress,
    )


def _finish(
    args: argparse.Namespace, reports: Sequence[QuantizationReport], failed: Sequence[tuple[str, MixnetToolsError]]
) -> int:
    from mixnet_tools.quantization.report import SCHEMA

    missed = [report.model for report in reports if report.passed is False]
    if args.json:
        print_json(
            {
                "schema": SCHEMA,
                "passed": not missed,
                "models": [
                    {"xml": str(report.ir.xml), "bin": str(report.ir.bin), **report.to_json()} for report in reports
                ],
                "failed": [{"name": name, "error": hints.message(error, args)} for name, error in failed],
            }
        )
    elif reports:
        _print_reports(reports)
    for report in reports:
        for note in report.notes if not args.quiet else ():
            print_text(f"{report.model}: note: {hints.with_options(note, args.parser)}", file=sys.stderr)
    for name, error in failed:
        print_text(f"{name}: failed: {hints.failure(error, args)}", file=sys.stderr)
    if missed:
        print_text(f"no settings kept top-1 within {args.max_drop:g} points: {', '.join(missed)}", file=sys.stderr)
    return 1 if failed else MISSED if missed else 0


def _print_reports(reports: Sequence[QuantizationReport]) -> None:
    from mixnet_tools.quantization import report as tables

    rows = [row for report in reports for row in tables.cells(report)]
    _print_table(tables.HEADINGS, rows, dropped=("size", "same top-1", "top-5 %"))
    for report in reports:
        if tables.has_alternatives(report):
            _print_table(tables.TRIAL_HEADINGS, tables.trial_cells(report), dropped=("graph", "in float"))
        text, judged = tables.describe(report), report.passed is not None
        lines, _, verdict = text.rpartition("\n") if judged else (text, "", "")
        print_text(lines)
        if judged:
            print_text(verdict, style="good" if report.passed else "bad")


def _print_table(headings: Sequence[str], rows: Sequence[tuple[str, ...]], *, dropped: Sequence[str]) -> None:
    """Print a table and an empty line. In a narrow terminal, the columns ``dropped`` go, in this order."""
    places = {heading: place for place, heading in enumerate(reversed(dropped), 1)}
    print_table([Column(heading, drop=places.get(heading, 0)) for heading in headings], rows)
    print()


def _seed(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)
