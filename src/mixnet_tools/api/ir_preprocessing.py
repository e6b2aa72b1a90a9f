"""Finds out how images are prepared for an IR that no zoo describes, from what the IR says of itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mixnet_tools.accuracy.launchers.openvino import read_info
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig, load_accuracy_config
from mixnet_tools.accuracy.preprocessing.preprocessing import Channels, Preprocessing, ThreeValues
from mixnet_tools.api.models import PathLike
from mixnet_tools.descriptors import zoo
from mixnet_tools.descriptors.labels import find_labels, read_labels
from mixnet_tools.errors import MixnetToolsError, UsageError
from mixnet_tools.ir.image_input import GREY
from mixnet_tools.ir.inspect import describe
from mixnet_tools.values import IRModel

SHARE = 0.875
"""The share of the shorter side that is kept where nothing else is known: what most classifiers are measured with."""


@dataclass(frozen=True)
class KnownOfIR:
    """How images are prepared for an IR (``config``), the ``labels`` of its classes (or none), and ``notes`` on both.

    ``name`` is the model's.
    """

    name: str
    config: AccuracyConfig
    labels: tuple[str, ...]
    notes: tuple[str, ...]


def known_of_ir(
    ir: IRModel, preprocessing: PathLike | Preprocessing | None = None, labels: PathLike | None = None
) -> KnownOfIR:
    """Find out about ``ir`` what is not given.

    ``preprocessing`` is a :class:`Preprocessing` or the path of an accuracy-check.yml. Without it, the zoo's is taken
    where the IR is called as a model of the zoo and mixnet_tools wrote it; else what OpenVINO's Model API reads from
    the IR; else the usual steps, of which a note tells. ``labels`` is the path of a file; without it, the labels in
    the IR are taken.

    Raises :class:`IRError` where the IR cannot be read, or its steps depend on an image input that it has not;
    :class:`DescriptorError` where a file is wrong, :class:`UsageError` where a :class:`Preprocessing` is.
    """
    said = describe(ir.xml).rt_info
    directory = _in_zoo(ir.name) if "conversion_parameters.mixnet_tools_version" in said else None
    notes: list[str] = []
    if isinstance(preprocessing, Preprocessing):
        config = preprocessing.config()
    elif preprocessing is not None:
        config = load_accuracy_config(Path(preprocessing))
    elif directory is not None:
        config = load_accuracy_config(directory / "accuracy-check.yml")
        notes.append(f"images are prepared as the zoo's accuracy-check.yml of {ir.name} says")
    else:
        steps, note = _steps_of(said, ir)
        config = steps.config()
        notes.append(note)
    return KnownOfIR(ir.name, config, _labels(said, directory, labels), tuple(notes))


def said_steps(ir: IRModel) -> Preprocessing:
    """The steps that ``ir`` itself names, or the usual ones. Raises :class:`IRError` as :func:`known_of_ir` does."""
    return _steps_of(describe(ir.xml).rt_info, ir)[0]


def _in_zoo(name: str) -> Path | None:
    """The folder of the model ``name`` in the default zoo, where it says how images are prepared."""
    try:
        entry = next((entry for entry in zoo.find_models(zoo.default_roots()) if entry.name == name), None)
        directory = None if entry is None else entry.load().directory
    except MixnetToolsError:  # a zoo that is broken is none of this IR's business
        return None
    return directory if directory is not None and (directory / "accuracy-check.yml").is_file() else None


def _labels(said: dict[str, str], directory: Path | None, given: PathLike | None) -> tuple[str, ...]:
    if given is not None:
        return read_labels(Path(given))
    path = None if directory is None else find_labels(directory)
    if path is not None:
        return read_labels(path)
    return tuple(token.replace("_", " ") for token in said.get("model_info.labels", "").split())


def _steps_of(said: dict[str, str], ir: IRModel) -> tuple[Preprocessing, str]:
    """The steps that the IR's section ``model_info`` names (Model API's), or the usual ones; and a note on them."""
    info = read_info(ir, "CPU")
    width, height = info.width, info.height
    wanted = {key.removeprefix("model_info."): value for key, value in said.items() if key.startswith("model_info.")}
    usual = Preprocessing((width, height), channels="BGR")
    kind = wanted.get("resize_type")
    reverse = wanted.get("reverse_input_channels", "").lower() in ("yes", "true", "1")
    channels: Channels = "GRAY" if info.channels == GREY else "RGB" if reverse else "BGR"
    if kind == "crop" and width == height:
        usual = replace(usual, shorter_side=width, interpolation="BILINEAR")
    elif kind is None and width == height:
        usual = replace(usual, shorter_side=int(width / SHARE))
    steps = replace(
        usual,
        channels=channels,
        mean=_values(wanted.get("mean_values"), info.channels),
        std=_values(wanted.get("scale_values"), info.channels),
    )
    text = f"{'grey' if channels == 'GRAY' else channels}, values 0 to 255" + (
        " with the mean and scale in it" if steps.mean or steps.std else ""
    )
    if kind is not None:
        return steps, f"images are prepared as the IR says for Model API ({kind}, {text})"
    return steps, (
        f"the IR does not say how images are prepared: {text} and the central {SHARE:.1%} of the shorter side are "
        "assumed; `preprocessing` says it"
    )


def _values(text: str | None, channels: int) -> ThreeValues | None:
    """A value for each of ``channels`` with blanks between them (one stands for all), or None."""
    if not text or text.strip().lower() in ("none", "[]"):
        return None
    try:
        found = [float(part) for part in text.replace(",", " ").strip("[]() ").split()]
    except ValueError:
        found = []
    if len(found) not in (1, channels):
        raise UsageError(
            f"the IR's model_info has values that are not one number for each of its channels, {channels}: {text!r}",
            hint="`preprocessing`",
        )
    return found[0] if len(found) == 1 else (found[0], found[1], found[2])
