"""Chooses which values of a checkpoint the variables of a graph get: as its own saver says, raw, or averaged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mixnet_tools.conversion.graphs.variables import AVERAGE_SUFFIX
from mixnet_tools.conversion.plan import Weights
from mixnet_tools.errors import FreezeError


@dataclass(frozen=True)
class WeightChoice:
    """For each variable (by its node's name) the name of its value in the checkpoint, in ``names``.

    ``used`` sums it up: ``raw`` where each variable has the value of its own name, ``ema`` where those that have a
    moving average have that, ``saver`` where the graph's saver maps names in another way. ``reason`` says why.
    """

    used: Weights
    reason: str
    names: Mapping[str, str]


def choose_weights(
    wanted: Weights | None, own: Mapping[str, str], restored: Mapping[str, str], available: Collection[str]
) -> WeightChoice:
    """Choose for the variables ``own`` (node name -> own name in the checkpoint).

    ``restored`` is what the graph's saver restores, empty without a saver; ``available`` are the names in the
    checkpoint. Raises :class:`FreezeError` where averages are ``wanted`` and there are none.
    """
    averaged = {node: name + AVERAGE_SUFFIX for node, name in own.items() if name + AVERAGE_SUFFIX in available}
    if wanted == "raw":
        return WeightChoice("raw", "raw values were asked for", dict(own))
    if wanted == "ema":
        if not averaged:
            raise FreezeError(
                f"the checkpoint has no moving averages (<variable>{AVERAGE_SUFFIX})", hint="leave out `weights`"
            )
        return WeightChoice("ema", "moving averages were asked for", {**own, **averaged})
    names = {node: restored.get(node, name) for node, name in own.items()}
    reason = "the graph's own saver restores these" if restored else "the graph has no saver"
    if names == dict(own):
        return WeightChoice("raw", reason, names)
    return WeightChoice("ema" if names == {**own, **averaged} else "saver", reason, names)
