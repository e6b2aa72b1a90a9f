"""Importing Dask, and keeping what it logs and warns of out of the command's own output."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from mixnet_tools.errors import MissingDependency

_LOGGERS = ("distributed", "bokeh", "tornado", "asyncio")
_SILENT = logging.CRITICAL + 1
_MODULES = r"(distributed|dask|bokeh|tornado|asyncio|contextlib)(\.|$)"


def import_distributed() -> Any:
    """The package ``distributed``. Raises :class:`MissingDependency` where it is not installed."""
    try:
        import distributed
    except ImportError as error:
        raise MissingDependency(
            f"--cluster needs Dask, which is not installed ({error.name})",
            hint="pip install 'mixnet-tools[cluster]'",
        ) from error
    return distributed


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """While the block lasts, Dask and what it stands on log nothing: what matters of it becomes a note or an error."""
    # Loggers below the first have levels of their own, which importing distributed sets.
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _LOGGERS]
    loggers = [logging.getLogger(name) for name in dict.fromkeys((*_LOGGERS, *names))]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(_SILENT)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=_MODULES)
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
