"""Tuning for the CPU at hand: every convolution gets the kernel that was the fastest in a trial.

Two versions of OpenVINO choose different kernels for the same convolution, and neither choice is the best everywhere.
Each family of kernels is tried on all convolutions at once and timed layer by layer; the fastest of each are put
together, and the whole is measured against the model as it was.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mixnet_tools.inference.throughput import THROUGHPUT, Speedup, make_inputs, measure_speedup
from mixnet_tools.optimization.kernels import FAMILIES, SUFFIXES, granted, is_tuned, kind_of, reread, slow, wish
from mixnet_tools.optimization.proof import objection
from mixnet_tools.optimization.rewrites import is_quantized

SECTION = "optimization"
"""Of rt_info, where a model says what was done to it for speed."""

ARCHITECTURES = ("x86_64", "AMD64")
ROUNDS = 40
MARGIN = 0.95
"""A kernel is preferred to OpenVINO's choice when it takes at most this share of the time; the rest is noise."""

Layers = Mapping[str, tuple[float, str]]
"""By name of a convolution: the shortest time in microseconds, and the kernel it ran on."""


@dataclass(frozen=True)
class Tuned:
    """A model, tuned or as it was, and a line on why.

    ``families`` are the chosen kernels by name of convolution, empty where the model is as it was; ``ratio`` is how
    many times as fast it became (None: not measured), on ``cpu`` with ``openvino_version``.
    """

    model: Any
    note: str
    families: Mapping[str, str]
    ratio: float | None
    cpu: str
    openvino_version: str


def tune(
    model: Any,
    device: str = "CPU",
    *,
    trial: Callable[[Any], dict[str, Layers]] | None = None,
    measure: Callable[[Any, Any], Speedup] = measure_speedup,
) -> Tuned:
    """Find the fastest kernels for ``model``, an ``openvino.Model``, which itself stays as it is.

    The result's model has them; or is ``model`` where the device is not the CPU, the model is quantized, nothing was
    faster, or the whole was not.
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
    families = choose((trial or trials)(model))
    if not families:
        return unchanged("not tuned: OpenVINO's own choice of kernels is the fastest here")
    wished = model.clone()
    wish(wished, families)
    wished = reread(wished)
    if slow(granted(_compiled(wished))) - slow(granted(_compiled(model))):
        return unchanged("not tuned: a convolution fell to a reference kernel")
    if refused := objection(model, wished):
        return unchanged(f"not tuned: {refused}")
    paired = measure(model, wished)
    if not paired.faster:
        return unchanged(f"not tuned: not faster here: {paired.describe()}", paired.ratio)
    note = f"{len(families)} convolutions tuned for {cpu}: {paired.describe()}"
    return Tuned(wished, note, families, paired.ratio, cpu, version)


def tuned_elsewhere(model: Any) -> str | None:
    """A remark where ``model`` says that it was tuned for another processor or version of OpenVINO; else None."""

    def said(key: str) -> str:
        return str(model.get_rt_info([SECTION, key]).astype(str)) if model.has_rt_info([SECTION, key]) else ""

    on, version = said("tuned_on"), said("tuned_openvino_version")
    if not on and not version:
        return None  # as most are: nothing is asked of OpenVINO for these
    import openvino

    for what, then, now in (("processor", on, _cpu()), ("version of OpenVINO", version, openvino.get_version())):
        if then and then != now:
            return f"its kernels were tuned for another {what}, {then}: they may be slow here (convert it anew)"
    return None


def choose(tried: Mapping[str, Layers]) -> dict[str, str]:
    """The family for each convolution that one serves better than OpenVINO's own choice, which is tried as ``""``."""
    chosen = {}
    for name, (own, _) in tried[""].items():
        times = {family: layers[name][0] for family, layers in tried.items() if family and name in layers}
        best = min(times, key=lambda family: times[family], default="")
        if best and times[best] <= MARGIN * own:
            chosen[name] = best
    return chosen


def trials(model: Any, rounds: int = ROUNDS) -> dict[str, Layers]:
    """Time each convolution on each family's kernels, in turn; only where it did run on them."""
    kinds = {node.get_friendly_name(): kind for node in model.get_ops() if (kind := kind_of(node))}
    own = _Trial(_compiled(model), model)
    runs = {"": own}
    for family in FAMILIES:
        wished = {name: family for name in kinds if own.kernels.get(name) != family + SUFFIXES[kinds[name]]}
        for _ in range(2):  # the second time without those that fell to a reference kernel
            candidate = model.clone()
            wish(candidate, wished)
            compiled = _compiled(reread(candidate))
            fallen = slow(granted(compiled)) - slow(own.kernels)
            if not fallen:
                runs[family] = _Trial(compiled, model)
                break
            wished = {name: family for name in wished if name not in fallen}
    for _ in range(rounds):
        for run in runs.values():
            run.once()
    tried: dict[str, Layers] = {}
    for family, run in runs.items():
        if family:
            asked = {name for name, kind in kinds.items() if run.kernels.get(name) == family + SUFFIXES[kind]}
            counted = {name for name in asked if own.kernels[name] != run.kernels[name]}
        else:
            counted = set(kinds)
        tried[family] = {name: (time, run.kernels[name]) for name, time in run.times.items() if name in counted}
    return tried


def _cpu() -> str:
    import openvino

    return str(openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")).strip()


def _compiled(model: Any) -> Any:
    import openvino

    return openvino.Core().compile_model(model, "CPU", {**THROUGHPUT, "PERF_COUNT": True})


class _Trial:
    """A compiled model, and the shortest time of each of its convolutions so far."""

    def __init__(self, compiled: Any, model: Any) -> None:
        self.kernels = granted(compiled)
        self.times: dict[str, float] = {}
        self._request = compiled.create_infer_request()
        self._inputs = dict(enumerate(make_inputs(model)))
        self._request.infer(self._inputs)  # the first is always slow

    def once(self) -> None:
        self._request.infer(self._inputs)
        for layer in self._request.profiling_info:
            if layer.node_name in self.kernels:
                time = layer.real_time.total_seconds() * 1e6
                self.times[layer.node_name] = min(time, self.times.get(layer.node_name, time))
