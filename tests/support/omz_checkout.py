"""A checkout of Open Model Zoo, whose own tools ours are compared with: OMZ_MODELS names its folder ``models``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

VARIABLE = "OMZ_MODELS"
needed = pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"{VARIABLE} names no models folder of Open Model Zoo")


def models() -> Path:
    """The folder of all descriptors."""
    return Path(os.environ[VARIABLE]).absolute()


def run_python(program: str, *arguments: str | Path) -> str:
    """Run ``program``, which can import ``omz_tools``, with ``arguments``; returns its stdout."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(models().parent / "tools/model_tools/src")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
