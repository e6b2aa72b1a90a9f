"""Messages and hints of errors in the words of the command line: the user's own command, with the user's own options.

Stages name parameters of the Python API in backquotes, and stages that have to run first as a ``NextStep``. Here they
become options of the command that ran, and a command that can be typed.
"""

from __future__ import annotations

import argparse
import importlib
import re
import shlex

from mixnet_tools.cli.common.options import Parser
from mixnet_tools.errors import MixnetToolsError, NextStep
from mixnet_tools.files.location import redact_within

_FIELD = re.compile(r"`([a-z_0-9]+)(?:=([^`]*))?`")


def message(error: MixnetToolsError, args: argparse.Namespace) -> str:
    """What went wrong, with the options of the command that ``args`` were parsed by, and without secrets of URLs."""
    return redact_within(with_options(str(error), args.parser))


def hint(error: MixnetToolsError, args: argparse.Namespace) -> str | None:
    """What to try next, or None."""
    if isinstance(error.hint, NextStep):
        return _command(error.hint, args)
    return None if error.hint is None else redact_within(with_options(error.hint, args.parser))


def failure(error: MixnetToolsError, args: argparse.Namespace) -> str:
    """Both in one line, for lists of several failures."""
    advice = hint(error, args)
    return f"{message(error, args)}{f' (try: {advice})' if advice else ''}"


def with_options(text: str, parser: Parser) -> str:
    """``text`` with each parameter in backquotes that ``parser`` has an option for written as that option."""
    return _FIELD.sub(lambda match: _option(parser, match[1], match[2]) or match[0], text)


def _command(step: NextStep, args: argparse.Namespace) -> str:
    parser = Parser("", "")
    importlib.import_module(f"mixnet_tools.cli.{step.stage}").add_arguments(parser)
    prog = f"mixnet {step.stage}" if args.parser.prog.startswith("mixnet ") else f"mixnet-{step.stage}"
    fields: dict[str, str | bool] = {"name": step.model, **step.fields}
    words = [_option(parser, name, str(value)) for name, value in fields.items()]
    roots = [f"--models_dir {shlex.quote(str(root))}" for root in getattr(args, "models_dir", None) or ()]
    return " ".join([prog, *filter(None, words), *roots])


def _option(parser: Parser, name: str, value: str | None) -> str | None:
    """The option that sets the parameter ``name`` (to ``value``), or None where ``parser`` has none."""
    options = {action.dest: action.option_strings for action in parser._actions if action.option_strings}
    if value == "False":
        name, value = f"no_{name}", None
    elif value == "True":
        value = None
    if name not in options:
        return None
    longest = max(options[name], key=len)
    return longest if value is None else f"{longest} {shlex.quote(value)}"
