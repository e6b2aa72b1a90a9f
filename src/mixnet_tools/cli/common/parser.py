"""The parser of a command's options: in snake_case and in kebab-case, with the nearest name for one that is unknown."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

from mixnet_tools.cli.common.terminal import Terminal, wrap

OMZ_PREFIX = "omz_"
"""How the names of Open Model Zoo's programs begin. Scripts may shorten their options: ``--output`` for the folder."""

DASHES = "Options may be written with dashes as well: --output-dir is --output_dir."


def nearest(word: str, known: Iterable[str]) -> str:
    """A question about the one of ``known`` that is most like ``word``; "" where none is.

    >>> nearest("--nmae", ["--name", "--list"])
    '; did you mean --name?'
    """
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of a description where they fit the terminal. Else its paragraphs are folded anew."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if max(map(len, text.splitlines()), default=0) <= width:
            return super()._fill_text(text, width, indent)
        paragraphs = text.strip().split("\n\n")
        return "\n\n".join(_folded(paragraph, Terminal(width)) for paragraph in paragraphs) + "\n"


def _folded(paragraph: str, terminal: Terminal) -> str:
    """A paragraph of sentences as one text, but lists and examples line by line: they have indented lines."""
    lines = paragraph.splitlines()
    if any(line.startswith(" ") for line in lines):
        return terminal.fold(paragraph)
    return "\n".join(wrap(" ".join(lines), terminal.width or len(paragraph), breaking=False))


class Parser(argparse.ArgumentParser):
    """A parser of options like Open Model Zoo's (``--output_dir``). Dashes are fine as well (``--output-dir``)."""

    def __init__(
        self, prog: str, description: str, manual: str = "", subcommands: Sequence[str] = (), *, color: bool = False
    ) -> None:
        """``manual`` is the page on the command; ``subcommands`` are the words that may stand first instead.

        ``color`` is what Python 3.14 passes on to the parsers of subcommands. Its sequences do not pass our streams.
        """
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"{f'manual: {manual}{chr(10)}' if manual else ''}{DASHES}",
            allow_abbrev=prog.startswith(OMZ_PREFIX),
            formatter_class=_HelpFormatter,
        )
        self._subcommands = subcommands
        self.color = color

    def parse_args(self, args: Sequence[str] | None = None) -> argparse.Namespace:  # type: ignore[override]
        """Rewrite each ``--kebab-case`` option to the one that this parser knows, and parse.

        Options may stand anywhere between the other arguments. For an option that is unknown, the nearest name is
        offered.
        """
        typed = [self._snake_case(argument) for argument in (sys.argv[1:] if args is None else args)]
        takes_others = any(not action.option_strings for action in self._actions)
        # The plain parser takes the first arguments that stand together for all there are.
        parsed, unknown = (self.parse_known_intermixed_args if takes_others else self.parse_known_args)(typed)
        if unknown:
            self.error(self._unknown(unknown))
        return parsed

    def _unknown(self, arguments: Sequence[str]) -> str:
        """What to say of ``arguments``, which are what this parser left over."""
        option = next((one.partition("=")[0] for one in arguments if one.startswith("-") and one != "-"), None)
        if option is None:
            return f"unexpected argument {arguments[0]!r}{nearest(arguments[0], self._subcommands)}"
        return f"unknown option {option}{nearest(self._snake_case(option), self._option_string_actions)}"

    def _snake_case(self, argument: str) -> str:
        option, equals, value = argument.partition("=")
        snake = "--" + option[2:].replace("-", "_")
        known = self._option_string_actions
        return (
            snake + equals + value if option.startswith("--") and option not in known and snake in known else argument
        )

    def error(self, message: str) -> NoReturn:
        """Print the message and where to read more, and exit with 2."""
        self.exit(2, f"{self.prog}: error: {message}\ntry: {self.prog} --help\n")
