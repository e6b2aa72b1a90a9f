"""The form in which a network is quantized: its graph as it is or rewritten, its depthwise layers in float or INT8.

The rewritten graph computes the same, and depthwise layers are where INT8 costs accuracy. So the rewritten graph with
depthwise layers in float is preferred, and speeds that differ by chance do not change that: another form must be faster
by more than :data:`MARGIN`. Speed counts in the type of the float layers that applications get here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from mixnet_tools.ir.image_input import set_batch
from mixnet_tools.quantization.quantize import ignored_names
from mixnet_tools.quantization.settings import Layer, QuantizationSettings
from mixnet_tools.quantization.source import SourceModel, is_depthwise, rewritten_source, weights_in_eight_bits
from mixnet_tools.quantization.throughput import MeasureRates, Throughput, beside_the_first, deployed_speedup

if TYPE_CHECKING:
    import openvino

MARGIN = 0.1
"""How much faster than the preferred form another must be, in three of four rounds. One and the same model is up to a
tenth faster or slower each time it is compiled."""

OTHER_DEVICES = ("GPU", "NPU")
"""Target devices of which nothing is measured here. For these, nothing is rewritten or left in float unasked."""

Kind = Literal["float", "int8"]
"""What depthwise layers compute in."""


@dataclass(frozen=True)
class Graph:
    """The graph that is quantized: ``optimized`` says whether it is the rewritten one.

    ``whole`` is the graph that the result has, in float. ``source`` is what is quantized: it is ``whole``, or becomes
    it after that. ``speed`` is that of the rewritten graph beside the graph as it is, both in float, by the type that
    it was computed in; it is empty where it was not measured. ``remark`` says why a graph that was asked for was not
    taken.
    """

    source: SourceModel
    whole: SourceModel
    optimized: bool
    speed: tuple[Throughput, ...] = ()
    remark: str | None = None

    def describe(self) -> str:
        """Describe in a few words, for people, why this graph was taken: empty where it was not measured."""
        if not self.speed:
            return ""
        one = self.speed[-1]
        taken = "taken" if self.optimized else "not taken"
        return f"the optimized graph, in float {one.ratio:.2f} x as fast as the other ({one.computed_in}), was {taken}"


@dataclass(frozen=True)
class Alternative:
    """The speed of another form, or of a draft of it, beside the trial that it may take the place of.

    ``throughput`` is its speed beside the first float IR's. ``ratio`` is how many times as fast it is as the trial, in
    the last type of ``throughput``. ``faster`` says whether it is faster by more than :data:`MARGIN`.
    """

    throughput: tuple[Throughput, ...]
    ratio: float
    faster: bool

    def describe(self) -> str:
        """Describe the draft in a few words, for people, and what it tells."""
        floats = self.throughput[-1].computed_in
        worth = "so this was tried" if self.faster else "too little to try it"
        return f"depthwise layers in INT8 would make it {self.ratio:.2f} x as fast ({floats}), {worth}"


def graphs_of(source: SourceModel, settings: QuantizationSettings) -> tuple[Graph, ...]:
    """List the graphs that ``settings`` allow, the preferred one first. Their layers have the same names."""
    as_it_is = Graph(source, source, optimized=False)
    asked = settings.optimize
    if asked is False or (asked is None and settings.target_device in OTHER_DEVICES):
        return (as_it_is,)
    rewritten, note = rewritten_source(source)
    if rewritten is None:
        return (replace(as_it_is, remark=f"the graph is quantized as it is: {note}" if asked else None),)
    return (Graph(rewritten.to_quantize, rewritten.whole, optimized=True), *(() if asked else (as_it_is,)))


def choose_graph(graphs: Sequence[Graph], measure: MeasureRates) -> Graph:
    """Choose the first of ``graphs``, unless the second is faster by more than :data:`MARGIN`.

    They are run in float: rewriting saves the same copies there as in INT8. Raises :class:`EvaluationError` where one
    cannot be loaded.
    """
    if len(graphs) == 1:
        return graphs[0]
    rewritten, as_it_is = graphs
    name = str(as_it_is.source.ir.xml)
    rates = measure([(name, as_it_is.whole.model), (f"{name} (rewritten)", rewritten.whole.model)])
    precision = as_it_is.source.ir.precision
    (speed,) = beside_the_first(rates, precision, [f"{precision}, optimized graph"])
    taken = as_it_is if deployed_speedup(rates, base=1, other=0).exceeds(MARGIN) else rewritten
    return replace(taken, speed=speed)


def kinds_of(settings: QuantizationSettings, known: Sequence[Layer]) -> tuple[Kind, ...]:
    """List what ``settings`` allow the depthwise layers among ``known`` to compute in, the preferred kind first."""
    if settings.depthwise != "auto":
        return (settings.depthwise,)
    ignored = ignored_names([layer.name for layer in known], settings.ignore)
    rest = {layer.depthwise for layer in known if layer.name not in ignored}
    if rest != {True, False} or settings.target_device in OTHER_DEVICES:  # where all are depthwise, some must be INT8
        return ("int8",)
    return ("float", "int8")


def draft_in_int8(source: SourceModel, model: openvino.Model) -> openvino.Model:
    """Draft from ``model``, which was quantized from ``source``, what it would be with its depthwise layers in INT8.

    The draft is right for its speed only: the ranges of its new quantizers mean nothing. It takes one image at a time.
    """
    from openvino import opset13 as ops

    def ends(low: float, high: float, shape: Sequence[int]) -> list[openvino.Node]:
        return [ops.constant(np.full(shape, value, np.float32)) for value in (low, high, low, high)]

    draft = model.clone()
    for operation in draft.get_ordered_ops():
        if is_depthwise(operation) and weights_in_eight_bits(operation) is False:
            image, weights = operation.input_values()
            channels = [*weights.get_shape()[:1], *[1] * (len(weights.get_shape()) - 1)]
            quantized = (
                ops.fake_quantize(image, *ends(0, 3, []), 256),
                ops.fake_quantize(weights, *ends(-1, 1, channels), 255),
            )
            for port, node in zip(operation.inputs(), quantized, strict=True):
                port.replace_source_output(node.output(0))
    set_batch(draft, source.image, 1, source.ir.xml)
    return draft
