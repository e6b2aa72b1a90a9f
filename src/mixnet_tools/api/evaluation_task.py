"""Finds what the evaluation of a model needs, before anything is measured: its images, its IRs, its original.

The command line and the Python API both begin here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.accuracy.datasets.dataset import ImageDataset, bundled_source, is_bundled, open_dataset
from mixnet_tools.accuracy.datasets.filters import exclude, with_real_labels
from mixnet_tools.accuracy.evaluation.evaluate import Evaluation, evaluate
from mixnet_tools.accuracy.evaluation.plan import plan_evaluation
from mixnet_tools.accuracy.launchers.base import Runner
from mixnet_tools.accuracy.launchers.onnx import OnnxRunner
from mixnet_tools.accuracy.launchers.openvino import OpenVinoRunner
from mixnet_tools.accuracy.launchers.tensorflow import TensorFlowRunner
from mixnet_tools.accuracy.predictions.values import Shard
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig, load_accuracy_config
from mixnet_tools.accuracy.preprocessing.pipeline import make_plan
from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.conversion.source_check import checking
from mixnet_tools.conversion.sources.kinds import open_source
from mixnet_tools.descriptors.labels import find_labels
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.downloading.download import known_files, locate_downloaded
from mixnet_tools.errors import UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.ir.locate import require_irs
from mixnet_tools.optimization.tuning import tune
from mixnet_tools.progress import Progress
from mixnet_tools.values import FrozenGraph, IRModel, KnownFiles

if TYPE_CHECKING:
    from mixnet_tools.accuracy.cluster.evaluate import ClusterTask
    from mixnet_tools.accuracy.cluster.transfer import ModelTransfer


@dataclass(frozen=True)
class ImageChoice:
    """The labelled images to measure on.

    ``source`` is a data set in any form that :func:`mixnet_tools.accuracy.datasets.dataset.open_dataset` knows (None:
    the images that come with the model). ``annotations`` are its labels, and ``first_label`` the number by which it
    calls its first class, where they are not found out. ``exclude`` names images to leave out, ``real_labels`` is the
    file of ReaL's labels for ImageNet. ``num_images`` asks for a fixed subset, ``shard`` for a part of what is left.
    """

    source: Location | None = None
    annotations: Location | None = None
    first_label: int | None = None
    exclude: Path | None = None
    real_labels: Path | None = None
    num_images: int | None = None
    shard: Shard | None = None


@dataclass(frozen=True)
class EvaluationRequest:
    """What to measure of a model of a zoo.

    ``launcher`` names what runs it: ``openvino`` for its IRs below ``ir_dir``, ``tf`` or ``onnx`` for the original
    below ``download_dir`` (None: both). ``precisions`` are the IRs to measure (None: those that exist).
    """

    images: ImageChoice = field(default_factory=ImageChoice)
    ir_dir: Path = Path()
    download_dir: Path = Path()
    launcher: tuple[str, ...] | None = None
    precisions: tuple[str, ...] | None = None
    profile: str = PROFILES[0]


@dataclass(frozen=True)
class Original:
    """The model as it was published. ``launcher``, ``tf`` or ``onnx``, is what runs it.

    ``known`` is what its files have to be.
    """

    plan: ConversionPlan
    launcher: str
    known: KnownFiles

    @property
    def image_size(self) -> tuple[int, int] | None:
        """The height and width that the descriptor gives the first input, in pixels, where it does."""
        shape, layout = self.plan.first_shape, self.plan.inputs[0].layout if self.plan.inputs else None
        if not layout or len(shape) != len(layout) or not {"H", "W"} <= set(layout):
            return None
        return shape[layout.index("H")], shape[layout.index("W")]

    def read(self) -> FrozenGraph | Path:
        """Freeze the TensorFlow graph, which takes seconds, or return the path of the ONNX file.

        Raises :class:`FreezeError`, and :class:`IntegrityError` where a file is not the one that was verified.
        """
        source = open_source(self.plan)
        with checking(source.files(), self.known, self.known.folder, source.fetch_again) as check:
            original = self.plan.source.path if self.launcher == "onnx" else source.freeze()
            check.require_unchanged()
        return original


@dataclass(frozen=True)
class EvaluationTask:
    """One model with everything that its evaluation needs.

    ``reference_images`` is the size of the set on which its references were measured, None where the data set's name
    tells it. ``original`` is None where only IRs are measured. ``class_names`` is the file with the names of its
    classes, where there is one.
    """

    model: str
    config: AccuracyConfig
    profile: str
    dataset: ImageDataset
    irs: tuple[IRModel, ...]
    original: Original | None = None
    reference_images: int | None = None
    class_names: Path | None = None


def find_task(descriptor: ModelDescriptor, request: EvaluationRequest) -> EvaluationTask:
    """Find what ``request`` asks for. Nothing is loaded.

    Raises :class:`UsageError` where a launcher cannot run the model or no images are known, :class:`DownloadError`
    where files of the original are missing, :class:`IRError` where an IR is, :class:`DatasetError`,
    :class:`DescriptorError`, and what planning the conversion raises.
    """
    native = "onnx" if descriptor.framework == "onnx" else "tf"
    launchers = request.launcher or ("openvino", native)
    other = next((name for name in launchers if name not in ("openvino", native)), None)
    if other:
        raise UsageError(
            f"{descriptor.name}: launcher {other} cannot run the original, a model of framework {descriptor.framework}",
            hint=f"`launcher=openvino,{native}`",
        )
    config = load_accuracy_config(descriptor.accuracy_path)
    for launcher in launchers:
        make_plan(config.measurement(launcher, request.profile))
    dataset, reference_images = _find_images(descriptor, request.images)
    original = None
    if native in launchers:
        known = known_files(descriptor, request.download_dir)
        original = Original(plan_conversion(descriptor, request.download_dir), native, known)
        locate_downloaded(descriptor, request.download_dir)
    # Where both are missing, the download is named first: the conversion needs it.
    irs: tuple[IRModel, ...] = ()
    if "openvino" in launchers:
        irs = require_irs(descriptor, request.ir_dir, request.precisions, download_dir=request.download_dir)
    return EvaluationTask(
        descriptor.name,
        config,
        request.profile,
        dataset,
        irs,
        original,
        reference_images,
        find_labels(descriptor.directory),
    )


def load_runners(task: EvaluationTask, devices: Sequence[str] = ("CPU",), *, tuned: bool = False) -> list[Runner]:
    """Load the models of ``task``: the original first, then each IR on each of OpenVINO's ``devices``.

    ``tuned`` looks for the fastest kernels on this CPU first, 10 to 20 seconds for an IR. Raises
    :class:`EvaluationError`, :class:`FreezeError`, :class:`MissingDependency` without ONNX Runtime.
    """
    runners: list[Runner] = []
    if task.original is not None:
        original = task.original.read()
        if isinstance(original, Path):
            runners.append(OnnxRunner(original, size=task.original.image_size))
        else:
            runners.append(TensorFlowRunner(original))
    runners.extend(OpenVinoRunner(ir, device, tune=tune if tuned else None) for device in devices for ir in task.irs)
    return runners


def evaluate_task(
    task: EvaluationTask,
    devices: Sequence[str] = ("CPU",),
    progress: Progress | None = None,
    *,
    tuned: bool = False,
    max_bad: int = 0,
    predictions: Path | None = None,
    resume: bool = False,
) -> Evaluation:
    """Load the models of ``task`` as :func:`load_runners` does, and measure them on this machine.

    For the other parameters and the errors see :func:`mixnet_tools.accuracy.evaluation.evaluate.evaluate`.
    """
    progress = progress or Progress()
    names = [*(["the original"] if task.original else []), *(ir.precision or ir.name for ir in task.irs)]
    progress.note(f"{task.model}: loading {', '.join(names)}")
    return evaluate(
        task.model,
        task.config,
        task.dataset,
        load_runners(task, devices, tuned=tuned),
        profile=task.profile,
        reference_images=task.reference_images,
        progress=progress,
        max_bad=max_bad,
        predictions=predictions,
        resume=resume,
    )


def pack_models(
    task: EvaluationTask,
    devices: Sequence[str] = ("CPU",),
    *,
    predictions: Path | None = None,
    resume: bool = False,
) -> ClusterTask:
    """Plan ``task`` for a cluster, and pack its models: the same models in the same order as :func:`load_runners`.

    For the other parameters and the errors see :func:`mixnet_tools.accuracy.evaluation.evaluate.evaluate`.
    """
    from mixnet_tools.accuracy.cluster.evaluate import ClusterTask
    from mixnet_tools.accuracy.cluster.transfer import pack_graph, pack_ir, pack_onnx

    models: list[ModelTransfer] = []
    if task.original is not None:
        original = task.original.read()
        models.append(
            pack_onnx(original, task.original.image_size) if isinstance(original, Path) else pack_graph(original)
        )
    models.extend(pack_ir(ir, device) for device in devices for ir in task.irs)
    plan = plan_evaluation(
        task.model,
        task.config,
        task.dataset,
        [model.info for model in models],
        profile=task.profile,
        reference_images=task.reference_images,
        predictions=predictions,
        resume=resume,
    )
    return ClusterTask(plan, tuple(models))


def _find_images(descriptor: ModelDescriptor, choice: ImageChoice) -> tuple[ImageDataset, int | None]:
    """(the images that were asked for, the size of the references' set where these are of the model's own)."""
    bundled = bundled_source(descriptor.directory)
    source = bundled if choice.source is None else choice.source
    if source is None:
        raise UsageError(
            f"{descriptor.name} brings no images of its own: say on which to measure it",
            hint="`source`, for example a folder with the ImageNet validation images",
        )
    dataset = open_dataset(source, choice.annotations, choice.first_label)
    # A model's references were measured on the set that comes with it; else the set's name tells its size.
    reference_images = dataset.total if is_bundled(source, choice.annotations, bundled) else None
    if choice.exclude:
        dataset = exclude(dataset, choice.exclude)
    if choice.real_labels:
        dataset = with_real_labels(dataset, choice.real_labels)
    if choice.num_images:
        dataset = dataset.subset(choice.num_images)
    if choice.shard:
        dataset = dataset.take_shard(choice.shard)
    return dataset, reference_images
