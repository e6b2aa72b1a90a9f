"""Holds what all downloads of a run share: options, cache, progress, and whether the run has to stop."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.downloading.cache import Cache
from mixnet_tools.files.location import Location
from mixnet_tools.progress import Progress


@dataclass(frozen=True)
class DownloadOptions:
    """How to download.

    ``num_attempts`` is the number of attempts at each source. ``timeout`` is how many seconds to wait for a connection,
    and for a body that has stalled. ``backoff`` is the first pause between two attempts, in seconds. ``mirrors`` are
    base URLs or folders, which are tried first. ``offline`` uses no network, ``verify`` hashes every file that is
    there, ``force`` fetches every file anew. ``jobs`` files are worked on at once, over all models. ``precisions``
    leaves out the other precisions of a model that is an IR already. ``lock=False`` is for file systems without locks:
    then only one run at a time may work on a model's folder.
    """

    num_attempts: int = 3
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
