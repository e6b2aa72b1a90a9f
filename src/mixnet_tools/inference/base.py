"""Defines a loaded model of any framework: arrays in and arrays out, by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


class Model(ABC):
    """A loaded model. ``inputs`` and ``outputs`` are the names of its tensors, in the model's own order."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @abstractmethod
    def infer(self, feeds: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        """Compute ``outputs`` (default: all) from an array for each input; both are by name.

        Raises :class:`EvaluationError` where the framework cannot compute it.
        """

    def run(self, images: Array) -> Array:
        """The first output [N, ...] for ``images`` [N, ...] at the first input, in the model's own order of axes."""
        first = self.outputs[0]
        return self.infer({self.inputs[0]: images}, [first])[first]
