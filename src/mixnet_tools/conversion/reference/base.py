"""Defines how the original model is run: arrays in and arrays out, by the names in the descriptor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from mixnet_tools.inference.base import Array


class Reference(ABC):
    """A source model that runs in the framework it was made with. Close it when it is no longer needed.

    ``inputs`` and ``outputs`` are the plan's names, or the source's where the plan has none. ``versions`` are the
    versions of the packages that compute, for conversion.json.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    versions: Mapping[str, str]

    @abstractmethod
    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs for an array for each input. Raises :class:`EvaluationError` where it cannot be computed."""

    @abstractmethod
    def close(self) -> None:
        """End it, and free what it holds."""
