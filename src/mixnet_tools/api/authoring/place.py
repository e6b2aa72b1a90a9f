"""Puts a model's description in its place in a zoo: all files of it, or none."""

from __future__ import annotations

import contextlib
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mixnet_tools.descriptors import zoo
from mixnet_tools.descriptors.model_yml import MODEL_FILE
from mixnet_tools.errors import DescriptorError, OutputError, UsageError
from mixnet_tools.files import atomic

GROUP = "public"
"""The folder of a zoo for models that come from elsewhere, as Open Model Zoo has it."""

_NAME = re.compile(r"[0-9a-zA-Z][0-9a-zA-Z._-]{0,99}")
_CHUNK = 1 << 20


def check_name(name: str) -> None:
    """Raise :class:`UsageError` where ``name`` cannot be that of a model, and of its folder."""
    if not _NAME.fullmatch(name):
        plain = unicodedata.normalize("NFKD", name[:200]).encode("ascii", "ignore").decode()
        near = re.sub(r"[^0-9a-zA-Z._]+", "-", plain).strip("-._")[:100]
        raise UsageError(
            f"the model's name: expected at most 100 letters, digits, '.', '_' and '-', the first a letter or digit, "
            f"got {name!r}",
            hint=f"for example {near}" if _NAME.fullmatch(near) else None,
        )


def place_of(name: str, models_dir: Path) -> Path:
    """The folder of the model ``name`` in the zoo ``models_dir``.

    Raises :class:`UsageError` for a bad name, :class:`DescriptorError` where the zoo has the model in another folder.
    """
    check_name(name)
    folder = models_dir / GROUP / name
    if models_dir.is_dir():
        for path in _descriptors_of(models_dir, name):
            if path.parent.resolve() != folder.resolve():
                raise DescriptorError(
                    f"{models_dir}: has a model called {name!r} already: {path}", hint="choose another name"
                )
    return folder


def _descriptors_of(models_dir: Path, name: str) -> Iterator[Path]:
    try:
        entries = zoo.find_models([models_dir])
    except DescriptorError:  # no model in it yet, or it is broken in a way that is not ours to tell
        return
    yield from (entry.path for entry in entries if entry.name == name)


def refuse_existing(paths: Mapping[Path, object], *, force: bool) -> None:
    """Raise :class:`OutputError` where one of ``paths`` is there already, unless ``force`` is given."""
    there = next((path for path in paths if path.exists() or path.is_symlink()), None)
    if there is not None and not force:
        raise OutputError(f"{there}: is there already", hint="to write it anew: `force=True`")


def write_all(files: Mapping[Path, bytes | Path]) -> None:
    """Write each of ``files``: bytes, or a copy of the file at a path. All appear at once in the end, model.yml last.

    If anything fails, or the run is interrupted, files and folders that were not there before are not there after.
    Raises :class:`OutputError`.
    """
    last = sorted(files, key=lambda path: path.name != MODEL_FILE)  # what is opened first gets its name last
    made = _missing_folders(files)
    new = [path for path in files if not path.exists()]
    with atomic.writing(last[0].parent):
        try:
            with contextlib.ExitStack() as stack:
                streams = {path: stack.enter_context(atomic.replacing(path)) for path in last}
                for path, stream in streams.items():
                    contents = files[path]
                    if isinstance(contents, bytes):
                        stream.write(contents)
                    else:
                        copy_and_hash(contents, stream.write)
        except BaseException:
            for path in new:
                path.unlink(missing_ok=True)
            for folder in made:
                with contextlib.suppress(OSError):
                    folder.rmdir()
            raise


def _missing_folders(files: Mapping[Path, object]) -> list[Path]:
    """The folders of ``files`` that are not there yet, the innermost first."""
    found = {parent for path in files for parent in path.parents if not parent.exists()}
    return sorted(found, key=lambda folder: len(folder.parts), reverse=True)


def copy_and_hash(path: Path, write: Callable[[bytes], object] = lambda _: None) -> tuple[int, str]:
    """Give the bytes of ``path`` to ``write``; returns their number and their SHA-384 in hex. Raises OSError."""
    digest, size = hashlib.sha384(), 0
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK):
            write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()
