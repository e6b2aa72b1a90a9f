"""What mixnet-check is to measure: models, their files and the images, all found before anything is measured."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.accuracy import LAUNCHERS
from mixnet_tools.errors import EvaluationError, MixnetToolsError, UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.ir.locate import require_irs

if TYPE_CHECKING:
    from mixnet_tools.accuracy.datasets.dataset import ImageDataset
    from mixnet_tools.accuracy.launchers.base import Runner
    from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig
    from mixnet_tools.conversion.plan import ConversionPlan
    from mixnet_tools.descriptors.model_yml import ModelDescriptor
    from mixnet_tools.progress import Progress
    from mixnet_tools.values import IRModel


@dataclass(frozen=True)
class Task:
    """One model, with everything found that its evaluation needs. ``original`` is what ``original_launcher`` runs."""

    descriptor: ModelDescriptor
    config: AccuracyConfig
    dataset: ImageDataset
    reference_images: int | None
    original: ConversionPlan | None
    original_launcher: str | None
    irs: tuple[IRModel, ...]

    @property
    def labels(self) -> Path | None:
        """The file with the names of the model's classes, where it has one."""
        path = self.descriptor.directory / "labels.txt"
        return path if path.is_file() else None


def prepare_all(args: argparse.Namespace, descriptors: tuple[ModelDescriptor, ...], progress: Progress) -> list[Task]:
    """All problems of all models at once, so that none shows only after hours of another's evaluation."""
    tasks: list[Task] = []
    errors: list[MixnetToolsError] = []
    for descriptor in descriptors:
        try:
            tasks.append(_prepare(args, descriptor))
        except MixnetToolsError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        hints = dict.fromkeys(error.hint for error in errors if error.hint)
        raise EvaluationError("\n".join(dict.fromkeys(map(str, errors))), hint="; ".join(hints) or None)
    for task in tasks:
        if args.num_images and args.num_images > task.dataset.total:
            images = f"{task.dataset.source} has {task.dataset.total} images"
            progress.note(f"{task.descriptor.name}: {images}: taking all")
    return tasks


def load_runners(task: Task, devices: Sequence[str], *, tuned: bool) -> list[Runner]:
    """The models of ``task``, the original first; converted ones on each of ``devices``, on the fastest kernels for
    this CPU where ``tuned``.
    """
    from mixnet_tools.accuracy.launchers.onnx import OnnxRunner
    from mixnet_tools.accuracy.launchers.openvino import OpenVinoRunner
    from mixnet_tools.accuracy.launchers.tensorflow import TensorFlowRunner
    from mixnet_tools.optimization.tuning import tune

    runners: list[Runner] = []
    if task.original is not None and task.original_launcher == "onnx":
        runners.append(OnnxRunner(task.original.source.path))
    elif task.original is not None:
        from mixnet_tools.conversion.reference.freeze import freeze

        runners.append(TensorFlowRunner(freeze(task.original)))
    runners.extend(OpenVinoRunner(ir, device, tune=tune if tuned else None) for device in devices for ir in task.irs)
    return runners


def _prepare(args: argparse.Namespace, descriptor: ModelDescriptor) -> Task:
    from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import load_accuracy_config
    from mixnet_tools.accuracy.preprocessing.pipeline import make_plan

    native = "onnx" if descriptor.framework == "onnx" else "tf"
    launchers = args.launcher or ("openvino", native)
    other = next((name for name in launchers if name not in ("openvino", native)), None)
    if other:
        raise UsageError(
            f"{descriptor.name}: launcher {other} cannot run the original, a model of framework {descriptor.framework}",
            hint=f"--launcher openvino,{native}" if native in LAUNCHERS else "--launcher openvino",
        )
    config = load_accuracy_config(descriptor.accuracy_path)
    for launcher in launchers:
        make_plan(config.measurement(launcher, args.profile))
    dataset, reference_images = _find_images(args, descriptor)
    original = None
    if native in launchers:
        from mixnet_tools.conversion.arguments import plan_conversion
        from mixnet_tools.downloading.download import locate_downloaded

        original = plan_conversion(descriptor, args.download_dir)
        locate_downloaded(descriptor, args.download_dir)
    # After the download, which comes first where both are missing.
    irs: tuple[IRModel, ...] = ()
    if "openvino" in launchers:
        folder = args.ir_dir or args.download_dir
        irs = require_irs(descriptor, folder, args.precisions, download_dir=args.download_dir)
    return Task(descriptor, config, dataset, reference_images, original, native if original else None, irs)


def _find_images(args: argparse.Namespace, descriptor: ModelDescriptor) -> tuple[ImageDataset, int | None]:
    """(the images that were asked for, the size of the references' set where these are of the model's own)."""
    from mixnet_tools.accuracy.datasets.dataset import bundled_source, is_bundled, open_dataset
    from mixnet_tools.accuracy.datasets.filters import exclude, with_real_labels

    bundled = bundled_source(descriptor.directory)
    source = Location.parse_optional(args.source) or bundled
    annotations = Location.parse_optional(args.annotations)
    if source is None:
        raise UsageError(
            f"{descriptor.name} brings no images of its own: say on which to measure it",
            hint="-s DATASET, for example a folder with the ImageNet validation images",
        )
    dataset = open_dataset(source, annotations, args.first_label)
    # A model's references were measured on the set that comes with it; else the set's name tells its size.
    reference_images = dataset.total if is_bundled(source, annotations, bundled) else None
    if args.exclude:
        dataset = exclude(dataset, args.exclude)
    if args.real_labels:
        dataset = with_real_labels(dataset, args.real_labels)
    if args.num_images:
        dataset = dataset.subset(args.num_images)
    if args.shard:
        dataset = dataset.take_shard(args.shard)
    return dataset, reference_images
