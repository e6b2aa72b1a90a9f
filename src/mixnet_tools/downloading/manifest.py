"""What a model's folder holds, as the last download left it: the manifest.

The manifest says which files were fetched and which were made from them, with size, digest and modification time. A
file whose size and time are as recorded is taken to be unchanged; any other is hashed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.downloading.layout import Layout
from mixnet_tools.files import atomic

SCHEMA = 1
_NAME = "manifest.json"


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


def load(layout: Layout, model: str) -> Manifest:
    """The manifest of ``model``, or an empty one where there is none that can be used."""
    try:
        manifest = Manifest.model_validate_json((layout.state / _NAME).read_bytes())
    except (OSError, ValidationError):
        return Manifest(model=model)
    return manifest if manifest.model == model else Manifest(model=model)


def save(layout: Layout, manifest: Manifest) -> None:
    """Write ``manifest``, whole or not at all. Raises OSError."""
    atomic.write_text(layout.state / _NAME, manifest.model_dump_json(indent=1) + "\n")


def recipe_of(model: ModelDescriptor) -> str | None:
    """A digest of all that decides what the outputs of ``model`` are: the steps, and the files they start from."""
    if not model.postprocessing:
        return None
    steps = [step.model_dump(by_alias=True) for step in model.postprocessing]
    inputs = {file.name: file.checksum for file in model.files}
    text = json.dumps([SCHEMA, steps, inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def sweep(layout: Layout, model: ModelDescriptor, done: Collection[str]) -> None:
    """Remove from the state folder what killed runs left; parts of files that are not in ``done`` stay."""
    keep = {layout.lock.name, _NAME}
    for file in model.files:
        keep.add(layout.original(file.name).name)
        if file.name not in done:
            part = layout.part(file.name).name
            keep |= {part, f"{part}.json"}
    for path in layout.state.iterdir():
        if path.name in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
