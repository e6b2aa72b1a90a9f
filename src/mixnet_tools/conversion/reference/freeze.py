"""Freezing by TensorFlow: variables become constants with the checkpoint's values -> :class:`FrozenGraph`.

This is the original, as everything else is compared with: the proof of a conversion and ``mixnet-check --launcher tf``
run it. Conversion itself needs it only with ``--freezer tensorflow``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixnet_tools.conversion.graphs import surgery, variables
from mixnet_tools.conversion.graphs.graph_file import FETCH_AGAIN, InferenceGraph, check_files, inference_graph
from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.errors import FreezeError, first_line
from mixnet_tools.inference.tensorflow_import import import_tensorflow
from mixnet_tools.values import FrozenGraph


def freeze(plan: ConversionPlan, prepared: InferenceGraph | None = None) -> FrozenGraph:
    """The frozen graph of ``plan``; ``prepared`` saves reading a meta graph or frozen graph again.

    Raises :class:`FreezeError` where a file is missing, truncated or of another kind, where the checkpoint lacks a
    variable, and where an input or output does not exist. The source must be one of TensorFlow's.
    """
    if plan.source.kind == "saved_model":
        return _freeze_saved_model(plan)
    prepared = prepared or inference_graph(plan)
    graph = prepared.graph
    if variables.variable_names(graph):
        checkpoint = Checkpoint.open(plan)
        graph = variables.fold_variables(graph, lambda name: checkpoint.read(name, graph))
    return FrozenGraph(
        name=plan.model,
        graph_def=graph.SerializeToString(deterministic=True),
        inputs=tuple(f"{name}:0" for name in prepared.placeholders),
        outputs=prepared.outputs,
        input_shape=_first_shape(plan),
    )


@dataclass(frozen=True)
class AverageReport:
    """The moving averages of a checkpoint: how many of the network's variables have one, how many of these differ
    from the raw value, and by how much at most."""

    variables: int
    averaged: int
    different: int
    largest_difference: float


@dataclass(frozen=True)
class Checkpoint:
    """The values that belong to a meta graph. Reads V1 and V2 checkpoints, sharded or not."""

    prefix: Path
    reader: Any
    types: dict[str, Any]
    failures: tuple[type[Exception], ...]

    @classmethod
    def open(cls, plan: ConversionPlan) -> Checkpoint:
        """Open the checkpoint beside the plan's meta graph. Raises :class:`FreezeError` where it cannot be read."""
        tensorflow = import_tensorflow()
        prefix = plan.source.checkpoint
        if plan.source.kind != "meta_graph":
            raise FreezeError(f"{plan.source.path}: holds variables, and only a meta graph comes with their values")
        # TensorFlow reports damaged files by many exception types, some of them plain RuntimeErrors.
        failures = (tensorflow.errors.OpError, RuntimeError, ValueError)
        try:
            reader = tensorflow.train.load_checkpoint(str(prefix))
            return cls(prefix, reader, dict(reader.get_variable_to_dtype_map()), failures)
        except failures as error:
            message = f"{prefix}: cannot read the checkpoint: {first_line(error)[:200]}"
            raise FreezeError(message, hint=FETCH_AGAIN) from error

    def value(self, name: str) -> Any:
        """The array called ``name``."""
        if name not in self.types:
            count = len(self.types)
            whole = name.partition("/part_")[0]
            if whole in self.types:
                raise FreezeError(f"{self.prefix}: the variable {whole!r} is partitioned, which is not supported")
            raise FreezeError(
                f"{self.prefix}: the checkpoint lacks the variable {name!r} ({count} others are there)",
                hint="the meta graph and the checkpoint do not belong together, or " + FETCH_AGAIN,
            )
        try:
            return self.reader.get_tensor(name)
        except self.failures as error:
            raise FreezeError(
                f"{self.prefix}: cannot read {name!r}: {first_line(error)[:200]}", hint=FETCH_AGAIN
            ) from error

    def read(self, name: str, graph: Any) -> Any:
        """The variable as a TensorProto of the message classes that ``graph`` is made of."""
        array = self.value(name)
        node = type(graph)().node.add()
        proto = node.attr["value"].tensor
        proto.dtype = self.types[name].as_datatype_enum
        proto.tensor_shape.SetInParent()
        for size in array.shape:
            proto.tensor_shape.dim.add().size = size
        proto.tensor_content = array.tobytes()
        return proto

    def averages(self, names: set[str]) -> AverageReport:
        """Compare each of ``names`` (raw names) with its moving average, where it has one."""
        import numpy

        pairs = [(name, name + variables.AVERAGE_SUFFIX) for name in sorted(names)]
        pairs = [pair for pair in pairs if pair[0] in self.types and pair[1] in self.types]
        gaps = [
            float(numpy.max(numpy.abs(self.value(raw).astype(float) - self.value(shadow)), initial=0.0))
            for raw, shadow in pairs
        ]
        return AverageReport(len(names), len(pairs), sum(gap > 0 for gap in gaps), max(gaps, default=0.0))


def _freeze_saved_model(plan: ConversionPlan) -> FrozenGraph:
    check_files(plan.source)
    tensorflow = import_tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    folder, wanted = plan.source.path, plan.source.signature
    try:
        # The loaded object owns the variables: it must live as long as its functions are in use.
        loaded = tensorflow.saved_model.load(str(folder))
    except Exception as error:  # anything from a protobuf error to an AttributeError of a missing layer
        raise FreezeError(
            f"{folder}: cannot load the SavedModel: {first_line(error)[:200]}", hint=FETCH_AGAIN
        ) from error
    signatures = dict(loaded.signatures)
    if wanted not in signatures:
        raise FreezeError(f"{folder}: no signature {wanted!r}; available: {surgery.listed(signatures) or 'none'}")
    function = convert_variables_to_constants_v2(signatures[wanted])
    inputs = {entry.name.partition(":")[0]: entry.name for entry in function.inputs}
    names = []
    for entry in plan.inputs:
        node = entry.cut.node
        match = inputs.get(node) or inputs.get(f"{wanted}_{node}")
        if match is None:
            raise FreezeError(f"{folder}: no input {node!r}; available: {surgery.listed(inputs)}")
        names.append(match)
    keys = sorted(signatures[wanted].structured_outputs)
    outputs = dict(zip(keys, (entry.name for entry in function.outputs), strict=True))
    missing = [cut.node for cut in plan.outputs if cut.node not in outputs]
    if missing:
        raise FreezeError(f"{folder}: no output {missing[0]!r}; available: {surgery.listed(outputs)}")
    return FrozenGraph(
        name=plan.model,
        graph_def=function.graph.as_graph_def().SerializeToString(deterministic=True),
        inputs=tuple(names) or tuple(inputs.values()),
        outputs=tuple(outputs[cut.node] for cut in plan.outputs) or tuple(outputs.values()),
        input_shape=_first_shape(plan),
    )


def _first_shape(plan: ConversionPlan) -> tuple[int, ...]:
    return (plan.inputs[0].shape or ()) if plan.inputs else ()
