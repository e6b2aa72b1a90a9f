"""Rewrites and tunes a model, and keeps each change only where the result computes the same and is faster here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixnet_tools.errors import EvaluationError, first_line, last_line
from mixnet_tools.inference.throughput import Speedup, measure_speedup
from mixnet_tools.optimization.kernels import is_tuned, request_kernels
from mixnet_tools.optimization.proof import find_mismatch
from mixnet_tools.optimization.rewrites import REWRITES, is_quantized, rewrite
from mixnet_tools.optimization.tuning import SECTION, Tuned, tune

if TYPE_CHECKING:
    import openvino


@dataclass(frozen=True)
class Optimized:
    """A model that was made faster, or stayed as it was, and ``notes`` for people that say why.

    ``rewrites`` counts the patterns that were rewritten, by the name of the rewrite; it is empty where the graph stayed
    as it was. ``ratio`` is how many times as fast rewriting made the model (None: not measured). ``tuned`` is None
    where nobody asked for tuning.
    """

    model: openvino.Model
    notes: tuple[str, ...]
    rewrites: Mapping[str, int]
    ratio: float | None
    tuned: Tuned | None

    def describe(self) -> dict[str, str]:
        """The values that the model's rt_info gets. Those of rewriting hold no measurement, so that files are equal."""
        described = {}
        if self.rewrites:
            described["rewrites"] = listed(self.rewrites)
        if self.tuned and self.tuned.families:
            described["tuned_convolutions"] = str(len(self.tuned.families))
            described["tuned_on"] = self.tuned.cpu
            described["tuned_openvino_version"] = self.tuned.openvino_version
            described["tuned_ratio"] = f"{self.tuned.ratio:.3f}"
        return described


def optimize(
    model: openvino.Model,
    *,
    rewriting: bool = True,
    tuning: bool = False,
    measure: Callable[[openvino.Model, openvino.Model], Speedup] = measure_speedup,
    tuner: Callable[[openvino.Model], Tuned] = tune,
) -> Optimized:
    """Make ``model`` faster. It stays as it is; the model of the result is a changed copy.

    Each step is kept only where the result computes the same, and the measurement says that it is faster here. Without
    a step that is kept, the model of the result is ``model``.
    """
    if is_quantized(model):
        return Optimized(model, ("not optimized: the model is quantized",), {}, None, None)
    if any(port.get_partial_shape().is_dynamic for port in model.inputs):
        return Optimized(model, ("not optimized: the model's input has no fixed shape",), {}, None, None)
    if is_tuned(model):  # the kernels were requested for the convolutions as they are
        return Optimized(model, ("not optimized: the model was tuned already; convert it anew",), {}, None, None)
    rewrites: dict[str, int] = {}
    result, notes, ratio = model, [], None
    if rewriting:
        changed, rewrites, note = rewritten(model)
        if rewrites:
            try:
                speedup = measure(model, changed)
            except (EvaluationError, RuntimeError, ValueError) as error:
                rewrites, note = {}, f"not rewritten: the speed cannot be measured: {last_line(error)}"
            else:
                ratio = speedup.ratio
                if speedup.faster:
                    result = changed
                else:
                    rewrites, note = {}, f"not rewritten: not faster here ({note})"
                note += f": {speedup.describe()}"
        notes.append(note)
    tuned = None
    if tuning:
        tuned = tuner(result)
        notes.append(tuned.note)
        if tuned.families:
            result = result.clone()
            request_kernels(result, tuned.families)
    optimized = Optimized(result, tuple(notes), rewrites, ratio, tuned)
    if described := optimized.describe():
        result.set_rt_info(described, [SECTION])
    return optimized


def rewritten(
    model: openvino.Model, names: tuple[str, ...] = tuple(REWRITES)
) -> tuple[openvino.Model, dict[str, int], str]:
    """Rewrite a copy of ``model`` by the rewrites ``names``, if it then computes the same. Its speed is not measured.

    Returns the copy, how often each rewrite matched, and a note. Where nothing is rewritten, ``model`` takes the place
    of the copy.
    """
    changed = model.clone()
    try:
        rewrites = rewrite(changed, names)
        refused = find_mismatch(model, changed) if rewrites else "no pattern matches"
    except Exception as error:  # a fault of a rewrite, or of OpenVINO, must not cost anyone a conversion
        rewrites, refused = {}, f"{type(error).__name__}: {first_line(error)}"
    if refused:
        return model, {}, f"not rewritten: {refused}"
    return changed, rewrites, f"rewritten ({listed(rewrites)})"


def listed(rewrites: Mapping[str, int]) -> str:
    """``rewrites`` as one line, for people and rt_info."""
    return ", ".join(f"{name} {count}" for name, count in rewrites.items())
