"""Turns Ctrl-C and SIGTERM into exceptions that clean up on their way, and makes sure that none gets lost."""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
import time
from types import FrameType

_PAUSE = 0.05
"""Seconds until a lost signal is sent again, so that Python has left the place that dropped it."""

_SAME = 0.5
"""Seconds within which a signal comes twice that was sent to this process and to the one that supervises it."""

_received: list[signal.Signals] = []
_last: list[float] = [float("-inf")]
_listener: list[int] = []
"""The process that listens. OpenVINO's telemetry forks it, and a fork has its handlers as well."""


class Terminated(SystemExit):
    """The process received SIGTERM."""


def listen() -> None:
    """Let Ctrl-C raise :class:`KeyboardInterrupt` in the main thread from now on, and SIGTERM :class:`Terminated`.

    A shell starts jobs in the background so that they ignore Ctrl-C. They still ignore it then.
    """
    _received.clear()
    _listener[:] = [os.getpid()]
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _raise)
    signal.signal(signal.SIGTERM, _raise)
    sys.unraisablehook = _lost


def received() -> signal.Signals | None:
    """The last signal since :func:`listen`, or None."""
    return _received[-1] if _received else None


def _raise(number: int, frame: FrameType | None) -> None:
    if _listener != [os.getpid()]:
        os._exit(128 + number)  # a fork that somebody else made: its traceback is of no use to the user
    now = time.monotonic()
    if _received and number == _received[-1] and now - _last[0] < _SAME:
        return
    _last[0] = now
    _received.append(signal.Signals(number))
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated(128 + number)


def _lost(unraisable: sys.UnraisableHookArgs) -> None:
    """Send the signal again whose exception Python dropped, as it does while it deletes an object (Dask's futures)."""
    if _received and isinstance(unraisable.exc_value, KeyboardInterrupt | Terminated):
        _last[0] = float("-inf")
        again = threading.Timer(_PAUSE, _send_again, (_received[-1],))
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(unraisable)


def _send_again(number: signal.Signals) -> None:
    if platform.system() == "Windows":
        signal.raise_signal(number)  # os.kill would end the process there
    else:
        os.kill(os.getpid(), number)  # which also ends the main thread's waiting
