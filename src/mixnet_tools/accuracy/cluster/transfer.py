"""Get models to the workers of a cluster: packed as a value here, loaded from it there."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from mixnet_tools.accuracy.launchers.base import Runner, RunnerInfo
from mixnet_tools.accuracy.launchers.onnx import OnnxRunner
from mixnet_tools.accuracy.launchers.openvino import OpenVinoRunner, read_info
from mixnet_tools.accuracy.launchers.tensorflow import TensorFlowRunner
from mixnet_tools.errors import EvaluationError
from mixnet_tools.inference import InferencePrecision
from mixnet_tools.ir.image_input import ImageInput
from mixnet_tools.values import FrozenGraph, IRModel


@dataclass(frozen=True)
class ModelTransfer:
    """A model with all its bytes: the names of its ``files``, relative to its folder, and their contents; the first is
    the one to open. An original of TensorFlow has a ``graph`` instead. ``image`` and ``outputs`` are what
    :class:`OnnxRunner` is told of an original of ONNX.
    """

    name: str
    info: RunnerInfo
    files: tuple[tuple[str, bytes], ...] = ()
    graph: FrozenGraph | None = None
    image: ImageInput | None = None
    outputs: tuple[str, ...] = ()


def pack_ir(ir: IRModel, device: str, inference_precision: InferencePrecision = "f32") -> ModelTransfer:
    """Pack an IR for ``device``, which this machine need not have. Raises what reading the IR raises.

    Floats are computed in ``inference_precision``, not ``default``: that is not the same on all workers.
    """
    # Remarks are about this machine, and need not hold on a worker.
    info = replace(read_info(ir, device), remarks=(), inference_precision=inference_precision)
    return ModelTransfer(ir.name, info, _contents((ir.xml, ir.bin)))


def pack_onnx(path: Path, known: ImageInput | None = None, outputs: tuple[str, ...] = ()) -> ModelTransfer:
    """Pack an original of ONNX, with the files that hold its weights.

    Parameters and errors are those of :class:`OnnxRunner`.
    """
    info = OnnxRunner(path, known=known, outputs=outputs).info
    import onnx

    tensors = onnx.load(path, load_external_data=False).graph.initializer
    places = {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    files = _contents((path, *(path.parent / place for place in sorted(places))))
    return ModelTransfer(path.stem, info, files, image=known, outputs=outputs)


def pack_graph(frozen: FrozenGraph) -> ModelTransfer:
    """Pack an original of TensorFlow. Raises what :class:`TensorFlowRunner` raises."""
    return ModelTransfer(frozen.name, TensorFlowRunner(frozen).info, graph=frozen)


def load(transfer: ModelTransfer, threads: int) -> Runner:
    """Load the model on a worker, to compute with ``threads`` processors.

    Raises :class:`EvaluationError` where it cannot be loaded, or is not what the client described.
    """
    runner: Runner
    with tempfile.TemporaryDirectory(prefix="mixnet-") as folder:
        paths = [Path(folder, name) for name, _ in transfer.files]
        for path, (_, data) in zip(paths, transfer.files, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if transfer.graph is not None:
            runner = TensorFlowRunner(transfer.graph, threads=threads)
        elif transfer.info.launcher == "onnx":
            runner = OnnxRunner(paths[0], threads=threads, known=transfer.image, outputs=transfer.outputs)
        else:
            ir = IRModel(transfer.name, transfer.info.precision or "", paths[0], paths[1])
            wanted = cast(InferencePrecision, transfer.info.inference_precision)
            runner = OpenVinoRunner(ir, transfer.info.device, threads=threads, inference_precision=wanted)
    if runner.info.digests != transfer.info.digests:
        raise EvaluationError(f"{transfer.name}: {transfer.info.label} was changed while the evaluation began")
    return runner


def _contents(paths: Sequence[Path]) -> tuple[tuple[str, bytes], ...]:
    return tuple((path.relative_to(paths[0].parent).as_posix(), path.read_bytes()) for path in paths)
