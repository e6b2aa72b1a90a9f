"""Defines how the original model is run: arrays in and arrays out, by the names in the descriptor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from mixnet_tools.inference.base import Array


class Reference(ABC):
    """A source model that runs in the framework it was made with.

    ``inputs`` and ``outputs`` are the plan's names, or the source's where the plan has none.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    @abstractmethod
    def versions(self) -> Mapping[str, str]:
        """The versions of the packages that compute, for conversion.json."""

    @property
    @abstractmethod
    def software(self) -> str:
        """The framework that computes, and how it is called, for conversion.json."""

    @property
    @abstractmethod
    def restrictions(self) -> tuple[str, ...]:
        """The rights that the original does not have while it runs, a line each, for conversion.json."""

    @abstractmethod
    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs for an array for each input. Raises :class:`EvaluationError` where it cannot be computed."""
