"""Freezing: TensorFlow meta graph and checkpoint -> :class:`FrozenGraph`.

Reads the files and lets :mod:`mixnet_tools.convert.surgery` do the cutting. Input pipeline, savers, initialisers and
the function library fall away because the logits do not need them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixnet_tools.convert import surgery
from mixnet_tools.convert.arguments import ConversionPlan
from mixnet_tools.errors import FreezeError
from mixnet_tools.tensorflow_quietly import import_tensorflow
from mixnet_tools.values import FrozenGraph


def freeze(plan: ConversionPlan) -> FrozenGraph:
    """Cut, prune and fold what ``plan`` names.

    Raises :class:`FreezeError` where a file is missing, truncated or of another kind, where the checkpoint lacks a
    variable, and where the cut or the output does not exist.
    """
    meta = plan.meta_graph
    _check_files(plan)
    tensorflow = import_tensorflow()
    graph = _read_meta_graph(meta)
    try:
        cut = surgery.insert_placeholder(graph, plan.cut, rank=len(plan.input_shape))
        pruned = surgery.prune(cut, plan.output)
        frozen = surgery.fold_variables(pruned, _checkpoint_reader(tensorflow, plan.checkpoint))
        surgery.check_frozen(frozen, plan.cut.placeholder)
    except FreezeError as error:
        raise FreezeError(f"{meta}: {error}", hint=error.hint) from error
    return FrozenGraph(
        name=plan.model,
        graph_def=frozen.SerializeToString(deterministic=True),
        input_name=plan.cut.placeholder,
        output_name=plan.output,
        input_shape=plan.input_shape,
    )


def _check_files(plan: ConversionPlan) -> None:
    hint = f"fetch the model first: mixnet-download --name {plan.model}"
    for path in (plan.meta_graph, plan.checkpoint.with_name(plan.checkpoint.name + ".index")):
        if not path.is_file():
            raise FreezeError(f"{path}: no such file", hint=hint)


def _read_meta_graph(path: Path) -> Any:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import meta_graph_pb2

    meta = meta_graph_pb2.MetaGraphDef()
    try:
        meta.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise FreezeError(
            f"{path}: not a TensorFlow meta graph, or truncated ({path.stat().st_size} bytes)",
            hint="fetch the model again: mixnet-download --force",
        ) from error
    if not meta.graph_def.node:
        raise FreezeError(f"{path}: a meta graph without nodes ({path.stat().st_size} bytes)")
    return meta.graph_def


def _checkpoint_reader(tensorflow: Any, prefix: Path) -> Any:
    hint = "fetch the model again: mixnet-download --force"
    # TensorFlow reports damaged files by many exception types, some of them plain RuntimeErrors.
    failures = (tensorflow.errors.OpError, RuntimeError, ValueError)
    try:
        reader = tensorflow.train.load_checkpoint(str(prefix))
        names = set(reader.get_variable_to_shape_map())
    except failures as error:
        raise FreezeError(f"{prefix}: cannot read the checkpoint: {_first_line(error)}", hint=hint) from error

    def read(name: str) -> Any:
        if name not in names:
            raise FreezeError(f"the checkpoint {prefix} lacks the variable {name!r} ({len(names)} others are there)")
        try:
            return tensorflow.make_tensor_proto(reader.get_tensor(name))
        except failures as error:
            raise FreezeError(f"{prefix}: cannot read {name!r}: {_first_line(error)}", hint=hint) from error

    return read


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
