"""Runs the commands, and turns their errors into messages and exit codes.

Exit codes: 0 done, 1 a known failure, 2 wrong usage, 3 accuracy below its reference, 130 interrupted (Ctrl-C), 143
terminated (SIGTERM). stdout carries the result. Everything else goes to stderr.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import ModuleType

from mixnet_tools.cli.common import hints, interruption
from mixnet_tools.cli.common.command_line import command_line
from mixnet_tools.cli.common.output import print_text
from mixnet_tools.cli.common.parser import Parser, nearest
from mixnet_tools.cli.common.resources import limits_in_force, near_limit, ran_out
from mixnet_tools.cli.common.streams import safe_output
from mixnet_tools.cli.common.supervision import supervised
from mixnet_tools.errors import MixnetToolsError, ResourceError, UsageError

COMMANDS = {
    "new": "describe a model of your own, so that the other commands take it",
    "download": "fetch models and verify every byte",
    "convert": "convert downloaded models to OpenVINO IR, and prove the result",
    "check": "measure top-1 and top-5 of original and converted model",
    "classify": "say what is in pictures, in the terminal or on a page",
    "quantize": "quantize a converted model to INT8, and measure what it costs and gains",
    "optimize": "make any IR faster on this machine, if that is possible",
    "info": "show what is known of a model",
    "cache": "list, verify or prune a download cache",
    "omz-aliases": "write programs named as Open Model Zoo's, which run these commands",
}

PROGRAMS = ("download", "convert", "check", "classify", "quantize", "info")
"""The commands that are programs of their own as well, such as mixnet-download."""

MANUALS = {
    "new": "docs/own-model.md",
    "download": "docs/download.md",
    "convert": "docs/convert.md",
    "check": "docs/check.md",
    "classify": "docs/classify.md",
    "quantize": "docs/quantize.md",
    "optimize": "docs/performance.md",
    "info": "docs/descriptor.md",
    "cache": "docs/download.md",
    "omz-aliases": "docs/from-omz.md",
}
"""The page on each command in the sources."""

_ONLY_TELL = {"-h", "--help", "-V", "--version"}
"""With one of these a command does nothing that needs supervision, and answers 30 ms sooner without."""

SUBCOMMANDS = {("check", "merge"): "check.merge", ("check", "diff"): "check.diff"}
"""The module of each command inside a command: ``mixnet check merge``."""

SHELLS = ("bash", "zsh", "fish")
"""Shells that the commands can be completed in."""

_MODULES = {"check": "check.command", "classify": "classify.command", "info": "info.command"}
"""The modules of commands that have a package of their own. The others are called like their command."""


def mixnet(argv: Sequence[str] | None = None) -> int:
    """Run ``mixnet <command> ...``; returns the exit code.

    Without ``argv``, the command line of this process is run, under supervision.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in COMMANDS:
        command, prog = arguments[0], f"mixnet {arguments[0]}"
        return _supervised(command, prog, arguments[1:]) if argv is None else run(command, arguments[1:], prog)
    with safe_output():
        return _without_command(arguments)


def _without_command(arguments: list[str]) -> int:
    listing = "\n".join(f"  {name:<12} {text}" for name, text in COMMANDS.items())
    parser = Parser("mixnet", f"Download, convert and check model-zoo models for OpenVINO.\n\ncommands:\n{listing}")
    parser.epilog = "Each command has its own help: mixnet convert --help"
    parser.usage = "mixnet COMMAND [OPTION ...]"
    _add_version(parser)
    parser.add_argument(
        "--print_completion", choices=SHELLS, metavar="SHELL", help=f"print completions for {', '.join(SHELLS)}"
    )
    if arguments and not arguments[0].startswith("-"):
        parser.error(f"unknown command {arguments[0]!r}{nearest(arguments[0], COMMANDS)}")
    shell = parser.parse_args(arguments).print_completion
    if shell is None:
        parser.error(f"say which command: {', '.join(COMMANDS)}")
    from mixnet_tools.cli.completion import completions

    print(completions(shell))  # for a shell: nothing is folded, however wide the terminal is
    return 0


def run(command: str, argv: Sequence[str], prog: str) -> int:
    """Run ``command`` with the arguments ``argv``; returns the exit code. Messages call the command ``prog``."""
    if argv and (command, argv[0]) in SUBCOMMANDS:
        return run(SUBCOMMANDS[command, argv[0]], argv[1:], prog=f"{prog} {argv[0]}")
    _open_closed_streams()
    _send_nothing_home()
    # Otherwise pydantic looks through all installed packages for plugins of its own, and runs those that it finds.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    with safe_output():
        return _run(command, argv, prog)


def command_module(command: str) -> ModuleType:
    """Import the module of ``command``: its docstring, ``add_arguments`` and ``run``."""
    return importlib.import_module(f"mixnet_tools.cli.{_MODULES.get(command, command.replace('-', '_'))}")


def command_parser(command: str, prog: str) -> Parser:
    """The parser of ``command`` with all its options. ``prog`` is what its help and its errors call it."""
    words = [inner for outer, inner in SUBCOMMANDS if outer == command]
    parser = Parser(prog, command_module(command).__doc__ or "", MANUALS[command.partition(".")[0]], words)
    add_options(parser, command)
    return parser


