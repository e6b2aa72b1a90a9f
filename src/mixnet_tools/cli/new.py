"""Describe a model of your own: write model.yml and accuracy-check.yml for a file that has none.

The file is an ONNX model, a frozen graph, a SavedModel's folder, a meta graph with its checkpoint, an archive with one
of these, or an OpenVINO IR. It is known by its content, and converted once, so what is written converts. What the file
does not say is assumed, and has a comment in the files that begins with DECIDE.

With --timm, describe a pretrained classifier of the installed timm: where the Hugging Face Hub has its weights, how
timm prepares images for it, and what it published of its accuracy. NAME may be left out then.

examples:
  mixnet new my-net net.onnx --preset torch --labels labels.txt
  mixnet new my-net --source https://host/net.onnx --preset timm
  mixnet new --timm tf_mixnet_l.in1k
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixnet_tools.cli.common.hints import next_command
from mixnet_tools.cli.common.options import make_progress, tags
from mixnet_tools.cli.common.output import print_json, print_text
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.errors import NextStep, UsageError

if TYPE_CHECKING:
    from mixnet_tools.api.authoring.values import NewModel

_DEFAULT_ZOO = "my_zoo"
_OF_FILES = {
    "file": "FILE|FOLDER",
    **{name: f"--{name}" for name in (
        "source", "copy", "preset", "mean", "std", "crop_pct", "channels", "layout", "input", "output", "inside",
        "signature", "tags", "labels",
    )},
}  # fmt: skip
"""Arguments about a file, which timm's models do not need."""

_PRESETS = ("imagenet", "timm", "tf", "torch")


