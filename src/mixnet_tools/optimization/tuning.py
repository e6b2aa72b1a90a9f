"""Tunes a model for the processor at hand: every convolution gets the kernel that was the fastest in a trial.

Two versions of OpenVINO choose different kernels for the same convolution, and neither choice is the best everywhere.
Each family of kernels is tried on all convolutions at once and timed layer by layer. The fastest kernel of each layer
is then requested, and the whole model is measured against the one before.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixnet_tools.errors import last_line
from mixnet_tools.inference.generated_inputs import make_inputs
from mixnet_tools.inference.throughput import THROUGHPUT, Speedup, measure_speedup
from mixnet_tools.ir.core import openvino_core
from mixnet_tools.optimization.kernels import (
    FAMILIES,
    SUFFIXES,
    applied_kernels,
    is_tuned,
    kind_of,
    remove_requests,
    request_kernels,
    reread,
    slow_convolutions,
)
from mixnet_tools.optimization.proof import find_mismatch
from mixnet_tools.optimization.rewrites import is_quantized

if TYPE_CHECKING:
    import openvino

SECTION = "optimization"
"""Section of rt_info in which a model says what was done to it for speed."""

ARCHITECTURES = ("x86_64", "AMD64")
ROUNDS = 40
"""Number of inferences in which each family of kernels is timed."""
MARGIN = 0.95
"""A kernel takes the place of OpenVINO's choice where it needs at most this share of the time. Less gain is noise."""

Layers = Mapping[str, tuple[float, str]]
"""For each convolution, by its name: its shortest time in microseconds, and the kernel on which it ran."""


@dataclass(frozen=True)
class Tuned:
    """A model that was tuned, or stayed as it was, and a ``note`` for people that says why.

    ``families`` has the family of kernels that was chosen for each convolution, by its name; it is empty where the
    model stayed as it was. ``ratio`` is how many times as fast the model became (None: not measured), on the processor
    ``cpu`` with ``openvino_version``.
    """

    model: openvino.Model
    note: str
    families: Mapping[str, str]
    ratio: float | None
    cpu: str
    openvino_version: str


def tune(
    model: openvino.Model,
    device: str = "CPU",
    *,
    trial: Callable[[openvino.Model], Mapping[str, Layers]] | None = None,
    measure: Callable[[openvino.Model, openvino.Model], Speedup] = measure_speedup,
) -> Tuned:
    """Find the fastest kernels for ``model``. It stays as it is; the model of the result is a copy that requests them.

    The model of the result is ``model`` where the device is not a CPU with x86 kernels, the model is quantized, has an
    input of open shape or was tuned before, or nothing is faster.
    """
    import openvino

    cpu, version = _cpu(), openvino.get_version()

    def unchanged(note: str, ratio: float | None = None) -> Tuned:
        return Tuned(model, note, {}, ratio, cpu, version)

    if platform.machine() not in ARCHITECTURES:
        return unchanged(f"not tuned: the kernels to choose from are for x86, not for {platform.machine()}")
    if device != "CPU":
        return unchanged(f"not tuned: kernels are chosen for the CPU, not for {device}")
    if is_quantized(model):
        return unchanged("not tuned: the model is quantized")
    if any(port.get_partial_shape().is_dynamic for port in model.inputs):
        return unchanged("not tuned: the model's input has no fixed shape")
    if is_tuned(model):
        return unchanged("not tuned: it was already (convert it again for this CPU)")
    try:
        tried = (trial or run_trials)(model)
    except (RuntimeError, ValueError) as error:
        return unchanged(f"not tuned: the model cannot be run on generated inputs: {last_line(error)}")
    families = choose(tried)
    if not families:
        return unchanged("not tuned: OpenVINO's own choice of kernels is the fastest here")
    tuned = model.clone()
    request_kernels(tuned, families)
    tuned = reread(tuned)
    if slow_convolutions(applied_kernels(_compiled(tuned))) - slow_convolutions(applied_kernels(_compiled(model))):
        return unchanged("not tuned: a convolution fell to a reference kernel")
    if mismatch := find_mismatch(model, tuned):
        return unchanged(f"not tuned: {mismatch}")
    speedup = measure(model, tuned)
    if not speedup.faster:
        return unchanged(f"not tuned: not faster here: {speedup.describe()}", speedup.ratio)
    note = f"{len(families)} convolutions tuned for {cpu}: {speedup.describe()}"
    return Tuned(tuned, note, families, speedup.ratio, cpu, version)


