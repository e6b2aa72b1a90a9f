"""What a model's folder holds, as the last download left it: the manifest.

The manifest says which files were fetched and which were made from them, with size, digest and modification time. A
file whose size and time are as recorded is taken to be unchanged; any other is hashed. It lives with the parts, the
lock and the staging folder in the model's state folder, the one name in the folder that no model may use.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mixnet_tools.descriptor import ModelDescriptor
from mixnet_tools.download.files import write_atomically

STATE_FOLDER = ".mixnet-download"
SCHEMA = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileRecord(_Frozen):
    """A file as it was when last verified. ``mtime_ns`` is its modification time; ``served_by`` who delivered it."""

    size: int
    checksum: str
    mtime_ns: int
    served_by: str | None = None


class LinkRecord(_Frozen):
    """A symbolic link that came out of an archive."""

    link_to: str


class Manifest(_Frozen):
    """``files``: what the descriptor names, by name. ``outputs``: what unpacking and patching made of them, by path.

    ``recipe`` is the digest of the steps that made the outputs, or None where they were not carried out to the end.
    """

    schema_version: Literal[1] = 1
    model: str
    files: dict[str, FileRecord] = {}
    recipe: str | None = None
    outputs: dict[str, FileRecord | LinkRecord] = {}


def state_folder(model_folder: Path) -> Path:
    """The folder for everything about a download that is not the model."""
    return model_folder / STATE_FOLDER


def load(model_folder: Path, model: str) -> Manifest:
    """The manifest of ``model``, or an empty one where there is none that can be used."""
    try:
        manifest = Manifest.model_validate_json(_path(model_folder).read_bytes())
    except (OSError, ValidationError):
        return Manifest(model=model)
    return manifest if manifest.model == model else Manifest(model=model)


def save(model_folder: Path, manifest: Manifest) -> None:
    """Write ``manifest``, whole or not at all. Raises OSError."""
    path = _path(model_folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, manifest.model_dump_json(indent=1) + "\n", durable=True)


def recipe_of(model: ModelDescriptor) -> str | None:
    """A digest of all that decides what the outputs of ``model`` are: the steps, and the files they start from."""
    if not model.postprocessing:
        return None
    steps = [step.model_dump(by_alias=True) for step in model.postprocessing]
    inputs = {file.name: file.checksum for file in model.files}
    text = json.dumps([SCHEMA, steps, inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def part_path(model_folder: Path, name: str) -> Path:
    """Where the bytes of the file ``name`` arrive. Flat, so that no two names get into each other's way."""
    key = hashlib.sha256(name.encode()).hexdigest()[:12]
    return state_folder(model_folder) / f"{name.rpartition('/')[2][:40]}-{key}.part"


def original_path(model_folder: Path, name: str) -> Path:
    """Where the file ``name`` is kept as it was delivered, if a patched copy of it stands under its name."""
    return part_path(model_folder, name).with_suffix(".original")


def sweep(model_folder: Path, model: ModelDescriptor, done: Collection[str]) -> None:
    """Remove from the state folder what killed runs left; parts of files that are not in ``done`` stay."""
    keep = {"lock", _path(model_folder).name}
    for file in model.files:
        keep.add(original_path(model_folder, file.name).name)
        if file.name not in done:
            part = part_path(model_folder, file.name).name
            keep |= {part, f"{part}.json"}
    for path in state_folder(model_folder).iterdir():
        if path.name not in keep and not path.is_dir():
            path.unlink(missing_ok=True)


def _path(model_folder: Path) -> Path:
    return state_folder(model_folder) / "manifest.json"
