"""Measure top-1 and top-5 of a classifier: the original model and the converted one (OpenVINO).

Both see the same images, prepared as the model's accuracy-check.yml says. The figures are held against the
references of that file, and against an earlier run where --baseline names one; the exit code is 3 where one is missed.

DATASET is a folder of images with a file val.txt ('relative/name.jpg label' lines, labels from 0), a folder with one
subfolder of images per class, ImageNet's own ILSVRC2012_img_val.tar (with its devkit beside it), or files in the form
of WebDataset (.tar), TFRecord or Parquet. Without -s, a model is measured on the images that come with it, if it has
any.

Other forms of the command: 'mixnet-check merge FILE ...' puts the --predictions of shards together, and 'mixnet-check
diff A B' says on which images two runs differ.

examples:
  mixnet-check --name mixnet-nano -d work
  mixnet-check --name mixnet-l -d models -s /data/val --html report.html
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.cli.check.cluster import add_cluster, check_cluster_usage, measure_on_cluster
from mixnet_tools.cli.check.results import Finished, add_gate, check_usage, finish
from mixnet_tools.cli.common.hints import failure
from mixnet_tools.cli.common.options import (
    add_download_dir,
    add_forms_of_model,
    add_ir_dir,
    add_model_selection,
    choice_list,
    make_progress,
    positive_int,
    print_all_models,
    readable_models,
    refuse_broken,
)
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.cli.omz.accuracy_check import add_accuracy_check, refuse_accuracy_check
from mixnet_tools.errors import EvaluationError, MixnetToolsError, UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.inference import INFERENCE_PRECISIONS

if TYPE_CHECKING:
    from mixnet_tools.accuracy.predictions.values import Shard
    from mixnet_tools.api.evaluation_task import EvaluationRequest, EvaluationTask
    from mixnet_tools.cli.common.options import Broken
    from mixnet_tools.descriptors.model_yml import ModelDescriptor
    from mixnet_tools.progress import Progress


def add_arguments(parser: Parser) -> None:
    """What to measure, on which images, and how to judge it."""
    add_model_selection(parser, verb="check")
    places = parser.add_argument_group("places")
    add_download_dir(places)
    add_ir_dir(places)
    _add_images(parser)
    what = parser.add_argument_group("what to measure")
    what.add_argument(
        "--profile", choices=PROFILES, default=PROFILES[0], help="how images are prepared (default: %(default)s)"
    )
    add_forms_of_model(what, launcher=None, precisions="those that exist")
    what.add_argument("--device", metavar="NAME", help="OpenVINO's device: CPU, GPU, AUTO, ... (default: CPU)")
    what.add_argument(
        "--devices", type=_devices, metavar="D[,D]", help="several devices, for example CPU,GPU, each beside the others"
    )
    what.add_argument(
        "--inference_precision",
        type=choice_list(*INFERENCE_PRECISIONS),
        default=("f32",),
        metavar="P[,P]",
        help="what IRs compute floats in: f32, bf16, f16, or default for what OpenVINO chooses; side by side where "
        "several are given (default: f32)",
    )
    what.add_argument(
        "--tune", action="store_true", help="look for faster kernels first (CPU; 10 to 20 s an IR, for long runs)"
    )
    what.add_argument("--no_speed", action="store_true", help="do not measure images/s for --html and --plot")
    going_on = parser.add_argument_group("long runs")
    going_on.add_argument(
        "--predictions", type=Path, metavar="FILE", help="append every answer to FILE (JSON lines) as it comes"
    )
    going_on.add_argument(
        "--resume", action="store_true", help="go on with the --predictions FILE of a run that was interrupted"
    )
    going_on.add_argument(
        "--shard", type=_shard, metavar="I/N", help="measure part I of N only; mixnet-check merge puts them together"
    )
    add_cluster(parser)
    add_gate(parser)
    add_accuracy_check(parser)


def run(args: argparse.Namespace) -> int:
    """Find everything for all models first, then measure. Nothing is measured where something is missing.

    Models whose descriptors are broken are left out, and named at the end.
    """
    refuse_accuracy_check(args)
    if args.print_all:
        return print_all_models(args)
    from mixnet_tools.accuracy.preprocessing.decode import silence_pillow

    silence_pillow()
    progress = make_progress(args)
    descriptors, broken = readable_models(args)
    _check_usage(args, len(descriptors))
    tasks = _find_tasks(args, descriptors, broken, progress)
    devices = args.devices or (args.device or "CPU",)
    if args.cluster:
        evaluations = measure_on_cluster(args, tasks, devices, progress)
    else:
        from mixnet_tools.api.evaluation_task import evaluate_task

        evaluations = [
            evaluate_task(
                task,
                devices,
                progress,
                tuned=args.tune,
                inference_precisions=args.inference_precision,
                max_bad=args.max_bad,
                predictions=args.predictions,
                resume=args.resume,
                command=args.command_line,
                speed=bool(args.html or args.plot) and not args.no_speed,
            )
            for task in tasks
        ]
    pairs = zip(evaluations, tasks, strict=True)
    code = finish(args, [Finished(evaluation, task.dataset, task.class_names) for evaluation, task in pairs])
    refuse_broken(broken)
    return code


def _add_images(parser: Parser) -> None:
    data = parser.add_argument_group("images")
    data.add_argument(
        "-s", "--source", metavar="DATASET", help="labelled images, in any of the forms above: a path, or a URL"
    )
    data.add_argument(
        "--annotations",
        metavar="FILE",
        help="labels, or ILSVRC2012_devkit_t12.tar.gz (default: val.txt in DATASET or beside it; the devkit beside it)",
    )
    data.add_argument(
        "--split", metavar="NAME", help="the split to take, by its name (default: validation, where there are several)"
    )
    data.add_argument(
        "--first_label",
        type=int,
        choices=(0, 1),
        help="the data set's number for its first class (default: 1 for image/class/label of TFRecords, else 0)",
    )
    data.add_argument(
        "--num_images", type=positive_int, metavar="N", help="measure on N images only: always the same N of a data set"
    )
    data.add_argument(
        "--exclude",
        type=Path,
        metavar="FILE",
        help="leave out the images that FILE names, a name or an ImageNet number a line",
    )
    data.add_argument("--real_labels", type=Path, metavar="FILE", help="judge by ReaL's labels for ImageNet: real.json")
    data.add_argument(
        "--max_bad", type=_count, default=0, metavar="N", help="go on with up to N images that cannot be decoded"
    )


def _check_usage(args: argparse.Namespace, models: int) -> None:
    if args.annotations and args.source is None:
        raise UsageError("--annotations without --source", hint="give the folder of the images as well: -s DATASET")
    if args.predictions and models != 1:
        raise UsageError(f"--predictions is for one model, and {models} were chosen", hint="check them one by one")
    if args.resume and not args.predictions:
        raise UsageError("--resume without --predictions", hint="say which file to go on with: --predictions FILE")
    if args.predictions and args.predictions.exists() and args.predictions.stat().st_size and not args.resume:
        raise UsageError(f"{args.predictions} exists already", hint="--resume goes on with it; or name another file")
    if args.tune and args.launcher and "openvino" not in args.launcher:
        raise UsageError("--tune is for converted models", hint="leave it out, or add --launcher openvino")
    if args.device and args.devices:
        raise UsageError("only one of --device and --devices can be given", hint=f"--devices {args.device},...")
    check_cluster_usage(args)
    check_usage(args, models)


def _find_tasks(
    args: argparse.Namespace, descriptors: Sequence[ModelDescriptor], broken: Broken, progress: Progress
) -> list[EvaluationTask]:
    """Find what each model needs. All problems are named at once: none shows only after hours of measuring."""
    from mixnet_tools.api.evaluation_task import find_task

    request = _request(args)
    tasks: list[EvaluationTask] = []
    errors: list[MixnetToolsError] = []
    for descriptor in descriptors:
        try:
            tasks.append(find_task(descriptor, request))
        except MixnetToolsError as error:
            errors.append(error)
    if errors:
        errors += [error for _, error in broken]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise EvaluationError("\n".join(dict.fromkeys(failure(error, args) for error in errors)))
    for task in tasks:
        total = task.dataset.total
        if args.num_images and args.num_images > total:
            progress.note(f"{task.model}: {task.dataset.source} has {total} images: taking all")
    return tasks


def _request(args: argparse.Namespace) -> EvaluationRequest:
    from mixnet_tools.api.evaluation_task import EvaluationRequest, ImageChoice
    from mixnet_tools.api.model_files import ModelChoice

    return EvaluationRequest(
        ImageChoice(
            source=Location.parse_optional(args.source),
            split=args.split,
            annotations=Location.parse_optional(args.annotations),
            first_label=args.first_label,
            exclude=args.exclude,
            real_labels=args.real_labels,
            num_images=args.num_images,
            shard=args.shard,
        ),
        ModelChoice(
            ir_dir=args.ir_dir or args.download_dir,
            download_dir=args.download_dir,
            launcher=args.launcher,
            precisions=args.precisions,
            profile=args.profile,
        ),
    )


def _devices(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names of devices with commas between them, got {text!r}")
    return tuple(dict.fromkeys(names))


def _shard(text: str) -> Shard:
    from mixnet_tools.accuracy.predictions.values import Shard

    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"expected I/N with I from 1 to N, got {text!r}")
    return Shard(int(match[1]), int(match[2]))


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)
