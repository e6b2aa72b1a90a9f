"""Writes messages and hints of errors with the options and commands that the user can type.

Stages name parameters of the Python API in backquotes, and the function to call first as a
:class:`~mixnet_tools.errors.NextStep`. Here a parameter becomes the option of the same name of the command that ran,
and a function becomes a command.
"""

from __future__ import annotations

import argparse
import re
import shlex

from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.errors import MixnetToolsError, NextStep

_FIELD = re.compile(r"`([a-z_0-9]+)(?:=([^`]*))?`")
_COMMANDS = {"list_models": ("info", "--print_all"), "evaluate": ("check",)}
"""The command and its options for each function of the Python API that is not called like its command."""


def message(error: MixnetToolsError, args: argparse.Namespace) -> str:
    """What went wrong. ``args`` were parsed by the command that ran."""
    return with_options(str(error), args.parser)


def hint(error: MixnetToolsError, args: argparse.Namespace) -> str | None:
    """What to try next, or None."""
    if isinstance(error.hint, NextStep):
        return next_command(error.hint, args)
    return None if error.hint is None else with_options(error.hint, args.parser)


def failure(error: MixnetToolsError, args: argparse.Namespace) -> str:
    """Message and hint in one piece, for a list of failures."""
    advice = hint(error, args)
    return f"{message(error, args)}{f' (try: {advice})' if advice else ''}"


def system_message(error: OSError) -> str:
    """What the operating system says, with the file that it is about."""
    return f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}"


def with_options(text: str, parser: Parser) -> str:
    """Replace each parameter in backquotes by its option, where ``parser`` has one.

    One without a value is written as the help writes it: ``-s/--source``.
    """

    def written(match: re.Match[str]) -> str:
        name, value = match.groups()
        every = _options(parser).get(name)
        return "/".join(every) if every and value is None else _option(parser, name, value) or match[0]

    return _FIELD.sub(written, text)


def next_command(step: NextStep, args: argparse.Namespace) -> str:
    """``step`` as a command: ``mixnet download ...`` where the user typed ``mixnet``, else ``mixnet-download ...``."""
    from mixnet_tools.cli.main import command_parser  # which imports this module

    command, *words = _COMMANDS.get(step.stage, (step.stage,))
    parser = command_parser(command, "")
    fields = {"name": step.model, **step.fields} if step.model is not None else step.fields
    words += filter(None, (_option(parser, name, str(value)) for name, value in fields.items()))
    positional = {action.dest for action in parser._actions if not action.option_strings}
    words += [shlex.quote(str(value)) for name, value in fields.items() if name in positional]
    words += [f"--models_dir {shlex.quote(str(root))}" for root in getattr(args, "models_dir", None) or ()]
    prefix = "mixnet " if args.parser.prog.startswith("mixnet ") else "mixnet-"
    return " ".join([prefix + command, *words])


def _option(parser: Parser, name: str, value: str | None) -> str | None:
    """The option that sets the parameter ``name`` to ``value`` (None: the option alone).

    ``True`` is the option alone as well, and ``False`` the option ``no_<name>``. None: ``parser`` has no such option.
    """
    options = _options(parser)
    if value == "False":
        name, value = f"no_{name}", None
    elif value == "True":
        value = None
    if name not in options:
        return None
    longest = max(options[name], key=len)
    return longest if value is None else f"{longest} {shlex.quote(value)}"


def _options(parser: Parser) -> dict[str, list[str]]:
    """The spellings of each option, by the parameter that it sets."""
    return {action.dest: list(action.option_strings) for action in parser._actions if action.option_strings}