def add_options(parser: Parser, command: str) -> None:
    """Add the options of ``command``, and those of all commands."""
    command_module(command).add_arguments(parser)
    _add_version(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors and results only")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _run(command: str, argv: Sequence[str], prog: str) -> int:
    module, parser = command_module(command), command_parser(command, prog)
    args = parser.parse_args(list(argv))
    args.parser, args.command_line = parser, command_line(prog, argv)
    if args.quiet:
        _quiet_libraries()
    interruption.listen()
    try:
        code: int = module.run(args)
        sys.stdout.flush()  # a closed pipe raises here, where it is handled
        return code
    except KeyboardInterrupt:
        return _stopped(prog, signal.SIGINT)
    except interruption.Terminated:
        return _stopped(prog, signal.SIGTERM)
    except BrokenPipeError:
        # The reader of stdout went away (`| head`). Python flushes stdout once more at its exit, and must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except BaseException as error:
        if args.debug:
            print(traceback.format_exc(), end="", file=sys.stderr)
        number = interruption.received()
        if number is not None and not isinstance(error, MixnetToolsError):
            # The signal came in a place that turns its exception into another one, such as the import of a C extension.
            return _stopped(prog, number)
        if not isinstance(error, Exception):
            raise
        _print_error(args, error)
        return 2 if isinstance(error, UsageError) else 1


def _stopped(prog: str, number: int) -> int:
    print(f"{prog}: {'interrupted' if number == signal.SIGINT else 'terminated'}", file=sys.stderr)
    return 128 + number


def _print_error(args: argparse.Namespace, error: Exception) -> None:
    prog, hint = args.parser.prog, None
    if isinstance(error, MixnetToolsError):
        text, hint = hints.message(error, args), hints.hint(error, args)
    elif isinstance(error, OSError):
        text = hints.system_message(error)
    elif ran_out(error):
        text = f"memory or threads ran out: {str(error) or type(error).__name__}"
    else:
        text = f"{type(error).__name__}: {error}"
        hint = "this is a fault of mixnet_tools itself: run again with --debug and report the traceback"
    if isinstance(error, ResourceError) or ran_out(error):
        hint = f"close other programs, or allow more memory and threads ({limits_in_force()})"
    elif near_limit():
        hint = f"allow more memory ({limits_in_force()}): where it runs out, errors may name another cause"
    first, *rest = text.splitlines() or [type(error).__name__]
    print_text(f"{prog}: error: {first}", file=sys.stderr)
    for line in rest:
        print_text(f"  {line}", file=sys.stderr)
    if hint:
        print_text(f"  try: {hint}", file=sys.stderr)


def _add_version(parser: Parser) -> None:
    from mixnet_tools import __version__

    parser.add_argument("-V", "--version", action="version", version=f"mixnet_tools {__version__}")


def _send_nothing_home() -> None:
    """Keep OpenVINO and NNCF from reporting to their makers what is imported and converted.

    Both do without the package that sends it. For Python, None marks a module that is not there.
    """
    if "openvino_telemetry" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]


def _quiet_libraries() -> None:
    """Keep Python's warnings, and what libraries log without being asked, off stderr."""
    warnings.simplefilter("ignore")
    if logging.lastResort:  # takes what nobody else does, such as matplotlib's remarks on its folders
        logging.lastResort.setLevel(logging.ERROR)


def _open_closed_streams() -> None:
    """Open the null device where the caller closed stdin, stdout or stderr (``>&-``).

    Otherwise the next file that is opened gets the number of the closed stream, and a library that writes to file
    descriptor 1 or 2 writes into that file. Python's own stream is None.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _supervised(command: str, prog: str, arguments: list[str]) -> int:
    if not _ONLY_TELL.isdisjoint(arguments):
        return run(command, arguments, prog)
    _open_closed_streams()
    return supervised(prog, lambda: run(command, arguments, prog))


def download() -> int:
    """Run ``mixnet-download``."""
    return _supervised("download", "mixnet-download", sys.argv[1:])


def convert() -> int:
    """Run ``mixnet-convert``."""
    return _supervised("convert", "mixnet-convert", sys.argv[1:])


def check() -> int:
    """Run ``mixnet-check``."""
    return _supervised("check", "mixnet-check", sys.argv[1:])


def classify() -> int:
    """Run ``mixnet-classify``."""
    return _supervised("classify", "mixnet-classify", sys.argv[1:])


def quantize() -> int:
    """Run ``mixnet-quantize``."""
    return _supervised("quantize", "mixnet-quantize", sys.argv[1:])


def info() -> int:
    """Run ``mixnet-info``."""
    return _supervised("info", "mixnet-info", sys.argv[1:])


def omz(program: str) -> int:
    """Run the command that stands for Open Model Zoo's ``program``. The programs of ``mixnet omz-aliases`` do so."""
    from mixnet_tools.cli.omz_aliases import PROGRAMS

    command, options = PROGRAMS[program]
    return _supervised(command, program, [*options, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(mixnet())
