"""What an ONNX file needs beside itself: operations of which domains, and files with external data."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mixnet_tools.errors import EvaluationError, MissingDependency, UnsafeModelError, first_line
from mixnet_tools.inference.base import Array
from mixnet_tools.reference.job import Job
from mixnet_tools.reference.onnx_cut import Ends

if TYPE_CHECKING:
    import onnx

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "org.openvinotoolkit"})
"""Domains whose operations the frameworks bring themselves. Operations of others are programs of somebody's."""

_LOCATION = re.compile(rb"\n\x08location\x12([\x80-\xff]{0,2}[\x00-\x7f])")
"""A protobuf message of two texts whose first is ``location``, up to the length of the second."""

_EXTERNAL = 1  # TensorProto.EXTERNAL
_MOST_VERSIONS = 1000  # ONNX has 25 in 2026
_FLOAT = 1  # TensorProto.FLOAT


def read(path: Path) -> onnx.ModelProto:
    """The model in ``path``, without its external data.

    Raises :class:`EvaluationError` where it cannot be read, :class:`MissingDependency` without the package onnx, and
    what :func:`refuse_unsafe` raises.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependency(
            "ONNX models are compared with ONNX Runtime; the package onnx, which is needed too, is not installed",
            hint="pip install 'mixnet-tools[onnx]', or `verify=False`",
        ) from error
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # a protobuf DecodeError, or an OSError
        raise EvaluationError(f"{path}: cannot be read as ONNX: {first_line(error)}") from error
    refuse_unsafe(model, path)
    return model


def job_for(name: str, path: Path, model: onnx.ModelProto, ends: Ends, threads: int | None = None) -> tuple[Job, bytes]:
    """The job that computes ``model``, read from ``path`` and begun and ended at ``ends``, and the model's bytes."""
    folder, apart = str(path.resolve().parent), external_files(model)
    job = Job(
        name=name,
        framework="onnx",
        inputs=ends.inputs,
        outputs=ends.outputs,
        readable=(folder,),
        external_data=folder if apart else None,
        weights=sum((path.parent / name).stat().st_size for name in apart if (path.parent / name).is_file()),
        threads=threads,
    )
    return job, model.SerializeToString()


def refuse_unsafe(model: onnx.ModelProto, path: Path) -> None:
    """Raise :class:`UnsafeModelError` where ``model``, read from ``path``, needs operations of an unknown domain, or
    external data outside its folder; :class:`EvaluationError` where it is of a version that cannot be.
    """
    versions = [opset.version for holder in (model, *model.functions) for opset in holder.opset_import]
    strange = next((version for version in versions if not 0 < version < _MOST_VERSIONS), None)
    if strange is not None:  # OpenVINO goes through all versions up to that one
        raise EvaluationError(f"{path}: version {strange} of a set of operations, which does not exist")
    own = {function.domain for function in model.functions}
    graphs = [*_graphs(model.graph), *(function for function in model.functions)]
    for node in (node for graph in graphs for node in graph.node):
        if node.domain not in DOMAINS | own:
            raise UnsafeModelError(
                f"{path}: the operation {node.op_type} of the node {node.name!r} is of the domain {node.domain!r}: "
                "its program comes from somewhere else, and a model may only compute"
            )
    for name in external_files(model):
        place = path.parent / name
        inside = place.resolve().is_relative_to(path.parent.resolve())
        if PurePosixPath(name).is_absolute() or not inside:
            raise UnsafeModelError(f"{path}: weights in {name!r}: expected a file in the model's own folder")


def external_files(model: onnx.ModelProto) -> tuple[str, ...]:
    """The files with external data, as the model names them: relative to its folder. Sorted, each once."""
    names = {
        entry.value
        for graph in _graphs(model.graph)
        for tensor in _tensors(graph)
        if tensor.data_location == _EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return tuple(sorted(names))


def locations_in(contents: bytes) -> tuple[str, ...]:
    """What may be files with external data, found in the bytes of an ONNX file without the package onnx.

    They are values of the key ``location``. Other parts of a file may use that key too. Sorted, each once.
    """
    names = set()
    for found in _LOCATION.finditer(contents):
        length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(found[1]))
        with contextlib.suppress(UnicodeDecodeError):
            names.add(contents[found.end() : found.end() + length].decode())
    return tuple(sorted(name for name in names if name and "\0" not in name))


def constants(model: onnx.ModelProto, folder: Path) -> Iterator[tuple[str, Array]]:
    """The constants of ``model`` in float32, each by its name. ``folder`` holds its external data."""
    from onnx import numpy_helper

    for graph in _graphs(model.graph):
        named = [(tensor.name, tensor) for tensor in graph.initializer]
        named += [
            (node.output[0], one.t) for node in graph.node for one in node.attribute if node.op_type == "Constant"
        ]
        for name, tensor in named:
            if tensor.data_type == _FLOAT:
                yield name, numpy_helper.to_array(tensor, str(folder))


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """``graph`` and those in the attributes of its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.HasField("g") else []
            for one in [*inner, *attribute.graphs]:
                yield from _graphs(one)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
