"""Prints results on stdout, as one JSON document or for people, and defines the exit code of a missed accuracy."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from mixnet_tools.cli.common import tables
from mixnet_tools.cli.common.streams import plain
from mixnet_tools.cli.common.terminal import Style, terminal_of
from mixnet_tools.files import strict_json

MISSED = 3
"""Exit code: the work was done, and its accuracy is below a reference, a baseline, or the drop that is allowed."""


def print_json(document: object) -> None:
    """Print ``document``, the one JSON document of this run. It is ASCII, and its texts have lost their secrets."""
    print(strict_json.dumps(document), file=plain(sys.stdout))


def print_table(columns: Sequence[tables.Column], rows: Sequence[Sequence[tables.Cell]]) -> None:
    """Print ``rows`` below the headings of ``columns``, laid out for the terminal. Numbers come as text."""
    print(tables.table(columns, rows, terminal_of(sys.stdout)), file=plain(sys.stdout))


def print_fields(title: str, pairs: Sequence[tuple[str, tables.Cell]]) -> None:
    """Print names with their values below ``title``, laid out for the terminal."""
    print(tables.fields(title, pairs, terminal_of(sys.stdout)), file=plain(sys.stdout))


def print_text(text: str, *, style: Style | None = None, file: TextIO | None = None) -> None:
    """Print ``text`` on stdout, or to ``file``: with a terminal there, folded at blanks, and in ``style``."""
    stream = sys.stdout if file is None else file
    terminal = terminal_of(stream)
    lines = terminal.fold(text).splitlines() or [""]
    print("\n".join(terminal.paint(line, style) for line in lines), file=plain(stream))
