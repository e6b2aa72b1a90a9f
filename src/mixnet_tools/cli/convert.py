"""Convert downloaded models to OpenVINO IR, as omz_converter did, and prove each IR against the original.

The IR of a model is written to OUTPUT_DIR/public/<name>/<PRECISION>/<name>.xml and .bin, and what was done and
measured to conversion.json beside them.

examples:
  mixnet-convert --name mixnet-l -d models
  mixnet-convert --name mixnet-l -d models -o ir --precisions FP16 --optimize
"""

from __future__ import annotations

import argparse
import sys
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.cli.common import hints
from mixnet_tools.cli.common.options import (
    add_download_dir,
    add_model_selection,
    choice_list,
    make_progress,
    names,
    print_all_models,
    readable_models,
    tags,
)
from mixnet_tools.cli.common.output import print_json, print_text
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.cli.convert_plan import dry_run
from mixnet_tools.cli.convert_results import as_json, print_results
from mixnet_tools.cli.omz.options import (
    ZOO_PRECISIONS,
    add_without_effect,
    job_count,
    note_without_effect,
    with_precisions,
)
from mixnet_tools.errors import ConversionError, MixnetToolsError
from mixnet_tools.threads import run_each

if TYPE_CHECKING:
    from mixnet_tools.conversion.convert import ConvertedModel
    from mixnet_tools.conversion.options import ConversionOptions
    from mixnet_tools.descriptors.model_yml import ModelDescriptor
    from mixnet_tools.progress import Progress

DEFAULT_PRECISIONS = ("FP32", "FP16")
WITHOUT_MODEL_OPTIMIZER = "the Model Optimizer is not needed: models are converted by mixnet_tools and OpenVINO"


@dataclass(frozen=True)
class _Outcome:
    """A model, and what became of it: a result or an error."""

    name: str
    result: ConvertedModel | None
    error: MixnetToolsError | None


def add_arguments(parser: Parser) -> None:
    """The options of omz_converter that still mean something, and ours."""
    add_model_selection(parser, verb="convert")
    places = parser.add_argument_group("places")
    add_download_dir(places)
    places.add_argument(
        "-o", "--output_dir", type=Path, metavar="DIR", help="where to write the IR (default: the download folder)"
    )
    places.add_argument(
        "--ovms", type=Path, metavar="DIR", help="also write an OpenVINO Model Server repository (the last precision)"
    )
    how = parser.add_argument_group("conversion")
    how.add_argument(
        "--precisions",
        type=choice_list(*ZOO_PRECISIONS),
        default=DEFAULT_PRECISIONS,
        metavar="P[,P]",
        help="FP32, FP16 or both (default: both); others of Open Model Zoo are skipped",
    )
    how.add_argument(
        "--add_mo_arg",
        dest="mo_args",
        action="append",
        default=[],
        metavar="ARG",
        help="an argument of the Model Optimizer beside the descriptor's (repeatable): --add_mo_arg=--scale=2",
    )
    how.add_argument(
        "--freezer",
        choices=("openvino", "tensorflow"),
        default="openvino",
        help="who reads the weights (default: openvino; both give the same IR)",
    )
    how.add_argument(
        "--weights",
        choices=("raw", "ema"),
        help="the checkpoint's raw weights or their moving averages (default: what the file's own saver restores)",
    )
    how.add_argument(
        "--signature",
        metavar="NAME",
        help="of a SavedModel, this signature (default: serving_default, or the only one)",
    )
    how.add_argument(
        "--tags",
        type=tags,
        metavar="T[,T]",
        help="of a SavedModel with several graphs, the one with these tags (default: serve)",
    )
    how.add_argument(
        "--trust_code",
        type=names,
        action="extend",
        default=[],
        metavar="NAME[,NAME]",
        help="of these PyTorch models, let the Python code run that comes with them, after its digests are shown "
        "(repeatable)",
    )
    how.add_argument("--keep_frozen", action="store_true", help="leave the frozen graph beside the IR")
    how.add_argument(
        "--optimize", action="store_true", help="rewrite the graph into a faster one, where it is faster here"
    )
    how.add_argument(
        "--tune", action="store_true", help="choose kernels by trial: the IR is then for this CPU and OpenVINO version"
    )
    how.add_argument("--no_verify", action="store_true", help="do not compare the IR with the original")
    parser.add_argument("--dry_run", action="store_true", help="print what would be done, and touch nothing")
    parser.add_argument(
        "-j", "--jobs", type=job_count, default=1, metavar="N", help="convert N models at once (auto: one a processor)"
    )
    add_without_effect(parser, "--mo", "-p/--python", reason=WITHOUT_MODEL_OPTIMIZER)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document")


