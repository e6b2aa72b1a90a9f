"""What is expensive and the same for every test is made once a run, though xdist runs several processes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def folder(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]) -> Path:
    """The folder ``name`` that all of this run's processes share. The first that asks for it lets ``fill`` fill it.

    The others wait meanwhile. Treat it as read-only.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # of the whole run; each of xdist's workers has a folder below it
    place, finished = base / "shared" / name, base / "shared" / f"{name}.finished"
    place.mkdir(parents=True, exist_ok=True)
    with (place.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            fill(place)
            finished.touch()
    return place
