"""Options that several commands share."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from mixnet_tools.accuracy import LAUNCHERS
from mixnet_tools.cli.common.output import print_text
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.cli.common.terminal import terminal_of
from mixnet_tools.errors import DescriptorError, UsageError
from mixnet_tools.ir.locate import IR_PRECISIONS

if TYPE_CHECKING:
    from mixnet_tools.descriptors.model_yml import ModelDescriptor
    from mixnet_tools.descriptors.zoo import CompositeEntry, ZooEntry
    from mixnet_tools.progress import Progress

    Entries = tuple[ZooEntry | CompositeEntry, ...]
    Models = tuple[ModelDescriptor, ...]
    Broken = tuple[tuple[str, DescriptorError], ...]
    """The name of each broken model, and what is wrong with its descriptor."""


class Described(Protocol):
    """A descriptor that was read, with what was ignored in it."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to tell the user."""


DescriptorT_co = TypeVar("DescriptorT_co", bound=Described, covariant=True)


class Loadable(Protocol[DescriptorT_co]):
    """A descriptor that was found and not read yet."""

    @property
    def name(self) -> str:
        """The model's name."""

    def load(self) -> DescriptorT_co:
        """Read it, or raise DescriptorError."""


def add_model_selection(parser: Parser, *, verb: str) -> None:
    """Add ``--name``, ``--list``, ``--all``, ``--print_all`` and ``--models_dir``, as in Open Model Zoo's commands."""
    group = parser.add_argument_group("models")
    group.add_argument(
        "--name",
        action="append",
        metavar="PAT[,PAT...]",
        help=f"{verb} the models whose names match (mixnet-*; repeatable)",
    )
    group.add_argument("--list", type=Path, metavar="FILE", help=f"{verb} the models that FILE names, a pattern a line")
    group.add_argument("--all", action="store_true", help=f"{verb} every model")
    group.add_argument("--print_all", action="store_true", help="print the names of all models, and do nothing else")
    add_models_dir(group)


def add_models_dir(group: argparse._ActionsContainer) -> None:
    """Add ``--models_dir`` alone, for commands that choose models in another way."""
    group.add_argument(
        "--models_dir",
        type=Path,
        action="append",
        metavar="DIR",
        help="look for models below DIR instead of in the embedded zoo (repeatable; or set MIXNET_TOOLS_MODELS)",
    )


def add_download_dir(group: argparse._ActionsContainer) -> None:
    """Add ``--download_dir``, for commands that read what mixnet-download wrote."""
    group.add_argument(
        "-d", "--download_dir", type=Path, default=Path(), metavar="DIR", help="where mixnet-download put the models"
    )


def add_forms_of_model(group: argparse._ActionsContainer, *, launcher: str | None, precisions: str) -> None:
    """Add ``--launcher`` (default: ``launcher``, None for all) and ``--precisions`` (default: in words)."""
    group.add_argument(
        "--launcher",
        type=choice_list(*LAUNCHERS),
        default=None if launcher is None else (launcher,),
        metavar="L[,L]",
        help="openvino (the converted model), tf or onnx (the original), or both "
        f"(default: {'both' if launcher is None else launcher})",
    )
    group.add_argument(
        "--precisions",
        type=choice_list(*IR_PRECISIONS),
        metavar="P[,P]",
        help=f"{', '.join(IR_PRECISIONS)} (default: {precisions})",
    )


def add_ir_dir(group: argparse._ActionsContainer) -> None:
    """Add ``--ir_dir``, for commands that read what mixnet-convert wrote."""
    group.add_argument(
        "--ir_dir", type=Path, metavar="DIR", help="mixnet-convert's --output_dir (default: the download folder)"
    )


def find_entries(args: argparse.Namespace) -> tuple[ZooEntry, ...]:
    """Find every model below the roots that ``--models_dir`` or the environment names."""
    from mixnet_tools.descriptors import zoo

    return zoo.find_models(args.models_dir or zoo.default_roots())


def selected_entries(args: argparse.Namespace) -> Entries:
    """Find what ``--name``, ``--list`` or ``--all`` chooses, of which exactly one must be given.

    A composite model that is chosen stands for all its stages.
    """
    from mixnet_tools.descriptors import zoo

    given = [option for option in ("name", "list", "all") if getattr(args, option) not in (None, False)]
    if len(given) != 1:
        problem = "only one of --name, --list and --all can be given" if given else "say which models"
        raise UsageError(problem, hint="use --name PAT[,PAT...], --list FILE, --all, or --print_all to see the names")
    if args.all:
        return zoo.with_composites(find_entries(args))
    patterns = zoo.read_list(args.list) if args.list else _names(args.name)
    if not patterns:
        raise UsageError("--name is empty", hint="give a model's name, for example --name mixnet-nano")
    return zoo.select(find_entries(args), patterns)


