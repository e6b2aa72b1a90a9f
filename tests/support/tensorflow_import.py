"""Imports TensorFlow for the CPU, and keeps its start-up messages from stderr.

TensorFlow's libraries write to file descriptor 2 while they load, before they look at any logging level. A file
descriptor belongs to the whole process: what other threads write to stderr during the import is lost, too. Later calls
only return the module. The commands themselves import TensorFlow's package in child processes only.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import IO

from mixnet_tools.errors import MissingDependency

_LAST_LINES = 5
_lock = threading.Lock()


def import_tensorflow() -> ModuleType:
    """Import and return ``tensorflow``; stderr is held back meanwhile, for the whole process.

    Raises :class:`MissingDependency` where it is not installed or does not load, with what it last wrote to stderr.
    """
    with _lock:
        if "tensorflow" in sys.modules:
            return importlib.import_module("tensorflow")  # waits, should another thread be importing it
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
        with tempfile.TemporaryFile() as chatter:
            try:
                with _stderr_into(chatter):
                    return importlib.import_module("tensorflow")
            except Exception as error:  # a broken installation raises what it likes: TypeError, AttributeError, ...
                reason = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
                raise MissingDependency(
                    "\n".join([f"TensorFlow cannot be imported: {reason}", *_last_lines(chatter)]),
                    hint="pip install 'mixnet-tools' in a fresh environment",
                ) from error


@contextmanager
def _stderr_into(stream: IO[bytes]) -> Iterator[None]:
    """Everything that this process writes to file descriptor 2 goes into ``stream`` meanwhile."""
    if sys.stderr is not None:
        sys.stderr.flush()
    saved = os.dup(2)
    try:
        os.dup2(stream.fileno(), 2)
        yield
    finally:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)


def _last_lines(stream: IO[bytes]) -> list[str]:
    stream.seek(0)
    lines = [line.rstrip() for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
    return [line[:300] for line in lines[-_LAST_LINES:]]
