"""Options that several commands share, and the parser that accepts each in snake_case and in kebab-case."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mixnet_tools.errors import UsageError

if TYPE_CHECKING:
    from mixnet_tools.descriptors.model_yml import ModelDescriptor
    from mixnet_tools.descriptors.zoo import ZooEntry
    from mixnet_tools.errors import DescriptorError
    from mixnet_tools.progress import Progress


class Parser(argparse.ArgumentParser):
    """Open Model Zoo's option names (``--output_dir``), which may also be written with dashes (``--output-dir``)."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog="Options may be written with dashes as well: --output-dir is --output_dir.",
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse after each ``--kebab-case`` option that this parser knows in snake_case was rewritten."""
        if args is not None:
            args = [self._snake_case(argument) for argument in args]
        return super().parse_known_args(args, namespace)

    def _snake_case(self, argument: str) -> str:
        option, equals, value = argument.partition("=")
        snake = "--" + option[2:].replace("-", "_")
        known = self._option_string_actions
        return (
            snake + equals + value if option.startswith("--") and option not in known and snake in known else argument
        )

    def error(self, message: str) -> NoReturn:
        """Wrong usage: the message, where to read more, exit code 2."""
        self.exit(2, f"{self.prog}: error: {message}\ntry: {self.prog} --help\n")


def add_model_selection(parser: Parser, *, verb: str) -> None:
    """``--name``, ``--list``, ``--all``, ``--print_all`` and ``--models_dir``, as every OMZ command has them."""
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
    """``--models_dir``, for commands that choose models in their own way."""
    group.add_argument(
        "--models_dir",
        type=Path,
        action="append",
        metavar="DIR",
        help="look for models below DIR instead of in the embedded zoo (repeatable; or set MIXNET_TOOLS_MODELS)",
    )


def add_download_dir(group: argparse._ActionsContainer) -> None:
    """``-d``, for commands that begin where mixnet-download ended."""
    group.add_argument(
        "-d", "--download_dir", type=Path, default=Path(), metavar="DIR", help="where mixnet-download put the models"
    )


def find_entries(args: argparse.Namespace) -> tuple[ZooEntry, ...]:
    """Every model of the roots that ``args`` or the environment name."""
    from mixnet_tools.descriptors import zoo

    return zoo.find_models(args.models_dir or zoo.default_roots())


def selected_entries(args: argparse.Namespace) -> tuple[ZooEntry, ...]:
    """The models that ``--name``, ``--list`` or ``--all`` choose; exactly one of the three must be given."""
    from mixnet_tools.descriptors import zoo

    given = [option for option in ("name", "list", "all") if getattr(args, option) not in (None, False)]
    if len(given) != 1:
        problem = "only one of --name, --list and --all can be given" if given else "say which models"
        raise UsageError(problem, hint="use --name PAT[,PAT...], --list FILE, --all, or --print_all to see the names")
    if args.all:
        return find_entries(args)
    patterns = zoo.read_list(args.list) if args.list else _names(args.name)
    if not patterns:
        raise UsageError("--name is empty", hint="give a model's name, for example --name mixnet-nano")
    return zoo.select(find_entries(args), patterns)


def _names(given: Sequence[str]) -> list[str]:
    return [part.strip() for patterns in given for part in patterns.split(",") if part.strip()]


def selected_models(args: argparse.Namespace) -> tuple[ModelDescriptor, ...]:
    """The descriptors of :func:`selected_entries`, all read and checked; every broken one is in the error."""
    return _all_or_none(*_load(selected_entries(args)))


def readable_models(
    args: argparse.Namespace,
) -> tuple[tuple[ModelDescriptor, ...], tuple[tuple[str, DescriptorError], ...]]:
    """The descriptors of :func:`selected_entries` that can be read, and (name, error) of each that cannot.

    For commands in which one model's failure does not stop the others. Raises where not a single one can be read.
    """
    models, broken = _load(selected_entries(args))
    return (models, broken) if models else (_all_or_none(models, broken), ())


def print_all_models(args: argparse.Namespace) -> int:
    """``--print_all``: a name a line. Each descriptor is checked on the way, and a broken one is an error."""
    entries = find_entries(args)
    for entry in entries:
        print(entry.name)
    _all_or_none(*_load(entries))
    return 0


def _load(
    entries: Sequence[ZooEntry],
) -> tuple[tuple[ModelDescriptor, ...], tuple[tuple[str, DescriptorError], ...]]:
    from mixnet_tools.errors import DescriptorError

    models, broken = [], []
    for entry in entries:
        try:
            models.append(entry.load())
        except DescriptorError as error:
            broken.append((entry.name, error))
    return tuple(models), tuple(broken)


def _all_or_none(
    models: tuple[ModelDescriptor, ...], broken: tuple[tuple[str, DescriptorError], ...]
) -> tuple[ModelDescriptor, ...]:
    from mixnet_tools.errors import DescriptorError

    if broken:
        raise DescriptorError("\n".join(str(error) for _, error in broken))
    return models


def add_progress(parser: Parser) -> None:
    """``--progress_format`` and ``--quiet``."""
    parser.add_argument(
        "--progress_format",
        choices=("text", "json"),
        default="text",
        help="text for people (a bar on a terminal, lines elsewhere), or json: an event a line on stdout",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors and results only")


def make_progress(args: argparse.Namespace) -> Progress:
    """The progress that the options and the terminal ask for."""
    import sys

    from mixnet_tools.progress import BarProgress, JsonProgress, LineProgress, Progress

    if getattr(args, "progress_format", "text") == "json":
        return JsonProgress()
    if args.quiet:
        return Progress()
    return BarProgress() if sys.stderr.isatty() else LineProgress()


def positive_int(text: str) -> int:
    """An argparse type: a whole number of at least 1."""
    if not re.fullmatch(r"[0-9]+", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def points(text: str) -> float:
    """An argparse type: points of accuracy, from 0 to 100."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:  # which NaN is not either
        raise argparse.ArgumentTypeError(f"expected points from 0 to 100, got {text!r}")
    return value


def choice_list(*choices: str):  # type: ignore[no-untyped-def]
    """An argparse type: names out of ``choices``, separated by commas, each once, in the order given."""

    def parse(text: str) -> tuple[str, ...]:
        names = [name.strip() for name in text.split(",")]
        wrong = [name for name in names if name not in choices]
        if wrong:
            raise argparse.ArgumentTypeError(
                f"expected {' or '.join(choices)} (or several, with commas), got {wrong[0]!r}"
            )
        return tuple(dict.fromkeys(names))

    return parse
