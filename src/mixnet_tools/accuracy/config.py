"""``accuracy-check.yml`` as frozen, typed values: for each launcher the preprocessing, the data set and the references.

The format is Open Model Zoo's, for image classifiers. Keys, steps and metrics that this module does not know are
refused, since a step that is left out in silence makes the measured figure wrong. How a step is carried out is
:mod:`.preprocess`'s subject; a step may be valid here and still be one that it does not support.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from mixnet_tools import strict_yaml
from mixnet_tools.errors import DescriptorError
from mixnet_tools.strict_yaml import KeyPath, StrictModel, format_key

Side = Annotated[int, Field(ge=1, le=1 << 14)]
"""A width or height in pixels."""


def _channel_values(value: Any) -> Any:
    """OMZ writes one number for all channels, a list, or the string ``(r,g,b)``."""
    if isinstance(value, str):
        try:
            value = [float(part) for part in value.strip("()[] ").split(",")]
        except ValueError:
            raise ValueError("expected a number or three numbers") from None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list) or len(value) not in (1, 3):
        raise ValueError("expected a number or three numbers")
    return tuple(value * 3 if len(value) == 1 else value)


Finite = Annotated[float, Field(allow_inf_nan=False)]
ChannelValues = Annotated[tuple[Finite, Finite, Finite], BeforeValidator(_channel_values)]


class ChannelSwap(StrictModel):
    """Reverse the order of the channels. Both names do the same: neither looks at the order it finds."""

    type: Literal["bgr_to_rgb", "rgb_to_bgr"]


class _Sized(StrictModel):
    size: Side | None = None
    dst_width: Side | None = None
    dst_height: Side | None = None

    @property
    def target(self) -> tuple[int, int] | None:
        """(width, height) in pixels, or None where the step gives no complete size."""
        width, height = self.dst_width or self.size, self.dst_height or self.size
        return (width, height) if width and height else None


class Crop(_Sized):
    """Keep the centre: ``central_fraction`` of each side, or a given size in pixels."""

    type: Literal["crop"]
    use_pillow: bool = False
    central_fraction: Annotated[float, Field(gt=0, le=1)] | None = None


class Resize(_Sized):
    """Scale to a size; with ``aspect_ratio_scale`` one side follows from the image's own ratio."""

    type: Literal["resize"]
    use_pillow: bool = False
    use_tensorflow: bool = False
    resize_realization: Literal["pillow", "opencv", "tf"] | None = None
    interpolation: str | None = None
    aspect_ratio_scale: Literal["width", "height", "greater", "fit_to_window"] | None = None

    @property
    def library(self) -> str:
        """Whose resize is asked for: ``pillow``, ``opencv`` or ``tf``."""
        if self.resize_realization:
            return self.resize_realization
        return "pillow" if self.use_pillow else "tf" if self.use_tensorflow else "opencv"


class Normalization(StrictModel):
    """Subtract ``mean``, then divide by ``std``: a value per channel, in the order the channels have at this step."""

    type: Literal["normalization"]
    mean: ChannelValues | None = None
    std: ChannelValues | None = None


_STEP_TYPES = ("bgr_to_rgb", "rgb_to_bgr", "crop", "resize", "normalization")


def _known_step(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind is None:
        raise ValueError("expected a step: a mapping with the key type")
    if kind not in _STEP_TYPES:
        near = get_close_matches(str(kind), _STEP_TYPES, n=1)
        offer = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_STEP_TYPES)}"
        raise ValueError(f"unknown preprocessing step {kind!r}; {offer}")
    return value


Step = Annotated[
    Annotated[ChannelSwap | Crop | Resize | Normalization, Field(discriminator="type")], BeforeValidator(_known_step)
]


class LauncherInput(StrictModel):
    """An input of the model as a launcher names it."""

    name: str
    type: Literal["INPUT", "CONST_INPUT", "IMAGE_INFO"] = "INPUT"
    shape: str | None = None
    layout: str | None = None


class Launcher(StrictModel):
    """What runs the model. Only ``framework`` matters here: files are found through model.yml."""

    framework: str
    adapter: Literal["classification"]
    model: str | None = None
    weights: str | None = None
    saved_model_dir: str | None = None
    output_names: tuple[str, ...] | None = Field(default=None, strict=False)
    inputs: tuple[LauncherInput, ...] = Field(default=(), strict=False)


class Metric(StrictModel):
    """A figure to measure, and its ``reference``, a fraction between 0 and 1."""

    name: str | None = None
    type: Literal["accuracy"]
    top_k: Literal[1, 5] = 1
    reference: Annotated[float, Field(ge=0, le=1)] | None = None


class DatasetEntry(StrictModel):
    """The data set by name, and how its images reach the model."""

    name: str
    reader: Literal["opencv_imread", "pillow_imread"] = "opencv_imread"
    preprocessing: tuple[Step, ...] = Field(default=(), strict=False)
    metrics: tuple[Metric, ...] = Field(strict=False)