def _names(given: Sequence[str]) -> list[str]:
    return [part.strip() for patterns in given for part in patterns.split(",") if part.strip()]


def readable_models(args: argparse.Namespace) -> tuple[Models, Broken]:
    """Read the descriptors of the models that are chosen, and go on with those that are not broken.

    Raises :class:`DescriptorError` if all are broken.
    """
    from mixnet_tools.descriptors import zoo

    models, broken = load_each(zoo.flat(selected_entries(args)), quiet=args.quiet)
    if not models:
        refuse_broken(broken)
    return models, broken


def print_all_models(args: argparse.Namespace) -> int:
    """Print the name of every model, one a line; returns the exit code. A broken descriptor is an error.

    As in Open Model Zoo, the name of a composite model stands for those of its stages.
    """
    from mixnet_tools.descriptors import zoo

    entries = find_entries(args)
    listed = zoo.with_composites(entries)
    for entry in listed:
        print(entry.name)
    _, broken = load_each(entries, quiet=args.quiet)
    composites = [entry for entry in listed if isinstance(entry, zoo.CompositeEntry)]
    refuse_broken((*broken, *load_each(composites, quiet=args.quiet)[1]))
    return 0


def load_each(entries: Iterable[Loadable[DescriptorT_co]], *, quiet: bool) -> tuple[tuple[DescriptorT_co, ...], Broken]:
    """Read each descriptor, and list those that are broken.

    Prints a line on stderr for each key that is ignored, unless ``quiet``.
    """
    models, broken = [], []
    for entry in entries:
        try:
            models.append(entry.load())
        except DescriptorError as error:
            broken.append((entry.name, error))
    for model in models if not quiet else ():
        for text in model.warnings:
            print_text(f"warning: {text}", file=sys.stderr)
    return tuple(models), tuple(broken)


def refuse_broken(broken: Broken) -> None:
    """Raise one :class:`DescriptorError` that names all of ``broken``, unless there is none."""
    if broken:
        raise DescriptorError("\n".join(str(error) for _, error in broken))


def add_progress(parser: Parser) -> None:
    """Add ``--progress_format``."""
    parser.add_argument(
        "--progress_format",
        choices=("text", "json"),
        default="text",
        help="text for people (a bar on a terminal, lines elsewhere), or json: an event a line on stdout",
    )


def make_progress(args: argparse.Namespace) -> Progress:
    """Create the progress display that suits the options and the terminal."""
    from mixnet_tools.bars import BarProgress
    from mixnet_tools.cli.common.streams import plain
    from mixnet_tools.progress import JsonProgress, LineProgress, Progress

    if getattr(args, "progress_format", "text") == "json":
        return JsonProgress()
    if args.quiet:
        return Progress()
    if not sys.stderr.isatty():
        return LineProgress()
    return BarProgress(plain(sys.stderr), lambda text: terminal_of(sys.stderr).fold(text))


def positive_int(text: str) -> int:
    """Parse a whole number of at least 1, for argparse."""
    if not re.fullmatch(r"[0-9]+", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def points(text: str) -> float:
    """Parse points of accuracy, from 0 to 100, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:  # also NaN
        raise argparse.ArgumentTypeError(f"expected points from 0 to 100, got {text!r}")
    return value


def tags(text: str) -> tuple[str, ...]:
    """Parse the tags of a SavedModel's graph, for argparse."""
    from mixnet_tools.conversion.notation import parse_tags

    return parse_tags(text)


def names(text: str) -> list[str]:
    """Parse names with commas between them, for argparse."""
    return [part.strip() for part in text.split(",") if part.strip()]


def choice_list(*choices: str):  # type: ignore[no-untyped-def]
    """A parser for argparse: names from ``choices``, separated by commas. The result has each once, in this order."""

    def parse(text: str) -> tuple[str, ...]:
        names = [name.strip() for name in text.split(",")]
        wrong = [name for name in names if name not in choices]
        if wrong:
            raise argparse.ArgumentTypeError(
                f"expected {' or '.join(choices)} (or several, with commas), got {wrong[0]!r}"
            )
        return tuple(dict.fromkeys(names))

    return parse
