"""Find models: the descriptors below one or more roots, chosen by name, pattern or list file.

A model's name is its folder's name. So a choice reads no descriptor, and only chosen ones are parsed.
"""

from __future__ import annotations

import os
import shlex
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NoReturn

from mixnet_tools.descriptors.composite_yml import COMPOSITE_FILE, CompositeDescriptor, load_composite
from mixnet_tools.descriptors.model_yml import MODEL_FILE, ModelDescriptor, load_descriptor
from mixnet_tools.errors import DescriptorError, UnknownModelError
from mixnet_tools.files import bounded

ENVIRONMENT_VARIABLE = "MIXNET_TOOLS_MODELS"
_MAX_LIST_BYTES = 1 << 20


@dataclass(frozen=True)
class ZooEntry:
    """A model that was found. Its descriptor, the file ``path``, is not read yet.

    ``subdirectory`` is its folder relative to the zoo's root. ``composite`` is the name of the composite model that it
    is a part of, or None: Open Model Zoo has, for example, an encoder and a decoder in one folder.
    """

    name: str
    path: Path
    subdirectory: PurePosixPath
    composite: str | None

    def load(self) -> ModelDescriptor:
        """Read and check the descriptor."""
        return load_descriptor(self.path, self.subdirectory)


@dataclass(frozen=True)
class CompositeEntry:
    """A composite model that was found: its folder holds the file ``path``, and the models that are its ``stages``."""

    name: str
    path: Path
    subdirectory: PurePosixPath
    stages: tuple[ZooEntry, ...]

    def load(self) -> CompositeDescriptor:
        """Read and check composite-model.yml. The descriptors of the stages are not read."""
        return load_composite(self.path, self.subdirectory, frozenset(stage.name for stage in self.stages))


def embedded_root() -> Path:
    """The zoo that comes with mixnet_tools: inside an installed package, or in the checkout it runs from."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "models"
    return installed if installed.is_dir() else package.parents[1] / "models"


def default_roots(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Roots named by the environment variable ``MIXNET_TOOLS_MODELS`` (separated like PATH), else the embedded zoo."""
    named = [part for part in environment.get(ENVIRONMENT_VARIABLE, "").split(os.pathsep) if part]
    return tuple(Path(part) for part in named) or (embedded_root(),)


def find_models(roots: Iterable[Path]) -> tuple[ZooEntry, ...]:
    """Every model below ``roots``, sorted by name.

    Symbolic links to folders are followed. Raises :class:`DescriptorError` where a root is no folder, has no model or
    has a folder that cannot be read, and where two models have one name.
    """
    entries: dict[str, ZooEntry] = {}
    clashes: list[str] = []
    for root in dict.fromkeys(Path(root) for root in roots):
        if not root.is_dir():
            raise DescriptorError(
                f"{root}: not a folder of models{'' if root.exists() else ', for there is no such folder'}",
                hint=f"give a folder that holds {MODEL_FILE} files: `models_dir`, or {ENVIRONMENT_VARIABLE}",
            )
        found = _walk(root)
        if not found:
            raise DescriptorError(
                f"{root}: no {MODEL_FILE} below this folder", hint=f"expected {root}/public/<name>/{MODEL_FILE}"
            )
        for entry in found:
            other = entries.setdefault(entry.name, entry)
            if other.path.resolve() != entry.path.resolve():
                clashes.append(f"two models are called {entry.name!r}: {other.path} and {entry.path}")
    if clashes:
        raise DescriptorError("\n".join(clashes), hint="a model's name is its folder's name: rename one of the folders")
    return tuple(entries[name] for name in sorted(entries))


def with_composites(entries: Iterable[ZooEntry]) -> tuple[ZooEntry | CompositeEntry, ...]:
    """The models of a zoo as Open Model Zoo lists them, by name: a composite model stands for all its stages."""
    listed: list[ZooEntry | CompositeEntry] = []
    stages: dict[Path, list[ZooEntry]] = {}
    for entry in entries:
        if entry.composite is None:
            listed.append(entry)
        else:
            stages.setdefault(entry.path.parent.parent, []).append(entry)
    for folder, found in stages.items():
        subdirectory = found[0].subdirectory.parent
        name = found[0].composite or folder.name
        placed = subdirectory if subdirectory.parts else PurePosixPath(name)
        listed.append(CompositeEntry(name, folder / COMPOSITE_FILE, placed, tuple(found)))
    return tuple(sorted(listed, key=lambda entry: entry.name))


