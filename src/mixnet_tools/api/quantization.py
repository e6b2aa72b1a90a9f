"""The function of the Python API that quantizes a model: it finds images and IRs, and runs the stage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mixnet_tools.accuracy.datasets.dataset import bundled_source, open_dataset
from mixnet_tools.accuracy.datasets.exclusions import Exclusions
from mixnet_tools.accuracy.datasets.filters import exclude as leave_out
from mixnet_tools.accuracy.datasets.forms.base import Wanted
from mixnet_tools.accuracy.evaluation.comparison import Comparer
from mixnet_tools.accuracy.evaluation.quantization_calibration_set import (
    among,
    calibration_images,
    calibration_set,
    choose,
)
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import load_accuracy_config
from mixnet_tools.api.evaluation_task import model_classes
from mixnet_tools.api.models import PathLike, find_model
from mixnet_tools.descriptors.model_yml import PRECISIONS, ModelDescriptor
from mixnet_tools.errors import UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.ir.image_input import ImageInput, classes_of
from mixnet_tools.ir.locate import INT8_PRECISION, existing_irs, irs_of, require_irs
from mixnet_tools.progress import Progress
from mixnet_tools.quantization.report import QuantizationReport
from mixnet_tools.quantization.settings import QuantizationSettings
from mixnet_tools.quantization.stage import quantize_ir
from mixnet_tools.quantization.trials import QuantizationRequest
from mixnet_tools.values import CalibrationSet, IRModel


@dataclass(frozen=True)
class QuantizationOptions:
    """Choices for :func:`quantize`.

    ``settings`` are those of the quantization. ``max_drop`` searches for settings that keep top-1 within so many points
    of the first float IR's; the search does not change the settings that ``fixed`` names. ``source_precision`` is the
    IR to quantize (default: FP16, or FP32 where there is no other). ``verify`` measures throughput, and accuracy where
    there are labels: on ``num_images`` of the labelled images (default: all), which ``profile`` prepares.
    ``compare_layers`` compares the output of each layer with the float model's, on a few images.
    """

    settings: QuantizationSettings = field(default_factory=QuantizationSettings)
    fixed: frozenset[str] = frozenset()
    source_precision: str | None = None
    max_drop: float | None = None
    verify: bool = True
    profile: str = "omz"
    num_images: int | None = None
    compare_layers: bool = False


def quantize(
    name: str,
    *,
    ir_dir: PathLike = ".",
    output_dir: PathLike | None = None,
    source: PathLike | None = None,
    annotations: PathLike | None = None,
    eval_source: PathLike | None = None,
    split: str | None = None,
    exclude: PathLike | None = None,
    models_dir: PathLike | Iterable[PathLike] | None = None,
    options: QuantizationOptions | None = None,
    progress: Progress | None = None,
) -> QuantizationReport:
    """Quantize an IR of the model ``name`` below ``ir_dir`` to INT8.

    The result is written to ``<output_dir>/public/<name>/FP16-INT8`` (default of ``output_dir``: ``ir_dir``).
    ``source`` are images to calibrate with, labelled or not, a path or a URL (default: those that come with the model).
    Accuracy is measured on ``eval_source`` (default: ``source``, where it has labels); ``annotations`` are the labels
    of these images. ``split`` is the split of ``source`` to take (default: the validation split, where names tell
    splits apart). ``exclude`` is a file with the names of images to leave out, one a line. Where no settings keep
    ``options.max_drop``, the best ones are taken, and ``passed`` of the report is False.

    Raises :class:`IRError` where there is no such IR, or it is no image classifier; :class:`QuantizationError` where it
    is quantized already, or NNCF fails; :class:`OutputError` where the result cannot be written;
    :class:`MissingDependency` without NNCF; :class:`DatasetError` and :class:`EvaluationError` where images cannot be
    used or IRs not be measured; :class:`UsageError` where no images are known; and what :func:`find_model` raises.
    """
    return quantize_model(
        find_model(name, models_dir),
        Path(ir_dir),
        Path(ir_dir if output_dir is None else output_dir),
        source=Location.parse_optional(source),
        annotations=Location.parse_optional(annotations),
        eval_source=Location.parse_optional(eval_source),
        split=split,
        exclude=None if exclude is None else Path(exclude),
        options=options or QuantizationOptions(),
        progress=progress or Progress(),
    )


@dataclass(frozen=True)
class QuantizationPlan:
    """What a quantization would read and write: a float IR, the images to calibrate with, and the quantized IR."""

    source: IRModel
    images: Location
    target: IRModel


def plan_quantization(
    descriptor: ModelDescriptor, ir_dir: Path, output_dir: Path, source: Location | None, options: QuantizationOptions
) -> QuantizationPlan:
    """Find the IR to quantize and the images; no image is read.

    Raises :class:`UsageError` where no images are known, :class:`IRError` where there is no such IR.
    """
    images = source or bundled_source(descriptor.directory)
    if images is None:
        raise UsageError(f"{descriptor.name} brings no images of its own to calibrate with", hint="give them: `source`")
    floats = existing_irs(descriptor, ir_dir, PRECISIONS)
    wanted = options.source_precision or (floats[-1].precision if floats else "FP16")
    (ir,) = require_irs(descriptor, ir_dir, [wanted])
    return QuantizationPlan(ir, images, irs_of(descriptor, output_dir, [INT8_PRECISION])[0])


def quantize_model(
    descriptor: ModelDescriptor,
    ir_dir: Path,
    output_dir: Path,
    *,
    source: Location | None,
    annotations: Location | None,
    eval_source: Location | None,
    split: str | None,
    exclude: Path | None,
    options: QuantizationOptions,
    progress: Progress,
) -> QuantizationReport:
    """Quantize the model of ``descriptor``: see :func:`quantize`."""
    plan = plan_quantization(descriptor, ir_dir, output_dir, source, options)
    images, ir = plan.images, plan.source
    config = load_accuracy_config(descriptor.accuracy_path)
    names = model_classes(descriptor, config.measurement("openvino", options.profile))
    exclusions = Exclusions(exclude) if exclude else None
    own = Wanted(annotations if eval_source is None else None, None, split, names, exclusions)
    floats = existing_irs(descriptor, ir_dir, PRECISIONS)
    classes = classes_of(ir.xml)
    found = calibration_images(images, own, classes)
    for remark in found.remarks:
        progress.note(f"{descriptor.name}: {images}: {remark}")
    chosen = choose(found.images, options.settings.subset_size, options.settings.seed, str(images))

    def calibrate(image: ImageInput) -> CalibrationSet:
        return calibration_set(config, chosen, (images, len(found.images)), image, options.profile, progress)

    comparer = None
    dataset = None
    if options.verify or options.max_drop is not None:
        dataset = found.dataset
        if eval_source is not None:
            dataset = open_dataset(eval_source, Wanted(annotations, classes=names, exclusions=exclusions))
            if exclusions:
                dataset = leave_out(dataset, exclusions, all_met=False)
            for remark in dataset.remarks:
                progress.note(f"{descriptor.name}: {eval_source}: {remark}")
    if exclusions:
        exclusions.require_all_met(images)
    if dataset is not None:
        comparer = Comparer(
            config,
            dataset.subset(options.num_images) if options.num_images else dataset,
            floats,
            profile=options.profile,
            calibrated=among(dataset, chosen),
            progress=progress,
        )
    request = QuantizationRequest(
        source=ir,
        target=plan.target,
        references=floats,
        settings=options.settings,
        fixed=options.fixed,
        max_drop=options.max_drop,
        throughput=options.verify,
        compare_layers=options.compare_layers,
    )
    return quantize_ir(request, calibrate, comparer, progress)
