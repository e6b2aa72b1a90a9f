"""Writes accuracy-check.yml for a classifier that was surveyed: an entry for the original, and one for the IR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import REFERENCE_SETS
from mixnet_tools.api.authoring.presets import Preset, Values, geometry_steps
from mixnet_tools.api.authoring.yaml_text import comment, decide, scalar
from mixnet_tools.api.schemas import schema_line
from mixnet_tools.conversion.survey.locate import IR
from mixnet_tools.conversion.survey.survey import Survey
from mixnet_tools.descriptors.model_yml import ACCURACY_FILE

_ORIGINALS = {"onnx": "onnx_runtime", "tf": "tf"}
"""The framework of accuracy_check that runs an original, by the descriptor's framework."""

DATA_SETS = {one.classes: name for name, one in REFERENCE_SETS.items()}
"""Open Model Zoo's names of data sets, by the number of classes that models for them have."""


@dataclass(frozen=True)
class AccuracyText:
    """What accuracy-check.yml is written from.

    ``mean`` and ``std`` (0 to 255) are in the order of the model's channels, which is RGB or BGR (``rgb``).
    ``preset_name`` is None where the caller gave none.
    """

    name: str
    survey: Survey
    preset: Preset
    preset_name: str | None
    crop_pct: float
    mean: Values | None = None
    std: Values | None = None
    rgb: bool = True


def accuracy_text(text: AccuracyText) -> str:
    """The text of accuracy-check.yml. ``text.survey`` must be that of a classifier."""
    lines = [schema_line(ACCURACY_FILE)]
    lines += comment(
        "How the accuracy is measured, in the format of Open Model Zoo's accuracy_check: for each launcher, how images "
        "are prepared. What a person must decide has a comment."
    )
    if text.preset_name is None:
        lines += decide(
            "these steps are assumed: the shorter side is scaled, and the centre cut out. They must be those that the "
            "model was trained with, or the figure is too low."
        )
    else:
        lines += comment(f"Prepared as {text.preset_name} does ({text.preset.note}).")
    lines += ["models:"]
    if text.survey.found.kind == IR:
        return "\n".join([*lines, *_entry(text, "openvino", swaps=text.rgb, normalizes=True)]) + "\n"
    plan = text.survey.inputs[0].plan
    if text.survey.has_measured_original:
        original = _ORIGINALS[text.survey.found.framework]
        lines += [*_entry(text, original, swaps=text.rgb, normalizes=text.survey.takes_values), ""]
    else:
        lines += comment("The original is not measured: TensorFlow takes NHWC on processors, and this is NCHW.", "  ")
    has = "has mean and scale in it."
    if text.survey.inputs[0].settled.channels != 1:
        has = f"takes BGR where the original takes RGB, and {has}"
    lines += [f"  # The converted model {has}"]
    lines += _entry(text, "openvino", swaps=text.rgb and not plan.reverse, normalizes=False)
    return "\n".join(lines) + "\n"


def _entry(text: AccuracyText, framework: str, *, swaps: bool, normalizes: bool) -> list[str]:
    image = text.survey.inputs[0].settled
    height, width = image.sides
    steps: list[dict[str, object]] = []
    if image.channels == 1:
        steps.append({"type": "bgr_to_gray", "cast_to_float": False})  # Pillow scales 8 bits only
    elif swaps:
        steps.append({"type": "bgr_to_rgb"})
    steps += geometry_steps(text.preset, height, width, text.crop_pct)
    values = {"mean": _plain(text.mean), "std": _plain(text.std)}
    found = {name: value for name, value in values.items() if value is not None}
    if normalizes and found:
        steps.append({"type": "normalization", **found})
    classes = text.survey.classes or 0
    lines = [
        f"  - name: {scalar(text.name)}",
        "    launchers:",
        f"      - framework: {framework}",
        "        adapter: classification",
        "    datasets:",
    ]
    if classes in DATA_SETS:
        lines += decide("ImageNet is assumed, from the number of classes. Another name: labels count from 0.", " " * 6)
    lines.append(f"      - name: {DATA_SETS.get(classes) or scalar(f'{text.name}_validation')}")
    lines.append("        preprocessing:")
    for step in steps:
        keys = [f"{key}: {scalar(value)}" for key, value in step.items()]
        lines += [f"          - {keys[0]}", *(f"            {key}" for key in keys[1:])]
    return lines + _metrics(classes)


def _metrics(classes: int) -> list[str]:
    lines = ["        metrics:"]
    lines += decide("add the published figures, if there are any, as fractions: 'reference: 0.783'.", " " * 10)
    for top in (1, 5) if classes > 5 else (1,):
        lines += [f"          - name: accuracy@top{top}", "            type: accuracy", f"            top_k: {top}"]
    return lines


def _plain(values: Sequence[float] | None) -> object:
    if values is None:
        return None
    return values[0] if len(set(values)) == 1 else list(values)
