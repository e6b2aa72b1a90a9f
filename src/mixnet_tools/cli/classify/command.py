"""Say what is in pictures: the best classes of each, with their probabilities.

IMAGE is an image file, a folder of them, a URL, or - for the bytes of one image on standard input. Without IMAGE, some
pictures that come with the model are shown. What is missing of the model is downloaded and converted first.

examples:
  mixnet-classify --name mixnet-nano photo.jpg
  mixnet-classify --name mixnet-l --launcher tf,openvino photos/ cat.jpg
  mixnet-classify --ir model.xml --labels labels.txt photo.jpg
  mixnet-classify --name mixnet-nano --web
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.cli.common.hints import with_options
from mixnet_tools.cli.common.options import (
    add_download_dir,
    add_forms_of_model,
    add_ir_dir,
    add_models_dir,
    find_entries,
    load_each,
    make_progress,
    positive_int,
    refuse_broken,
)
from mixnet_tools.cli.common.output import print_text
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.errors import UsageError, listed
from mixnet_tools.files.location import Location
from mixnet_tools.inference import INFERENCE_PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mixnet_tools.accuracy.classification.images import ImageToClassify
    from mixnet_tools.accuracy.preprocessing.preprocessing import Preprocessing
    from mixnet_tools.api.classification import OpenedClassifier
    from mixnet_tools.descriptors.model_yml import ModelDescriptor
    from mixnet_tools.progress import Progress

STDIN = "-"
DEFAULT_PORT = 8765
_FOR_IR = ("preprocessing", "channels", "mean", "std")


def add_arguments(parser: Parser) -> None:
    """Which model answers, to what, and how the answers are shown."""
    parser.add_argument(
        "images", nargs="*", metavar="IMAGE", help="image files, folders, URLs, or - for standard input"
    )
    model = parser.add_argument_group("model")
    model.add_argument("--name", metavar="NAME", help="a model of the zoo")
    model.add_argument("--ir", type=Path, metavar="FILE.xml", help="any other classifier, as an OpenVINO IR")
    add_models_dir(model)
    add_download_dir(model)
    add_ir_dir(model)
    add_forms_of_model(model, launcher="openvino", precisions="FP16, or another one that exists")
    model.add_argument("--labels", type=Path, metavar="FILE", help="names of the classes, one a line, in their order")
    _add_computing(parser)
    _add_output(parser)
    page = parser.add_argument_group("page")
    page.add_argument("--web", action="store_true", help="serve a page on this machine to drop pictures on")
    page.add_argument("--host", metavar="ADDRESS", help="let other machines in: listen on ADDRESS (default: 127.0.0.1)")
    page.add_argument("--port", type=_port, metavar="N", help=f"0 for any that is free (default: {DEFAULT_PORT})")


def run(args: argparse.Namespace) -> int:
    """Classify what is given, or serve the page; returns the exit code."""
    _check_usage(args)
    from mixnet_tools.accuracy.preprocessing.decode import silence_pillow

    silence_pillow()
    progress = make_progress(args)
    if args.web:
        return _serve(args, progress)
    # A missing file is named before anything is downloaded.
    images = _images(args.images)
    opened = _open(args, progress)
    chosen = images or opened.samples
    if not chosen:
        raise UsageError(
            f"{opened.name} brings no pictures of its own", hint="say what to classify: a file or a folder"
        )
    _tell_notes(args, opened, progress)
    return _show(args, opened, chosen, progress)


def _add_computing(parser: Parser) -> None:
    how = parser.add_argument_group("how it is computed")
    how.add_argument(
        "--profile", choices=PROFILES, default=PROFILES[0], help="how images are prepared (default: %(default)s)"
    )
    how.add_argument("--device", default="CPU", metavar="NAME", help="OpenVINO's device (default: CPU)")
    how.add_argument(
        "--inference_precision",
        choices=INFERENCE_PRECISIONS,
        default="f32",
        help="what IRs compute floats in; default: what OpenVINO chooses (default: %(default)s)",
    )
    other = parser.add_argument_group("how images are prepared for an --ir, where it does not say it itself")
    other.add_argument("--preprocessing", type=Path, metavar="FILE", help="an accuracy-check.yml with the steps")
    other.add_argument("--channels", choices=("RGB", "BGR", "GRAY"), help="what the model takes; GRAY: one channel")
    other.add_argument("--mean", type=_values, metavar="R,G,B", help="subtracted, on the scale 0 to 255; or one number")
    other.add_argument("--std", type=_values, metavar="R,G,B", help="divided by, on the scale 0 to 255; or one number")


def _add_output(parser: Parser) -> None:
    output = parser.add_argument_group("results")
    output.add_argument("-k", "--top", type=positive_int, default=5, metavar="N", help="show N classes (default: 5)")
    form = output.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the result as one JSON document")
    form.add_argument("--csv", action="store_true", help="print a row for each image, model and class")
    output.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="write a copy of each picture with its answers to DIR"
    )


def _check_usage(args: argparse.Namespace) -> None:
    if (args.name is None) == (args.ir is None):
        problem = "say which model answers" if args.name is None else "only one of --name and --ir can be given"
        raise UsageError(problem, hint="--name mixnet-nano, or --ir FILE.xml")
    if args.name is not None and (given := [f"--{name}" for name in _FOR_IR if getattr(args, name) is not None]):
        raise UsageError(f"{given[0]} is for an --ir: a model of the zoo has its accuracy-check.yml")
    if args.ir is not None and args.launcher != ("openvino",):
        raise UsageError("--launcher with --ir: there is no original", hint="leave it out")
    if args.ir is not None and args.precisions:
        raise UsageError("--precisions with --ir: the file is the one that answers", hint="leave it out")
    if args.ir is not None and args.profile != PROFILES[0]:
        raise UsageError(
            "--profile is for a model of the zoo", hint="--preprocessing FILE says how images are prepared"
        )
    if args.preprocessing and _given_steps(args):
        raise UsageError("--preprocessing with --channels, --mean or --std", hint="the file says these as well")
    if args.images.count(STDIN) > 1:
        raise UsageError("standard input (-) can be read once only")
    if not args.web and (args.host is not None or args.port is not None):
        raise UsageError("--host and --port are for the page", hint="add --web")
    if args.web and (args.images or args.json or args.csv or args.output):
        raise UsageError("--web takes pictures on its page", hint="leave out IMAGE, --json, --csv and --output")


def _images(texts: Sequence[str]) -> tuple[ImageToClassify, ...]:
    from mixnet_tools.accuracy.classification.images import ImageToClassify, find_images

    found: list[ImageToClassify] = []
    for text in texts:
        if text == STDIN:
            found.append(ImageToClassify("standard input", _read_stdin()))
        else:
            found += find_images([Location.parse(text)])
    return tuple(found)


def _read_stdin() -> bytes:
    from mixnet_tools.accuracy.datasets.image_bytes import MAX_BYTES

    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if not data:
        raise UsageError("standard input (-) is empty", hint="mixnet-classify ... - < photo.jpg")
    return data


def _serve(args: argparse.Namespace, progress: Progress) -> int:
    from mixnet_tools.web.server import HOST, listen, serve

    host = HOST if args.host is None else args.host
    with listen(host, DEFAULT_PORT if args.port is None else args.port) as listener:
        opened = _open(args, progress, one_by_one=True)
        _tell_notes(args, opened, progress)
        progress.note("open this address in a browser; Ctrl-C ends it")
        serve(
            opened,
            listener,
            host,
            announce=lambda text: print(text, flush=True),
            tell=lambda text: print_text(text, file=sys.stderr),
            top=args.top,
        )
    return 0


def _tell_notes(args: argparse.Namespace, opened: OpenedClassifier, progress: Progress) -> None:
    for note in opened.notes:
        progress.note(f"{opened.name}: {with_options(note, args.parser)}")


def _open(args: argparse.Namespace, progress: Progress, *, one_by_one: bool = False) -> OpenedClassifier:
    from mixnet_tools.api.classification import Device, open_ir, open_model
    from mixnet_tools.api.model_files import ModelChoice

    device = Device(args.device, args.inference_precision)
    if args.ir is not None:
        return open_ir(args.ir, args.labels, _steps(args), device, one_by_one=one_by_one)
    choice = ModelChoice(
        ir_dir=args.ir_dir or args.download_dir,
        download_dir=args.download_dir,
        launcher=args.launcher,
        precisions=args.precisions,
        profile=args.profile,
    )
    descriptor = _descriptor(args)
    return open_model(descriptor, choice, device, progress, labels=args.labels, one_by_one=one_by_one)


def _descriptor(args: argparse.Namespace) -> ModelDescriptor:
    from mixnet_tools.descriptors import zoo

    entries = zoo.flat(zoo.select(find_entries(args), [args.name]))
    if len(entries) != 1:
        raise UsageError(
            f"--name {args.name} stands for {listed(entry.name for entry in entries)}: one model answers at a time",
            hint=f"--name {entries[0].name}",
        )
    models, broken = load_each(entries, quiet=args.quiet)
    refuse_broken(broken)
    return models[0]


def _steps(args: argparse.Namespace) -> Preprocessing | Path | None:
    given = _given_steps(args)
    if not given:
        path: Path | None = args.preprocessing
        return path
    from mixnet_tools.api.ir_preprocessing import said_steps
    from mixnet_tools.ir.locate import ir_at

    steps = said_steps(ir_at(args.ir))
    return replace(steps, **given)


def _given_steps(args: argparse.Namespace) -> dict[str, Any]:
    """The options that change single steps, by the names of the fields of a :class:`Preprocessing`."""
    values = ((name, getattr(args, name)) for name in ("channels", "mean", "std"))
    return {name: value for name, value in values if value is not None}


def _show(
    args: argparse.Namespace, opened: OpenedClassifier, chosen: Sequence[ImageToClassify], progress: Progress
) -> int:
    """Classify, print, and write copies; an image that cannot be read does not stop the others."""
    from mixnet_tools.cli.classify.shown_answers import PRINTERS

    copies = None
    if args.output is not None:
        from mixnet_tools.accuracy.classification.annotate import AnnotatedCopies

        copies = AnnotatedCopies(args.output)
    printer = PRINTERS["json" if args.json else "csv" if args.csv else "text"](opened.classification(()))
    answered = []
    for source, image in zip(chosen, opened.classifier.classify(chosen, args.top), strict=True):
        if image.problem is not None:
            print_text(image.problem, file=sys.stderr)
        elif copies is not None:
            copies.write(source, image)
        printer.image(image)
        answered.append(image)
    printer.end(opened.classification(answered))
    if copies is not None:
        progress.note(f"annotated copies in {args.output}: {copies.count}")
    return 1 if any(image.problem is not None for image in answered) else 0


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)


def _values(text: str) -> float | tuple[float, float, float]:
    try:
        values = [float(part) for part in text.split(",")]
        if len(values) == 1:
            return values[0]
        red, green, blue = values
    except ValueError:
        message = f"expected a number, or three with commas between them, got {text!r}"
        raise argparse.ArgumentTypeError(message) from None
    return red, green, blue
