"""Records when the files of a cache were used, and by which models.

The times that a file system keeps say nothing: many are mounted without times of access, and looking a file over is no
use of it. So each run leaves a small file with its uses in a folder of the cache, where Open Model Zoo does not look.
No run changes the file of another one, which may be another user's.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.downloading.cache.sharing import make_folder, share_file
from mixnet_tools.files import bounded, strict_json

_MAX_BYTES = 64 << 20
_MOST_FILES = 32
"""With more files than these, the next run makes one of all that it can read."""

_CHECKSUM = re.compile(r"[a-z0-9]+:[0-9a-f]+")


@dataclass(frozen=True)
class Use:
    """The last use of a file, in seconds since the epoch, and the ``models`` that used it, in alphabetical order."""

    at: float
    models: tuple[str, ...]

    def joined(self, other: Use) -> Use:
        """Both uses as one."""
        return Use(max(self.at, other.at), tuple(sorted({*self.models, *other.models})))


class Uses:
    """The uses that are recorded in ``folder`` of the cache ``root``. They need not exist."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder, self._root = folder, root

    def read(self) -> dict[str, Use]:
        """Every recorded use, by checksum. Files that cannot be read, or are none of ours, count for nothing."""
        found: dict[str, Use] = {}
        for path in self._files():
            _join(found, _read(path))
        return found

    def write(self, checksums: Iterable[tuple[str, str]]) -> None:
        """Record that each file was used now: pairs of its checksum and the model. Raises OSError."""
        now = time.time()
        new: dict[str, Use] = {}
        for checksum, model in checksums:
            _join(new, {checksum: Use(now, (model,))})
        if not new:
            return
        make_folder(self._root, self._folder)
        old = self._files()
        if len(old) <= _MOST_FILES:
            old = []
        for path in old:
            _join(new, _read(path))
        document = {"schema": 1, "used": {name: [use.at, *use.models] for name, use in new.items()}}
        name = uuid.uuid4().hex
        temporary = self._folder / f"{name}.new"
        try:
            temporary.write_text(json.dumps(document), encoding="utf-8")
            share_file(self._root, temporary)
            temporary.rename(self._folder / f"{name}.json")
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        for path in old:  # two runs may do so at once: each use is then in both of the new files
            with contextlib.suppress(OSError):
                path.unlink()

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.iterdir() if path.suffix == ".json")
        except OSError:
            return []


def _join(found: dict[str, Use], more: dict[str, Use]) -> None:
    for checksum, use in more.items():
        found[checksum] = found[checksum].joined(use) if checksum in found else use


def _read(path: Path) -> dict[str, Use]:
    try:
        used = strict_json.loads(bounded.read_bytes(path, _MAX_BYTES))["used"]
        return {
            checksum: Use(float(at), tuple(sorted(map(str, models))))
            for checksum, (at, *models) in used.items()
            if _CHECKSUM.fullmatch(checksum)
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
