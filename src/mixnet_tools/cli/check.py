"""Measure top-1 and top-5 of a classifier: the original model (TensorFlow) and the converted one (OpenVINO).

Both see the same images, prepared as the model's accuracy-check.yml says. The figures are held against the
references of that file; the exit code is 3 where one is missed by more than its tolerance.

DATASET is a folder of images with a file val.txt ('relative/name.jpg label' lines, labels from 0), or a folder with one
subfolder of images per class. Without -s, a model is measured on the images that come with it, if it has any.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.accuracy import LAUNCHERS, PROFILES
from mixnet_tools.cli.options import (
    Parser,
    add_model_selection,
    choice_list,
    make_progress,
    positive_int,
    print_all_models,
    selected_models,
)
from mixnet_tools.cli.output import print_json
from mixnet_tools.errors import EvaluationError, MixnetToolsError, UsageError

if TYPE_CHECKING:
    from mixnet_tools.accuracy.config import AccuracyConfig
    from mixnet_tools.accuracy.dataset import ImageDataset
    from mixnet_tools.accuracy.gate import Verdict
    from mixnet_tools.accuracy.report import AccuracyReport
    from mixnet_tools.accuracy.runner import Runner
    from mixnet_tools.convert.plan import ConversionPlan
    from mixnet_tools.descriptor import ModelDescriptor
    from mixnet_tools.progress import Progress
    from mixnet_tools.values import IRModel

MISSED = 3
"""Exit code: an accuracy is below its reference by more than the tolerance."""


@dataclass(frozen=True)
class _Task:
    """One model, with everything found that its evaluation needs."""

    descriptor: ModelDescriptor
    config: AccuracyConfig
    dataset: ImageDataset
    reference_images: int | None
    original: ConversionPlan | None
    irs: tuple[IRModel, ...]


def add_arguments(parser: Parser) -> None:
    """What to measure, on which images, and how to judge it."""
    add_model_selection(parser, verb="check")
    places = parser.add_argument_group("places")
    places.add_argument(
        "-d", "--download_dir", type=Path, default=Path(), metavar="DIR", help="where mixnet-download put the models"
    )
    places.add_argument(
        "--ir_dir", type=Path, metavar="DIR", help="mixnet-convert's --output_dir (default: the download folder)"
    )
    data = parser.add_argument_group("images")
    data.add_argument("-s", "--source", type=Path, metavar="DATASET", help="folder of labelled images")
    data.add_argument(
        "--annotations", type=Path, metavar="FILE", help="labels (default: val.txt in DATASET or beside it)"
    )
    data.add_argument(
        "--num_images", type=positive_int, metavar="N", help="measure on N images only: always the same N of a data set"
    )
    data.add_argument("--profile", choices=PROFILES, default=PROFILES[0], help="preprocessing (default: %(default)s)")
    parser.add_argument(
        "--launcher",
        type=choice_list(*LAUNCHERS),
        default=("openvino", "tf"),
        metavar="L[,L]",
        help="openvino (the converted model), tf (the original) or both (default: both)",
    )
    parser.add_argument(
        "--precisions", type=choice_list("FP32", "FP16"), metavar="P[,P]", help="FP32, FP16 (default: those that exist)"
    )
    parser.add_argument(
        "--tolerance",
        type=_points,
        metavar="POINTS",
        help="points by which a figure may lie below its reference on the full data set (default: 0.2)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors and results only")


def run(args: argparse.Namespace) -> int:
    """Find everything for every model first, then measure; nothing is measured where something is missing."""
    if args.print_all:
        return print_all_models(args)
    from mixnet_tools.accuracy.gate import DEFAULT_TOLERANCE, judge

    # Pillow's remarks on odd metadata name no file and change no pixel.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    progress = make_progress(args)
    tasks = _prepare_all(args, progress)
    tolerance = DEFAULT_TOLERANCE if args.tolerance is None else args.tolerance
    reports = [_measure(args, task, progress) for task in tasks]
    verdicts = [judge(report, tolerance) for report in reports]
    _print(args, reports, verdicts)
    return 0 if all(verdict.passed for verdict in verdicts) else MISSED


def _prepare_all(args: argparse.Namespace, progress: Progress) -> list[_Task]:
    """All problems of all models at once, so that none shows only after hours of another's evaluation."""
    descriptors = selected_models(args)
    if args.annotations and args.source is None:
        raise UsageError("--annotations without --source", hint="give the folder of the images as well: -s DATASET")
    tasks: list[_Task] = []
    errors: list[MixnetToolsError] = []
    for descriptor in descriptors:
        try:
            tasks.append(_prepare(args, descriptor))
        except MixnetToolsError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        hints = dict.fromkeys(error.hint for error in errors if error.hint)
        raise EvaluationError("\n".join(dict.fromkeys(map(str, errors))), hint="; ".join(hints) or None)
    for task in tasks:
        if args.num_images and args.num_images > task.dataset.total:
            progress.note(f"{task.descriptor.name}: {task.dataset.source} has {task.dataset.total} images: taking all")
    return tasks


