"""Recognizes errors that mean that memory, threads or processes ran out, and names the limits in force."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

resource: ModuleType | None
try:  # now: where memory runs out, nothing can be imported any more
    import resource
except ImportError:  # Windows
    resource = None

_EXHAUSTED = re.compile(
    r"bad_alloc|can't alloc|cannot allocate memory|out of memory|MemoryError|failed to map segment|"
    r"resource temporarily unavailable|can't start new thread|not enough memory|memory or threads ran out|"
    r"needs more memory than|"
    # What Python says where there is not even memory for a MemoryError.
    r"error return without exception set|returned NULL without setting an exception",
    re.IGNORECASE,
)

_USED = re.compile(r"^(\w+):\s*(\d+) kB$", re.MULTILINE)
_NEAR = 0.8
"""What a library asks for in vain is seldom larger than the rest."""


def ran_out(error: BaseException) -> bool:
    """Whether ``error``, or an error that it was made from, says that memory, threads or processes ran out."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or _EXHAUSTED.search(str(seen)):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def near_limit() -> bool:
    """Whether this process has used most of the memory that it may have.

    Then any error may come of that: libraries that get no memory say that a file is damaged, or that one is missing.
    """
    if resource is None:
        return False
    try:
        used = dict(_USED.findall(Path("/proc/self/status").read_text(encoding="ascii")))
    except MemoryError:
        return True
    except OSError:
        return False
    limits = {"VmPeak": resource.RLIMIT_AS, "VmData": resource.RLIMIT_DATA}
    return any(
        (limit := resource.getrlimit(number)[0]) != resource.RLIM_INFINITY
        and int(used.get(name, 0)) * 1024 > _NEAR * limit
        for name, number in limits.items()
    )


def limits_in_force() -> str:
    """The limits of this process on memory and threads, for a message."""
    if resource is None:
        return "the machine or its container has no more"
    limits = [
        f"{name} is {limit // unit}"
        for name, number, unit in (
            ("ulimit -v", resource.RLIMIT_AS, 1024),
            ("ulimit -d", resource.RLIMIT_DATA, 1024),
            ("ulimit -u", resource.RLIMIT_NPROC, 1),
        )
        if (limit := resource.getrlimit(number)[0]) != resource.RLIM_INFINITY
    ]
    return ", ".join(limits) or "no limit of this process is set: the machine or its container has no more"
