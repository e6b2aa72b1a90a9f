"""Completions of the commands, their options and the names of models, for a shell."""

from __future__ import annotations

import argparse
import re

from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.cli.main import COMMANDS, PROGRAMS, SUBCOMMANDS, add_options

MODEL_NAMES = "mixnet-info --print_all 2>/dev/null"
"""What prints the names of all models."""

_FOLDERS = frozenset({"DIR"})
_FILES = frozenset({"FILE", "FOLDER", "IMAGE", "IMAGES", "OUT"})
"""Words of the help that stand for paths. A shell that completes files completes folders as well."""


def completions(shell: str) -> str:
    """A script for ``shell`` (bash, zsh or fish) that completes ``mixnet`` and the commands with names of their own.

    ``eval "$(mixnet --print_completion bash)"`` takes it into a running shell.
    """
    import shtab

    parsers = [_mixnet(), *(_filled(Parser(f"mixnet-{command}", ""), command) for command in PROGRAMS)]
    return "\n".join(shtab.complete(parser, shell) for parser in parsers)


def _mixnet() -> Parser:
    parser = Parser("mixnet", "")
    commands = parser.add_subparsers()
    for command, text in COMMANDS.items():
        _filled(commands.add_parser(command, description=text, help=text), command)
    return parser


def _filled(parser: Parser, command: str) -> Parser:
    """``parser`` with the options of ``command``, each with what its values are completed by."""
    import shtab

    add_options(parser, command)
    values = {"models": shtab.cmd(MODEL_NAMES), "folders": shtab.DIRECTORY, "files": shtab.FILE}
    for action in parser._actions:
        if (what := _completed_by(action)) is not None:
            action.complete = values[what]  # type: ignore[attr-defined]
    inner = [word for outer, word in SUBCOMMANDS if outer == command]
    if inner:
        words = parser.add_argument("word", nargs="?", choices=inner)
        words.help = "another form of the command"
    return parser


def _completed_by(action: argparse.Action) -> str | None:
    """What an action's values are completed by, as its help names them. A NAME in a place of its own is a new one."""
    if action.dest == "name":
        return "models" if action.option_strings else None
    words = re.split(r"\W", str(action.metavar or ""))
    if _FOLDERS & set(words):
        return "folders"
    return "files" if _FILES & set(words) else None
