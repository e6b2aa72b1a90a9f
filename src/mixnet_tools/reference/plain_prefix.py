"""Gives a checkpoint a path without the characters that TensorFlow takes for a pattern of file names."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from types import TracebackType

from mixnet_tools.files.links import stand_in

_PATTERN = re.compile(r"[][*?\\]")


class PlainPrefix:
    """A checkpoint by a path that TensorFlow reads as it stands. Close it, or use it as a context manager.

    ``prefix`` is what its files' names begin with. TensorFlow restores from all files that match a path, so that a
    folder called ``model [1]`` matches ``model 1``. Such a checkpoint gets links in a folder of their own. ``folders``
    are those that must be readable beside the checkpoint's own.
    """

    def __init__(self, prefix: Path) -> None:
        """``prefix`` is the checkpoint's path, without ``.index``."""
        self.prefix, self.folders = prefix, tuple[str, ...]()
        self._links: tempfile.TemporaryDirectory[str] | None = None
        if not _PATTERN.search(prefix.as_posix()):  # on Windows backslashes are separators, and / is as good
            return
        self._links = tempfile.TemporaryDirectory(prefix="mixnet-tools-")
        self.prefix, self.folders = Path(self._links.name) / "checkpoint", (self._links.name,)
        for path in prefix.parent.iterdir():
            if path.name == prefix.name or path.name.startswith(f"{prefix.name}."):
                stand_in(self.prefix.with_name("checkpoint" + path.name.removeprefix(prefix.name)), path)

    def __enter__(self) -> PlainPrefix:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the links."""
        if self._links is not None:
            self._links.cleanup()
