"""Entry points, and the one place where an error becomes a message and an exit code.

Exit codes: 0 done, 1 a known failure, 2 wrong usage, 3 accuracy below its reference, 130 interrupted (143 for
SIGTERM). stdout carries results only; everything else goes to stderr.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from mixnet_tools.cli.common import hints, interruption
from mixnet_tools.cli.common.options import Parser
from mixnet_tools.errors import MixnetToolsError, UsageError
from mixnet_tools.files.location import redact_within

COMMANDS = {
    "download": "fetch models and verify every byte",
    "convert": "convert downloaded models to OpenVINO IR, and prove the result",
    "check": "measure top-1 and top-5 of original and converted model",
    "quantize": "quantize a converted model to INT8, and measure what it costs and gains",
    "optimize": "make any IR faster on this machine, if that is possible",
    "info": "show what is known of a model",
    "cache": "list, verify or prune a download cache",
}

SUBCOMMANDS = {("check", "merge"): "merge"}
"""(command, its first argument): the module that carries this form of the command out."""


def mixnet(argv: Sequence[str] | None = None) -> int:
    """``mixnet <command> ...``: the same commands under one name."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in COMMANDS:
        return run(arguments[0], arguments[1:], prog=f"mixnet {arguments[0]}")
    listing = "\n".join(f"  {name:<10} {text}" for name, text in COMMANDS.items())
    parser = Parser("mixnet", f"Download, convert and check model-zoo models for OpenVINO.\n\ncommands:\n{listing}")
    parser.epilog = "Each command has its own help: mixnet convert --help"
    parser.usage = "mixnet COMMAND [OPTION ...]"
    _add_version(parser)
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="one of the commands above")
    command = parser.parse_args(arguments).command
    if command is None:
        parser.error(f"say which command: {', '.join(COMMANDS)}")
    from difflib import get_close_matches

    near = get_close_matches(command, COMMANDS, n=1)
    parser.error(f"unknown command {command!r}{f'; did you mean {near[0]!r}?' if near else ''}")


def run(command: str, argv: Sequence[str], prog: str) -> int:
    """Parse ``argv`` for ``command`` and carry it out; returns the exit code."""
    _open_closed_streams()
    if argv and (command, argv[0]) in SUBCOMMANDS:
        return run(SUBCOMMANDS[command, argv[0]], argv[1:], prog=f"{prog} {argv[0]}")
    module = importlib.import_module(f"mixnet_tools.cli.{command}")
    parser = Parser(prog, module.__doc__ or "")
    module.add_arguments(parser)
    _add_version(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(list(argv))
    args.parser = parser
    interruption.listen()
    try:
        code: int = module.run(args)
        sys.stdout.flush()  # a closed pipe shows here, not after the handlers are gone
        return code
    except KeyboardInterrupt:
        return _stopped(prog, signal.SIGINT)
    except interruption.Terminated:
        return _stopped(prog, signal.SIGTERM)
    except BrokenPipeError:
        # The reader of stdout went away (`| head`): nothing is left to say, and exit must not try to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if args.debug:
            print(redact_within(traceback.format_exc()), end="", file=sys.stderr)
        number = interruption.received()
        if number is not None and not isinstance(error, MixnetToolsError):
            # It came while a C extension was being imported, say, which made an ImportError of it.
            return _stopped(prog, number)
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
        text = redact_within(hints.system_message(error))
    else:
        text = redact_within(f"{type(error).__name__}: {error}")
        hint = "this is a fault of mixnet_tools itself: run again with --debug and report the traceback"
    first, *rest = text.splitlines() or [type(error).__name__]
    print(f"{prog}: error: {first}", file=sys.stderr)
    for line in rest:
        print(f"  {line}", file=sys.stderr)
    if hint:
        print(f"  try: {hint}", file=sys.stderr)


def _add_version(parser: Parser) -> None:
    from mixnet_tools import __version__

    parser.add_argument("--version", action="version", version=f"mixnet_tools {__version__}")


def _open_closed_streams() -> None:
    """Put the null device where the caller closed stdin, stdout or stderr (``>&-``).

    Python has None for such a stream, and the next file opened would get its number: a library that writes to file
    descriptor 1 or 2 would write into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def download() -> int:
    """``mixnet-download``."""
    return run("download", sys.argv[1:], "mixnet-download")


def convert() -> int:
    """``mixnet-convert``."""
    return run("convert", sys.argv[1:], "mixnet-convert")


def check() -> int:
    """``mixnet-check``."""
    return run("check", sys.argv[1:], "mixnet-check")


def quantize() -> int:
    """``mixnet-quantize``."""
    return run("quantize", sys.argv[1:], "mixnet-quantize")


def info() -> int:
    """``mixnet-info``."""
    return run("info", sys.argv[1:], "mixnet-info")


if __name__ == "__main__":
    sys.exit(mixnet())