def add_arguments(parser: Parser) -> None:
    """What to describe, what is known of it, and where to write."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="what to call the model: its folder's name")
    parser.add_argument("file", nargs="?", metavar="FILE|FOLDER", help="the model's file or folder")
    parser.add_argument(
        "--source", metavar="URL", help="fetch the file from this http(s) address, and name it as source"
    )
    parser.add_argument(
        "--timm", metavar="MODEL", help="a classifier of timm, instead of a file (mixnet-info --timm lists them)"
    )
    place = parser.add_argument_group("where to write")
    place.add_argument(
        "--models_dir", type=Path, metavar="DIR", help=f"your own zoo, made where missing (default: {_DEFAULT_ZOO})"
    )
    place.add_argument("--copy", action="store_true", help="put the model's files beside model.yml, as its source")
    place.add_argument("--force", action="store_true", help="replace a description that is there")
    place.add_argument("--print_only", action="store_true", help="print the files, and write nothing")
    images = parser.add_argument_group("how images are prepared, as the model was trained")
    images.add_argument(
        "--preset",
        choices=_PRESETS,
        help="imagenet and torch: torchvision's; timm: timm's; tf: MixNet's, EfficientNet's",
    )
    images.add_argument("--size", type=_size, metavar="N|HxW", help="pixels, where the model leaves them open")
    images.add_argument("--mean", type=_numbers, metavar="R,G,B", help="subtracted, 0 to 255 (or 0 to 1, with --std)")
    images.add_argument("--std", "--scale", type=_numbers, metavar="R,G,B", help="what the result is divided by")
    images.add_argument("--crop_pct", type=float, metavar="X", help="the share of a side that is kept (default: 0.875)")
    images.add_argument("--channels", choices=("RGB", "BGR"), help="the order that the model takes (default: RGB)")
    images.add_argument("--layout", choices=("NCHW", "NHWC"), help="where the model's sizes do not tell")
    ends = parser.add_argument_group("what of the file")
    ends.add_argument("--input", action="append", default=[], metavar="NAME", help="an input (repeatable)")
    ends.add_argument("--output", action="append", default=[], metavar="NAME", help="an output (repeatable)")
    ends.add_argument("--inside", metavar="PATH", help="the model in an archive that holds several")
    ends.add_argument("--signature", metavar="NAME", help="the signature of a SavedModel")
    ends.add_argument("--tags", type=tags, metavar="T[,T]", help="the tags of a SavedModel's graph")
    about = parser.add_argument_group("about the model")
    about.add_argument("--labels", metavar="FILE", help="names of its classes, a line each; or: imagenet")
    about.add_argument("--license", metavar="TEXT", help="the licence: its address, or its name")
    about.add_argument("--description", metavar="TEXT", help="what it is")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document")


def run(args: argparse.Namespace) -> int:
    """Describe one model."""
    models_dir = Path(_DEFAULT_ZOO) if args.models_dir is None else args.models_dir
    model = _of_timm(args, models_dir) if args.timm else _of_file(args, models_dir)
    args.models_dir = [models_dir]  # as the next commands take it
    _print(model, args)
    return 0


def _of_timm(args: argparse.Namespace, models_dir: Path) -> NewModel:
    from mixnet_tools.api.authoring.timm.new import new_timm_model

    if idle := [name for name in _OF_FILES if getattr(args, name) not in (None, False, [])]:
        raise UsageError(f"--timm knows this of the model itself: leave out {_OF_FILES[idle[0]]}")
    if args.size is not None and args.size[0] != args.size[1]:
        raise UsageError("--size: timm's classifiers take squares, such as 288")
    return new_timm_model(
        args.timm,
        args.name,
        models_dir=models_dir,
        size=None if args.size is None else args.size[0],
        license=args.license,
        description=args.description,
        force=args.force,
        dry_run=args.print_only,
        progress=make_progress(args),
    )


def _of_file(args: argparse.Namespace, models_dir: Path) -> NewModel:
    from mixnet_tools.api.authoring.new import new_model
    from mixnet_tools.api.authoring.values import NewModelOptions

    if args.name is None:
        raise UsageError("say what to call the model: NAME, before its file")
    _require_a_model(args)
    options = NewModelOptions(
        preset=args.preset,
        size=args.size,
        mean=args.mean,
        std=args.std,
        crop_pct=args.crop_pct,
        channels=args.channels,
        layout=args.layout,
        inputs=tuple(args.input),
        outputs=tuple(args.output),
        signature=args.signature,
        tags=args.tags,
        inside=args.inside,
        labels=args.labels,
        license=args.license,
        description=args.description,
        copy=args.copy,
    )
    source = args.source if args.file is None else args.file
    return new_model(
        args.name,
        source,
        models_dir=models_dir,
        options=options,
        force=args.force,
        dry_run=args.print_only,
        progress=make_progress(args),
    )


def _require_a_model(args: argparse.Namespace) -> None:
    """Raise :class:`UsageError` where it is not said what the model is called, and where it is."""
    if (args.file is None) != (args.source is None):
        if args.file is None or Path(args.file).exists() or not Path(args.name).exists():
            return
        told = f"{args.file}: no such file or folder"
    else:
        told = "say where the model is: FILE|FOLDER, or --source URL"
    swapped = args.source is None and Path(args.name).exists()
    hint = f"the new name comes first, then the file: mixnet new NAME {shlex.quote(args.name)}" if swapped else None
    raise UsageError(told, hint=hint)


def _print(model: NewModel, args: argparse.Namespace) -> None:
    commands = _next_commands(model, args)
    if args.json:
        print_json(_document(model, commands))
        return
    if not model.written:
        print_text(model.model_yml.rstrip("\n"))
        if model.accuracy_check_yml is not None:
            print_text(f"---\n{model.accuracy_check_yml.rstrip()}")
        return
    for path in model.files:
        print(path)
    if args.quiet:
        return
    for text in model.decisions:
        print_text(f"decide: {text}", file=sys.stderr)
    print_text("next:\n" + "\n".join(f"  {command}" for command in commands), file=sys.stderr)


def _document(model: NewModel, commands: list[str]) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": model.name,
        "kind": model.kind,
        "directory": str(model.directory),
        "files": [str(path) for path in model.files],
        "written": model.written,
        "model_yml": model.model_yml,
        "accuracy_check_yml": model.accuracy_check_yml,
        "classes": model.classes,
        "decisions": list(model.decisions),
        "next": commands,
    }


def _next_commands(model: NewModel, args: argparse.Namespace) -> list[str]:
    steps = [NextStep("download", model.name)]
    if model.kind != "ir":
        steps.append(NextStep("convert", model.name))
    commands = [next_command(step, args) for step in steps]
    if model.accuracy_check_yml is not None:
        fields = {} if model.has_measured_original or model.kind == "ir" else {"launcher": "openvino"}
        commands.append(f"{next_command(NextStep('evaluate', model.name, fields), args)} --source IMAGES")
    return commands


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})(?:[xX]([0-9]{1,5}))?", text)
    if not match or not int(match[1]) or not int(match[2] or 1):
        raise argparse.ArgumentTypeError(f"expected pixels such as 224, or height and width as 48x192, got {text!r}")
    return int(match[1]), int(match[2] or match[1])


def _numbers(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.strip("[]() ").split(","))
    except ValueError:
        found = ()
    if len(found) not in (1, 3):
        raise argparse.ArgumentTypeError(f"expected one number or three, such as 123.675,116.28,103.53, got {text!r}")
    return found
