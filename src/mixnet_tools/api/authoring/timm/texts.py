"""Writes model.yml and accuracy-check.yml for a classifier of timm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixnet_tools.api.authoring.accuracy_text import DATA_SETS
from mixnet_tools.api.authoring.model_text import LICENSE
from mixnet_tools.api.authoring.timm.catalog import Evaluation, TimmModel
from mixnet_tools.api.authoring.timm.hub import HubFile
from mixnet_tools.api.authoring.timm.preparation import geometry
from mixnet_tools.api.authoring.timm.results import Published
from mixnet_tools.api.authoring.yaml_text import comment, decide, scalar
from mixnet_tools.api.schemas import schema_line
from mixnet_tools.descriptors.model_yml import ACCURACY_FILE, MODEL_FILE

INPUT, OUTPUT = "image", "logits"
"""The names of the converted model's input and output. A module has none."""

_CARD = "<https://huggingface.co/"
_NO_LICENSE = (None, "", "unknown")


@dataclass(frozen=True)
class TimmText:
    """What the texts are written from.

    ``name`` is the descriptor's, ``version`` that of the timm that knows ``model``. ``file`` is the file of weights in
    the model's folder, ``hub_file`` what the Hub said of it on the day ``today``. ``published`` is None where timm
    published no figures for ``evaluation``; ``no_results`` says why its file could not be had.
    """

    name: str
    model: TimmModel
    evaluation: Evaluation
    version: str
    file: str
    hub_file: HubFile
    today: str
    published: Published | None = None
    no_results: str | None = None
    license: str | None = None
    description: str | None = None


def model_text(text: TimmText) -> str:
    """The text of model.yml."""
    model, side = text.model, text.evaluation.side
    lines = [schema_line(MODEL_FILE)]
    lines += comment(
        f"Written from what timm {text.version} says of {model.name}. Size and SHA-256 are those that the Hugging Face "
        f"Hub told on {text.today}: they are trusted as they came, and what is downloaded is held against them."
    )
    default = (
        f"{model.name}: the architecture {model.architecture} of timm "
        f"<https://github.com/huggingface/pytorch-image-models>, with the weights of {_CARD}{model.repository}>."
    )
    lines.append(f"description: {scalar(text.description or default)}")
    lines += [
        "task_type: classification",
        "files:",
        f"  - name: {scalar(text.file)}",
        f"    size: {text.hub_file.size}",
    ]
    lines += [f"    checksum: sha256:{text.hub_file.sha256}", f"    source: {scalar(text.hub_file.url)}"]
    lines += ["input_info:", f"  - name: {INPUT}", f"    shape: [1, 3, {side}, {side}]", "    layout: NCHW"]
    lines += _list(
        "conversion_to_onnx_args",
        "--import-module=timm",
        "--model-name=create_model",
        f'--model-param=model_name="{model.name}"',
        f"--weights=$dl_dir/{text.file}",
        f"--input-shape=1,3,{side},{side}",
        f"--input-names={INPUT}",
        f"--output-names={OUTPUT}",
    )
    lines += ["# The converted model takes BGR with values 0 to 255, as Open Model Zoo's do."]
    lines += _list("model_optimizer_args", "--reverse_input_channels", *_values(model))
    lines.append("framework: pytorch")
    known = None if model.license in _NO_LICENSE else f"{model.license} {_CARD}{model.repository}>"
    if text.license is None and known is None:
        lines += decide("name the licence: its address, or its name. timm does not know it.")
    lines.append(f"license: {scalar(text.license or known or LICENSE)}")
    return "\n".join(lines) + "\n"


def accuracy_text(text: TimmText) -> str:
    """The text of accuracy-check.yml."""
    model, evaluation, published = text.model, text.evaluation, text.published
    lines = [schema_line(ACCURACY_FILE)]
    lines += comment(
        "Prepared as timm.data.create_transform does with this model's pretrained_cfg: "
        f"crop_pct {evaluation.crop_pct:g}, crop_mode {model.crop_mode}, {model.interpolation}. Pillow reads and "
        "scales; mean and std are in the converted model."
    )
    if published is not None:
        lines += comment(f"The references are from {published.source}.")
    known = DATA_SETS.get(model.classes)
    lines += ["models:", f"  - name: {scalar(text.name)}", "    launchers:", "      - framework: openvino"]
    lines += ["        adapter: classification", "    datasets:"]
    if known is None:
        lines += decide(
            "the data set's name; its labels must count from 0 in the order of the model's classes.", " " * 6
        )
    lines.append(f"      - name: {known or scalar(f'{text.name}_validation')}")
    lines += ["        reader: pillow_imread", "        preprocessing:"]
    sides = evaluation.side, evaluation.side
    for step in geometry(sides, evaluation.crop_pct, model.crop_mode, model.interpolation, model.mean):
        keys = [f"{key}: {scalar(value)}" for key, value in step.items()]
        lines += [f"          - {keys[0]}", *(f"            {key}" for key in keys[1:])]
    lines += ["          - type: rgb_to_bgr", "        metrics:"]
    if published is None:
        why = text.no_results or f"timm published none at {evaluation.side} pixels and crop_pct {evaluation.crop_pct:g}"
        lines += decide(f"add references, as fractions: 'reference: 0.783'. {why}.", " " * 10)
    references = (None, None) if published is None else (published.top1, published.top5)
    for top, reference in zip((1, 5), references, strict=True):
        if top <= model.classes:
            lines += [f"          - name: accuracy@top{top}", "            type: accuracy", f"            top_k: {top}"]
            lines += [] if reference is None else [f"            reference: {reference:g}"]
    return "\n".join(lines) + "\n"


def _list(key: str, *items: str) -> list[str]:
    return [f"{key}:", *(f"  - {scalar(item)}" for item in items)]


def _values(model: TimmModel) -> list[str]:
    """Mean and std on the scale 0 to 255, where they do something."""
    found = []
    if any(model.mean):
        found.append(f"--mean_values={INPUT}[{_numbers(model.mean)}]")
    found.append(f"--scale_values={INPUT}[{_numbers(model.std)}]")
    return found


def _numbers(values: Sequence[float]) -> str:
    return ",".join(f"{255 * value:.9g}" for value in values)
