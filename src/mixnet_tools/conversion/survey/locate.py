"""Finds the model that a path means: which kind of source it is, and which files belong to it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mixnet_tools.conversion.plan import ConversionPlan, Source
from mixnet_tools.conversion.sources.formats import Format, checkpoint_without_graph, recognize
from mixnet_tools.conversion.sources.kinds import KINDS, open_source
from mixnet_tools.descriptors.file_entries import safe_relative_path
from mixnet_tools.errors import ConversionError, FreezeError, listed

IR = "ir"
"""The kind of an OpenVINO IR, which needs no conversion. The others are those of the sources."""

_META = ".meta"
_DATA = re.compile(r"\.data-[0-9]{5}-of-[0-9]{5}$")
"""The end of the name of a file with a checkpoint's weights. What stands before it names the checkpoint."""

_KINDS_TAKEN = "give an ONNX file, a frozen graph, a SavedModel's folder, a meta graph (.meta) or an IR (.xml)"
_OTHER_MODELS = (".h5", ".keras", ".onnx", ".pb", ".pkl", ".pt", ".pth", ".safetensors", ".tflite")
"""The ends of names of files that are meant as models, though none of them can be converted where they are named."""

_MOST_ENTRIES = 1000
_MOST_ARCHIVED = 10_000


@dataclass(frozen=True)
class ModelFileHere:
    """A file of a model: its ``name`` below the model's folder, with ``/`` between folders, and where it is now."""

    name: str
    path: Path


@dataclass(frozen=True)
class FoundModel:
    """A model on this machine.

    ``kind`` is :data:`IR` or a key of :data:`~mixnet_tools.conversion.sources.kinds.KINDS`. ``path`` is the file or
    folder that a plan names as its source, ``name`` what it is called below the model's folder.
    """

    kind: str
    path: Path
    name: str
    files: tuple[ModelFileHere, ...]

    @property
    def framework(self) -> str:
        """The descriptor's framework."""
        return "dldt" if self.kind == IR else KINDS[self.kind].framework


def locate(path: Path) -> FoundModel:
    """The model at ``path``: a file, a SavedModel's folder, or a folder that holds one model.

    Raises :class:`FreezeError` where there is none, there are several, or a file of it is missing, and
    :class:`ConversionError` for a format that is not converted, with what to do instead as the hint.
    """
    if path.is_dir():
        kind, place = _in_folder(path)
    elif path.is_file():
        kind, place = _of_file(path)
    elif path.exists():
        raise FreezeError(f"{path}: expected a regular file or a folder")
    else:
        raise FreezeError(f"{path}: no such file or folder")
    if kind == IR:
        weights = place.with_suffix(".bin")
        return FoundModel(IR, place, place.name, (_here(place.name, place), _here(weights.name, weights)))
    source = open_source(ConversionPlan("model", Source(kind, place), (), ()))
    missing = next((file for file in source.files() if not file.is_file()), None)
    if missing is not None:
        raise FreezeError(f"{missing}: no such file, and {path} needs it")
    own = place.resolve().name
    name = own if is_plain_name(own) else f"model{place.suffix}"
    below = place if place.is_dir() else place.parent
    prefix = f"{name}/" if place.is_dir() else ""
    files = []
    for file in source.files():
        relative = file.relative_to(below).as_posix()
        files.append(_here(prefix + (name if relative == own and not prefix else relative), file))
    return FoundModel(kind, place, name, tuple(files))


def locate_below(folder: Path, archive: Path, inside: str | None = None) -> FoundModel:
    """The one model anywhere below ``folder``, or the one at the relative path ``inside``.

    ``folder`` has what was in ``archive``, which messages name. The ``name`` of the model is its path below ``folder``.
    Raises what :func:`locate` raises.
    """
    if inside is not None:
        place = folder / inside
        if not place.resolve().is_relative_to(folder.resolve()):
            raise FreezeError(f"{inside}: expected a path inside the archive {archive}")
        found = locate(place)
    else:
        models = list(_models_anywhere(folder))
        if len(models) != 1:
            raise _not_one_model(folder, archive, [path for _, path in models])
        found = locate(models[0][1])
    name = found.path.relative_to(folder).as_posix()
    if found.kind == IR or not is_plain_name(name):
        raise ConversionError(
            f"{name}: cannot be described inside an archive", hint="unpack it, and give the model's own file or folder"
        )
    return replace(found, name=name)


