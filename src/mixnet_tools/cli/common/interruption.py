"""Ctrl-C and SIGTERM, as exceptions that clean up on their way, and that get lost nowhere."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

_PAUSE = 0.05
"""Seconds until a signal that got lost is sent again: time to leave what it got lost in."""

_received: list[signal.Signals] = []


class Terminated(SystemExit):
    """SIGTERM came."""


def listen() -> None:
    """From now on Ctrl-C raises :class:`KeyboardInterrupt` in the main thread, SIGTERM :class:`Terminated`.

    Where the caller's shell has this process ignore Ctrl-C, as for a job in the background, it stays ignored.
    """
    _received.clear()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _raise)
    signal.signal(signal.SIGTERM, _raise)
    sys.unraisablehook = _lost


def received() -> signal.Signals | None:
    """What came last since :func:`listen`."""
    return _received[-1] if _received else None


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    _received.append(signal.Signals(number))
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated(128 + number)


def _lost(unraisable: Any) -> None:
    """Python drops what is raised while it throws an object away, such as one of Dask's futures."""
    if _received and isinstance(unraisable.exc_value, KeyboardInterrupt | Terminated):
        again = threading.Timer(_PAUSE, os.kill, (os.getpid(), _received[-1]))
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(unraisable)
