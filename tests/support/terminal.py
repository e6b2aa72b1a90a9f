"""A real terminal (a pty) of a given width, for what is printed on one."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from tests.support import command_server
from tests.support.commands import TIMEOUT, Outcome

SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")
"""What changes a colour."""


class Screen:
    """What was printed on a terminal; complete when the terminal is closed."""

    text = ""

    @property
    def plain(self) -> str:
        """The same without colours."""
        return SEQUENCE.sub("", self.text)


@contextlib.contextmanager
def terminal(width: int, height: int = 25) -> Iterator[tuple[TextIO, Screen]]:
    """A stream to a terminal of ``width`` columns and ``height`` rows, and what arrives there.

    Skips the test where there are none.
    """
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    here, there = os.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    screen = Screen()
    reader = threading.Thread(target=_read, args=(here, screen))
    reader.start()
    try:
        with open(there, "w", encoding="utf-8") as stream:
            yield stream, screen
    finally:
        reader.join()
        os.close(here)


def _read(here: int, screen: Screen) -> None:
    pieces = []
    with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
        while piece := os.read(here, 1 << 16):
            pieces.append(piece)
    screen.text = b"".join(pieces).decode().replace("\r\n", "\n")


def run_on_terminal(width: int, command: str, *arguments: str | Path, **environment: str) -> Outcome:
    """``mixnet <command> <arguments>`` with stdout on a terminal of ``width`` columns, and stderr on another."""
    settings = {**os.environ, "TERM": "xterm-256color", **environment}
    wanted = command_server.Request([command, *map(str, arguments)], str(Path.cwd()), settings)
    with terminal(width) as (out, printed), terminal(width) as (err, said):
        code = command_server.run_into(out.fileno(), err.fileno(), wanted, TIMEOUT)
    return Outcome(code, printed.text, said.text)