class ModelEntry(StrictModel):
    """One way to measure the model: launchers that share a data set and its preprocessing."""

    name: str
    launchers: tuple[Launcher, ...] = Field(strict=False)
    datasets: tuple[DatasetEntry, ...] = Field(strict=False)


class _AccuracyYml(StrictModel):
    models: tuple[ModelEntry, ...] = Field(strict=False)


@dataclass(frozen=True)
class ReferenceSet:
    """What is known of a data set by its OMZ name: its number of images, and the class index of label 0."""

    images: int
    label_offset: int


REFERENCE_SETS = {
    "imagenet_1000_classes": ReferenceSet(images=50_000, label_offset=0),
    "imagenet_1001_classes": ReferenceSet(images=50_000, label_offset=1),  # class 0 is the background
}
"""OMZ's ImageNet definitions. Other names are taken as they are: labels count from 0, the size is not known."""


@dataclass(frozen=True)
class Measurement:
    """How one launcher is measured.

    ``where`` names file and key of ``steps``; ``reader_order`` is the channel order in which OMZ's reader hands over
    the image, and ``orient`` says that it turns the image as its EXIF data asks. ``label_offset`` is added to a
    data set's label to get the model's class. References are fractions between 0 and 1.
    """

    where: str
    dataset_name: str
    reader_order: Literal["BGR", "RGB"]
    orient: bool
    steps: tuple[ChannelSwap | Crop | Resize | Normalization, ...]
    label_offset: int
    reference_images: int | None
    reference_top1: float | None
    reference_top5: float | None


@dataclass(frozen=True)
class AccuracyConfig:
    """A whole accuracy-check.yml: read it with :func:`load_accuracy_config`."""

    path: Path
    entries: tuple[ModelEntry, ...]

    def measurement(self, launcher: str) -> Measurement:
        """How ``launcher`` (``openvino`` or ``tf``) is to be measured.

        Raises :class:`DescriptorError` where the file has no entry for that launcher.
        """
        for index, entry in enumerate(self.entries):
            if launcher in _launchers(entry):
                return _measurement(f"{self.path}: {format_key(('models', index, 'datasets', 0))}", entry.datasets[0])
        known = sorted({name for entry in self.entries for name in _launchers(entry)})
        raise DescriptorError(
            f"{self.path}: models: no entry with a launcher of framework {launcher!r}; it has {', '.join(known)}",
            hint=f"measure what the file describes: --launcher {','.join(known)}",
        )


def load_accuracy_config(path: Path) -> AccuracyConfig:
    """Read the accuracy-check.yml at ``path``. Raises :class:`DescriptorError` that names each wrong key."""
    if not path.is_file():
        raise DescriptorError(
            f"{path}: not found: the model has no description of how its accuracy is measured",
            hint="write one in Open Model Zoo's format (models/public/mixnet-l/accuracy-check.yml is an example)",
        )
    contents = strict_yaml.validate(strict_yaml.read(path), _AccuracyYml, _cross_check)
    return AccuracyConfig(path, contents.models)


_FRAMEWORKS = {"openvino": "openvino", "dlsdk": "openvino", "tf": "tf", "tf2": "tf"}


def _launchers(entry: ModelEntry) -> tuple[str, ...]:
    """Our names for an entry's launchers; a framework that is not ours keeps its own (onnx_runtime, pytorch)."""
    return tuple(_FRAMEWORKS.get(launcher.framework, launcher.framework) for launcher in entry.launchers)


def _measurement(where: str, dataset: DatasetEntry) -> Measurement:
    references = {metric.top_k: metric.reference for metric in dataset.metrics}
    known = REFERENCE_SETS.get(dataset.name)
    opencv = dataset.reader == "opencv_imread"
    return Measurement(
        where=where,
        dataset_name=dataset.name,
        reader_order="BGR" if opencv else "RGB",
        orient=opencv,  # cv2.imread turns the image as EXIF says; OMZ's Pillow reader does not
        steps=dataset.preprocessing,
        label_offset=known.label_offset if known else 0,
        reference_images=known.images if known else None,
        reference_top1=references.get(1),
        reference_top5=references.get(5),
    )


def _cross_check(file: _AccuracyYml) -> list[tuple[KeyPath, str]]:
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
                problems.extend(((*place, "preprocessing", step_number), text) for text in _step_problems(step))
            tops = [metric.top_k for metric in dataset.metrics]
            if not tops:
                problems.append(((*place, "metrics"), "expected at least one metric"))
            if len(set(tops)) != len(tops):
                problems.append(((*place, "metrics"), "the same top_k stands here twice"))
    return problems


def _step_problems(step: ChannelSwap | Crop | Resize | Normalization) -> list[str]:
    if isinstance(step, Crop) and (step.target is None) == (step.central_fraction is None):
        return ["a crop needs either central_fraction, or size (or dst_width and dst_height)"]
    if isinstance(step, Resize) and step.target is None:
        return ["a resize needs size, or dst_width and dst_height"]
    if isinstance(step, Normalization):
        if step.mean is None and step.std is None:
            return ["a normalization needs mean, std or both"]
        if step.std is not None and 0 in step.std:
            return ["std must not be 0"]
    return []
