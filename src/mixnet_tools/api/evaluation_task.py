"""Finds what the evaluation of a model needs, before anything is measured: its images, its IRs, its original.

The command line and the Python API both begin here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.accuracy.datasets.dataset import ImageDataset, bundled_source, is_bundled, open_dataset
from mixnet_tools.accuracy.datasets.exclusions import Exclusions
from mixnet_tools.accuracy.datasets.filters import exclude, with_real_labels
from mixnet_tools.accuracy.datasets.forms.base import Wanted
from mixnet_tools.accuracy.datasets.image import is_image
from mixnet_tools.accuracy.datasets.labels.class_names import ModelClasses
from mixnet_tools.accuracy.evaluation.evaluate import Evaluation, evaluate
from mixnet_tools.accuracy.evaluation.evaluation_setup import this_run
from mixnet_tools.accuracy.evaluation.plan import plan_evaluation
from mixnet_tools.accuracy.evaluation.speed import measure_speed
from mixnet_tools.accuracy.predictions.values import Shard
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import REFERENCE_SETS, Measurement
from mixnet_tools.api.model_files import (
    ModelChoice,
    ModelFiles,
    chosen_launchers,
    find_model_files,
    load_runners,
    read_config,
)
from mixnet_tools.descriptors.labels import find_labels, read_classes
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import Field, MixnetToolsError, NextStep, UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.inference import InferencePrecision
from mixnet_tools.progress import Progress

if TYPE_CHECKING:
    from mixnet_tools.accuracy.cluster.evaluate import ClusterTask
    from mixnet_tools.accuracy.cluster.transfer import ModelTransfer


@dataclass(frozen=True)
class ImageChoice:
    """The labelled images to measure on.

    ``source`` is a data set in any form that :func:`mixnet_tools.accuracy.datasets.dataset.open_dataset` knows (None:
    the images that come with the model), and ``split`` its part to take (None: the validation split). ``annotations``
    are its labels, and ``first_label`` the number by which it calls its first class, where they are not found out.
    ``exclude`` names images to leave out, ``real_labels`` is the file of ReaL's labels for ImageNet. ``num_images``
    asks for a fixed subset, ``shard`` for a part of what is left.
    """

    source: Location | None = None
    split: str | None = None
    annotations: Location | None = None
    first_label: int | None = None
    exclude: Path | None = None
    real_labels: Path | None = None
    num_images: int | None = None
    shard: Shard | None = None


@dataclass(frozen=True)
class EvaluationRequest:
    """What to measure of a model of a zoo, and on which images."""

    images: ImageChoice = field(default_factory=ImageChoice)
    models: ModelChoice = field(default_factory=ModelChoice)


@dataclass(frozen=True)
class EvaluationTask:
    """One model with everything that its evaluation needs.

    ``reference_images`` is the size of the set on which its references were measured, None where the data set's name
    tells it. ``class_names`` is the file with the names of its classes, where there is one.
    """

    model: str
    files: ModelFiles
    profile: str
    dataset: ImageDataset
    reference_images: int | None = None
    class_names: Path | None = None


def find_task(descriptor: ModelDescriptor, request: EvaluationRequest) -> EvaluationTask:
    """Find what ``request`` asks for. Nothing is loaded.

    Raises :class:`UsageError` where a launcher cannot run the model or no images are known, :class:`DownloadError`
    where files of the original are missing, :class:`IRError` where an IR is, :class:`DatasetError`,
    :class:`DescriptorError`, and what planning the conversion raises.
    """
    _refuse_picture(descriptor, request)
    config = read_config(descriptor, request.models)  # a fault of it is named before one of the images
    measurement = config.measurement(chosen_launchers(descriptor, request.models)[0], request.models.profile)
    dataset, reference_images = _find_images(descriptor, request.images, model_classes(descriptor, measurement))
    return EvaluationTask(
        descriptor.name,
        find_model_files(descriptor, request.models),
        request.models.profile,
        dataset,
        reference_images,
        find_labels(descriptor.directory),
    )


def evaluate_task(
    task: EvaluationTask,
    devices: Sequence[str] = ("CPU",),
    progress: Progress | None = None,
    *,
    tuned: bool = False,
    max_bad: int = 0,
    predictions: Path | None = None,
    resume: bool = False,
    command: str | None = None,
    speed: bool = False,
    inference_precisions: Sequence[InferencePrecision] = ("f32",),
) -> Evaluation:
    """Load the models of ``task``, the original first, then each IR on each of ``devices``, and measure them here.

    Each IR is computed in each of ``inference_precisions``. ``command`` is the command line that asks for it, without
    secrets, for the report. ``speed`` measures images a second as well, which takes some seconds for each model; so
    does more than one precision.
    For the other parameters and the errors see :func:`mixnet_tools.accuracy.evaluation.evaluate.evaluate`.
    """
    progress = progress or Progress()
    progress.note(f"{task.model}: loading {task.files.names}")
    runners = load_runners(task.files, devices, tuned=tuned, inference_precisions=inference_precisions)
    done = evaluate(
        task.model,
        task.files.config,
        task.dataset,
        runners,
        profile=task.profile,
        reference_images=task.reference_images,
        progress=progress,
        max_bad=max_bad,
        predictions=predictions,
        resume=resume,
        run=this_run(command),
    )
    if not speed and len({runner.info.inference_precision for runner in runners}) == 1:
        return done
    progress.note(f"{task.model}: measuring images/s")
    try:
        speeds = measure_speed(runners)
    except MixnetToolsError as error:  # the accuracy, which may have taken hours, is known all the same
        notes = (*done.report.notes, f"images/s could not be measured: {error}")
        return replace(done, report=replace(done.report, notes=notes))
    pairs = zip(done.report.results, speeds, strict=True)
    results = tuple(replace(result, speed=found) for result, found in pairs)
    return replace(done, report=replace(done.report, results=results))


def pack_models(
    task: EvaluationTask,
    devices: Sequence[str] = ("CPU",),
    *,
    predictions: Path | None = None,
    resume: bool = False,
    command: str | None = None,
    inference_precisions: Sequence[InferencePrecision] = ("f32",),
) -> ClusterTask:
    """Plan ``task`` for a cluster, and pack its models: the same models in the same order as :func:`load_runners`.

    ``command`` is as in :func:`evaluate_task`. For the other parameters and the errors see
    :func:`mixnet_tools.accuracy.evaluation.evaluate.evaluate`.
    """
    from mixnet_tools.accuracy.cluster.evaluate import ClusterTask
    from mixnet_tools.accuracy.cluster.transfer import pack_graph, pack_ir, pack_onnx

    models: list[ModelTransfer] = []
    if task.files.original is not None:
        described = task.files.original
        original = described.read()
        models.append(
            pack_onnx(original, described.image, described.outputs)
            if isinstance(original, Path)
            else pack_graph(original)
        )
    if "default" in inference_precisions:
        raise UsageError(
            "`inference_precision=default` with `cluster`: it is not the same on all workers",
            hint="name one: f32, bf16",
        )
    models.extend(
        pack_ir(ir, device, computed)
        for device in devices
        for ir in task.files.irs
        for computed in inference_precisions
    )
    plan = plan_evaluation(
        task.model,
        task.files.config,
        task.dataset,
        [model.info for model in models],
        profile=task.profile,
        reference_images=task.reference_images,
        predictions=predictions,
        resume=resume,
        run=this_run(command),
    )
    return ClusterTask(plan, tuple(models))


def model_classes(descriptor: ModelDescriptor, measurement: Measurement) -> ModelClasses | None:
    """The names of the model's classes: those in its labels.txt, or ImageNet's where accuracy-check.yml names that set.

    None where they are not known. Raises :class:`DescriptorError` where labels.txt cannot be read.
    """
    path = find_labels(descriptor.directory)
    if path is not None:
        return ModelClasses.of(read_classes(path), path.name, measurement.label_offset)
    if measurement.dataset_name in REFERENCE_SETS:
        return ModelClasses.imagenet(measurement.dataset_name)
    return None


def _refuse_picture(descriptor: ModelDescriptor, request: EvaluationRequest) -> None:
    """Raise :class:`UsageError` where the images to measure on are a single picture, which has no label."""
    source, models = request.images.source, request.models
    if source is None or source.is_remote or not is_image(source.name) or not source.path.is_file():
        return
    fields: dict[str, Field] = {"name": descriptor.name, "images": str(source)}
    if models.download_dir != Path():
        fields["download_dir"] = models.download_dir
    if models.ir_dir != models.download_dir:
        fields["ir_dir"] = models.ir_dir
    raise UsageError(f"{source}: one picture has no label to be measured by", hint=NextStep("classify", None, fields))


def _find_images(
    descriptor: ModelDescriptor, choice: ImageChoice, classes: ModelClasses | None
) -> tuple[ImageDataset, int | None]:
    """(the images that were asked for, the size of the references' set where these are of the model's own)."""
    bundled = bundled_source(descriptor.directory)
    source = bundled if choice.source is None else choice.source
    if source is None:
        raise UsageError(
            f"{descriptor.name} brings no images of its own: say on which to measure it",
            hint="`source`, for example a folder with the ImageNet validation images",
        )
    exclusions = Exclusions(choice.exclude) if choice.exclude else None
    wanted = Wanted(choice.annotations, choice.first_label, choice.split, classes, exclusions)
    dataset = open_dataset(source, wanted)
    # A model's references were measured on the set that comes with it; else the set's name tells its size.
    reference_images = dataset.total if is_bundled(source, choice.annotations, bundled) else None
    if exclusions:
        dataset = exclude(dataset, exclusions)
    if choice.real_labels:
        dataset = with_real_labels(dataset, choice.real_labels)
    if choice.num_images:
        dataset = dataset.subset(choice.num_images)
    if choice.shard:
        dataset = dataset.take_shard(choice.shard)
    return dataset, reference_images
