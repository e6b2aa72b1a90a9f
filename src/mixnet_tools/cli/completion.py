"""Completions of the commands, their options and the names of models, for a shell."""

from __future__ import annotations

import argparse
from pathlib import Path

from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.cli.main import COMMANDS, PROGRAMS, SUBCOMMANDS, add_options

MODEL_NAMES = "mixnet-info --print_all 2>/dev/null"
"""What prints the names of all models."""


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
    for action in parser._actions:
        if action.dest == "name":
            action.complete = shtab.cmd(MODEL_NAMES)  # type: ignore[attr-defined]
        elif action.type is Path:
            kind = shtab.DIRECTORY if _is_folder(action) else shtab.FILE
            action.complete = kind  # type: ignore[attr-defined]
    inner = [word for outer, word in SUBCOMMANDS if outer == command]
    if inner:
        words = parser.add_argument("word", nargs="?", choices=inner)
        words.help = "another form of the command"
    return parser


def _is_folder(action: argparse.Action) -> bool:
    return action.dest.endswith("_dir")
