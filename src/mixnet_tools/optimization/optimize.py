"""Rewriting and tuning a model, and whether that was worth it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mixnet_tools.optimization.primitives import wish
from mixnet_tools.optimization.proof import TOLERANCE, largest_difference
from mixnet_tools.optimization.rewrites import is_quantized, rewrite
from mixnet_tools.optimization.tuning import Tuned, tune
from mixnet_tools.throughput import Paired, paired_throughput

SECTION = "optimization"
"""Of rt_info, where a model says what was done to it."""


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
    measure: Callable[[Any, Any], Paired] = paired_throughput,
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
    result, notes, rewrites, ratio = model, [], {}, None
    if rewriting:
        changed = model.clone()
        rewrites = rewrite(changed)
        listed = ", ".join(f"{name} {count}" for name, count in rewrites.items())
        if not rewrites:
            notes.append("not rewritten: no pattern matches")
        elif (difference := largest_difference(model, changed)) > TOLERANCE:
            # A fault of a rewrite must not cost anyone an answer.
            rewrites = {}
            notes.append(f"not rewritten: the result would differ by {difference:.2g} of its range ({listed})")
        else:
            ratio = measure(model, changed).ratio
            if ratio > 1.0:
                result = changed
                notes.append(f"rewritten ({listed}): {ratio:.3f} x the throughput here")
            else:
                rewrites = {}
                notes.append(f"not rewritten: not faster here ({listed}: {ratio:.3f} x)")
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
