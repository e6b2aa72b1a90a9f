"""Describes how an IR was made: in the IR itself (rt_info), and in conversion.json beside it.

Equal input gives equal files, run after run. Only tuning adds what it measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from mixnet_tools import __version__
from mixnet_tools.conversion.parity import ParityResult
from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.conversion.source_check import SourceFiles
from mixnet_tools.descriptors.labels import as_token, find_labels, read_classes, tokens
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import DescriptorError

if TYPE_CHECKING:
    import openvino

SCHEMA = 1


def rt_info(
    descriptor: ModelDescriptor, plan: ConversionPlan, digest: str, classes: int | None
) -> dict[str, dict[str, str]]:
    """The sections of rt_info. ``classes`` is the length of the output, where the model has one output [1, classes].

    OpenVINO's Model API reads ``model_info`` to open a model without further arguments. Mean, scale and reversal are
    not in it, because they are part of the graph. What model.yml says in ``model_info`` replaces the rest. Raises
    :class:`DescriptorError` where labels.txt does not fit.
    """
    import openvino

    conversion = {
        "source": plan.source.kind,
        "source_digest": digest,
        "inputs": "; ".join(entry.describe() for entry in plan.inputs),
        "outputs": ", ".join(cut.text for cut in plan.outputs),
        "reverse_input_channels": str(any(entry.reverse for entry in plan.inputs)),
        "weights": plan.weights or "raw",
        "mixnet_tools_version": __version__,
        "openvino_version": openvino.get_version(),
    }
    sections = {"conversion_parameters": conversion}
    if descriptor.task_type == "classification" and classes is not None:
        info = {"model_type": "Classification", "topk": str(min(5, classes)), "resize_type": "crop"}
        if (path := find_labels(descriptor.directory)) is not None:
            labels = read_classes(path)
            if len(labels) != classes:
                raise DescriptorError(f"{path}: {len(labels)} labels, but the model has {classes} classes")
            info["labels"] = " ".join(tokens(labels))
        sections["model_info"] = info
    if descriptor.model_info:
        said = {key: _as_rt_info(value) for key, value in descriptor.model_info.items()}
        sections["model_info"] = {**sections.get("model_info", {}), **said}
    return sections


def _as_rt_info(value: object) -> str:
    """``value`` as OpenVINO writes it: the items of a list with blanks between them, and none inside them."""
    return " ".join(as_token(str(item)) for item in value) if isinstance(value, tuple) else str(value)


def conversion_report(
    plan: ConversionPlan,
    files: SourceFiles,
    ir: Mapping[str, object],
    dropped: int,
    parity: Sequence[ParityResult],
    weights: Mapping[str, object],
    versions: dict[str, str],
    optimization: dict[str, str] | None,
    reference: Mapping[str, object] | None,
) -> dict[str, object]:
    """The contents of conversion.json. ``parity`` is empty and ``reference`` None where nothing was compared.

    ``files`` are the source's, ``ir`` the IR's own, by name. ``weights`` says which were taken and why; ``reference``
    what ran the original, and which rights it had not.

    ``optimization`` is what was done for speed: nothing ({}) where it was of no use, None where nobody asked.
    """
    return {
        "schema": SCHEMA,
        "model": plan.model,
        "source": {"kind": plan.source.kind, "path": plan.source.path.name, **files.to_json()},
        "ir": dict(ir),
        "inputs": [
            {
                "name": entry.cut.placeholder,
                "aliases": list(entry.aliases),
                "cut": entry.cut.text,
                "shape": list(entry.shape) if entry.shape else None,
                "layout": entry.layout,
                "reverse_input_channels": entry.reverse,
                "mean": list(entry.mean),
                "scale": list(entry.scale),
            }
            for entry in plan.inputs
        ],
        "outputs": [cut.text for cut in plan.outputs],
        "weights": dict(weights),
        "nodes_cut_away": dropped,
        "optimization": optimization,
        "reference": None if reference is None else dict(reference),
        "parity": [asdict(result) for result in parity],
        "versions": versions,
    }


def classes_of(model: openvino.Model) -> int | None:
    """The length of the one output, where it is [batch, classes]."""
    if len(model.outputs) != 1:
        return None
    shape = model.outputs[0].get_partial_shape()
    return int(shape[1].get_length()) if shape.rank.is_static and len(shape) == 2 and shape[1].is_static else None
