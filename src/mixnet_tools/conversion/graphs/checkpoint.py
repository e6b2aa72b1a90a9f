"""Reads the values of variables from a checkpoint, by TensorFlow, and compares them with their moving averages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mixnet_tools.conversion.graphs import variables
from mixnet_tools.errors import FreezeError, NextStep, first_line
from mixnet_tools.inference.base import Array
from mixnet_tools.inference.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorflow.dtypes import DType
    from tensorflow.train import CheckpointReader


@dataclass(frozen=True)
class AverageReport:
    """The moving averages of a checkpoint.

    ``averaged`` of the network's ``variables`` have one, ``different`` of these are not equal to the raw value, and
    ``largest_difference`` is the largest absolute difference of any element.
    """

    variables: int
    averaged: int
    different: int
    largest_difference: float


@dataclass(frozen=True)
class Checkpoint:
    """The values of a graph's variables, by name: a V1 or V2 checkpoint, in one data file or several.

    ``fetch_again`` is the hint where a file is damaged.
    """

    prefix: Path
    fetch_again: NextStep
    reader: CheckpointReader
    types: Mapping[str, DType]
    failures: tuple[type[Exception], ...]

    @classmethod
    def open(cls, prefix: Path, fetch_again: NextStep) -> Checkpoint:
        """Open the checkpoint whose files' names begin with ``prefix``.

        Raises :class:`FreezeError` where it cannot be read.
        """
        tensorflow = import_tensorflow()
        # TensorFlow reports damaged files by many exception types, some of them plain RuntimeErrors.
        failures = (tensorflow.errors.OpError, RuntimeError, ValueError)
        try:
            reader = tensorflow.train.load_checkpoint(str(prefix))
            return cls(prefix, fetch_again, reader, dict(reader.get_variable_to_dtype_map()), failures)
        except failures as error:
            message = f"{prefix}: cannot read the checkpoint: {first_line(error)[:200]}"
            raise FreezeError(message, hint=fetch_again) from error

    def value(self, name: str) -> Array:
        """The array called ``name``. Raises :class:`FreezeError` where it is missing or damaged."""
        if name not in self.types:
            count = len(self.types)
            whole = name.partition("/part_")[0]
            if whole in self.types:
                raise FreezeError(f"{self.prefix}: the variable {whole!r} is partitioned, which is not supported")
            raise FreezeError(
                f"{self.prefix}: the checkpoint lacks the variable {name!r} ({count} others are there): it does not "
                "belong to the meta graph, or is damaged",
                hint=self.fetch_again,
            )
        try:
            return np.asarray(self.reader.get_tensor(name))
        except self.failures as error:
            message = f"{self.prefix}: cannot read {name!r}: {first_line(error)[:200]}"
            raise FreezeError(message, hint=self.fetch_again) from error

    def read(self, name: str, graph: GraphDef) -> TensorProto:
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
        pairs = [(name, name + variables.AVERAGE_SUFFIX) for name in sorted(names)]
        pairs = [pair for pair in pairs if pair[0] in self.types and pair[1] in self.types]
        gaps = [
            float(np.max(np.abs(self.value(raw).astype(float) - self.value(shadow)), initial=0.0))
            for raw, shadow in pairs
        ]
        return AverageReport(len(names), len(pairs), sum(gap > 0 for gap in gaps), max(gaps, default=0.0))
