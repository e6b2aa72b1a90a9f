"""Where the child process leaves an IR that it made: two files in memory, which have no place on any disk."""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path

NAMES = ("model.xml", "model.bin")
LONGEST_DESCRIPTION = 256 << 20
"""In bytes. A model of 2,000 layers has one of about 2 MB."""


class ExportPlace:
    """Two empty files, which the child process writes to by the names in ``folder``. :meth:`close` it in the end.

    On Linux they are files in memory, and the names are links to the child's own numbers for them: so it can write to
    them although it has no right to write to any path. Elsewhere they are temporary files.
    """

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="mixnet-tools-")
        self.folder = Path(self._scratch.name)
        paths = [self.folder / name for name in NAMES]
        self.in_memory = hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir()
        if self.in_memory:
            self.files = tuple(os.memfd_create(name) for name in NAMES)
            for path, number in zip(paths, self.files, strict=True):
                path.symlink_to(f"/proc/self/fd/{number}")
        else:
            self.files = tuple(os.open(path, os.O_RDWR | os.O_CREAT) for path in paths)

    @property
    def inherited(self) -> tuple[int, ...]:
        """The files that the child has to inherit, under these numbers."""
        return self.files if self.in_memory else ()

    def read(self) -> tuple[bytes, bytes]:
        """What the child has written: the IR's description and its weights.

        Raises ValueError where the description is longer than any: reading it takes several times its size.
        """
        if os.fstat(self.files[0]).st_size > LONGEST_DESCRIPTION:
            raise ValueError(f"a description of more than {LONGEST_DESCRIPTION} bytes")
        description, weights = (_contents(number) for number in self.files)
        return description, weights

    def close(self) -> None:
        """Forget the files. Safe to call more than once."""
        for number in self.files:
            os.close(number)
        self.files = ()
        self._scratch.cleanup()


def _contents(number: int) -> bytes:
    size = os.fstat(number).st_size
    if not size:
        return b""
    with mmap.mmap(number, size, access=mmap.ACCESS_READ) as memory:
        return memory[:]