def flat(listed: Iterable[ZooEntry | CompositeEntry]) -> tuple[ZooEntry, ...]:
    """The models of ``listed``, each once: the stages in the place of their composite model."""
    found = (one for entry in listed for one in (entry.stages if isinstance(entry, CompositeEntry) else (entry,)))
    return tuple({entry.name: entry for entry in found}.values())


def select(entries: Sequence[ZooEntry], patterns: Iterable[str]) -> tuple[ZooEntry | CompositeEntry, ...]:
    """What matches a name or shell pattern (``mixnet-*``), each once, in the order of ``patterns``.

    A pattern that matches a composite model stands for it, and one that matches only stages of it stands for these.
    Raises :class:`UnknownModelError` that names each pattern without a match, with the nearest names.
    """
    listed = with_composites(entries)
    chosen: dict[str, ZooEntry | CompositeEntry] = {}
    unknown = []
    for pattern in patterns:
        matches: list[ZooEntry | CompositeEntry] = []
        for entry in listed:
            if fnmatchcase(entry.name, pattern):
                matches.append(entry)
            elif isinstance(entry, CompositeEntry):
                matches += [stage for stage in entry.stages if fnmatchcase(stage.name, pattern)]
        chosen.update((entry.name, entry) for entry in matches)
        if not matches:
            unknown.append(pattern)
    if unknown:
        raise UnknownModelError("\n".join(_unknown_message(pattern, entries) for pattern in unknown))
    return tuple(chosen.values())


def read_list(path: Path) -> tuple[str, ...]:
    """The patterns in the file ``path``: one a line, quoted as in a shell. ``#`` begins a comment.

    Raises :class:`DescriptorError` where the file cannot be read or a line holds more than one pattern.
    """
    try:
        lines = bounded.read_given(path, _MAX_LIST_BYTES).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DescriptorError(
            f"{path}: cannot read the list of models: {getattr(error, 'strerror', None) or error}"
        ) from error
    patterns: list[str] = []
    for number, line in enumerate(lines, 1):
        try:
            tokens = shlex.split(line, comments=True)
        except ValueError as error:
            raise DescriptorError(f"{path}: line {number}: {error}") from error
        if len(tokens) > 1:
            raise DescriptorError(f"{path}: line {number}: expected one name or pattern a line, got {line.strip()!r}")
        patterns.extend(tokens)
    if not patterns:
        raise DescriptorError(f"{path}: names no models")
    return tuple(patterns)


def _walk(root: Path) -> list[ZooEntry]:
    found: list[ZooEntry] = []
    visited: set[tuple[int, int]] = set()
    starts = deque([str(root)])  # links come last: a model that also lies below the root itself is found there
    while starts:
        for folder, subfolders, files in os.walk(starts.popleft(), onerror=_unreadable):
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in visited:
                subfolders.clear()
                continue
            visited.add((status.st_dev, status.st_ino))
            subfolders.sort()
            if MODEL_FILE in files:
                subfolders.clear()  # a folder of a model has no further models in it
                found.append(_entry(root, Path(folder)))
            starts.extend(path for name in subfolders if os.path.islink(path := os.path.join(folder, name)))
    return found


def _entry(root: Path, directory: Path) -> ZooEntry:
    subdirectory = PurePosixPath(directory.relative_to(root).as_posix())
    name = directory.resolve().name
    composite = directory.parent.name if (directory.parent / COMPOSITE_FILE).is_file() else None
    # A root that is itself a model's folder would have outputs written to the output folder's top.
    placed = subdirectory if subdirectory.parts else PurePosixPath(name)
    return ZooEntry(name, directory / MODEL_FILE, placed, composite)


def _unreadable(error: OSError) -> NoReturn:
    raise DescriptorError(
        f"{error.filename}: cannot be read: {error.strerror or error}",
        hint="a zoo's folders must all be readable, or models would be left out unseen",
    ) from error


def _unknown_message(pattern: str, entries: Sequence[ZooEntry]) -> str:
    names = [entry.name for entry in entries]
    kind = "no model matches the pattern" if any(char in pattern for char in "*?[") else "unknown model"
    by_folded = {name.casefold(): name for name in names}
    near = [by_folded[match] for match in get_close_matches(pattern.casefold(), by_folded, n=3, cutoff=0.5)]
    if near:
        return f"{kind} {pattern!r}; did you mean {' or '.join(repr(name) for name in near)}?"
    shown = ", ".join(names[:8]) + (f", and {len(names) - 8} more" if len(names) > 8 else "")
    return f"{kind} {pattern!r}; available: {shown}"
