"""Prints results on stdout, as one JSON document or for people, writes files of results, and has the code of a miss."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from mixnet_tools.cli.common import tables
from mixnet_tools.cli.common.streams import plain
from mixnet_tools.cli.common.terminal import Style, terminal_of
from mixnet_tools.errors import UsageError
from mixnet_tools.files import atomic, strict_json

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


def require_writable(path: Path) -> None:
    """Find out before hours of work that ``path`` can be written. Makes its folder; raises :class:`UsageError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        existed = path.exists()
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise UsageError(not_written(path, error)) from error


def save(path: Path, content: str | bytes) -> list[str]:
    """Write the file ``path``, whole or not at all. Returns what went wrong, in a list of at most one message."""
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        atomic.write_bytes(path, data)
    except OSError as error:
        return [not_written(path, error)]
    return []


def not_written(path: Path, error: OSError) -> str:
    """The message about a file that cannot be written."""
    return f"{path}: cannot be written: {error.strerror or error}"
