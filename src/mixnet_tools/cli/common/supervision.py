"""Runs a command in a child process, so that a signal always ends it, and so that no end of it is without a message.

Python handles a signal between two of its own instructions. A library that waits in C++ for a thread that could not be
started never gets there, and one that runs out of memory may abort the process. The parent only waits for signals and
for the end of the child, and imports nothing: it can always act. Linux only; elsewhere the command runs by itself.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable

from mixnet_tools.cli.common.resources import limits_in_force, ran_out

GRACE = 10.0
"""Seconds for a command to clean up after a signal. A second signal ends it at once."""

_ONE_PRESS = 0.5
"""Seconds within which a second signal is the same one, which came by two ways."""

_KERNEL = 0x80
"""``si_code`` of a signal of the terminal, which goes to the child as well (SI_KERNEL of Linux)."""

_SIGNAL, _NO_MEMORY = 1, 2

_ASKED = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


def supervised(prog: str, work: Callable[[], int]) -> int:
    """``work()`` in a child process; returns its exit code. The child returns from here as well, with the same code.

    The exit code is 1 where the child was ended by anything but Ctrl-C or SIGTERM. ``prog`` is the command in messages.
    """
    if sys.platform != "linux":
        return work()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    watched = {signal.SIGCHLD, *(number for number in _ASKED if signal.getsignal(number) is not signal.SIG_IGN)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    parent_lives, held_by_parent = os.pipe()
    told = mmap.mmap(-1, 1)
    """What the child has said of its end. Python may end it by a signal after it has told that it was interrupted."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 warns where a library has started threads
            child = os.fork()
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        print(f"{prog}: error: no process can be started: {error.strerror}", file=sys.stderr)
        print(f"  try: allow more processes or memory ({limits_in_force()})", file=sys.stderr)
        return 1
    if child == 0:
        os.close(held_by_parent)
        _die_with(parent_lives)
        if signal.SIGINT in watched:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command listens: no traceback of an import
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            code = work()
        except Exception as error:
            if not ran_out(error):
                raise
            told[0] = _NO_MEMORY  # not even for a message
            os._exit(1)
        if code - 128 in _ASKED:
            told[0] = _SIGNAL
            for number in _ASKED:
                signal.signal(number, signal.SIG_IGN)  # the same signal by another way has nothing to add
        return code
    os.close(parent_lives)
    code, asked = _wait(child, watched)
    return _outcome(prog, code, asked, told[0])  # signals stay blocked: this process has nothing left to do


def _die_with(parent_lives: int) -> None:
    """Let the kernel kill this process when the other end of the pipe ``parent_lives`` is closed."""
    import fcntl  # Linux and its like only

    fcntl.fcntl(parent_lives, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(parent_lives, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(parent_lives, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    try:
        os.read(parent_lives, 1)
    except BlockingIOError:
        return
    os._exit(1)  # it was closed already


def _wait(child: int, watched: set[signal.Signals]) -> tuple[int, signal.Signals | None]:
    """Wait for the end of ``child`` and pass signals on. Returns its exit code, and the first signal if one came."""
    asked: signal.Signals | None = None
    since = 0.0
    while True:
        if asked is None:
            info: signal.struct_siginfo | None = signal.sigwaitinfo(watched)
        else:
            info = signal.sigtimedwait(watched, max(0.0, since + GRACE - time.monotonic()))
        number, now = signal.Signals(info.si_signo) if info else None, time.monotonic()
        is_first = asked is None and number in _ASKED
        if is_first:
            asked, since = number, now
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            late = sorted(signal.sigpending() & _ASKED.keys())
            return os.waitstatus_to_exitcode(status), asked or (signal.Signals(late[0]) if late else None)
        if info is None:
            os.kill(child, signal.SIGKILL)
        elif is_first:
            if info.si_code != _KERNEL:
                os.kill(child, info.si_signo)
        elif number in _ASKED and now - since > _ONE_PRESS:
            os.kill(child, signal.SIGKILL)


def _outcome(prog: str, code: int, asked: signal.Signals | None, told: int) -> int:
    if told == _NO_MEMORY:
        print(f"{prog}: error: memory or threads ran out\n{_advice()}", file=sys.stderr)
        return 1
    if code >= 0:
        return code
    number = asked or signal.Signals(-code)
    if told == _SIGNAL:
        return 128 + number
    if asked is not None:
        print(f"{prog}: {_ASKED[asked]}", file=sys.stderr)
        return 128 + asked
    print(  # also by SIGINT: OpenBLAS sends it to itself where a thread cannot be started
        f"{prog}: error: ended by {number.name}, most likely because memory or threads ran out\n{_advice()}",
        file=sys.stderr,
    )
    return 1


def _advice() -> str:
    return f"  try: close other programs, or allow more ({limits_in_force()})"
