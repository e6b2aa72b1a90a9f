"""Where the files of a model lie: under their names, and in the state folder while they are made.

The state folder holds everything about a download that is not the model (parts, originals of patched files, the
manifest, the lock, the staging folder); it is the one name in a model's folder that no model may use.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.descriptors.model_yml import ModelDescriptor, RegexReplace, UnpackArchive

STATE_FOLDER = ".mixnet-download"


@dataclass(frozen=True)
class Layout:
    """The places of one model in ``folder``.

    ``patched`` are files that stand under their name in a patched form, while the original is kept in the state
    folder; ``unpacked`` are files that are only needed to be unpacked.
    """

    folder: Path
    patched: frozenset[str]
    unpacked: frozenset[str]

    @classmethod
    def of(cls, model: ModelDescriptor, folder: Path) -> Layout:
        """The layout of ``model`` in ``folder``."""
        names = {file.name for file in model.files}
        patched = names & {step.file for step in model.postprocessing if isinstance(step, RegexReplace)}
        unpacked = names & {step.file for step in model.postprocessing if isinstance(step, UnpackArchive)}
        return cls(folder, frozenset(patched), frozenset(unpacked - patched))

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / STATE_FOLDER

    @property
    def staging(self) -> Path:
        """Where archives are unpacked and files patched, before what was made moves into place."""
        return self.state / "staging"

    @property
    def lock(self) -> Path:
        """The file whose lock a process holds while it works on the model."""
        return self.state / "lock"

    def part(self, name: str) -> Path:
        """Where the bytes of the file ``name`` arrive. Flat, so that no two names get into each other's way."""
        key = hashlib.sha256(name.encode()).hexdigest()[:12]
        return self.state / f"{name.rpartition('/')[2][:40]}-{key}.part"

    def original(self, name: str) -> Path:
        """Where the patched file ``name`` is kept as it was delivered."""
        return self.part(name).with_suffix(".original")

    def delivered(self, name: str) -> Path:
        """Where the file ``name`` is as it was delivered."""
        return self.original(name) if name in self.patched else self.folder / name
