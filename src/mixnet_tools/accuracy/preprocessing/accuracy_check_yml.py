"""``accuracy-check.yml`` as frozen, typed values: for each launcher the preprocessing, the data set and the references.

The format is Open Model Zoo's, for image classifiers. Unknown keys, steps and metrics are refused: a step that is left
out in silence makes the measured figure wrong. A step may be valid here although :mod:`.pipeline` does not support it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.accuracy.preprocessing.grey import Library
from mixnet_tools.accuracy.preprocessing.profiles import ProfileReference, load_profile_references, with_profile_steps
from mixnet_tools.accuracy.preprocessing.readers import OpenCvReader, Reader, Reads, reads_of
from mixnet_tools.accuracy.preprocessing.steps import AnyStep, Step, step_problems
from mixnet_tools.descriptors import strict_yaml
from mixnet_tools.descriptors.strict_yaml import KeyPath, StrictModel, format_key
from mixnet_tools.errors import DescriptorError, UsageError

_FRAMEWORKS = {"openvino": "openvino", "dlsdk": "openvino", "tf": "tf", "tf2": "tf", "onnx_runtime": "onnx"}
LAUNCHERS = tuple(dict.fromkeys(_FRAMEWORKS.values()))
"""What runs models here, of all that the file may name."""


class LauncherInput(StrictModel):
    """An input of the model, as OMZ's launchers name it. It is read, and not used: the model's own input is taken."""

    name: str
    """The input's name. Example: ``IteratorGetNext``."""
    type: Literal["INPUT", "CONST_INPUT", "IMAGE_INFO"] = "INPUT"
    """What OMZ feeds it with."""
    shape: str | None = None
    """Its dimensions, as text. Example: ``1,224,224,3``."""
    layout: str | None = None
    """A letter for each dimension. Example: ``NHWC``."""


def _named(value: object) -> object:
    """The name of an adapter that is written as a mapping with nothing else: ``{type: classification}``."""
    return value["type"] if isinstance(value, dict) and set(value) == {"type"} else value


_NameOrMapping = str | dict[Literal["type"], str]
"""What a JSON Schema shows of a name that may be written as a mapping."""


class Launcher(StrictModel):
    """What runs the model."""

    framework: str
    """``openvino`` (or ``dlsdk``) for the IRs, ``tf`` (``tf2``) or ``onnx_runtime`` for the original. Launchers of
    other frameworks (``pytorch``) may have any keys, and are not measured. Example: ``openvino``.
    """
    adapter: Annotated[Literal["classification"], BeforeValidator(_named, json_schema_input_type=_NameOrMapping)]
    """How answers are read: ``classification``, also as a mapping ``{type: classification}``. Adapters of other tasks
    are refused. Example: ``classification``.
    """
    model: str | None = None
    """OMZ: the model's file. Not used: model.yml tells where the files are."""
    weights: str | None = None
    """OMZ: the file with the weights. Not used."""
    saved_model_dir: str | None = None
    """OMZ: the folder of a SavedModel. Not used."""
    output_names: tuple[str, ...] | None = Field(default=None, strict=False)
    """OMZ: the outputs to read. Not used: model.yml names them. Example: ``[logits]``."""
    inputs: tuple[LauncherInput, ...] = Field(default=(), strict=False)
    """OMZ: the inputs to feed. Not used."""

    @model_validator(mode="before")
    @classmethod
    def _of_others(cls, value: object) -> object:
        """A launcher of a framework that is not measured here may have any keys: they are OMZ's, and not used."""
        framework = value.get("framework") if isinstance(value, dict) else None
        if isinstance(framework, str) and framework not in _FRAMEWORKS:
            return {"framework": framework, "adapter": "classification"}
        return value


class Metric(StrictModel):
    """A figure to measure, and what it should be."""

    name: str | None = None
    """A name for people. Example: ``accuracy@top1``."""
    type: Literal["accuracy"]
    """``accuracy``. Other metrics are refused."""
    top_k: Literal[1, 5] = 1
    """Among how many of the best answers the right class must be. OMZ: any number."""
    reference: Annotated[float, Field(ge=0, le=1)] | None = None
    """The published accuracy, a fraction between 0 and 1. The verdict compares with it. Example: ``0.7830``."""


