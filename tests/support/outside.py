"""A model of a kind that people bring, with the framework's own answers."""

from __future__ import annotations

from dataclasses import dataclass

from mixnet_tools.inference.base import Array
from tests.support.graphs import ModelFolder


@dataclass(frozen=True)
class OutsideModel:
    """``answers`` are the framework's outputs, in the descriptor's order, where the IR gets ``feeds`` by its inputs."""

    folder: ModelFolder
    feeds: list[dict[str, Array]]
    answers: list[list[Array]]
