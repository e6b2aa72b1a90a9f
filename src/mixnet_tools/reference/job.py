"""What the child process is asked to run, as one frozen value; and how it travels: JSON and bytes, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal


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
    the model consists of beside its bytes. ``threads`` is a number of processors, None for all. ``package`` asks for
    the Python package instead of the C library.
    """

    name: str
    framework: Literal["tensorflow", "onnx"]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    restore: Restore | None = None
    initializers: tuple[str, ...] = ()
    assets: Mapping[str, str] = field(default_factory=dict)
    readable: tuple[str, ...] = ()
    external_data: str | None = None
    threads: int | None = None
    package: bool = False
    memory: int = 16 << 30

    def to_json(self) -> str:
        """The job as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Job:
        """The job that :meth:`to_json` wrote."""
        plain = json.loads(text)
        plain["restore"] = Restore(**plain["restore"]) if plain["restore"] else None
        plain |= {name: tuple(plain[name]) for name in ("initializers", "readable")}
        return cls(**plain)
