"""Lets nothing onto stdout and stderr that steers a terminal, and no secrets of URLs, whoever prints it.

What the encoding of a stream lacks is written as Python's escapes, as Python itself does it on stderr.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from mixnet_tools.files.shown import shown


class ShownStream:
    """A text stream that writes :func:`~mixnet_tools.files.shown.shown` text into another one, ``plain``."""

    def __init__(self, plain: TextIO) -> None:
        self.plain = plain

    def write(self, text: str) -> int:
        """Write ``text`` as people may see it. Give a line whole: a URL in two pieces is not recognized."""
        self.plain.write(shown(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)


@contextlib.contextmanager
def safe_output() -> Iterator[None]:
    """Print through :class:`ShownStream` while the block lasts."""
    out, err = sys.stdout, sys.stderr
    for stream in (out, err):
        # Not only "strict": in the C locale it is "surrogateescape", which fails as well. Windows' pipes are latin-1.
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = (cast("TextIO", ShownStream(plain(stream))) for stream in (out, err))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


def plain(stream: TextIO) -> TextIO:
    """``stream`` itself, for what steers the terminal on purpose and makes names safe by itself: progress bars."""
    return stream.plain if isinstance(stream, ShownStream) else stream
