"""Lays out tables for the terminal at hand, so that no line of them is broken by its edge.

A table that is too wide is folded at the blanks in its headings and cells. If that is not enough, the columns that say
so are left out, and a line below names them. Where this does not help either, each row becomes a block of lines.

The layout is our own: tabulate does not know the terminal, and rich's tables cut columns off in silence where they do
not fit. How wide a letter is (East Asian ones take two columns) is looked up in ``rich.cells``. rich is installed
anyway, since TensorFlow needs it; this one module of it is imported in 10 ms, and only for text that is not ASCII.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from mixnet_tools.cli.common.terminal import Style, Terminal, columns_of, wrap
from mixnet_tools.files.shown import shown

_GAP = "  "
_LEAST_FOR_A_PATH = 24
"""Columns that are enough for text that may be broken anywhere."""
_LEAST_FOR_A_VALUE = 16
"""Columns that a value gets beside its name. Where there are fewer, it begins on a line of its own."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Where the table is too wide, columns with a ``drop`` above 0 may be left out, the highest first. ``breaks`` is for
    text without blanks, such as paths: it may be broken anywhere. ``right`` is for figures.
    """

    heading: str
    drop: int = 0
    breaks: bool = False
    right: bool = False


@dataclass(frozen=True)
class Painted:
    """The text of a cell, with a colour."""

    text: str
    style: Style


Cell = str | Painted


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], terminal: Terminal) -> str:
    """Lay out ``rows`` below the headings of ``columns``. No line is wider than ``terminal``.

    Cells may have several lines. Their text is made safe here. Without a single heading, no line stands above the rows.
    """
    safe = [[_safe(cell) for cell in row] for row in rows]
    kept = list(range(len(columns)))
    while True:
        shown_columns, cells = [columns[n] for n in kept], [[row[n] for n in kept] for row in safe]
        widths = _widths(shown_columns, cells, terminal)
        if widths is not None:
            break
        droppable = [n for n in kept if columns[n].drop and len(kept) > 1]
        if not droppable:
            return _blocks(columns, safe, terminal)
        kept.remove(max(droppable, key=lambda n: columns[n].drop))
    lines = _grid(shown_columns, cells, widths, terminal)
    if dropped := [column.heading for n, column in enumerate(columns) if n not in kept]:
        note = terminal.fold(f"(left out, for there is no room: {', '.join(dropped)})")
        lines += [terminal.paint(line, "dim") for line in note.splitlines()]
    return "\n".join(lines)


def fields(title: str, pairs: Sequence[tuple[str, Cell]], terminal: Terminal) -> str:
    """Lay out names with their values below ``title``. Values may be broken anywhere."""
    columns = (Column(""), Column("", breaks=True))
    rows = [[_safe(name), _safe(value)] for name, value in pairs]
    widths = _widths(columns, rows, terminal)
    heading = shown(title, lines=False)
    lines = [terminal.paint(line, "bold") for line in wrap(heading, terminal.width or columns_of(heading))]
    if widths is not None:
        return "\n".join([*lines, _GAP.join("-" * width for width in widths), *_grid(columns, rows, widths, terminal)])
    assert terminal.width is not None, "without an edge everything fits"
    for name, value in rows:
        lines += [terminal.paint(line, "bold") for line in wrap(name.text, terminal.width)]
        lines += _value(value, terminal.width, terminal)
    return "\n".join(lines)


@dataclass(frozen=True)
class _Safe:
    """A cell whose text nothing can steer a terminal by."""

    text: str
    style: Style | None


def _safe(cell: Cell) -> _Safe:
    return _Safe(shown(cell.text), cell.style) if isinstance(cell, Painted) else _Safe(shown(cell), None)


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[_Safe]], terminal: Terminal) -> list[int] | None:
    """The width of each column, or None where they do not fit. The widest columns give way first."""

    def texts(n: int) -> list[str]:
        return [columns[n].heading, *(row[n].text for row in rows)]

    wished, least = [], []
    for n, column in enumerate(columns):
        longest = max(columns_of(line) for text in texts(n) for line in text.split("\n"))
        word = max((columns_of(word) for text in texts(n) for word in text.split()), default=0)
        wished.append(longest)
        least.append(min(word, _LEAST_FOR_A_PATH) if column.breaks else word)
    if terminal.width is None:
        return wished
    room = terminal.width - len(_GAP) * (len(columns) - 1)
    if sum(least) > room:
        return None
    while (excess := sum(wished) - room) > 0:
        # All that can give way and are widest become as narrow as the next, or less, down to what is needed.
        widest = max(width for width, low in zip(wished, least, strict=True) if width > low)
        giving = [n for n, width in enumerate(wished) if width == widest and width > least[n]]
        lower = max([least[n] for n in giving] + [width for width in wished if width < widest])
        cut = min(max(1, excess // len(giving)), widest - lower)
        for n in giving[: max(1, excess // cut)]:
            wished[n] -= cut
    folded = ((wrap(text, width) for text in texts(n)) for n, width in enumerate(wished))
    return [max(columns_of(line) for lines in column for line in lines) for column in folded]


def _grid(
    columns: Sequence[Column], rows: Sequence[Sequence[_Safe]], widths: Sequence[int], terminal: Terminal
) -> list[str]:
    lines = []
    if any(column.heading for column in columns):
        lines += _row(columns, [_Safe(column.heading, "bold") for column in columns], widths, terminal)
        lines.append(_GAP.join("-" * width for width in widths))
    for row in rows:
        lines += _row(columns, row, widths, terminal)
    return lines


def _row(columns: Sequence[Column], cells: Sequence[_Safe], widths: Sequence[int], terminal: Terminal) -> list[str]:
    """The lines of one row, without blanks at their ends."""
    folded = [wrap(cell.text, width) for cell, width in zip(cells, widths, strict=True)]
    lines = []
    for texts in zip_longest(*folded, fillvalue=""):
        line = ""
        for column, cell, width, text in zip(columns, cells, widths, texts, strict=True):
            blanks = " " * (width - columns_of(text))
            painted = terminal.paint(text, cell.style)
            line += (blanks + painted if column.right else painted + blanks) + _GAP
        lines.append(line.rstrip())
    return lines


def _blocks(columns: Sequence[Column], rows: Sequence[Sequence[_Safe]], terminal: Terminal) -> str:
    """Each row as lines of its own: the first cell, and below it the others with their headings."""
    assert terminal.width is not None, "without an edge everything fits"
    names = [column.heading for column in columns[1:]]
    beside = max(map(columns_of, names)) if names else 0
    room = terminal.width - len(_GAP) * 2 - beside
    blocks = []
    for first, *others in rows:
        lines = [terminal.paint(line, "bold") for line in wrap(first.text, terminal.width)]
        for name, cell in zip(names, others, strict=True):
            if room < _LEAST_FOR_A_VALUE and name:
                lines += _narrow(name, cell, terminal.width, terminal)
                continue
            before = _GAP + name + " " * (beside - columns_of(name)) + (_GAP if beside else "")
            first_line, *more = wrap(cell.text, room)
            lines.append(before + terminal.paint(first_line, cell.style))
            lines += [" " * columns_of(before) + terminal.paint(line, cell.style) for line in more]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _narrow(name: str, cell: _Safe, width: int, terminal: Terminal) -> list[str]:
    """A name and its value where there is no room for a column of names: in one line if they fit, else below it."""
    if "\n" not in cell.text and columns_of(name) + columns_of(cell.text) + 2 * len(_GAP) <= width:
        return [_GAP + name + _GAP + terminal.paint(cell.text, cell.style)]
    lines = [_GAP + line for line in wrap(name, width - len(_GAP))]
    return lines + _value(cell, width, terminal, indent=_GAP * 2)


def _value(cell: _Safe, width: int, terminal: Terminal, indent: str = _GAP) -> list[str]:
    return [indent + terminal.paint(line, cell.style) for line in wrap(cell.text, width - len(indent))]