class DatasetEntry(StrictModel):
    """The data set by name, and how its images reach the model. Images and labels are those of the data set that is
    measured (``mixnet-check --source``), not those of this file.
    """

    name: str
    """OMZ's name of the data set. ``imagenet_1000_classes`` and ``imagenet_1001_classes`` (with a background class) are
    known by their size. Under other names, labels count from 0. Example: ``imagenet_1000_classes``.
    """
    annotation: str | None = None
    """OMZ: its converted annotation. Not used."""
    dataset_meta: str | None = None
    """OMZ: its meta data. Not used."""
    data_source: str | None = None
    """OMZ: the folder with the images. Not used."""
    reader: Reader = OpenCvReader(type="opencv_imread")
    """Which library's reading of images is followed, as a name or as a mapping with its options (below)."""
    preprocessing: tuple[Step, ...] = Field(default=(), strict=False)
    """The steps between the reader and the model, in this order. Each has the key ``type`` (below)."""
    metrics: tuple[Metric, ...] = Field(strict=False)
    """The figures to measure: top-1, top-5 or both."""


class ModelEntry(StrictModel):
    """One way to measure the model: launchers that share a data set and its preprocessing."""

    name: str
    """A name for people. Example: ``mixnet-l``."""
    launchers: tuple[Launcher, ...] = Field(strict=False)
    """What runs the model. Each launcher stands in one entry of the file only."""
    datasets: tuple[DatasetEntry, ...] = Field(strict=False)
    """The data set: exactly one. OMZ: any number."""


class AccuracyYml(StrictModel):
    """How a model's accuracy is measured."""

    models: tuple[ModelEntry, ...] = Field(strict=False)
    """The ways to measure the model: one for the original, and one for the IRs, as a rule."""


NO_FILE = Path("Preprocessing")
"""What stands for the file in messages where a program gives the steps itself."""


@dataclass(frozen=True)
class ReferenceSet:
    """What OMZ's name of a data set tells: its number of images, the model's classes, and its class for label 0."""

    images: int
    classes: int
    label_offset: int


REFERENCE_SETS = {
    "imagenet_1000_classes": ReferenceSet(images=50_000, classes=1000, label_offset=0),
    "imagenet_1001_classes": ReferenceSet(images=50_000, classes=1001, label_offset=1),  # class 0 is the background
}
"""OMZ's ImageNet definitions. In a data set of any other name, labels count from 0 and the size is not known."""


@dataclass(frozen=True)
class Measurement:
    """How one launcher is measured.

    ``where`` names file and key of the data set. ``reader_order`` is the channel order of the image that OMZ's reader
    gives to the first step, where it gives three channels, as ``reads`` says. ``orient`` says whether that reader turns
    the image as its EXIF data asks, ``fast_dct`` whether it decodes JPEG files as TensorFlow does, and ``colours``
    whose conversion of CMYK it has. A label of the data set plus ``label_offset`` is the model's class. References are
    fractions between 0 and 1.
    """

    where: str
    dataset_name: str
    reader_order: Literal["BGR", "RGB"]
    orient: bool
    steps: tuple[AnyStep, ...]
    label_offset: int
    reference_images: int | None
    reference_top1: float | None
    reference_top5: float | None
    fast_dct: bool = False
    reads: Reads = "colour"
    colours: Library = "opencv"


