"""Imports NNCF when it is needed, and silences it: it logs, and draws progress bars on stdout."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from types import ModuleType

from mixnet_tools.errors import MissingDependency


def import_nncf() -> ModuleType:
    """Import ``nncf``. Raises :class:`MissingDependency` where it is not installed or does not load."""
    with quiet():
        try:
            nncf = importlib.import_module("nncf")
        except ImportError as error:
            missing = "is not installed" if error.name == "nncf" else f"cannot be imported: {error}"
            raise MissingDependency(
                f"quantization needs NNCF, which {missing}", hint="pip install 'mixnet-tools[int8]'"
            ) from error
    return nncf


@contextlib.contextmanager
def quiet() -> Iterator[list[str]]:
    """Drop what the block prints to stdout, what NNCF logs below an error, and Python warnings.

    The list gets the warnings of NNCF, each once.
    """
    heard: list[str] = []
    keeper = _Keeper(heard)
    logger, torch = logging.getLogger("nncf"), logging.getLogger("torch.utils.cpp_extension")
    level = torch.level
    propagate, handlers = logger.propagate, list(logger.handlers)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logger.propagate = False
        torch.setLevel(logging.ERROR)  # NNCF imports PyTorch where it is installed, which tells of CUDA
        logger.addHandler(keeper)
        for handler in handlers:
            logger.removeHandler(handler)
        try:
            yield heard
        finally:
            logger.removeHandler(keeper)
            for handler in handlers:
                logger.addHandler(handler)
            logger.propagate = propagate
            torch.setLevel(level)


class _Keeper(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._heard:
            self._heard.append(text)
