"""NNCF, imported when it is needed and without its chatter: it logs and draws progress bars on stdout."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from mixnet_tools.errors import MissingDependency


def import_nncf() -> Any:
    """The ``nncf`` module. Raises :class:`MissingDependency` where it is not installed or does not load."""
    with quiet():
        try:
            import nncf
        except ImportError as error:
            missing = "is not installed" if error.name == "nncf" else f"cannot be imported: {error}"
            raise MissingDependency(
                f"quantization needs NNCF, which {missing}", hint="pip install 'mixnet-tools[int8]'"
            ) from error
    return nncf


@contextlib.contextmanager
def quiet() -> Iterator[list[str]]:
    """What is printed to stdout, logged by NNCF below an error, or warned of meanwhile goes nowhere.

    The list gets NNCF's warnings, each once.
    """
    heard: list[str] = []
    keeper = _Keeper(heard)
    logger = logging.getLogger("nncf")
    propagate, handlers = logger.propagate, list(logger.handlers)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logger.propagate = False
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


class _Keeper(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._heard:
            self._heard.append(text)
