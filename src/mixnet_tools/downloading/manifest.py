"""Reads and writes the manifest: what a model's folder holds, as the last download left it.

The manifest says which files were fetched and which were made from them, with size, digest and modification time. A
file whose size and time are as recorded is taken to be unchanged; any other is hashed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.downloading.layout import Layout
from mixnet_tools.downloading.transport.partial_file import description_of
from mixnet_tools.files import atomic, bounded
from mixnet_tools.values import KnownFile, KnownFiles

SCHEMA = 1
_NAME = "manifest.json"
_MAX_BYTES = 64 << 20


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileRecord(_Frozen):
    """A file as it was when last verified: modification time in ns, and the source that delivered it.

    ``adopted`` says that it was taken over as it was found: the digest is that of the day, and nobody has verified it.
    """

    size: int
    checksum: Annotated[str, Field(pattern=r"^(sha256|sha384|sha512):[0-9a-f]+$")]
    mtime_ns: int
    served_by: str | None = None
    adopted: bool = False


class LinkRecord(_Frozen):
    """A symbolic link that came out of an archive."""

    link_to: str


class Manifest(_Frozen):
    """``files`` are the descriptor's, by name. ``outputs`` are the files that unpacking and patching made, by path.

    ``recipe`` is the digest of the steps that made the outputs, or None while they are not finished.
    """

    schema_version: Literal[1] = 1
    model: str
    files: dict[str, FileRecord] = {}
    recipe: str | None = None
    outputs: dict[str, FileRecord | LinkRecord] = {}


def load(layout: Layout, model: str) -> Manifest:
    """The manifest of ``model``, or an empty one if there is none or it cannot be read."""
    return find(layout, model) or Manifest(model=model)


def find(layout: Layout, model: str) -> Manifest | None:
    """The manifest of ``model``, or None if there is none or it cannot be read."""
    try:
        manifest = Manifest.model_validate_json(bounded.read_bytes(layout.state / _NAME, _MAX_BYTES))
    except (OSError, ValidationError):
        return None
    inside = all(".." not in name.split("/") and name[:1] != "/" for name in (*manifest.files, *manifest.outputs))
    return manifest if inside and manifest.model == model else None


def known_files(model: ModelDescriptor, layout: Layout) -> KnownFiles:
    """What the files in the folder of ``model`` have to be: as the descriptor says, and as the last download left them.

    For a file with a digest in the descriptor the manifest is not asked. Without a manifest nothing is known of files
    that came out of archives.
    """
    manifest = find(layout, model.name)
    files: dict[str, KnownFile] = {}
    for name, record in (manifest.outputs if manifest else {}).items():
        if isinstance(record, FileRecord):
            files[name] = KnownFile(record.size, record.checksum, "adopted" if record.adopted else "archive")
    for file in model.files:
        if file.name not in layout.patched:
            files[file.name] = KnownFile(file.size, file.checksum, "descriptor")
    return KnownFiles(layout.folder, files, None if manifest else "no manifest")


def save(layout: Layout, manifest: Manifest) -> None:
    """Write ``manifest``, whole or not at all. Raises OSError."""
    atomic.write_text(layout.state / _NAME, manifest.model_dump_json(indent=1) + "\n")


def recipe_of(model: ModelDescriptor) -> str | None:
    """A digest of the steps that make the outputs of ``model``, and of the files that they start from."""
    if not model.postprocessing:
        return None
    steps = [step.model_dump(by_alias=True) for step in model.postprocessing]
    inputs = {file.name: file.checksum for file in model.files}
    text = json.dumps([SCHEMA, steps, inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def sweep(layout: Layout, model: ModelDescriptor, done: Collection[str]) -> None:
    """Remove from the state folder what killed runs left, but not the partial files of files that are not ``done``."""
    keep = {layout.lock.name, _NAME}
    for file in model.files:
        keep.add(layout.original(file.name).name)
        if file.name not in done:
            partial = layout.partial(file.name)
            keep |= {partial.name, description_of(partial).name}
    for path in layout.state.iterdir():
        if path.name in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
