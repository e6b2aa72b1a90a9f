"""Imports Python files from memory: those that were listed and hashed run, and no others of their folders."""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import PurePath
from types import ModuleType


class MemoryFinder(importlib.abc.MetaPathFinder):
    """Finds modules among ``files`` (path -> bytes) below ``folders``, as Python would with these on its path.

    Nothing is read from the disk, so that compiled files and libraries in the folders are not found.
    """

    def __init__(self, files: Mapping[str, bytes], folders: Sequence[str]) -> None:
        self._files, self._folders = files, folders
        self._places = {str(parent) for path in files for parent in PurePath(path).parents}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module ``fullname``; None where it is not among the files."""
        relative = fullname.replace(".", os.sep)
        portions = []
        for folder in self._folders:
            place = os.path.join(folder, relative)
            package = os.path.join(place, "__init__.py")
            for file, inside in ((package, [place]), (f"{place}.py", None)):
                if file in self._files:
                    loader = _Loader(file, self._files[file])
                    return importlib.util.spec_from_file_location(
                        fullname, file, loader=loader, submodule_search_locations=inside
                    )
            portions += [place] if place in self._places else []
        if not portions:
            return None
        spec = ModuleSpec(fullname, None, is_package=True)  # a folder without __init__.py
        spec.submodule_search_locations = portions
        return spec


class _Loader(importlib.abc.SourceLoader):
    def __init__(self, path: str, data: bytes) -> None:
        self._path, self._data = path, data

    def get_filename(self, fullname: str) -> str:
        return self._path

    def get_data(self, path: bytes | str) -> bytes:
        if path != self._path:
            raise OSError(f"{path!r} was not listed")
        return self._data


def import_from(files: Mapping[str, bytes], folders: Sequence[str]) -> None:
    """Let modules be imported from ``files``, before those that are installed."""
    sys.dont_write_bytecode = True
    sys.meta_path.insert(0, MemoryFinder(files, folders))


def is_listed(name: str) -> bool:
    """Whether the module ``name`` is among the files that :func:`import_from` was given."""
    return any(isinstance(finder, MemoryFinder) and finder.find_spec(name, None) for finder in sys.meta_path)
