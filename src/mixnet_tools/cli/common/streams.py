"""Lets nothing onto stdout and stderr that steers a terminal, and no secrets of URLs, whoever prints it.

What the encoding of a stream lacks is written as Python's escapes, as Python itself does it on stderr.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
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


class _Lossy:
    """A text stream whose words are lost where ``stream`` takes none, as on a full disk: the work goes on.

    A reader that has gone ends it: BrokenPipeError is raised.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text``, or lose it."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or lose it."""
        self._try(self._stream.flush)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except BrokenPipeError:
            raise
        except OSError:
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def safe_output() -> Iterator[None]:
    """Print through :class:`ShownStream` while the block lasts. What stderr cannot take is lost."""
    out, err = sys.stdout, sys.stderr
    for stream in (out, err):
        # Not only "strict": in the C locale it is "surrogateescape", which fails as well. Windows' pipes are latin-1.
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")
    lossy = cast("TextIO", _Lossy(plain(err)))
    sys.stdout, sys.stderr = (cast("TextIO", ShownStream(stream)) for stream in (plain(out), lossy))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


def plain(stream: TextIO) -> TextIO:
    """``stream`` itself, for what steers the terminal on purpose and makes names safe by itself: progress bars."""
    return stream.plain if isinstance(stream, ShownStream) else stream
