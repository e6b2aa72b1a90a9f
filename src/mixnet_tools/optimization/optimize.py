"""Rewriting and tuning a model, and whether that was worth it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mixnet_tools.errors import first_line
from mixnet_tools.inference.throughput import Speedup, measure_speedup
from mixnet_tools.optimization.kernels import is_tuned, wish
from mixnet_tools.optimization.proof import objection
from mixnet_tools.optimization.rewrites import is_quantized, rewrite
from mixnet_tools.optimization.tuning import SECTION, Tuned, tune


@dataclass(frozen=True)
class Optimized:
    """A model made faster, or as it was, and lines on why.

    ``rewrites`` counts the patterns rewritten, by name, and is empty where the model's graph is as it was; ``ratio`` is
    how many times as fast rewriting made it (None: not measured). ``tuned`` is None without tuning.
    """

    model: Any
    notes: tuple[str, ...]
    rewrites: Mapping[str, int]
    ratio: float | None
    tuned: Tuned | None

    def describe(self) -> dict[str, str]:
        """What the model says of this in rt_info: no figure but a tuning's, so that rewriting gives equal files."""
        described = {}
        if self.rewrites:
            described["rewrites"] = ", ".join(f"{name} {count}" for name, count in self.rewrites.items())
        if self.tuned and self.tuned.families:
            described["tuned_convolutions"] = str(len(self.tuned.families))
            described["tuned_on"] = self.tuned.cpu
            described["tuned_openvino_version"] = self.tuned.openvino_version
            described["tuned_ratio"] = f"{self.tuned.ratio:.3f}"
        return described


def optimize(
    model: Any,
    *,
    rewriting: bool = True,
    tuning: bool = False,
    measure: Callable[[Any, Any], Speedup] = measure_speedup,
    tuner: Callable[[Any], Tuned] = tune,
) -> Optimized:
    """Make ``model``, an ``openvino.Model``, faster: it stays as it is, the result's model is a changed copy.

    Each step counts only when the result computes the same, and the measurement says that it is faster here; otherwise
    the result's model is ``model``.
    """
    if is_quantized(model):
        return Optimized(model, ("not optimized: the model is quantized",), {}, None, None)
    if any(port.get_partial_shape().is_dynamic for port in model.inputs):
        return Optimized(model, ("not optimized: the model's input has no fixed shape",), {}, None, None)
    if is_tuned(model):  # its wishes are for the convolutions as they are
        return Optimized(model, ("not optimized: the model was tuned already; convert it anew",), {}, None, None)
    rewrites: dict[str, int] = {}
    result, notes, ratio = model, [], None
    if rewriting:
        changed, rewrites, note = _rewritten(model)
        if rewrites:
            paired = measure(model, changed)
            ratio = paired.ratio
            if paired.faster:
                result = changed
            else:
                rewrites, note = {}, f"not rewritten: not faster here ({note})"
            note += f": {paired.describe()}"
        notes.append(note)
    tuned = None
    if tuning:
        tuned = tuner(result)
        notes.append(tuned.note)
        if tuned.families:
            result = result.clone()
            wish(result, tuned.families)
    optimized = Optimized(result, tuple(notes), rewrites, ratio, tuned)
    if described := optimized.describe():
        result.set_rt_info(described, [SECTION])
    return optimized


def _rewritten(model: Any) -> tuple[Any, dict[str, int], str]:
    """(a rewritten copy, what was rewritten, a line on it); nothing was where it would not compute the same."""
    changed = model.clone()
    try:
        rewrites = rewrite(changed)
        refused = objection(model, changed) if rewrites else "no pattern matches"
    except Exception as error:  # a fault of a rewrite, or of OpenVINO, must not cost anyone a conversion
        rewrites, refused = {}, f"{type(error).__name__}: {first_line(error)}"
    if refused:
        return model, {}, f"not rewritten: {refused}"
    listed = ", ".join(f"{name} {count}" for name, count in rewrites.items())
    return changed, rewrites, f"rewritten ({listed})"
