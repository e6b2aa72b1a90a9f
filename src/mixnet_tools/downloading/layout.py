"""Says where the files of a model lie: under their names, and in the state folder while they are made.

The state folder holds everything about a download that is not the model: partial files, originals of patched files,
the manifest, the lock, the staging folder. Its name is the one that no file of a model may have.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.descriptors.file_entries import RegexReplace, UnpackArchive
from mixnet_tools.descriptors.model_yml import ModelDescriptor

STATE_FOLDER = ".mixnet-download"


@dataclass(frozen=True)
class Layout:
    """Where one model lies in ``folder``.

    ``patched`` are files that are patched under their name, while the original is kept in the state folder.
    ``unpacked`` are files that are only needed to be unpacked.
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
        """Where archives are unpacked and files are patched, before the outputs move into place."""
        return self.state / "staging"

    @property
    def lock(self) -> Path:
        """The file whose lock a process holds while it works on the model."""
        return self.state / "lock"

    def partial(self, name: str) -> Path:
        """Where the bytes of the file ``name`` arrive: directly in the state folder, under a name of its own."""
        key = hashlib.sha256(name.encode()).hexdigest()[:12]
        return self.state / f"{name.rpartition('/')[2][:40]}-{key}.part"

    def original(self, name: str) -> Path:
        """Where the original of the patched file ``name`` is kept."""
        return self.partial(name).with_suffix(".original")

    def delivered(self, name: str) -> Path:
        """Where the file ``name`` is in the form in which its source delivered it."""
        return self.original(name) if name in self.patched else self.folder / name
