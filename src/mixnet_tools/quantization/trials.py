"""The trials of a quantization: each is quantized, saved into a staging folder, measured and timed there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mixnet_tools.inference.machine import has_vnni
from mixnet_tools.ir.read import read_ir
from mixnet_tools.ir.save import staged
from mixnet_tools.progress import Progress
from mixnet_tools.quantization.float_layers import LayerCounts, examine
from mixnet_tools.quantization.forms import MARGIN, Alternative, Graph, draft_in_int8, kinds_of
from mixnet_tools.quantization.quantize import depthwise_names, ignored_names, quantize
from mixnet_tools.quantization.search import SearchResult, judged, search, weigh
from mixnet_tools.quantization.settings import Layer, QuantizationSettings, variants
from mixnet_tools.quantization.source import layers
from mixnet_tools.quantization.throughput import MeasureRates, Throughput, beside_the_first, deployed_speedup, to_time
from mixnet_tools.values import CalibrationSet, Comparison, IRModel

if TYPE_CHECKING:
    import openvino


class Measure(Protocol):
    """Measures accuracy on labelled images."""

    def prepare(self) -> None:
        """Measure the references. An error in the images shows here, before anything is quantized."""

    def __call__(self, ir: IRModel) -> tuple[Comparison, ...]:
        """Measure ``ir``. Returns the comparisons of the references and, last, of ``ir``, with the first reference."""


@dataclass(frozen=True)
class QuantizationRequest:
    """What to quantize, where to write it, and how.

    ``references`` are the float IRs of the table; the others are compared with the first one. ``fixed`` names the
    settings that a search may not change. ``max_drop`` (points of top-1) asks for the search, ``throughput`` for the
    comparison of speeds, ``compare_layers`` for that of the layers' outputs.
    """

    source: IRModel
    target: IRModel
    references: tuple[IRModel, ...]
    settings: QuantizationSettings
    fixed: frozenset[str] = frozenset()
    max_drop: float | None = None
    throughput: bool = True
    compare_layers: bool = False


@dataclass(frozen=True)
class Candidate:
    """A quantized IR in its staging folder, the comparisons that :class:`Measure` made of it, and its layers."""

    ir: IRModel
    comparisons: tuple[Comparison, ...]
    ignored: tuple[str, ...]
    layers: LayerCounts


class Times:
    """Seconds spent so far, by what they were spent on, in the order in which that began."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Add the time of the block to ``name``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


@dataclass(frozen=True)
class Tried:
    """All trials, and ``chosen``: what the one to take made.

    ``draft`` has depthwise layers of the other kind, None where none was timed. ``speeds`` has the speed of each
    reference and of each trial's IR beside the first reference's, by its .xml: empty for that one, or where speed is
    not measured.
    """

    found: SearchResult
    chosen: Candidate
    draft: Alternative | None
    speeds: Mapping[Path, tuple[Throughput, ...]]


@dataclass
class Trials:
    """Makes the trials of ``request`` with ``graph``. Their IRs stay in staging folders until ``stack`` is closed."""

    request: QuantizationRequest
    graph: Graph
    calibration: CalibrationSet
    measure: Measure | None
    rates: MeasureRates
    times: Times
    stack: contextlib.ExitStack
    progress: Progress
    _made: list[Candidate] = field(default_factory=list)
    _speeds: dict[Path, tuple[Throughput, ...]] = field(default_factory=dict)

    def run(self) -> Tried:
        """Try settings with the preferred kind of depthwise layers, and the other kind where that may be better.

        It may be where a draft of it is faster by more than :data:`MARGIN`, and where the preferred kind is not good
        enough.
        """
        request, max_drop = self.request, self.request.max_drop
        kinds = kinds_of(request.settings, self._layers)
        settings = replace(request.settings, optimize=self.graph.optimized, depthwise=kinds[0])
        to_try: Iterable[QuantizationSettings] = [settings]
        if max_drop is not None:
            to_try = variants(settings, request.fixed, self._layers, vnni=has_vnni())
        found, draft = search(to_try, self._attempt, max_drop), None
        if len(kinds) == 1:
            self._time()
        else:
            made = read_ir(self._made[found.chosen].ir.xml)
            draft = self._time(found.chosen, draft_in_int8(self.graph.source, made))
            if (draft and draft.faster) or not found.good_enough(max_drop):
                settings = replace(found.trials[found.chosen].settings, depthwise=kinds[1])
                trial = judged(settings, self._attempt(settings), max_drop)
                second = self._time(found.chosen)
                found = weigh(found, trial, faster=second is not None and second.faster, max_drop=max_drop)
        found = found.described([one.layers for one in self._made], [self._speeds[one.ir.xml] for one in self._made])
        return Tried(found, self._made[found.chosen], draft, self._speeds)

    @cached_property
    def _layers(self) -> tuple[Layer, ...]:
        return layers(self.graph.source.model)

    def _attempt(self, settings: QuantizationSettings) -> tuple[float, Comparison | None]:
        self.progress.note(f"{self.request.source.name}: quantizing: {settings.describe()}")
        started = time.perf_counter()
        with self.times.of("quantize"):
            model = quantize(self.graph.source, self.calibration, settings)
        seconds = round(time.perf_counter() - started, 3)
        ir = self.stack.enter_context(staged(model, self.request.target))
        with self.times.of("measure"):
            comparisons = self.measure(ir) if self.measure else ()
        ignored = ignored_names([layer.name for layer in self._layers], settings.ignore)
        counts = examine(read_ir(ir.xml), ignored, depthwise_names(self._layers, settings))
        self._made.append(Candidate(ir, comparisons, ignored, counts))
        return seconds, comparisons[-1] if comparisons else None

    def _time(self, chosen: int = 0, draft: openvino.Model | None = None) -> Alternative | None:
        """Time all IRs, and ``draft`` after them. Returns the last of all beside the trial ``chosen``.

        Returns None where speed is not to be measured.
        """
        irs = [*self.request.references, *(one.ir for one in self._made)]
        self._speeds = {ir.xml: () for ir in irs}
        if not self.request.throughput or not self.request.references:
            return None
        models = [to_time(ir) for ir in irs]
        if draft is not None:
            models.append((f"{models[-1][0]} (depthwise layers in INT8)", draft))
        with self.times.of("throughput"):
            rates = self.rates(models)
        precisions = [*(ir.precision for ir in irs), *(["draft"] if draft is not None else [])]
        speeds = beside_the_first(rates, precisions[0], precisions[1:])
        self._speeds.update((ir.xml, speed) for ir, speed in zip(irs[1:], speeds, strict=False))
        beside = deployed_speedup(rates, base=len(self.request.references) + chosen, other=len(models) - 1)
        return Alternative(speeds[-1], round(beside.ratio, 3), beside.exceeds(MARGIN))
