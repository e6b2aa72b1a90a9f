"""The Python files that come with a model: which they are, and how they are shown before they may run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from pathlib import Path, PurePosixPath

from mixnet_tools.conversion.source_check import SourceFile, SourceFiles, changed
from mixnet_tools.errors import FreezeError, UnsafeModelError

_MOST_FILES, _MOST_BYTES = 10_000, 64 << 20
_SHOWN_OF_A_FOLDER = 12


@dataclass(frozen=True)
class ForeignCode:
    """Code that runs where a model is converted, and that is neither ours nor a known package's.

    ``files`` are Python files that came with the model or its descriptor, with the bytes that are going to run;
    ``package`` is an installed package.
    """

    files: Mapping[Path, bytes] = field(default_factory=dict)
    package: str | None = None


def python_files(folders: Sequence[Path]) -> tuple[Path, ...]:
    """All Python files at or below ``folders``, sorted within each. Links are not followed, hidden folders left out.

    Raises :class:`FreezeError` where there are too many.
    """
    found = dict.fromkeys(path for folder in folders for path in _below(folder))
    size = sum(path.stat().st_size for path in found)
    if len(found) > _MOST_FILES or size > _MOST_BYTES:
        raise FreezeError(
            f"{folders[0]}: expected at most {_MOST_FILES} Python files of {_MOST_BYTES >> 20} MiB together, "
            f"got {len(found)} of {size >> 20} MiB"
        )
    return tuple(found)


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        for name in sorted(files):
            path = Path(place, name)
            if name.endswith(".py") and path.is_file() and not path.is_symlink():
                yield path


def is_module_of(name: str, files: Sequence[Path], folders: Sequence[Path]) -> bool:
    """Whether the top-level module of ``name`` is among ``files``, with ``folders`` on Python's path."""
    top = name.partition(".")[0]
    places = [folder / top for folder in folders]
    return any(path == place.with_suffix(".py") or place in path.parents for path in files for place in places)


def require_consent(model: str, code: ForeignCode, files: SourceFiles, trusted: Sequence[str]) -> tuple[str, ...]:
    """A line for each of the files of ``code``, with its digest as in ``files``, to be shown before any of it runs.

    Raises :class:`UnsafeModelError` with these lines unless ``model`` is one of ``trusted``, and
    :class:`IntegrityError` where ``code`` has other bytes than the files that were hashed.
    """
    listed = {(PurePosixPath(one.path).name, one.digest) for one in files.files}
    for path, data in code.files.items():
        if (path.name, f"sha256:{sha256(data).hexdigest()}") not in listed:
            raise changed(path)
    lines = tuple(_lines(code, files))
    if model not in trusted:
        raise UnsafeModelError(
            "\n  ".join((f"{model}: would run Python code that is not mixnet_tools' own. None of it has run:", *lines)),
            hint=f"read it; `trust_code={model}` lets it run, in a process that may not write, connect or start others",
        )
    return ("runs this Python code, in a process that may not write, connect, or start others:", *lines)


def _lines(code: ForeignCode, files: SourceFiles) -> Iterator[str]:
    if code.package is not None:
        yield f"the installed package {code.package}"
    own = [one for one in files.files if one.path.endswith(".py")]
    for folder, group in groupby(own, lambda one: one.path.rpartition("/")[0].partition("/")[0]):
        members = list(group)
        if len(members) <= _SHOWN_OF_A_FOLDER:
            yield from (f"{one.path}  {one.digest}  ({_origin(one)})" for one in members)
            continue
        together = sha256("".join(f"{one.digest.partition(':')[2]}  {one.path}\n" for one in members).encode())
        origins = ", ".join(sorted({_origin(one) for one in members}))
        yield f"{folder}/: {len(members)} files  sha256:{together.hexdigest()} of all their digests  ({origins})"


def _origin(file: SourceFile) -> str:
    if file.verified_by is None:
        return file.gap or "not verified"
    return "as the descriptor has it" if file.verified_by == "descriptor" else "out of a file that the descriptor has"