def _not_one_model(folder: Path, archive: Path, models: Sequence[Path]) -> ConversionError:
    if models:
        names = listed(path.relative_to(folder).as_posix() for path in models)
        return FreezeError(f"{archive}: holds {len(models)} models: {names}", hint="say which of them: `inside`")
    for place, _, files in os.walk(folder):
        for path in (Path(place, name) for name in sorted(files)):
            is_file = path.suffix in _OTHER_MODELS and path.is_file() and not path.is_symlink()
            if is_file and (found := recognize(path)) is not None:
                return _not_converted(path, found)
    return FreezeError(f"{archive}: no model in this archive", hint=_KINDS_TAKEN)


def _models_anywhere(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each model below ``folder``. A folder that is a model has no further ones in it. Links are not followed."""
    seen = 0
    for place, folders, files in os.walk(folder):
        here = Path(place)
        if "saved_model.pb" in files:
            folders.clear()
            yield "saved_model", here
            continue
        for name in sorted(files):
            seen += 1
            if seen > _MOST_ARCHIVED:
                raise FreezeError(f"the archive holds more than {_MOST_ARCHIVED} files", hint="say which: `inside`")
            path = here / name
            if path.is_file() and not path.is_symlink() and (kind := _kind(recognize(path), path)):
                yield kind, path


def _here(name: str, path: Path) -> ModelFileHere:
    if not path.is_file():
        raise FreezeError(f"{path}: no such file")
    if not is_plain_name(name):
        raise FreezeError(f"{path}: a name that no descriptor can have", hint="rename the file")
    return ModelFileHere(name, path)


def is_plain_name(name: str) -> bool:
    """Whether ``name`` is a relative path that a descriptor may have for a file."""
    try:
        return bool(safe_relative_path(name)) and "$" not in name
    except ValueError:
        return False


def _of_file(path: Path) -> tuple[str, Path]:
    """The kind of the model that the file ``path`` belongs to, and the path that stands for it."""
    twin = path.with_suffix(".xml")
    if path.suffix == ".bin" and twin.is_file():
        path = twin
    meta = path.with_suffix(_META)
    if (path.suffix == ".index" or _DATA.search(path.name)) and meta.is_file():
        path = meta
    elif path.name == "saved_model.pb" or (path.name == "checkpoint" and recognize(path) is None):
        return _in_folder(path.parent)
    found = recognize(path)
    if path.suffix == ".index":
        found = checkpoint_without_graph(path.with_suffix(_META)) or found
    kind = _kind(found, path)
    if kind is not None:
        return kind, path
    if found is None:
        raise ConversionError(
            f"{path}: no format of model files that is known",
            hint=_KINDS_TAKEN,
        )
    raise _not_converted(path, found)


def _kind(found: Format | None, path: Path) -> str | None:
    """The kind of source that ``path`` is as a file of its own, which was recognized as ``found``; None: it is none.

    Nothing marks a meta graph but its name.
    """
    if path.suffix == _META and (found is None or found.kind == "graph"):
        return "meta_graph"
    if found is None or (found.kind == IR and path.suffix != ".xml"):
        return None
    if found.kind == "graph":
        return "frozen_graph"
    return found.kind if found.kind in (IR, "onnx") else None


def _not_converted(path: Path, found: Format) -> ConversionError:
    return ConversionError(
        f"{path}: {found.name}, which cannot be converted as it is", hint=found.advice_without_descriptor
    )


def _in_folder(folder: Path) -> tuple[str, Path]:
    found = recognize(folder)
    if found is not None and found.kind == "saved_model":
        return "saved_model", folder
    if found is not None:
        raise _not_converted(folder, found)
    models = list(_models_below(folder))
    if len(models) == 1:
        return models[0]
    if models:
        names = listed(path.name for _, path in models)
        raise FreezeError(f"{folder}: holds {len(models)} models: {names}", hint="give the path of one of them")
    raise FreezeError(
        f"{folder}: no model in this folder", hint="give the model's own file, or the folder with saved_model.pb"
    )


def _models_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each model that lies directly in ``folder``."""
    for number, entry in enumerate(sorted(folder.iterdir())):
        if number == _MOST_ENTRIES:
            raise FreezeError(f"{folder}: holds more than {_MOST_ENTRIES} files", hint="say which one is the model")
        if entry.is_dir() and (entry / "saved_model.pb").is_file():
            yield "saved_model", entry
        elif entry.is_file() and (kind := _kind(recognize(entry), entry)):
            yield kind, entry
