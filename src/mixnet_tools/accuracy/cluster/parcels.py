"""Models on their way to the workers of a cluster: what is known of them here, their bytes, and what a worker has.

A worker that sees the very file (a shared folder) loads it from there; else its bytes come through the cluster. Either
way its SHA-256 is that of the file here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mixnet_tools.accuracy.launchers.base import Runner, RunnerInfo
from mixnet_tools.accuracy.launchers.onnx import OnnxRunner
from mixnet_tools.accuracy.launchers.openvino import OpenVinoRunner, read_info
from mixnet_tools.accuracy.launchers.tensorflow import TensorFlowRunner
from mixnet_tools.errors import EvaluationError
from mixnet_tools.files import atomic
from mixnet_tools.files.digest import digest_of
from mixnet_tools.values import FrozenGraph, IRModel


@dataclass(frozen=True)
class ParcelFile:
    """A file of a model: ``name`` relative to its folder, ``path`` where the client has it (None: nowhere)."""

    name: str
    path: Path | None
    sha256: str


@dataclass(frozen=True)
class Parcel:
    """A model, all but its bytes: the first of ``files`` is what is loaded. ``graph`` is that of an original of
    TensorFlow, empty.
    """

    name: str
    info: RunnerInfo
    files: tuple[ParcelFile, ...]
    graph: FrozenGraph | None = None

    @property
    def contents(self) -> str:
        """The same for the same bytes."""
        return hashlib.sha256(repr([(one.name, one.sha256) for one in self.files]).encode()).hexdigest()

    @property
    def key(self) -> str:
        """The same for the same model on the same device."""
        return f"{self.info.launcher}-{self.info.device}-{self.contents}"


@dataclass(frozen=True)
class PackedModel:
    """A parcel, and how its files' bytes are read when they have to travel."""

    parcel: Parcel
    read: Callable[[], tuple[bytes, ...]]

    def data(self) -> tuple[bytes, ...]:
        """The bytes of each file. Raises :class:`EvaluationError` where one is not what it was any more."""
        found = self.read()
        for file, data in zip(self.parcel.files, found, strict=True):
            if hashlib.sha256(data).hexdigest() != file.sha256:
                raise EvaluationError(f"{file.path or file.name}: was changed while the evaluation ran")
        return found


def pack_ir(ir: IRModel, device: str) -> PackedModel:
    """An IR for ``device``, which this machine need not have. Raises what reading it raises."""
    # What is remarkable about it here need not be so on a worker.
    return _of_files(ir.name, replace(read_info(ir, device), remarks=()), (ir.xml, ir.bin))


def pack_onnx(path: Path) -> PackedModel:
    """An original of ONNX, with the files that hold its weights. Raises what :class:`OnnxRunner` raises."""
    info = OnnxRunner(path).info
    import onnx

    tensors = onnx.load(path, load_external_data=False).graph.initializer
    places = {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    return _of_files(path.stem, info, (path, *(path.parent / place for place in sorted(places))))


def pack_graph(frozen: FrozenGraph) -> PackedModel:
    """An original of TensorFlow. Raises what :class:`TensorFlowRunner` raises."""
    info = TensorFlowRunner(frozen).info
    file = ParcelFile("graph.pb", None, hashlib.sha256(frozen.graph_def).hexdigest())
    return PackedModel(Parcel(frozen.name, info, (file,), replace(frozen, graph_def=b"")), lambda: (frozen.graph_def,))


def _of_files(name: str, info: RunnerInfo, paths: Sequence[Path]) -> PackedModel:
    folder = paths[0].parent
    files = tuple(ParcelFile(str(path.relative_to(folder)), path.absolute(), digest_of(path)) for path in paths)
    return PackedModel(Parcel(name, info, files), lambda: tuple(path.read_bytes() for path in paths))


def found_at_client_path(parcel: Parcel) -> tuple[Path, ...] | None:
    """On a worker: the client's own files, where it sees them; None where one is missing or another."""
    paths = tuple(file.path for file in parcel.files if file.path is not None)
    return paths if intact(parcel, paths) else None


def intact(parcel: Parcel, paths: Sequence[Path]) -> bool:
    """Whether ``paths`` hold the files of ``parcel``."""
    try:
        return [digest_of(path) for path in paths] == [file.sha256 for file in parcel.files]
    except OSError:
        return False


def unpack(parcel: Parcel, data: Sequence[bytes], folder: Path) -> tuple[Path, ...]:
    """On a worker: write the files below ``folder``. Raises :class:`EvaluationError` where bytes were damaged."""
    paths = []
    for file, one in zip(parcel.files, data, strict=True):
        if hashlib.sha256(one).hexdigest() != file.sha256:
            raise EvaluationError(f"{file.path or file.name}: its bytes were damaged on their way to the worker")
        path = folder / parcel.contents / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        paths.append(path)
    if not intact(parcel, paths):
        for path, one in zip(paths, data, strict=True):
            # Another client's run may have the file open: it keeps what it has.
            atomic.write_bytes(path, one)
    return tuple(paths)


def load(parcel: Parcel, paths: Sequence[Path], threads: int) -> Runner:
    """On a worker: the model, computing with ``threads`` processors.

    Raises :class:`EvaluationError` where it cannot be loaded, or the files are others by now.
    """
    runner: Runner
    if parcel.graph is not None:
        frozen = replace(parcel.graph, graph_def=paths[0].read_bytes())
        runner = TensorFlowRunner(frozen, threads=threads)
    elif parcel.info.launcher == "onnx":
        runner = OnnxRunner(paths[0], threads=threads)
    else:
        ir = IRModel(parcel.name, parcel.info.precision or "", paths[0], paths[1])
        runner = OpenVinoRunner(ir, parcel.info.device, threads=threads)
    if runner.info.digests != parcel.info.digests:
        raise EvaluationError(f"{paths[0]}: was changed while the evaluation ran")
    return runner
