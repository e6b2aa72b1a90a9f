"""The Python API: a function per stage, by a model's name. ``mixnet_tools`` exports what is here.

Each function finds the model's descriptor as the commands do, runs one stage, and returns its frozen value. Nothing is
printed; errors are :class:`mixnet_tools.MixnetToolsError`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mixnet_tools.accuracy.datasets.dataset import bundled_source, open_dataset
from mixnet_tools.accuracy.evaluation.by_descriptor import evaluate_model
from mixnet_tools.accuracy.evaluation.calibration_set import (
    among,
    calibration_images,
    calibration_set,
    choose,
    has_labels,
)
from mixnet_tools.accuracy.evaluation.comparison import Comparer
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import load_accuracy_config
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport
from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.conversion.convert import ConversionOptions
from mixnet_tools.conversion.convert import convert as convert_descriptor
from mixnet_tools.conversion.reference.freeze import freeze
from mixnet_tools.descriptors import zoo
from mixnet_tools.descriptors.model_yml import PRECISIONS, ModelDescriptor
from mixnet_tools.downloading.download import DownloadOptions, download_model, locate_downloaded
from mixnet_tools.errors import EvaluationError, UnknownModelError, UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.ir.inspect import describe
from mixnet_tools.progress import Progress
from mixnet_tools.quantization.report import QuantizationReport
from mixnet_tools.quantization.settings import QuantizationSettings
from mixnet_tools.quantization.stage import PRECISION, QuantizationRequest, quantize_ir
from mixnet_tools.values import CalibrationSet, DownloadedModel, IRModel, ir_model

PathLike = str | os.PathLike[str]


def find_model(name: str, models_dir: PathLike | Iterable[PathLike] | None = None) -> ModelDescriptor:
    """The descriptor called ``name`` (no pattern), below ``models_dir`` (default: as for the commands).

    Raises :class:`DescriptorError` where it is broken, :class:`UnknownModelError` where there is none.
    """
    if models_dir is None:
        roots: Iterable[Path] = zoo.default_roots()
    elif isinstance(models_dir, (str, os.PathLike)):
        roots = (Path(models_dir),)
    else:
        roots = tuple(Path(root) for root in models_dir)
    entries = zoo.select(zoo.find_models(roots), [name])
    if len(entries) != 1 or entries[0].name != name:
        found = ", ".join(entry.name for entry in entries)
        raise UnknownModelError(f"expected the name of one model, got {name!r}, which stands for {found}")
    return entries[0].load()


def download(
    name: str,
    *,
    output_dir: PathLike = ".",
    models_dir: PathLike | Iterable[PathLike] | None = None,
    options: DownloadOptions | None = None,
    progress: Progress | None = None,
) -> DownloadedModel:
    """Fetch, verify and unpack the files of ``name`` into ``<output_dir>/public/<name>``.

    Raises :class:`DownloadError` and its kinds, :class:`ArchiveError`, and what :func:`find_model` raises.
    """
    return download_model(find_model(name, models_dir), Path(output_dir), options, progress)


def convert(
    name: str,
    *,
    precision: str = "FP16",
    download_dir: PathLike = ".",
    output_dir: PathLike | None = None,
    models_dir: PathLike | Iterable[PathLike] | None = None,
    options: ConversionOptions | None = None,
    progress: Progress | None = None,
) -> IRModel:
    """Convert the downloaded ``name`` to an IR of ``precision`` (``FP32``, ``FP16``), proved against the original.

    ``output_dir`` is by default the download folder. ``options.precisions`` is not looked at. Raises
    :class:`ConversionError` and its kinds, :class:`DownloadError` where files are missing, and what
    :func:`find_model` raises; then nothing was written.
    """
    descriptor = find_model(name, models_dir)
    locate_downloaded(descriptor, Path(download_dir))
    chosen = replace(options or ConversionOptions(), precisions=(precision,))
    target = Path(download_dir if output_dir is None else output_dir)
    return convert_descriptor(descriptor, Path(download_dir), target, chosen, progress).irs[0].ir


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


@dataclass(frozen=True)
class QuantizationOptions:
    """What the user chooses for :func:`quantize`, beside places.

    ``fixed`` names those ``settings`` that a search may not change. ``source_precision`` is the IR to quantize
    (default: FP16, or FP32 where there is no other). ``max_drop`` asks for a search for settings that keep top-1
    within so many points of the first float IR. ``verify`` measures accuracy, where there are labels, and
    throughput. ``num_images`` of the labelled images are measured (default: all).
    """

    settings: QuantizationSettings = field(default_factory=QuantizationSettings)
    fixed: frozenset[str] = frozenset()
    source_precision: str | None = None
    max_drop: float | None = None
    verify: bool = True
    profile: str = "omz"
    num_images: int | None = None


def quantize(
    name: str,
    *,
    ir_dir: PathLike = ".",
    output_dir: PathLike | None = None,
    source: PathLike | None = None,
    annotations: PathLike | None = None,
    eval_source: PathLike | None = None,
    models_dir: PathLike | Iterable[PathLike] | None = None,
    options: QuantizationOptions | None = None,
    progress: Progress | None = None,
) -> QuantizationReport:
    """Quantize an IR of ``name`` below ``ir_dir`` to INT8, into the folder FP16-INT8 below ``output_dir``.

    ``source`` are images to calibrate with, labelled or not (default: those that come with the model). Accuracy is
    measured on ``eval_source`` (default: ``source``, where it has labels); ``annotations`` are the labels of these.
    Raises :class:`QuantizationError`, :class:`MissingDependency` without NNCF, :class:`DatasetError`,
    :class:`EvaluationError`, and what :func:`find_model` raises. Where no settings keep ``options.max_drop``, the best
    are taken, and the report says ``passed`` False.
    """
    return quantize_model(
        find_model(name, models_dir),
        Path(ir_dir),
        Path(ir_dir if output_dir is None else output_dir),
        source=Location.parse_optional(source),
        annotations=Location.parse_optional(annotations),
        eval_source=Location.parse_optional(eval_source),
        options=options or QuantizationOptions(),
        progress=progress or Progress(),
    )


def quantize_model(
    descriptor: ModelDescriptor,
    ir_dir: Path,
    output_dir: Path,
    *,
    source: Location | None,
    annotations: Location | None,
    eval_source: Location | None,
    options: QuantizationOptions,
    progress: Progress,
) -> QuantizationReport:
    """:func:`quantize` for a descriptor that was found already."""
    images = source or bundled_source(descriptor.directory)
    if images is None:
        raise UsageError(f"{descriptor.name} brings no images of its own to calibrate with", hint="-s IMAGES")
    own = annotations if eval_source is None else None
    config = load_accuracy_config(descriptor.accuracy_path)

    def ir(precision: str, folder: Path = ir_dir) -> IRModel:
        return ir_model(folder, str(descriptor.subdirectory), descriptor.name, precision)

    floats = tuple(one for one in map(ir, PRECISIONS) if one.xml.is_file() and one.bin.is_file())
    classes = _classes(floats[0]) if floats else None
    labelled = eval_source or (images if has_labels(images, own, classes) else None)
    found = calibration_images(images, own, classes)
    chosen = choose(found, options.settings.subset_size, options.settings.seed, str(images))

    def calibrate(height: int, width: int) -> CalibrationSet:
        return calibration_set(config, chosen, (images, len(found)), (height, width), options.profile, progress)

    comparer = None
    if labelled is not None and (options.verify or options.max_drop is not None):
        dataset = open_dataset(labelled, annotations)
        comparer = Comparer(
            config,
            dataset.subset(options.num_images) if options.num_images else dataset,
            floats,
            profile=options.profile,
            calibrated=among(dataset, chosen),
            progress=progress,
        )
    request = QuantizationRequest(
        source=ir(options.source_precision or (floats[-1].precision if floats else "FP16")),
        target=ir(PRECISION, output_dir),
        references=floats,
        settings=options.settings,
        fixed=options.fixed,
        max_drop=options.max_drop,
        throughput=options.verify,
    )
    return quantize_ir(request, calibrate, comparer, progress)


def _classes(ir: IRModel) -> int | None:
    """How many classes an IR tells apart; None where that cannot be told."""
    try:
        shape = describe(ir.xml).outputs[0].shape
    except EvaluationError:
        return None
    return shape[-1] if shape and shape[-1] > 0 else None
