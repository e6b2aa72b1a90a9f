"""What a stream can show: how wide its lines may be, and whether they may have colours. Paints and folds text for it.

Output into a file or a pipe is complete, has lines of any length and no colours, so that it is the same everywhere.
``COLUMNS`` sets a width there too. ``NO_COLOR`` forbids colours. ``FORCE_COLOR`` or ``CLICOLOR_FORCE`` asks for them
where the output is no terminal. A terminal that calls itself ``TERM=dumb`` gets none.

Colours do not pass :class:`~mixnet_tools.cli.common.streams.ShownStream`, which lets nothing through that steers a
terminal. So text is made safe first, then painted with the few sequences below, then written past that stream.
"""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from typing import Literal, TextIO

from mixnet_tools.files.shown import shown

Style = Literal["good", "bad", "bold", "dim"]

_SEQUENCES: dict[Style, str] = {"good": "\x1b[32m", "bad": "\x1b[1;31m", "bold": "\x1b[1m", "dim": "\x1b[2m"}
_END = "\x1b[0m"
_TWO_COLUMNS = re.compile(r"(\s*\S.*?\s{2,})(\S.*)")
"""A line of a list: a name, some blanks, and what is said of it. The rest of that stands below its start."""
_NARROWEST = 20
"""Below so many columns nothing useful fits: lines are made for this many."""
_USUAL = 80
"""The width of a terminal that does not tell its own, such as a serial line."""


@dataclass(frozen=True)
class Terminal:
    """What a stream can show. ``width`` is in columns, None where lines may be of any length."""

    width: int | None = None
    coloured: bool = False

    def paint(self, text: str, style: Style | None) -> str:
        """``text`` in ``style``, where there are colours. Make it safe first: see :func:`~.files.shown.shown`.

        >>> Terminal(coloured=True).paint("passed", "good"), Terminal().paint("passed", "good")
        ('\\x1b[32mpassed\\x1b[0m', 'passed')
        """
        return f"{_SEQUENCES[style]}{text}{_END}" if style and text and self.coloured else text

    def fold(self, text: str) -> str:
        """``text``, made safe, with its long lines folded at blanks. The rest of a line is indented below its start.

        A word that is longer than the terminal is wide, such as a path, stays whole: whoever copies it gets it right.

        >>> print(Terminal(width=20).fold("mixnet-nano: 600 images of 600"))
        mixnet-nano: 600
          images of 600
        """
        return "\n".join(piece for line in shown(text).splitlines() for piece in self._folded(line))

    def _folded(self, line: str) -> list[str]:
        if self.width is None or columns_of(line) <= self.width:
            return [line]
        columns = _TWO_COLUMNS.match(line.rstrip())
        if columns and (before := columns_of(columns[1])) <= self.width // 2:
            first, *more = wrap(columns[2], self.width - before, breaking=False)
            return [columns[1] + first, *(" " * before + piece for piece in more)]
        indent = " " * min(len(line) - len(line.lstrip()), self.width // 4)
        return [
            (indent if number == 0 else indent + "  ") + piece
            for number, piece in enumerate(wrap(line, self.width - len(indent) - 2, breaking=False))
        ]


def terminal_of(stream: TextIO) -> Terminal:
    """What ``stream`` can show, now: a window may have another size a moment later."""
    return Terminal(_width(stream), _coloured(stream))


def _width(stream: TextIO) -> int | None:
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return max(int(told), _NARROWEST)
    if not stream.isatty():
        return None
    try:
        width = os.get_terminal_size(stream.fileno()).columns
    except OSError:
        width = 0
    return max(width, _NARROWEST) if width else _USUAL


def _coloured(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    forced = os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE")
    if forced:
        return forced.lower() not in ("0", "false")
    if platform.system() == "Windows" and not {"WT_SESSION", "TERM"} & os.environ.keys():
        return False  # the old console of Windows would print the sequences
    return stream.isatty() and os.environ.get("TERM") != "dumb" and os.environ.get("CLICOLOR") != "0"


def columns_of(text: str) -> int:
    """How many columns of a terminal ``text`` takes. East Asian letters take two each, combining marks none.

    >>> columns_of("cat"), columns_of("猫")
    (3, 2)
    """
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def wrap(text: str, width: int, *, breaking: bool = True) -> list[str]:
    """The lines of ``text``, folded at blanks to at most ``width`` columns. There is always one.

    A longer word is broken, or with ``breaking=False`` has a line of its own.

    >>> wrap("great white shark, white shark", 12)
    ['great white', 'shark, white', 'shark']
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        if columns_of(paragraph) <= width:
            lines.append(paragraph)
            continue
        line = ""
        for word in paragraph.split():
            if line and columns_of(line) + 1 + columns_of(word) > width:
                lines.append(line)
                line = ""
            *full, rest = _pieces(word, width) if breaking else [word]
            lines += full
            line = f"{line} {rest}" if line else rest
        lines.append(line)
    return lines


def _pieces(word: str, width: int) -> list[str]:
    if columns_of(word) <= width:
        return [word]
    from rich.cells import chop_cells

    return chop_cells(word, width)