def run(args: argparse.Namespace) -> int:
    """Convert every chosen model; one that fails does not stop the others."""
    if args.print_all:
        return print_all_models(args)
    models, broken = readable_models(args)
    progress = make_progress(args)
    note_without_effect(args, progress, WITHOUT_MODEL_OPTIMIZER)
    convertible = [model for model in models if model.framework != "dldt"]
    convertible = with_precisions(args, DEFAULT_PRECISIONS, convertible, progress)
    for model in models:
        if model.framework == "dldt":
            progress.note(f"{model.name}: is OpenVINO IR already, nothing to convert")
    options, output_dir = _options(args), args.output_dir or args.download_dir
    if args.dry_run:
        return dry_run(args, convertible, options, [hints.message(error, args) for _, error in broken])
    jobs = args.jobs
    if jobs > 1 and (args.optimize or args.tune):
        progress.note("speeds are measured: converting one model after the other")
        jobs = 1
    stop = threading.Event()
    attempt = partial(_attempt, args.download_dir, output_dir, options, progress, stop)
    outcomes = run_each(attempt, convertible, jobs, stop)
    outcomes += [_Outcome(name, None, error) for name, error in broken]
    if len(outcomes) == 1 and outcomes[0].error and not args.json:
        raise outcomes[0].error
    return _report(args, outcomes)


def _options(args: argparse.Namespace) -> ConversionOptions:
    from mixnet_tools.conversion.options import ConversionOptions

    return ConversionOptions(
        precisions=args.precisions,
        freezer=args.freezer,
        weights=args.weights,
        signature=args.signature,
        tags=args.tags,
        verify=not args.no_verify,
        keep_frozen=args.keep_frozen,
        serving=args.ovms,
        optimize=args.optimize,
        tune=args.tune,
        mo_args=tuple(args.mo_args),
        trust_code=tuple(args.trust_code),
    )


def _attempt(
    download_dir: Path,
    output_dir: Path,
    options: ConversionOptions,
    progress: Progress,
    stop: threading.Event,
    model: ModelDescriptor,
) -> _Outcome:
    from mixnet_tools.conversion.convert import convert_planned
    from mixnet_tools.conversion.options import make_plan
    from mixnet_tools.downloading.download import known_files, locate_downloaded

    try:
        plan = make_plan(model, download_dir, output_dir, options)  # before any file is looked for
        locate_downloaded(model, download_dir)
        known = known_files(model, download_dir)
        result = convert_planned(model, plan, output_dir, options, progress, stop, known)
        return _Outcome(model.name, result, None)
    except MixnetToolsError as error:
        return _Outcome(model.name, None, error)
    except OSError as error:
        place = error.filename or output_dir
        return _Outcome(model.name, None, ConversionError(f"{model.name}: {place}: {error.strerror or error}"))


def _report(args: argparse.Namespace, outcomes: list[_Outcome]) -> int:
    from mixnet_tools.conversion.source_check import VERIFIED

    failed: list[tuple[str, str | None, MixnetToolsError]] = [
        (outcome.name, None, outcome.error) for outcome in outcomes if outcome.error
    ]
    failed += [
        (outcome.name, precision, error)
        for outcome in outcomes
        for precision, error in (outcome.result.refused if outcome.result else ())
    ]
    if args.json:
        done = [as_json(outcome.name, outcome.result) for outcome in outcomes if outcome.result]
        errors = [
            {"name": name, "precision": precision, "error": hints.message(error, args)}
            for name, precision, error in failed
        ]
        print_json({"schema": 1, "models": done, "failed": errors})
    else:
        print_results([(outcome.name, outcome.result) for outcome in outcomes if outcome.result])
    if args.quiet:  # else it was said while the model was converted
        for outcome in outcomes:
            if outcome.result and outcome.result.files.verification != VERIFIED:
                print_text(f"{outcome.name}: warning: {outcome.result.files.verification}", file=sys.stderr)
    for name, precision, error in failed:
        refused = f"{precision} was not written" if precision else "failed"
        print_text(f"{name}: {refused}: {hints.failure(error, args)}", file=sys.stderr)
    if failed:
        names = dict.fromkeys(name for name, _, _ in failed)
        print_text(f"{len(names)} of {len(outcomes)} models failed: {', '.join(names)}", file=sys.stderr)
    return 1 if failed else 0
