"""Describes how an IR was made: in the IR itself (rt_info), and in conversion.json beside it.

Equal input gives equal files, run after run. Only tuning adds what it measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mixnet_tools import __version__
from mixnet_tools.conversion.graphs.checkpoint import AverageReport
from mixnet_tools.conversion.parity import ParityResult
from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import DescriptorError

SCHEMA = 1
LABELS_FILE = "labels.txt"


def rt_info(
    descriptor: ModelDescriptor, plan: ConversionPlan, digest: str, classes: int | None
) -> dict[str, dict[str, str]]:
    """The sections of rt_info. ``classes`` is the length of the output, where the model has one output [1, classes].

    OpenVINO's Model API reads ``model_info`` to open a model without further arguments. Mean, scale and reversal are
    not in it, because they are part of the graph. Raises :class:`DescriptorError` where labels.txt does not fit.
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
        labels = read_labels(descriptor.directory)
        if labels is not None and len(labels) != classes:
            raise DescriptorError(
                f"{descriptor.directory / LABELS_FILE}: {len(labels)} labels, but the model has {classes} classes"
            )
        if labels is not None:
            info["labels"] = " ".join(labels)
        sections["model_info"] = info
    return sections


def read_labels(directory: Path) -> tuple[str, ...] | None:
    """The names of a model's classes: a line each in labels.txt beside model.yml; blanks become underscores."""
    path = directory / LABELS_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DescriptorError(f"{path}: cannot read the labels: {error}") from error
    return tuple("_".join(line.split()) for line in lines if line.strip())


def conversion_report(
    plan: ConversionPlan,
    digest: str,
    dropped: int,
    parity: Sequence[ParityResult],
    averages: AverageReport | None,
    versions: dict[str, str],
    optimization: dict[str, str] | None,
) -> dict[str, object]:
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
