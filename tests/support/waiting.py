"""Waiting for something to happen, instead of for some time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds for something to happen on a busy machine, before a test gives up."""


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Until ``condition`` holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
