"""Plans the preprocessing of a model: checks the steps of accuracy-check.yml, and puts them in terms of RGB images.

:mod:`.pipeline` carries a plan out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import NO_FILE, Measurement
from mixnet_tools.accuracy.preprocessing.grey import Library
from mixnet_tools.accuracy.preprocessing.resize import (
    OPENCV_INTERPOLATIONS,
    PILLOW_INTERPOLATIONS,
    TENSORFLOW_INTERPOLATIONS,
    require_opencv,
)
from mixnet_tools.accuracy.preprocessing.steps import (
    ChannelSwap,
    Crop,
    Geometry,
    Grayscale,
    GreyConversion,
    LegacyResize,
    Normalization,
    Operation,
    Resize,
    describe,
    needs_8_bits,
)
from mixnet_tools.errors import EvaluationError

ChannelOrder = Literal["RGB", "BGR", "GRAY"]

_INTERPOLATIONS = {
    "pillow": tuple(PILLOW_INTERPOLATIONS),
    "opencv": tuple(OPENCV_INTERPOLATIONS),
    "tf": TENSORFLOW_INTERPOLATIONS,
}


@dataclass(frozen=True)
class Operations:
    """The steps that are carried out on the RGB image. Launchers with equal operations share their result.

    ``orient`` turns the image as its EXIF data asks, ``fast_dct`` decodes JPEG files as TensorFlow does, and
    ``grey_reader`` reads one channel as that library does. ``colours`` is the library whose conversion of CMYK is
    followed. The values of a :class:`Normalization` are in RGB order; on a grey image there is one.
    """

    orient: bool
    steps: tuple[Operation, ...]
    fast_dct: bool = False
    grey_reader: Library | None = None
    colours: Library = "opencv"

    @property
    def grey(self) -> bool:
        """Whether the result has one channel."""
        return self.grey_reader is not None or any(isinstance(step, GreyConversion) for step in self.steps)


@dataclass(frozen=True)
class Plan:
    """The preprocessing of one launcher: its ``operations``, and the channel ``order`` of the finished array."""

    operations: Operations
    order: ChannelOrder

    @property
    def description(self) -> tuple[str, ...]:
        """A short text for each step, as reports show it."""
        library = self.operations.grey_reader
        read = [f"read as grey ({'OpenCV' if library == 'opencv' else 'Pillow'})"] if library else []
        order = "one channel" if self.order == "GRAY" else f"channel order {self.order}"
        return (*read, *(describe(step) for step in self.operations.steps), order)


def make_plan(measurement: Measurement, channels: int | None = None) -> Plan:
    """The preprocessing that ``measurement`` asks for, for a model that takes so many ``channels``.

    None stands for a model that is not known yet. A reader that keeps the channels of a file then gives three.

    Raises :class:`EvaluationError` that names file and key for a step that is not supported and where the result has
    another number of channels, and :class:`MissingDependency` where a step needs OpenCV and that is not installed.
    """
    reverse = measurement.reader_order == "BGR"
    grey_reader = _grey_reader(measurement, channels)
    grey = grey_reader is not None
    steps: list[Operation] = []
    for index, step in enumerate(measurement.steps):
        where = f"{measurement.where}.preprocessing[{index}]"
        if isinstance(step, (ChannelSwap, Grayscale)) and grey:
            raise EvaluationError(
                f"{where}: step {step.type} takes three channels, and the image is grey here",
                hint="leave this step out in accuracy-check.yml, or what makes the image grey before it",
            )
        if isinstance(step, ChannelSwap):
            reverse = not reverse
            continue
        _check(step, steps, where)
        if isinstance(step, Normalization):
            steps.append(_of_one_channel(step, where) if grey else _in_rgb(step, reverse))
        elif isinstance(step, Grayscale):
            grey = True
            steps.append(_conversion(step, reverse, steps))
        elif isinstance(step, Crop) and step.fill is not None:
            steps.append(step if not reverse else step.model_copy(update={"fill": step.fill[::-1]}))
        else:
            steps.append(step)
    if channels is not None and channels != (1 if grey else 3):
        raise _other_channels(measurement, channels)
    operations = Operations(measurement.orient, tuple(steps), measurement.fast_dct, grey_reader, measurement.colours)
    return Plan(operations, "GRAY" if grey else "BGR" if reverse else "RGB")


def _grey_reader(measurement: Measurement, channels: int | None) -> Library | None:
    if measurement.reads == "grey":
        return "opencv"
    converts = any(isinstance(step, Grayscale) for step in measurement.steps)
    return "pillow" if measurement.reads == "as stored" and channels == 1 and not converts else None


def _other_channels(measurement: Measurement, channels: int) -> EvaluationError:
    by_program = measurement.where.startswith(f"{NO_FILE}:")
    if channels != 1:
        hint = "leave out bgr_to_gray, rgb_to_gray and `reading_flag: gray` in accuracy-check.yml"
        return EvaluationError(
            f"{measurement.where}: images are prepared as grey, with 1 channel, but the model takes {channels}: colour",
            hint="`channels=RGB`, or BGR" if by_program else hint,
        )
    name = "bgr_to_gray" if measurement.reader_order == "BGR" else "rgb_to_gray"
    swap = next((step.type for step in measurement.steps if isinstance(step, ChannelSwap)), None)
    hint = (
        f"write the step {name} {f'instead of {swap}' if swap else 'before the others'} in accuracy-check.yml, "
        "or `reader: {type: opencv_imread, reading_flag: gray}`"
    )
    return EvaluationError(
        f"{measurement.where}: images are prepared in colour, with 3 channels, but the model takes 1: grey",
        hint="`channels=GRAY`" if by_program else hint,
    )


def _check(step: Geometry | Normalization | Grayscale, earlier: Sequence[Operation], where: str) -> None:
    if needs_8_bits(step):
        _check_8_bits(step, earlier, where)
    if isinstance(step, Resize):
        _check_resize(step, where)
    if isinstance(step, Grayscale):
        _check_grayscale(step, earlier, where)


def _makes_floats(step: Operation) -> bool:
    """Whether accuracy_check has floats after ``step``. It makes some of what OpenCV's resize gives, too."""
    if isinstance(step, GreyConversion):
        return step.cast_to_float
    return isinstance(step, (Normalization, LegacyResize)) or (isinstance(step, Resize) and step.library != "pillow")


