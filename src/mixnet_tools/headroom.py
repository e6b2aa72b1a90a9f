"""Checks that memory and threads are there, before a library takes them that cannot do without.

Libraries in C++ start a thread for each processor. Where one cannot be started, or its memory is not to be had, they
wait for it without end or abort the process. So what they need is reserved and given back first, here, where a failure
is an error.
"""

from __future__ import annotations

import mmap
import threading

from mixnet_tools.errors import ResourceError
from mixnet_tools.threads import processors

_BASE = 320 << 20
"""Bytes of address space that OpenVINO takes for itself and a small model. Measured: 300 MB with two processors."""

_FOR_EACH_THREAD = 24 << 20
"""Bytes of address space for a thread: its stack (8 MiB on Linux), and what it allocates."""

_COPIES = 4
"""How many times a model's weights are in memory while it is loaded."""

_SPARE_THREADS = 4


def require(task: str, model_bytes: int = 0) -> None:
    """Check that ``task`` ("running net.xml") gets memory and threads, for a model of ``model_bytes``.

    Takes microseconds. It finds limits of the process, of its user and of the machine; not those of a control group,
    which kill a process that exceeds them. Raises :class:`ResourceError`.
    """
    threads = processors() + _SPARE_THREADS
    needed = _BASE + threads * _FOR_EACH_THREAD + _COPIES * model_bytes
    try:
        with mmap.mmap(-1, needed):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise ResourceError(f"{task} needs {needed / 1e6:,.0f} MB more memory than this process can get") from error
    _require_threads(task, threads)


def _require_threads(task: str, count: int) -> None:
    release = threading.Event()
    started: list[threading.Thread] = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=release.wait, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError as error:
        raise ResourceError(
            f"{task} needs {count} threads at once, and this process can start only {len(started)} more"
        ) from error
    finally:
        release.set()
        for thread in started:
            thread.join()
