"""A folder, on this machine or behind a URL."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

from mixnet_tools.accuracy.datasets import remote
from mixnet_tools.accuracy.datasets.tree import Tree, tree_of, walk
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location


class Folder(Protocol):
    """A folder. Names are relative to it, with ``/`` between folders."""

    location: Location

    @property
    def tree(self) -> Tree:
        """All that is in it, listed once. Raises :class:`DatasetError` where it cannot be listed: a closed folder must
        not look like an empty one.
        """

    @property
    def listed(self) -> Tree | None:
        """:attr:`tree`; None where a server does not list its files."""

    def has_file(self, name: str) -> bool:
        """Whether the file ``name`` is there."""

    def may_have(self, name: str) -> bool:
        """False where the file ``name`` is known to be missing. A server is not asked for each of many files."""

    def below(self, name: str) -> Folder:
        """The folder ``name`` in it (``""``: itself). It is not listed again."""


def open_folder(location: Location) -> Folder:
    """The folder at ``location``."""
    return RemoteFolder(location) if location.is_remote else LocalFolder(location)


def parent_folder(location: Location) -> Folder | None:
    """The folder in which a file or folder on this machine lies; None behind a URL, where nothing beside it is used."""
    return None if location.is_remote else LocalFolder(Location(location.path.resolve().parent))


class LocalFolder:
    """A folder on this machine. The disk is asked once for each folder in it, not for each file."""

    def __init__(self, location: Location, tree: Tree | None = None) -> None:
        self.location = location
        self._tree = tree

    @property
    def tree(self) -> Tree:
        """See :class:`Folder`."""
        if self._tree is None:
            self._tree = walk(self.location.path)
        return self._tree

    @property
    def listed(self) -> Tree | None:
        """See :class:`Folder`."""
        return self.tree

    def has_file(self, name: str) -> bool:
        """See :class:`Folder`."""
        return (self.location.path / name).is_file()

    def may_have(self, name: str) -> bool:
        """Whether there is a file ``name``, which may be hidden."""
        if name in self.tree:
            return True
        try:
            path = self.location.path / name
            return path.exists() and not path.is_dir()
        except (OSError, ValueError):  # the second: a name with a NUL in it, which no file has
            return False

    def below(self, name: str) -> Folder:
        """See :class:`Folder`."""
        return LocalFolder(self.location / name, self.tree.below(name)) if name else self


class RemoteFolder:
    """A folder behind a URL: what a server's lists say. Without such lists it is empty."""

    def __init__(self, location: Location, tree: Tree | None = None) -> None:
        self.location = location
        self._given = tree
        self._known: dict[str, bool] = {}

    @cached_property
    def tree(self) -> Tree:
        """See :class:`Folder`."""
        return tree_of(remote.names_below(self.location)) if self._given is None else self._given

    @property
    def listed(self) -> Tree | None:
        """See :class:`Folder`."""
        try:
            return self.tree if self.tree.count else None
        except DatasetError:
            return None

    def has_file(self, name: str) -> bool:
        """See :class:`Folder`; the (small) file is read once."""
        if name not in self._known:
            self._known[name] = remote.has_file(self.location / name)
        return self._known[name]

    def may_have(self, name: str) -> bool:
        """True. An image that is missing is found when it is its turn, as one that cannot be read."""
        return True

    def below(self, name: str) -> Folder:
        """See :class:`Folder`."""
        return RemoteFolder(self.location / name, self.tree.below(name)) if name else self