def tuned_elsewhere(model: openvino.Model) -> str | None:
    """A remark where ``model`` says that it was tuned for another processor or version of OpenVINO, else None."""

    def said(key: str) -> str:
        return str(model.get_rt_info([SECTION, key]).astype(str)) if model.has_rt_info([SECTION, key]) else ""

    on, version = said("tuned_on"), said("tuned_openvino_version")
    if not on and not version:
        return None  # most models were not tuned: OpenVINO need not look for the processor
    import openvino

    for what, then, now in (("processor", on, _cpu()), ("version of OpenVINO", version, openvino.get_version())):
        if then and then != now:
            return f"its kernels were tuned for another {what}, {then}: they may be slow here (convert it anew)"
    return None


def remove_tuning(model: openvino.Model) -> None:
    """Remove from ``model`` the kernels that tuning requested, and what its rt_info says of them."""
    if not is_tuned(model):
        return
    remove_requests(model)
    if model.has_rt_info([SECTION]):
        said = {key: model.get_rt_info([SECTION, key]).astype(str) for key in model.get_rt_info()[SECTION]}
        model.set_rt_info({key: value for key, value in said.items() if not key.startswith("tuned_")}, [SECTION])


def choose(tried: Mapping[str, Layers]) -> dict[str, str]:
    """Choose the fastest family for each convolution, where one is faster than OpenVINO's own choice by the margin.

    ``tried`` has the times of each family, by its name; those of OpenVINO's own choice stand under ``""``.
    """
    chosen = {}
    for name, (own, _) in tried[""].items():
        times = {family: layers[name][0] for family, layers in tried.items() if family and name in layers}
        best = min(times, key=lambda family: times[family], default="")
        if best and times[best] <= MARGIN * own:
            chosen[name] = best
    return chosen


def run_trials(model: openvino.Model, rounds: int = ROUNDS) -> dict[str, Layers]:
    """Time each convolution of ``model`` on the kernels of each family, in turn: see :func:`choose` for the result.

    A convolution counts for a family only where it did run on the family's kernel, and OpenVINO would not have chosen
    that by itself.
    """
    kinds = {node.get_friendly_name(): kind for node in model.get_ops() if (kind := kind_of(node))}
    own = _Trial(_compiled(model), model)
    runs = {"": own}
    for family in FAMILIES:
        requested = {name: family for name in kinds if own.kernels.get(name) != family + SUFFIXES[kinds[name]]}
        for _ in range(2):  # the second time without the convolutions that fell to a reference kernel
            candidate = model.clone()
            request_kernels(candidate, requested)
            compiled = _compiled(reread(candidate))
            fallen = slow_convolutions(applied_kernels(compiled)) - slow_convolutions(own.kernels)
            if not fallen:
                runs[family] = _Trial(compiled, model)
                break
            requested = {name: family for name in requested if name not in fallen}
    for _ in range(rounds):
        for run in runs.values():
            run.run_once()
    tried: dict[str, Layers] = {}
    for family, run in runs.items():
        if family:
            applied = {name for name, kind in kinds.items() if run.kernels.get(name) == family + SUFFIXES[kind]}
            counted = {name for name in applied if own.kernels.get(name) != run.kernels[name]}
        else:
            counted = set(kinds)
        tried[family] = {name: (time, run.kernels[name]) for name, time in run.times.items() if name in counted}
    return tried


def _cpu() -> str:
    return str(openvino_core().get_property("CPU", "FULL_DEVICE_NAME")).strip()


def _compiled(model: openvino.Model) -> openvino.CompiledModel:
    return openvino_core().compile_model(model, "CPU", {**THROUGHPUT, "PERF_COUNT": True})


class _Trial:
    """A compiled model, the kernel of each of its convolutions, and the shortest time of each one so far."""

    def __init__(self, compiled: openvino.CompiledModel, model: openvino.Model) -> None:
        self.kernels = applied_kernels(compiled)
        self.times: dict[str, float] = {}
        self._request = compiled.create_infer_request()
        self._inputs = dict(enumerate(make_inputs(model)))
        self._request.infer(self._inputs)  # the first inference is always slow

    def run_once(self) -> None:
        """Run one inference, and note the times in microseconds."""
        self._request.infer(self._inputs)
        for layer in self._request.profiling_info:
            if layer.node_name in self.kernels:
                time = layer.real_time.total_seconds() * 1e6
                self.times[layer.node_name] = min(time, self.times.get(layer.node_name, time))
