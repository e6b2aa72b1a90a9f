"""How images are prepared for a model, as one typed value: for programs whose model has no accuracy-check.yml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import ValidationError

from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import (
    NO_FILE,
    AccuracyConfig,
    DatasetEntry,
    Launcher,
    ModelEntry,
)
from mixnet_tools.accuracy.preprocessing.steps import step_problems
from mixnet_tools.errors import UsageError

ThreeValues = float | tuple[float, float, float]
"""One value for all channels, or one for each of three."""


Channels = Literal["RGB", "BGR", "GRAY"]
"""The channels that a model takes, in their order."""


@dataclass(frozen=True)
class Preprocessing:
    """The steps that turn an 8-bit image (values 0 to 255, turned as its EXIF data asks) into a model's input.

    ``size`` is the input's side in pixels, or its (width, height). ``crop`` is the share of each side, 0 to 1, that is
    kept around the centre before scaling. With ``shorter_side`` instead, the shorter side is scaled to so many pixels,
    and the central ``size`` is cut out. Pillow scales with the filter ``interpolation`` (``BICUBIC``, ``BILINEAR``,
    ``LANCZOS``, ``NEAREST``, ...). ``channels`` is their order in the model; ``GRAY`` is the one channel of a grey
    image, with the weights of OpenCV's ``COLOR_BGR2GRAY``. Last, ``mean`` is subtracted and the result divided by
    ``std``; both are on the scale 0 to 255, in the order of ``channels``. An IR that does that itself needs neither.

    torchvision's usual steps for ImageNet are::

        Preprocessing(
            224, shorter_side=256, interpolation="BILINEAR", mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)
        )
    """

    size: int | tuple[int, int]
    crop: float | None = None
    shorter_side: int | None = None
    interpolation: str = "BICUBIC"
    channels: Channels = "RGB"
    mean: ThreeValues | None = None
    std: ThreeValues | None = None

    def config(self) -> AccuracyConfig:
        """The same as an accuracy-check.yml would say it, without references.

        Raises :class:`UsageError` for wrong values.
        """
        if self.crop is not None and self.shorter_side is not None:
            raise UsageError("Preprocessing: only one of `crop` and `shorter_side` can be given")
        if self.channels not in get_args(Channels):
            raise UsageError(f"Preprocessing: expected channels 'RGB', 'BGR' or 'GRAY', got {self.channels!r}")
        if self.channels == "GRAY" and (isinstance(self.mean, tuple) or isinstance(self.std, tuple)):
            raise UsageError("Preprocessing: a grey image has one channel: `mean` and `std` are one number each")
        data = {
            "name": "images",
            "reader": "opencv_imread",  # OMZ's: images are turned as EXIF says, and come as BGR
            "preprocessing": self._steps(),
            "metrics": [{"type": "accuracy"}],
        }
        try:
            dataset = DatasetEntry.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise UsageError(f"Preprocessing: {first['loc'][-1]}: {first['msg']}, got {first['input']!r}") from error
        problem = next((text for step in dataset.preprocessing for text in step_problems(step)), None)
        if problem:
            raise UsageError(f"Preprocessing: {problem}")
        launcher = Launcher(framework="openvino", adapter="classification")
        entry = ModelEntry(name="model", launchers=(launcher,), datasets=(dataset,))
        return AccuracyConfig(NO_FILE, (entry,))

    def _steps(self) -> list[dict[str, object]]:
        """The steps as an accuracy-check.yml has them."""
        width, height = (self.size, self.size) if isinstance(self.size, int) else self.size
        target = {"dst_width": width, "dst_height": height, "use_pillow": True}
        scale = {"type": "resize", "use_pillow": True, "interpolation": self.interpolation}
        steps: list[dict[str, object]] = []
        if self.channels == "RGB":
            steps.append({"type": "bgr_to_rgb"})
        elif self.channels == "GRAY":
            steps.append({"type": "bgr_to_gray", "cast_to_float": False})  # Pillow scales 8 bits
        if self.shorter_side is not None:
            steps += [{**scale, "size": self.shorter_side, "aspect_ratio_scale": "greater"}, {"type": "crop", **target}]
        else:
            if self.crop is not None:
                steps.append({"type": "crop", "central_fraction": self.crop, "use_pillow": True})
            steps.append({**scale, **target})
        values = {name: value for name, value in (("mean", self.mean), ("std", self.std)) if value is not None}
        if values:
            plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
            steps.append({"type": "normalization", **plain})
        return steps
