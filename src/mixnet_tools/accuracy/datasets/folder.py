"""List the files of a folder, on this machine or behind a URL."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path, PurePath
from typing import NoReturn, Protocol

from mixnet_tools.accuracy.datasets import remote
from mixnet_tools.accuracy.datasets.image import is_image
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location


class Folder(Protocol):
    """A folder. Names are relative to it, with ``/`` between folders. Raises :class:`DatasetError` where it cannot be
    listed: a closed folder must not look like an empty one.
    """

    location: Location

    def files(self) -> list[str]:
        """The names of the files directly in it, sorted."""

    def subfolders(self) -> list[str]:
        """The names of the folders directly in it that are not hidden, sorted."""

    def images(self, below: str = "") -> list[str]:
        """The names of all files at any depth in it, or in its subfolder ``below``, that are called like images.

        Names are sorted within each folder. The files of a folder stand before those of its subfolders.
        """

    def has_file(self, name: str) -> bool:
        """Whether the file ``name`` is there."""

    def may_have(self, name: str) -> bool:
        """False where the file ``name`` is known to be missing. A server is not asked for each of many files."""


def open_folder(location: Location) -> Folder:
    """The folder at ``location``."""
    return RemoteFolder(location) if location.is_remote else LocalFolder(location)


def parent_folder(location: Location) -> Folder | None:
    """The folder in which a file or folder on this machine lies; None behind a URL, where nothing beside it is used."""
    return None if location.is_remote else LocalFolder(Location(location.path.resolve().parent))


class LocalFolder:
    """A folder on this machine. The disk is asked once for each folder, not for each file."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._listed: dict[str, frozenset[str]] = {}

    def files(self) -> list[str]:
        """See :class:`Folder`; pipes, devices and broken links are among them."""
        return sorted(name for name, is_folder in self._entries if not is_folder)

    def subfolders(self) -> list[str]:
        """See :class:`Folder`."""
        return sorted(name for name, is_folder in self._entries if is_folder and not name.startswith("."))

    def images(self, below: str = "") -> list[str]:
        """See :class:`Folder`."""
        root, found = self.location.path, []
        for place, subfolders, files in os.walk(root / below, onerror=_refuse):
            subfolders.sort()
            folder = PurePath(place).relative_to(root).as_posix()
            prefix = "" if folder == "." else f"{folder}/"
            found += [prefix + name for name in sorted(files) if is_image(name)]
        return found

    def has_file(self, name: str) -> bool:
        """See :class:`Folder`."""
        return (self.location.path / name).is_file()

    def may_have(self, name: str) -> bool:
        """Whether there is a file ``name``."""
        folder, _, bare = name.rpartition("/")
        if folder not in self._listed:
            try:
                entries = _scan(self.location.path / folder)
            except (OSError, ValueError):  # the second: a name with a NUL in it, which no file has
                entries = []
            self._listed[folder] = frozenset(entry for entry, is_folder in entries if not is_folder)
        return bare in self._listed[folder]

    @cached_property
    def _entries(self) -> list[tuple[str, bool]]:
        try:
            return _scan(self.location.path)
        except OSError as error:
            _refuse(error)


class RemoteFolder:
    """A folder behind a URL: what a server's lists say. Without such lists it is empty."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._known: dict[str, bool] = {}

    def files(self) -> list[str]:
        """See :class:`Folder`."""
        return self._by_subfolder.get("", [])

    def subfolders(self) -> list[str]:
        """Those in which files lie."""
        return sorted(name for name in self._by_subfolder if name and not name.startswith("."))

    def images(self, below: str = "") -> list[str]:
        """See :class:`Folder`."""
        names = self._by_subfolder.get(below, []) if below else self._names
        return sorted(filter(is_image, names), key=_as_walked)

    def has_file(self, name: str) -> bool:
        """See :class:`Folder`; the (small) file is read once."""
        if name not in self._known:
            self._known[name] = remote.has_file(self.location / name)
        return self._known[name]

    def may_have(self, name: str) -> bool:
        """True. An image that is missing is found when it is its turn, as one that cannot be read."""
        return True

    @cached_property
    def _names(self) -> list[str]:
        return remote.names_below(self.location)

    @cached_property
    def _by_subfolder(self) -> dict[str, list[str]]:
        """The names by the first folder in them, "" for files directly in this one."""
        found: dict[str, list[str]] = {}
        for name in self._names:
            found.setdefault(name.partition("/")[0] if "/" in name else "", []).append(name)
        return found


def _as_walked(name: str) -> list[tuple[bool, str]]:
    """A key that puts a folder's files before those of its subfolders, as ``os.walk`` does."""
    *folders, bare = name.split("/")
    return [*((True, folder) for folder in folders), (False, bare)]


def _scan(folder: Path) -> list[tuple[str, bool]]:
    """(name, whether it is a folder) of everything in ``folder``."""
    with os.scandir(folder) as entries:
        return [(entry.name, entry.is_dir()) for entry in entries]


def _refuse(error: OSError) -> NoReturn:
    raise DatasetError(f"{error.filename}: the folder cannot be read: {error.strerror or error}") from error