def _check_8_bits(step: Geometry | Normalization | Grayscale, earlier: Sequence[Operation], where: str) -> None:
    floats = [one for one in earlier if _makes_floats(one)]
    if floats:
        cast = isinstance(floats[-1], GreyConversion)
        raise EvaluationError(
            f"{where}: step {step.type} of Pillow, which takes 8-bit images only, after "
            f"{describe(floats[-1]).partition(' (')[0]}, which leaves floats",
            hint="write `cast_to_float: false` at the conversion to grey in accuracy-check.yml"
            if cast
            else "leave out use_pillow in accuracy-check.yml, or put the step before",
        )


def _check_grayscale(step: Grayscale, earlier: Sequence[Operation], where: str) -> None:
    """Only OpenCV makes grey of floats, and not of the 64-bit floats that accuracy_check's normalization leaves."""
    floats = [one for one in earlier if _makes_floats(one)]
    if floats and isinstance(floats[-1], Normalization):
        raise EvaluationError(
            f"{where}: step {step.type} after normalization, whose 64-bit floats OpenCV does not convert",
            hint="put it before the normalization in accuracy-check.yml",
        )
    if floats:
        require_opencv()


def _conversion(step: Grayscale, reverse: bool, earlier: Sequence[Operation]) -> GreyConversion:
    """``step`` for an RGB image, which would have its channels in ``reverse`` here."""
    weights = step.type
    if reverse and not any(map(_makes_floats, earlier)):
        # Of 8 bits the order changes nothing. Launchers that differ in it only then share the work.
        weights, reverse = "rgb_to_gray" if weights == "bgr_to_gray" else "bgr_to_gray", False
    return GreyConversion(weights=weights, reverse=reverse, cast_to_float=step.cast_to_float)


def _of_one_channel(step: Normalization, where: str) -> Normalization:
    for name, values in (("mean", step.mean), ("std", step.std)):
        if values and len(set(values)) > 1:
            raise EvaluationError(
                f"{where}.{name}: three values, and the image is grey here",
                hint="write one number in accuracy-check.yml",
            )
    mean, std = (values and values[:1] for values in (step.mean, step.std))
    return step.model_copy(update={"mean": mean, "std": std})


def _check_resize(step: Resize, where: str) -> None:
    known = _INTERPOLATIONS[step.library]
    if step.method not in known:
        library = describe(step).partition("(")[2].partition(" ")[0]
        raise EvaluationError(
            f"{where}.interpolation: unknown {step.interpolation!r}; {library} has {', '.join(sorted(known))}"
        )
    if step.library == "opencv":
        require_opencv()


def _in_rgb(step: Normalization, reverse: bool) -> Normalization:
    if not reverse:
        return step
    mean, std = (values and values[::-1] for values in (step.mean, step.std))
    return step.model_copy(update={"mean": mean, "std": std})
