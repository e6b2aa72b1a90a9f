"""Recognizes errors that mean that memory, threads or processes ran out, and names the limits in force."""

from __future__ import annotations

import re
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


def ran_out(error: BaseException) -> bool:
    """Whether ``error``, or an error that it was made from, says that memory, threads or processes ran out."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or _EXHAUSTED.search(str(seen)):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


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
