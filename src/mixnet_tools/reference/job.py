"""What the child process is asked to run, as one frozen value; and how it travels: JSON and bytes, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

FrameworkName = Literal["tensorflow", "onnx"]


@dataclass(frozen=True)
class Restore:
    """How a TensorFlow graph gets its weights: its own saver's operation reads the checkpoint at ``prefix``."""

    operation: str
    filename_tensor: str
    prefix: str


@dataclass(frozen=True)
class Job:
    """A model to run, its ``model`` bytes apart.

    ``inputs`` and ``outputs`` map the names that callers use to the names of tensors. ``initializers`` are operations
    to run once after ``restore``, fed with ``assets`` (tensor -> path). ``readable`` are the files and folders that
    the model consists of beside its bytes, ``weights`` how many bytes these are. ``threads`` is a number of processors,
    None for all. ``rewrite`` lets TensorFlow make the graph faster first, which costs more than it saves for a few
    images. ``freeze`` is a SavedModel's folder, signature and tags: the answer is then a graph instead of what it
    computes. ``memory`` bounds the address space in bytes; None: by the size of the model.
    """

    name: str
    framework: FrameworkName
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    restore: Restore | None = None
    initializers: tuple[str, ...] = ()
    assets: Mapping[str, str] = field(default_factory=dict)
    readable: tuple[str, ...] = ()
    external_data: str | None = None
    weights: int = 0
    threads: int | None = None
    rewrite: bool = True
    freeze: tuple[str, ...] | None = None
    memory: int | None = None

    def to_json(self) -> str:
        """The job as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Job:
        """The job that :meth:`to_json` wrote."""
        plain = json.loads(text)
        plain["restore"] = Restore(**plain["restore"]) if plain["restore"] else None
        plain |= {name: tuple(plain[name]) for name in ("initializers", "readable")}
        plain["freeze"] = tuple(plain["freeze"]) if plain["freeze"] else None
        return cls(**plain)