@dataclass(frozen=True)
class AccuracyConfig:
    """A whole accuracy-check.yml, as :func:`load_accuracy_config` reads it."""

    path: Path
    entries: tuple[ModelEntry, ...]
    references: Mapping[str, ProfileReference] = field(default_factory=dict)

    def measurement(self, launcher: str, profile: str = PROFILES[0]) -> Measurement:
        """How ``launcher`` (``openvino``, ``tf`` or ``onnx``) is to be measured under ``profile``.

        Raises :class:`DescriptorError` where the file has no entry for that launcher, :class:`UsageError` for an
        unknown profile, and :class:`EvaluationError` where the profile does not fit the file's steps.
        """
        if profile not in PROFILES:
            raise UsageError(f"unknown preprocessing profile {profile!r}; available: {', '.join(PROFILES)}")
        for index, entry in enumerate(self.entries):
            if launcher in _launchers(entry):
                where = f"{self.path}: {format_key(('models', index, 'datasets', 0))}"
                measurement = _measurement(where, entry.datasets[0])
                return measurement if profile == PROFILES[0] else self._under(profile, measurement, entry.datasets[0])
        raise self.without(launcher, LAUNCHERS)

    def without(self, launcher: str, possible: Collection[str]) -> DescriptorError:
        """The error that the file has no entry for ``launcher``; its hint names one of ``possible`` that it has."""
        known = sorted({name for entry in self.entries for name in _launchers(entry)})
        others = [name for name in known if name in possible]
        return DescriptorError(
            f"{self.path}: models: no entry with a launcher of framework {launcher!r}; it has {', '.join(known)}",
            hint=f"measure what the file describes: `launcher={','.join(others)}`"
            if others
            else f"add an entry with the launcher 'framework: {launcher}' to it",
        )

    def has(self, launcher: str) -> bool:
        """Whether the file has an entry for ``launcher``."""
        return any(launcher in _launchers(entry) for entry in self.entries)

    def _under(self, profile: str, measurement: Measurement, dataset: DatasetEntry) -> Measurement:
        chosen = with_profile_steps(dataset.preprocessing, profile, measurement.where)
        reference = self.references.get(profile)
        return replace(
            measurement,
            steps=chosen.steps,
            orient=chosen.orient,
            fast_dct=chosen.fast_dct,
            colours=chosen.colours,
            reference_top1=reference.top1 if reference else None,
            reference_top5=reference.top5 if reference else None,
        )


def load_accuracy_config(path: Path) -> AccuracyConfig:
    """Read the accuracy-check.yml at ``path``, and the profiles.yml beside it where there is one.

    Raises :class:`DescriptorError` that names each wrong key.
    """
    if not path.is_file():
        raise DescriptorError(
            f"{path}: not found: the model has no description of how its accuracy is measured",
            hint="write one in Open Model Zoo's format (models/public/mixnet-l/accuracy-check.yml is an example)",
        )
    contents = strict_yaml.validate(strict_yaml.read(path), AccuracyYml, _cross_check)
    return AccuracyConfig(path, contents.models, load_profile_references(path))


def _launchers(entry: ModelEntry) -> tuple[str, ...]:
    """Our names for an entry's launchers. A framework without a launcher here keeps its name (pytorch)."""
    return tuple(_FRAMEWORKS.get(launcher.framework, launcher.framework) for launcher in entry.launchers)


def _measurement(where: str, dataset: DatasetEntry) -> Measurement:
    references = {metric.top_k: metric.reference for metric in dataset.metrics}
    known = REFERENCE_SETS.get(dataset.name)
    opencv = isinstance(dataset.reader, OpenCvReader)
    return Measurement(
        where=where,
        dataset_name=dataset.name,
        reader_order="BGR" if opencv else "RGB",
        orient=opencv,  # cv2.imread turns the image as its EXIF data asks, OMZ's Pillow reader does not
        steps=dataset.preprocessing,
        label_offset=known.label_offset if known else 0,
        reference_images=known.images if known else None,
        reference_top1=references.get(1),
        reference_top5=references.get(5),
        reads=reads_of(dataset.reader),
        colours="opencv" if opencv else "pillow",
    )


def _cross_check(file: AccuracyYml) -> list[tuple[KeyPath, str]]:
    problems: list[tuple[KeyPath, str]] = []
    seen: dict[str, int] = {}
    if not file.models:
        problems.append((("models",), "expected at least one entry"))
    for index, entry in enumerate(file.models):
        if not entry.launchers:
            problems.append((("models", index, "launchers"), "expected at least one launcher"))
        if len(entry.datasets) != 1:
            problems.append((("models", index, "datasets"), f"expected one data set, got {len(entry.datasets)}"))
        for name in dict.fromkeys(_launchers(entry)):
            if name in seen:
                problems.append((("models", index, "launchers"), f"models[{seen[name]}] describes {name!r} already"))
            seen.setdefault(name, index)
        for number, dataset in enumerate(entry.datasets):
            place: KeyPath = ("models", index, "datasets", number)
            for step_number, step in enumerate(dataset.preprocessing):
                problems.extend(((*place, "preprocessing", step_number), text) for text in step_problems(step))
            tops = [metric.top_k for metric in dataset.metrics]
            if not tops:
                problems.append(((*place, "metrics"), "expected at least one metric"))
            if len(set(tops)) != len(tops):
                problems.append(((*place, "metrics"), "the same top_k stands here twice"))
    return problems
