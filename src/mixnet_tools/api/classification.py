"""Functions of the Python API that say what is in a picture, and what the command and the page begin with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.accuracy.classification.classifier import Classifier
from mixnet_tools.accuracy.classification.images import ImageToClassify, find_images
from mixnet_tools.accuracy.classification.values import Classification, ClassifiedImage
from mixnet_tools.accuracy.datasets.dataset import bundled_source, open_dataset
from mixnet_tools.accuracy.launchers.base import Runner
from mixnet_tools.accuracy.metrics.topk import TOP
from mixnet_tools.accuracy.preprocessing.preprocessing import Preprocessing
from mixnet_tools.api.ir_preprocessing import known_of_ir
from mixnet_tools.api.model_files import (
    ModelChoice,
    ModelFiles,
    chosen_launchers,
    find_model_files,
    load_runners,
    native_launcher,
)
from mixnet_tools.api.models import PathLike, find_model
from mixnet_tools.conversion.convert import convert
from mixnet_tools.conversion.options import ConversionOptions
from mixnet_tools.descriptors.labels import find_labels, read_labels
from mixnet_tools.descriptors.model_yml import PRECISIONS, ModelDescriptor
from mixnet_tools.downloading.download import download_model, known_files, locate_downloaded
from mixnet_tools.errors import DownloadError, NextStep, UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.inference import InferencePrecision
from mixnet_tools.ir.locate import existing_irs, ir_at
from mixnet_tools.progress import Progress

SAMPLES = 6
"""How many of a model's own pictures are classified where none are given."""

DEFAULT_PRECISION = "FP16"


@dataclass(frozen=True)
class Device:
    """Where and how IRs are computed: OpenVINO's device, and the precision of floats."""

    name: str = "CPU"
    inference_precision: InferencePrecision = "f32"

    def load(self, files: ModelFiles, *, one_by_one: bool) -> list[Runner]:
        """See :func:`mixnet_tools.api.model_files.load_runners`."""
        return load_runners(
            files, (self.name,), inference_precisions=(self.inference_precision,), one_by_one=one_by_one
        )


@dataclass(frozen=True)
class OpenedClassifier:
    """A :class:`Classifier` of the model ``name``, and ``notes`` on how it came about.

    ``descriptor`` is the model's in its zoo, None for an IR from elsewhere.
    """

    name: str
    classifier: Classifier
    profile: str
    notes: tuple[str, ...] = ()
    descriptor: ModelDescriptor | None = None

    @cached_property
    def samples(self) -> tuple[ImageToClassify, ...]:
        """Pictures that came with the model. They are looked for when they are asked for."""
        return () if self.descriptor is None else sample_images(self.descriptor)

    def classification(self, images: Sequence[ClassifiedImage]) -> Classification:
        """``images`` with what is known of the models that answered."""
        models = self.classifier.models
        return Classification(
            self.name,
            tuple((model.info.label, model.info.inference_precision) for model in models),
            self.profile,
            models[0].plan.description,
            tuple(images),
            (*self.notes, *(f"{model.info.label}: {model.info.warning}" for model in models if model.info.warning)),
        )


def classify(
    images: PathLike | bytes | Iterable[PathLike | bytes] | None = None,
    *,
    name: str | None = None,
    ir: PathLike | None = None,
    labels: PathLike | None = None,
    preprocessing: PathLike | Preprocessing | None = None,
    precisions: Sequence[str] | None = None,
    launcher: Sequence[str] = ("openvino",),
    profile: str = PROFILES[0],
    top: int = TOP,
    device: str = "CPU",
    inference_precision: InferencePrecision = "f32",
    download_dir: PathLike = ".",
    ir_dir: PathLike | None = None,
    models_dir: PathLike | Iterable[PathLike] | None = None,
    progress: Progress | None = None,
) -> Classification:
    """Say what is in ``images``: the ``top`` best classes of each, with their probabilities.

    ``images`` are image files, folders of them, URLs, or the bytes of image files; one of these or several (default:
    some pictures that come with the model). Videos and cameras are refused.

    ``name`` is a model of the zoo. What is missing of it is downloaded to ``download_dir`` and converted to ``ir_dir``
    (default: the same). ``precisions`` are the IRs that answer (default: FP16, or another one that exists), and
    ``launcher`` says whether the original answers beside them: ``("tf", "openvino")``. ``profile`` says how images are
    prepared.

    With ``ir`` instead of ``name``, any classifier in an .xml file answers: one image input with 3 channels or 1, one
    output [1, classes]. ``labels`` is a file with the names of the classes (default: those of the model, or in the IR).
    ``preprocessing`` is a :class:`Preprocessing` or the path of an accuracy-check.yml (default: what the IR says; else
    the usual steps, of which a note of the result tells).

    An image that cannot be read is in the result with its ``problem``; the others are classified.

    Raises :class:`UsageError` where the parameters do not fit each other, :class:`DatasetError` where an image or
    folder does not exist, :class:`IRError` where an IR is missing or is no image classifier, :class:`EvaluationError`
    where a model cannot be run, and what :func:`download` and :func:`convert` raise.
    """
    if (name is None) == (ir is None):
        raise UsageError("exactly one of `name` and `ir` must be given")
    if top < 1:
        raise UsageError(f"`top` must be at least 1, got {top}")
    chosen = None if images is None else find_images(_places(images))  # a missing file is named before a download
    if chosen is not None and not chosen:
        raise UsageError("`images` names none")
    progress = progress or Progress()
    computed = Device(device, inference_precision)
    if ir is not None:
        opened = open_ir(Path(ir), labels, preprocessing, computed)
    else:
        choice = ModelChoice(
            ir_dir=Path(download_dir if ir_dir is None else ir_dir),
            download_dir=Path(download_dir),
            launcher=tuple(launcher),
            precisions=tuple(precisions) if precisions else None,
            profile=profile,
        )
        if preprocessing is not None:
            raise UsageError("`preprocessing` is for an `ir`: a model of the zoo has its accuracy-check.yml")
        opened = open_model(find_model(name or "", models_dir), choice, computed, progress, labels=labels)
    chosen = opened.samples if chosen is None else chosen
    if not chosen:
        raise UsageError(f"{opened.name} brings no pictures of its own: say what to classify", hint="`images`")
    return opened.classification(list(opened.classifier.classify(chosen, top)))


