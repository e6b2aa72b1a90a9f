"""A list of images that are to be left out: by name, or by the number of one of ImageNet's validation images."""

from __future__ import annotations

from pathlib import Path

from mixnet_tools.accuracy.datasets.image import validation_number
from mixnet_tools.errors import DatasetError
from mixnet_tools.files import bounded

_MAX_BYTES = 64 << 20
"""The largest file that is read. ImageNet's own list has 1,762 lines."""


class Exclusions:
    """The lines of a file. It remembers which of them named an image."""

    def __init__(self, path: Path) -> None:
        """Read the file ``path``.

        A line is the name of an image, with or without folders, or the number of one of ImageNet's validation images
        (the devkit lists 1,762 that are not to be counted). ``#`` begins a comment. Raises :class:`DatasetError` where
        the file cannot be read.
        """
        try:
            lines = bounded.read_given(path, _MAX_BYTES).decode("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
        self._path, self._met = path, set[str]()
        self._lines = {text: number for number, line in enumerate(lines, 1) if (text := line.partition("#")[0].strip())}

    def names(self, name: str) -> bool:
        """Whether a line names the image ``name``."""
        number = validation_number(name)
        keys = {name, name.rpartition("/")[2], *([str(number)] if number is not None else [])} & self._lines.keys()
        self._met |= keys
        return bool(keys)

    def require_all_met(self, source: object) -> None:
        """Raise :class:`DatasetError` where a line has named no image of ``source`` so far."""
        unknown = sorted(self._lines.keys() - self._met, key=lambda text: self._lines[text])
        if unknown:
            raise DatasetError(
                f"{self._path}: line {self._lines[unknown[0]]}: {unknown[0]!r} is no image of {source}"
                + (f" (nor are {len(unknown) - 1} further lines)" if len(unknown) > 1 else ""),
                hint="a line is a name, or the number of an image called ..._val_00000001.JPEG",
            )
