"""What the child process is asked to run, as one frozen value; and how it travels: JSON and bytes, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

FrameworkName = Literal["tensorflow", "onnx", "pytorch"]


class Refused(Exception):
    """The child process says in its own words why it does not go on, and what to try (``hint``)."""

    def __init__(self, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.hint = hint


@dataclass(frozen=True)
class Restore:
    """How a TensorFlow graph gets its weights: its own saver's operation reads the checkpoint at ``prefix``."""

    operation: str
    filename_tensor: str
    prefix: str


@dataclass(frozen=True)
class TorchInput:
    """An input of a PyTorch module: its ``name`` in the descriptor, ``shape``, and ``dtype`` by torch's name
    (``float32``). Inputs have no names of their own there; they go by order.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class TorchModule:
    """How a PyTorch module is made: ``function`` (or class) of the Python module ``module`` is called with
    ``parameters``, each a name and a Python literal as text.

    Code is looked for in ``folders`` first, then among the installed packages. ``weights`` is a file with a state
    dictionary, or None where the function loads its own. ``weights_key`` says which one of several that the file holds.
    ``outputs`` are names for what the module returns, by order.
    """

    module: str
    function: str
    inputs: tuple[TorchInput, ...]
    outputs: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...] = ()
    folders: tuple[str, ...] = ()
    weights: str | None = None
    weights_key: str | None = None

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> TorchModule:
        """The module that ``dataclasses.asdict`` and JSON made ``plain``."""
        inputs = tuple(TorchInput(one["name"], tuple(one["shape"]), one["dtype"]) for one in plain["inputs"])
        lists = {name: tuple(plain[name]) for name in ("outputs", "folders")}
        parameters = tuple((name, value) for name, value in plain["parameters"])
        return cls(**{**plain, **lists, "inputs": inputs, "parameters": parameters})


@dataclass(frozen=True)
class Job:
    """A model to run, its ``model`` bytes apart.

    ``inputs`` and ``outputs`` map the names that callers use to the names of tensors. ``initializers`` are operations
    to run once after ``restore``, fed with ``assets`` (tensor -> path). ``readable`` are the files and folders that
    the model consists of beside its bytes, ``weights`` how many bytes these are. ``threads`` is a number of processors,
    None for all. ``rewrite`` lets TensorFlow make the graph faster first, which costs more than it saves for a few
    images. ``freeze`` is a SavedModel's folder, signature and tags: the answer is then a graph instead of what it
    computes. ``module`` is how a PyTorch module is made; the ``model`` bytes are then its Python files, and ``export``
    is the folder of an :class:`~mixnet_tools.reference.export_place.ExportPlace` for the IR that is made of it.
    ``foreign`` says that code runs which only Landlock keeps from files. ``memory`` bounds the address space in bytes;
    None: by the size of the model.
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
    module: TorchModule | None = None
    export: str | None = None
    foreign: bool = False
    memory: int | None = None

    def to_json(self) -> str:
        """The job as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Job:
        """The job that :meth:`to_json` wrote."""
        plain = json.loads(text)
        plain["restore"] = Restore(**plain["restore"]) if plain["restore"] else None
        plain["module"] = TorchModule.from_plain(plain["module"]) if plain["module"] else None
        plain |= {name: tuple(plain[name]) for name in ("initializers", "readable")}
        plain["freeze"] = tuple(plain["freeze"]) if plain["freeze"] else None
        return cls(**plain)
