"""Holds what all downloads of a run share: options, cache, progress, and whether the run has to stop."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.downloading.cache.store import Cache
from mixnet_tools.errors import UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.files.shown import without_secrets
from mixnet_tools.progress import Progress

MOST_SECONDS = 1e6
"""The longest time that an option may have."""


@dataclass(frozen=True)
class DownloadOptions:
    """How to download.

    A source that fails in a way that can pass is asked again, for ``max_wait`` seconds in which no byte comes, and at
    most ``num_attempts`` times in a row without a byte (None: any number; 1: never again). ``timeout`` is how many
    seconds to wait for a connection, and for a body that has stalled. ``backoff`` is the first pause between two
    attempts, in seconds. ``mirrors`` are base URLs or folders, which are tried first. ``offline`` uses no network,
    ``verify`` hashes every file that is there, ``force`` fetches every file anew. ``jobs`` files are worked on at once,
    over all models. ``precisions`` leaves out the other precisions of a model that is an IR already.
    ``lock=False`` is for file systems without locks: then only one run at a time may work on a model's folder.

    Raises :class:`UsageError` for a number out of range, and for a text in the place of a list.
    """

    num_attempts: int | None = None
    max_wait: float = 60.0
    timeout: float = 30.0
    backoff: float = 0.5
    cache_dir: Path | None = None
    mirrors: tuple[str, ...] = ()
    offline: bool = False
    verify: bool = False
    force: bool = False
    jobs: int = 1
    precisions: tuple[str, ...] | None = None
    lock: bool = True

    def __post_init__(self) -> None:
        """Check the numbers, and that no text stands where a list has to be."""
        for name in ("mirrors", "precisions"):
            if isinstance(value := getattr(self, name), str):
                raise UsageError(f"`{name}`: expected a list of texts, got the text {without_secrets(value)!r}")
        if isinstance(self.cache_dir, str):
            object.__setattr__(self, "cache_dir", Path(self.cache_dir))
        for name in ("num_attempts", "jobs"):
            value = getattr(self, name)
            may_be_none = name == "num_attempts" and value is None
            if not may_be_none and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise UsageError(f"`{name}`: expected a whole number of at least 1, got {value!r}")
        for name in ("max_wait", "timeout", "backoff"):
            value = getattr(self, name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < MOST_SECONDS
            if not is_number or (name == "timeout" and value == 0):
                least = "above 0" if name == "timeout" else "of at least 0"
                raise UsageError(f"`{name}`: expected a number of seconds {least}, got {value!r}")


class Stopped(Exception):
    """The run was interrupted. What has arrived is kept."""


@dataclass(frozen=True)
class DownloadContext:
    """What all models of a run share. Once ``stop`` is set, all work ends soon."""

    options: DownloadOptions
    mirrors: tuple[Location, ...]
    cache: Cache | None
    progress: Progress
    stop: threading.Event

    def check_stop(self) -> None:
        """Raise :class:`Stopped` if the run was interrupted."""
        if self.stop.is_set():
            raise Stopped