def open_model(
    descriptor: ModelDescriptor,
    choice: ModelChoice,
    device: Device,
    progress: Progress,
    *,
    labels: PathLike | None = None,
    one_by_one: bool = False,
) -> OpenedClassifier:
    """Load what ``choice`` asks for of a model; what is missing is downloaded and converted first.

    ``one_by_one`` makes the answer to a single image quick. For what is raised see :func:`classify`.
    """
    choice = _make_missing(descriptor, choice, progress)
    files = find_model_files(descriptor, choice)
    path = find_labels(descriptor.directory) if labels is None else Path(labels)
    runners = device.load(files, one_by_one=one_by_one)
    classifier = Classifier(
        runners, files.config, profile=choice.profile, names=() if path is None else read_labels(path)
    )
    return OpenedClassifier(descriptor.name, classifier, choice.profile, descriptor=descriptor)


def open_ir(
    xml: Path,
    labels: PathLike | None,
    preprocessing: PathLike | Preprocessing | None,
    device: Device,
    *,
    one_by_one: bool = False,
) -> OpenedClassifier:
    """Load the IR ``xml``, wherever it came from. For the parameters and what is raised see :func:`classify`."""
    found = ir_at(xml)
    known = known_of_ir(found, preprocessing, labels)
    runners = device.load(ModelFiles(known.config, (found,)), one_by_one=one_by_one)
    classifier = Classifier(runners, known.config, names=known.labels)
    return OpenedClassifier(known.name, classifier, PROFILES[0], known.notes)


def sample_images(descriptor: ModelDescriptor, count: int = SAMPLES) -> tuple[ImageToClassify, ...]:
    """``count`` of the pictures that come with a model, always the same ones; none where it brings none."""
    source = bundled_source(descriptor.directory)
    if source is None:
        return ()
    chosen = open_dataset(source).subset(count).images
    return tuple(ImageToClassify(image.bare_name, image.location) for image in chosen)


def _make_missing(descriptor: ModelDescriptor, choice: ModelChoice, progress: Progress) -> ModelChoice:
    """``choice`` with its precisions named, after what is missing for it was downloaded and converted."""
    launchers = chosen_launchers(descriptor, choice)
    precisions = choice.precisions
    there = [ir.precision for ir in existing_irs(descriptor, choice.ir_dir)]
    if precisions is None:
        precisions = (DEFAULT_PRECISION if DEFAULT_PRECISION in there or not there else there[0],)
    missing = tuple(one for one in precisions if one not in there and one in PRECISIONS)
    is_ir = descriptor.framework == "dldt"
    convert_them = "openvino" in launchers and bool(missing) and not is_ir
    if convert_them or native_launcher(descriptor) in launchers or (is_ir and missing):
        try:
            locate_downloaded(descriptor, choice.download_dir)
        except DownloadError:
            _download(descriptor, choice.download_dir, progress)
    if convert_them:
        progress.note(f"{descriptor.name}: converting to {', '.join(missing)}")
        known = known_files(descriptor, choice.download_dir)
        options = ConversionOptions(precisions=missing)
        convert(descriptor, choice.download_dir, choice.ir_dir, options, progress, known)
    return replace(choice, precisions=precisions, launcher=launchers)


def _download(descriptor: ModelDescriptor, download_dir: Path, progress: Progress) -> None:
    try:
        download_model(descriptor, download_dir, progress=progress)
    except DownloadError as error:
        # Only the download itself has the parameters that its own hint names: mirrors, a cache, ...
        error.hint = NextStep(
            "download", descriptor.name, {} if download_dir == Path() else {"output_dir": download_dir}
        )
        raise


def _places(images: PathLike | bytes | Iterable[PathLike | bytes]) -> list[Location | bytes]:
    several = [images] if isinstance(images, (str, bytes, os.PathLike)) else list(images)
    return [one if isinstance(one, bytes) else Location.parse(one) for one in several]