def _prepare(args: argparse.Namespace, descriptor: ModelDescriptor) -> _Task:
    from mixnet_tools.accuracy.config import load_accuracy_config
    from mixnet_tools.accuracy.dataset import bundled_source, open_dataset
    from mixnet_tools.accuracy.preprocess import make_plan

    config = load_accuracy_config(descriptor.accuracy_path)
    for launcher in args.launcher:
        make_plan(config.measurement(launcher, args.profile))
    bundled = bundled_source(descriptor.directory)
    source = args.source or bundled
    if source is None:
        raise UsageError(
            f"{descriptor.name} brings no images of its own: say on which to measure it",
            hint="-s DATASET, for example a folder with the ImageNet validation images",
        )
    dataset = open_dataset(source, args.annotations)
    # A model's references were measured on the set that comes with it; else the set's name tells its size.
    own = bundled is not None and args.annotations is None and source.resolve() == bundled.resolve()
    reference_images = dataset.total if own else None
    original = None
    if "tf" in args.launcher:
        from mixnet_tools.convert.arguments import plan_conversion
        from mixnet_tools.download.download import locate_downloaded

        original = plan_conversion(descriptor, args.download_dir)
        locate_downloaded(descriptor, args.download_dir)
    # After the download, which comes first where both are missing.
    irs = _find_irs(args, descriptor) if "openvino" in args.launcher else ()
    if args.num_images:
        dataset = dataset.subset(args.num_images)
    return _Task(descriptor, config, dataset, reference_images, original, irs)


def _find_irs(args: argparse.Namespace, descriptor: ModelDescriptor) -> tuple[IRModel, ...]:
    from mixnet_tools.descriptor import PRECISIONS
    from mixnet_tools.values import ir_model

    folder = args.ir_dir or args.download_dir
    wanted = args.precisions or PRECISIONS
    irs = [ir_model(folder, str(descriptor.subdirectory), descriptor.name, precision) for precision in wanted]
    missing = [path for ir in irs for path in (ir.xml, ir.bin) if not path.is_file()]
    present = tuple(ir for ir in irs if ir.xml.is_file() and ir.bin.is_file())
    if missing and (args.precisions or not present):
        where = "".join(f" --models_dir {root}" for root in args.models_dir or ())
        where += "" if folder == Path() else f" -d {args.download_dir} -o {folder}"
        raise EvaluationError(
            f"{missing[0]}: {descriptor.name} has no such IR"
            + (f" (nor {len(missing) - 1} further files)" if len(missing) > 1 else ""),
            hint=f"convert the model first: mixnet-convert --name {descriptor.name}{where}",
        )
    return present


def _measure(args: argparse.Namespace, task: _Task, progress: Progress) -> AccuracyReport:
    from mixnet_tools.accuracy.evaluate import evaluate
    from mixnet_tools.accuracy.openvino_runner import OpenVinoRunner
    from mixnet_tools.accuracy.runner import TensorFlowRunner
    from mixnet_tools.convert.freeze import freeze

    names = [*(["the original"] if task.original else []), *(ir.precision for ir in task.irs)]
    progress.note(f"{task.descriptor.name}: loading {', '.join(names)}")
    runners: list[Runner] = []
    if task.original is not None:
        runners.append(TensorFlowRunner(freeze(task.original)))
    runners.extend(OpenVinoRunner(ir) for ir in task.irs)
    return evaluate(
        task.descriptor.name,
        task.config,
        task.dataset,
        runners,
        profile=args.profile,
        reference_images=task.reference_images,
        progress=progress,
    ).report


def _print(args: argparse.Namespace, reports: list[AccuracyReport], verdicts: list[Verdict]) -> None:
    from mixnet_tools.accuracy.report import SCHEMA, provenance, text_table

    if args.json:
        print_json(
            {
                "schema": SCHEMA,
                "passed": all(verdict.passed for verdict in verdicts),
                "reports": [
                    {**report.to_json(), "verdict": verdict.to_json()}
                    for report, verdict in zip(reports, verdicts, strict=True)
                ],
            }
        )
    else:
        print(text_table(reports), end="\n\n")
        print("\n".join(provenance(report) for report in reports))
        print("\n".join(verdict.summary() for verdict in verdicts))
    for report, verdict in zip(reports, verdicts, strict=True):
        for note in (*report.notes, *verdict.notes):
            print(f"{report.model}: note: {note}", file=sys.stderr)
        if args.json and not verdict.passed:
            print(verdict.summary(), file=sys.stderr)


def _points(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"expected points from 0 to 100, got {text!r}")
    return value
