"""Importing TensorFlow without its start-up chatter, and only on the CPU.

TensorFlow's libraries write to file descriptor 2 while they load, before any logging level is heard, and our stderr
is for our own messages.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from typing import Any

from mixnet_tools.errors import MissingDependency

_lock = threading.Lock()


def import_tensorflow() -> Any:
    """The ``tensorflow`` module. Raises :class:`MissingDependency` where it is not installed or does not load."""
    with _lock:
        if "tensorflow" in sys.modules:
            return sys.modules["tensorflow"]
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
        sys.stderr.flush()
        with tempfile.TemporaryFile() as chatter:
            saved = os.dup(2)
            try:
                os.dup2(chatter.fileno(), 2)
                import tensorflow
            except ImportError as error:
                raise MissingDependency(
                    f"TensorFlow cannot be imported: {error}", hint="pip install 'mixnet-tools' in a fresh environment"
                ) from error
            finally:
                os.dup2(saved, 2)
                os.close(saved)
        return tensorflow
