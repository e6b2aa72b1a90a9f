"""Functions of the Python API that measure the accuracy of a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mixnet_tools.accuracy.evaluation.by_descriptor import evaluate_model
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport
from mixnet_tools.api.models import PathLike, find_model
from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.conversion.reference.freeze import freeze
from mixnet_tools.downloading.download import locate_downloaded
from mixnet_tools.files.location import Location
from mixnet_tools.progress import Progress


def evaluate(
    name: str,
    *,
    ir_dir: PathLike = ".",
    download_dir: PathLike | None = None,
    source: PathLike | None = None,
    annotations: PathLike | None = None,
    num_images: int | None = None,
    profile: str = "omz",
    precisions: Sequence[str] | None = None,
    models_dir: PathLike | Iterable[PathLike] | None = None,
    progress: Progress | None = None,
    cluster: str | None = None,
) -> AccuracyReport:
    """Measure the IRs of ``name`` below ``ir_dir``, and the original too where ``download_dir`` says where it is.

    ``source`` are labelled images in any form that mixnet-check takes, a path or a URL (default: those that come with
    the model); ``num_images`` of them are a fixed subset. ``precisions`` are the IRs to measure (default: those that
    exist). ``cluster`` says where to measure, as for mixnet-check: ``tcp://HOST:8786`` or ``local[:N]`` (then the
    calling program needs the usual ``if __name__ == "__main__":``, for these processes import its module). Raises
    :class:`DatasetError`, :class:`EvaluationError`, :class:`FreezeError`, and what :func:`find_model` raises.
    """
    descriptor = find_model(name, models_dir)
    original = None
    if download_dir is not None:
        locate_downloaded(descriptor, Path(download_dir))
        original = freeze(plan_conversion(descriptor, Path(download_dir)))
    return evaluate_model(
        descriptor,
        Path(ir_dir),
        source=Location.parse_optional(source),
        annotations=Location.parse_optional(annotations),
        num_images=num_images,
        profile=profile,
        precisions=precisions,
        original=original,
        progress=progress,
        cluster=cluster,
    )
