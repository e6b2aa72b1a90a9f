"""What Dask runs first in the worker processes of a local cluster: Ctrl-C is the business of the process above."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Called by Dask with the worker, in its main thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
