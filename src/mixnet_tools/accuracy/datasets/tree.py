"""All that lies below a folder, listed once: the files of each folder, and what is not looked into."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from mixnet_tools.accuracy.datasets.account import BROKEN_LINK, HIDDEN, LOOP
from mixnet_tools.accuracy.datasets.image import is_hidden, looks_like_image
from mixnet_tools.errors import DatasetError

MOST_LINKS = 100_000
"""Links to folders that are followed. Links can lead round in more ways than anybody has files."""


@dataclass(frozen=True)
class Tree:
    """What lies below a folder.

    ``folders`` has the names of the files directly in each folder, by the folder's name relative to the whole (``""``:
    the whole itself). Both are sorted, and a folder stands before those in it. Links to folders are followed. ``left``
    are names that are not looked into, each with the reason.
    """

    folders: Mapping[str, tuple[str, ...]]
    left: tuple[tuple[str, str], ...] = ()

    def __contains__(self, name: str) -> bool:
        folder, _, bare = name.rpartition("/")
        return bare in self._sets.get(folder, ())

    @property
    def count(self) -> int:
        """How many files there are."""
        return sum(map(len, self.folders.values()))

    def files(self) -> Iterator[str]:
        """The names of all files, those of a folder before those of the folders in it."""
        for folder, names in self.folders.items():
            prefix = f"{folder}/" if folder else ""
            for name in names:
                yield prefix + name

    def subfolders(self, folder: str = "") -> tuple[str, ...]:
        """The names of the folders directly in ``folder``, sorted."""
        return self._subfolders.get(folder, ())

    @cached_property
    def image_folders(self) -> tuple[str, ...]:
        """The folders directly in which there are images."""
        return tuple(folder for folder, names in self.folders.items() if any(map(looks_like_image, names)))

    def below(self, folder: str) -> Tree:
        """What lies below the folder ``folder``."""
        start = f"{folder}/"
        return Tree(
            {
                "" if name == folder else name.removeprefix(start): names
                for name, names in self.folders.items()
                if name == folder or name.startswith(start)
            },
            tuple((name.removeprefix(start), reason) for name, reason in self.left if name.startswith(start)),
        )

    @cached_property
    def _sets(self) -> Mapping[str, frozenset[str]]:
        return {folder: frozenset(names) for folder, names in self.folders.items()}

    @cached_property
    def _subfolders(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for name in self.folders:
            if name:
                parent, _, bare = name.rpartition("/")
                found.setdefault(parent, []).append(bare)
        return {folder: tuple(sorted(names)) for folder, names in found.items()}


def tree_of(names: Iterable[str]) -> Tree:
    """The tree of files with these names: those of a server or an archive, which know no empty folders."""
    found: dict[str, list[str]] = {"": []}
    left: dict[str, str] = {}
    for name in names:
        *folders, bare = name.split("/")
        hidden = next((place for place, part in enumerate(folders) if is_hidden(part)), None)
        if hidden is not None:
            left["/".join(folders[: hidden + 1]) + "/"] = HIDDEN
        elif is_hidden(bare):
            left[name] = HIDDEN
        else:
            for place in range(1, len(folders) + 1):
                found.setdefault("/".join(folders[:place]), [])
            found["/".join(folders)].append(bare)
    ordered = sorted(found, key=lambda folder: folder.split("/") if folder else [])
    return Tree({folder: tuple(sorted(found[folder])) for folder in ordered}, tuple(sorted(left.items())))


def walk(root: Path) -> Tree:
    """The tree below the folder ``root`` on this machine.

    A link to a folder that it lies in is not followed. Raises :class:`DatasetError` where a folder cannot be read.
    """
    folders: dict[str, tuple[str, ...]] = {}
    left: list[tuple[str, str]] = []
    links = 0
    # Folders to list: the name, and the real paths of the folders in which links led on to it.
    waiting: list[tuple[str, tuple[str, ...]]] = [("", ())]
    while waiting:
        folder, origins = waiting.pop()
        place = os.path.join(root, folder)
        prefix = f"{folder}/" if folder else ""
        listed = _scan(place)
        folders[folder] = tuple(name for name, kind in listed if kind == "file")
        below = []
        for name, kind in listed if len(listed) > len(folders[folder]) else ():
            if kind in (HIDDEN, BROKEN_LINK):
                folder_mark = "/" if kind == HIDDEN and os.path.isdir(os.path.join(place, name)) else ""
                left.append((prefix + name + folder_mark, kind))
            elif kind == "folder":
                below.append((prefix + name, origins))
            elif kind == "link":
                links += 1
                real = (*origins, os.path.realpath(place))
                if _leads_back(os.path.realpath(os.path.join(place, name)), real):
                    left.append((f"{prefix}{name}/", LOOP))
                elif links > MOST_LINKS:
                    raise DatasetError(f"{root}: more than {MOST_LINKS:,} links to folders: do they lead in circles?")
                else:
                    below.append((prefix + name, real))
        waiting.extend(reversed(below))
    return Tree(folders, tuple(left))


def _leads_back(target: str, origins: Iterable[str]) -> bool:
    start = target.rstrip(os.sep) + os.sep
    return any(origin == target or origin.startswith(start) for origin in origins)


def _scan(place: str) -> list[tuple[str, str]]:
    """(name, kind) of everything in a folder, sorted by name."""
    try:
        with os.scandir(place) as entries:
            found = [(entry.name, _kind(entry)) for entry in entries]
    except OSError as error:
        _refuse(error)
    found.sort()
    return found


def _kind(entry: os.DirEntry[str]) -> str:
    """Only links cost a question to the disk."""
    if is_hidden(entry.name):
        return HIDDEN
    if not entry.is_symlink():
        return "folder" if entry.is_dir() else "file"
    try:
        if entry.is_dir():
            return "link"
        return "file" if os.path.exists(entry.path) else BROKEN_LINK
    except OSError:  # a link to itself
        return BROKEN_LINK


def _refuse(error: OSError) -> NoReturn:
    raise DatasetError(f"{error.filename}: the folder cannot be read: {error.strerror or error}") from error
