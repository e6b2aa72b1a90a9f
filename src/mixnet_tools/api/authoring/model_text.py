"""Writes model.yml for a model that was surveyed, in Open Model Zoo's words, with comments on what was assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixnet_tools.api.authoring.yaml_text import comment, decide, scalar
from mixnet_tools.api.schemas import schema_line
from mixnet_tools.conversion.plan import InputPlan
from mixnet_tools.conversion.sources.kinds import KINDS
from mixnet_tools.conversion.survey.locate import IR
from mixnet_tools.conversion.survey.survey import Survey
from mixnet_tools.descriptors.model_yml import MODEL_FILE

LICENSE = "not named"
"""The licence of a model of which nobody has said it yet. Checking a zoo finds it."""

_NOTATION = frozenset(",[](){}")
"""Characters that no name in an argument may have."""


@dataclass(frozen=True)
class FileText:
    """A file of the model as the descriptor has it. ``source`` is an address, or a path beside model.yml."""

    name: str
    size: int
    sha384: str
    source: str
    is_beside: bool = False


@dataclass(frozen=True)
class ModelText:
    """What model.yml is written from. ``license`` and ``description`` are None where the caller did not say them.

    ``archive`` is the format of the one among ``files`` that is unpacked; None: they are the model. ``values_known``
    says that the caller said how pixel values are prepared, ``only_here`` that the sources are files of this machine.
    """

    name: str
    survey: Survey
    files: Sequence[FileText]
    license: str | None = None
    description: str | None = None
    signature: str | None = None
    tags: tuple[str, ...] | None = None
    archive: str | None = None
    values_known: bool = False
    only_here: bool = False


def model_text(model: ModelText) -> str:
    """The text of model.yml."""
    survey = model.survey
    lines = [schema_line(MODEL_FILE)]
    lines += comment(
        f"A descriptor in Open Model Zoo's format, written from {survey.found.path.name}. What a person must decide "
        "has a comment; the rest was read from the model."
    )
    if model.description is None:
        lines += decide("say what the model is, what it was trained on, and who made it.")
    lines.append(f"description: {scalar(model.description or f'{model.name}, from {survey.found.path.name}.')}")
    lines += _task(survey)
    lines += _files(model)
    if model.archive is not None:
        lines += ["postprocessing:", "  - $type: unpack_archive", f"    format: {model.archive}"]
        lines.append(f"    file: {scalar(model.files[0].name)}")
    lines += _inputs(survey)
    if survey.found.kind != IR:
        lines += _arguments(model)
    lines.append(f"framework: {survey.found.framework}")
    if model.license is None:
        lines += decide("name the licence: its address, or its name.")
    lines.append(f"license: {scalar(model.license or LICENSE)}")
    return "\n".join(lines) + "\n"


def task_of(survey: Survey) -> str:
    """The task type that a model of this form is likeliest to have."""
    if survey.is_classifier:
        return "classification"
    return "image_processing" if survey.image else "feature_extraction"


def _task(survey: Survey) -> list[str]:
    lines = []
    if not survey.is_classifier:
        lines = decide(
            "assumed, for the model is no classifier of one image. Open Model Zoo has detection, "
            "semantic_segmentation, object_attributes and more. Accuracy is measured of classifiers only."
        )
    return [*lines, f"task_type: {task_of(survey)}"]


def _files(model: ModelText) -> list[str]:
    lines = ["files:"]
    for index, file in enumerate(model.files):
        lines.append(f"  - name: {scalar(file.name)}")
        lines.append(f"    size: {file.size}")
        lines.append(f"    checksum: {file.sha384}")
        if file.is_beside:
            lines += ["    source:", "      $type: file", f"      path: {scalar(file.source)}"]
            continue
        if model.only_here and index == 0:
            text = (
                "only this machine has the file here. For others, give an http(s) address, or a file beside this one."
            )
            lines += decide(text, "    ")
        lines.append(f"    source: {scalar(file.source)}")
    return lines


def _inputs(survey: Survey) -> list[str]:
    lines = ["input_info:"]
    for entry in survey.inputs:
        lines.append(f"  - name: {scalar(entry.port.name)}")
        for note in entry.settled.notes:
            lines += decide(note, "    ")
        if entry.settled.shape:
            lines.append(f"    shape: {scalar(list(entry.settled.shape))}")
        if entry.settled.layout:
            lines.append(f"    layout: {entry.settled.layout}")
    return lines


def _arguments(model: ModelText) -> list[str]:
    survey = model.survey
    lines = ["model_optimizer_args:", _argument(f"--{KINDS[survey.found.kind].option}=$dl_dir/{survey.found.name}")]
    if model.signature is not None:
        lines.append(_argument(f"--saved_model_signature={model.signature}"))
    if model.tags is not None:
        lines.append(_argument(f"--saved_model_tags={','.join(model.tags)}"))
    for note in survey.output_notes:
        lines += decide(f"the output: {note}.", "  ")
    names = [port.name for port in survey.outputs]
    if all(names) and not any(_NOTATION & set(name) for name in names):
        lines.append(_argument(f"--output={','.join(names)}"))
    if survey.constants:
        lines += decide("inputs that get one value for good; these are guessed from their names.", "  ")
        values = ",".join(f"{constant.node}->{constant.value}" for constant in survey.constants)
        lines.append(_argument(f"--freeze_placeholder_with_value={values}"))
    return lines + _preparation(model)


def _preparation(model: ModelText) -> list[str]:
    """The arguments that make preprocessing a part of the converted model."""
    inputs = model.survey.inputs
    if not any(entry.settled.is_image for entry in inputs):
        return []
    lines = []
    if not model.values_known:
        lines += decide(
            "the model was trained with RGB or BGR, and with some mean and scale, which its file does not say. RGB "
            "with values 0 to 255 is assumed: the converted model then takes BGR, as Open Model Zoo's do. If it is "
            "otherwise: --mean_values=[R,G,B] and --scale_values=[R,G,B], and accuracy-check.yml must say the same.",
            "  ",
        )
    if any(entry.plan.reverse for entry in inputs):
        lines.append(_argument("--reverse_input_channels"))
    for option, values in (
        ("mean_values", [(entry.plan, entry.plan.mean) for entry in inputs]),
        ("scale_values", [(entry.plan, entry.plan.scale) for entry in inputs]),
    ):
        given = [(plan, numbers) for plan, numbers in values if numbers]
        if given:
            lines.append(_argument(f"--{option}={','.join(_value(plan, one, len(inputs)) for plan, one in given)}"))
    return lines


def _value(plan: InputPlan, numbers: Sequence[float], inputs: int) -> str:
    name = plan.cut.text if inputs > 1 else ""
    return f"{name}[{','.join(f'{number:g}' for number in numbers)}]"


def _argument(text: str) -> str:
    return f"  - {scalar(text)}"
