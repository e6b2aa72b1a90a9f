"""What an IR says of itself (rt_info) and what stands beside it (conversion.json).

Nothing here changes from run to run: equal input gives equal files. Only tuning says what it measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mixnet_tools import __version__
from mixnet_tools.conversion.parity import ParityResult
from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.conversion.reference.freeze import AverageReport
from mixnet_tools.descriptors.labels import as_token, find_labels, read_labels
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import DescriptorError
from mixnet_tools.files.digest import digest_of

SCHEMA = 1


def source_digest(plan: ConversionPlan) -> str:
    """SHA-256 over the source's files, each preceded by its name: ``sha256:<hex>``."""
    path = plan.source.path
    if plan.source.kind == "saved_model":
        files = sorted(entry for entry in path.rglob("*") if entry.is_file())
    elif plan.source.kind == "meta_graph":
        prefix = plan.source.checkpoint
        files = [
            path,
            prefix,
            *sorted(prefix.parent.glob(f"{prefix.name}.data-*")),
            prefix.with_name(f"{prefix.name}.index"),
        ]
    else:
        files = [path]
    total = hashlib.sha256()
    for file in files:
        if file.is_file():
            total.update(f"{file.name}\0{digest_of(file)}\0".encode())
    return f"sha256:{total.hexdigest()}"


def rt_info(
    descriptor: ModelDescriptor, plan: ConversionPlan, digest: str, classes: int | None
) -> dict[str, dict[str, str]]:
    """Sections of rt_info. ``classes`` is the length of the answer, where the model has one output [1, classes].

    ``model_info`` is what OpenVINO's Model API reads to open a model without further arguments. Mean, scale and
    reversal are part of the graph, so they are not in it.
    """
    import openvino

    conversion = {
        "source": plan.source.kind,
        "source_digest": digest,
        "inputs": "; ".join(entry.describe() for entry in plan.inputs),
        "outputs": ", ".join(cut.text for cut in plan.outputs),
        "reverse_input_channels": str(any(entry.reverse for entry in plan.inputs)),
        "weights": plan.weights,
        "mixnet_tools_version": __version__,
        "openvino_version": openvino.get_version(),
    }
    sections = {"conversion_parameters": conversion}
    if descriptor.task_type == "classification" and classes is not None:
        info = {"model_type": "Classification", "topk": str(min(5, classes)), "resize_type": "crop"}
        if (path := find_labels(descriptor.directory)) is not None:
            labels = read_labels(path)
            if len(labels) != classes:
                raise DescriptorError(f"{path}: {len(labels)} labels, but the model has {classes} classes")
            info["labels"] = " ".join(map(as_token, labels))
        sections["model_info"] = info
    return sections


def conversion_report(
    plan: ConversionPlan,
    digest: str,
    dropped: int,
    parity: Sequence[ParityResult],
    averages: AverageReport | None,
    versions: dict[str, str],
    optimization: dict[str, str] | None,
) -> dict[str, Any]:
    """The contents of conversion.json. ``parity`` is empty and ``averages`` None where nothing was compared.

    ``optimization`` is what was done for speed: nothing ({}) where it was of no use, None where nobody asked.
    """
    return {
        "schema": SCHEMA,
        "model": plan.model,
        "source": {"kind": plan.source.kind, "path": plan.source.path.name, "digest": digest},
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
        "weights": {"used": plan.weights, "moving_averages": asdict(averages) if averages else None},
        "nodes_cut_away": dropped,
        "optimization": optimization,
        "parity": [asdict(result) for result in parity],
        "versions": versions,
    }
