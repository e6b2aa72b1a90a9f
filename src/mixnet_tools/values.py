"""The frozen values that travel between stages. A stage imports these and never another stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class DownloadedFile:
    """A file of a model that was verified against its descriptor.

    ``name`` is its name in the descriptor (relative, with slashes), ``path`` its place on disk. ``served_by`` is the
    source that delivered it in this run, None where it was there already.
    """

    name: str
    path: Path
    size: int
    checksum: str
    served_by: str | None


@dataclass(frozen=True)
class DownloadedModel:
    """A model whose files are all in place, unpacked and patched, in ``directory``.

    ``up_to_date`` says that the run found everything there, and transferred nothing. ``adopted`` are files that were
    taken over as they were found, and are unchanged since: nobody has verified them.
    """

    name: str
    directory: Path
    files: tuple[DownloadedFile, ...]
    up_to_date: bool
    adopted: tuple[str, ...] = ()


@dataclass(frozen=True)
class KnownFile:
    """What a file of a model is known to be: ``size`` in bytes and ``checksum`` (``<algorithm>:<hex>``).

    ``source`` says who knows. ``descriptor``: the file's own digest stands there. ``archive``: the file came out of an
    archive (or a patch) whose digest stands there. ``adopted``: the file was taken over as it was found, and nobody can
    say whether it is right; only that it changed.
    """

    size: int
    checksum: str
    source: Literal["descriptor", "archive", "adopted"]


@dataclass(frozen=True)
class KnownFiles:
    """What is known of the files in a model's ``folder``, by their paths relative to it, with slashes.

    ``gap`` says why a file that is not in ``files`` may be right all the same (``no manifest``). It is None where
    ``files`` are all files of the model.
    """

    folder: Path
    files: Mapping[str, KnownFile]
    gap: str | None


@dataclass(frozen=True)
class IRModel:
    """An OpenVINO IR: ``xml`` with its ``bin`` beside it, in ``precision`` (FP32, FP16, FP16-INT8)."""

    name: str
    precision: str
    xml: Path
    bin: Path


@dataclass(frozen=True)
class FrozenGraph:
    """A TensorFlow inference graph without variables.

    ``graph_def`` is a serialized GraphDef; ``inputs`` and ``outputs`` are tensor names (``logits:0``). The first input
    of an image model is float32 with the axes and the channel order that the model was trained with (NHWC, RGB);
    ``input_shape`` is the shape that the converted model gives it (batch first; the graph itself takes any batch).
    """

    name: str
    graph_def: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    input_shape: tuple[int, ...]


@dataclass(frozen=True)
class CalibrationSet:
    """A quantization calibration set: images as a model takes them, to quantize it with.

    ``images`` is [N, height, width, channels] with the channels in the order of the model. Their ``names`` are some of
    the ``total`` images of ``source``. ``profile`` and ``preprocessing`` say how they were prepared. ``fingerprint`` is
    the SHA-256 of all pixels, in order.
    """

    images: npt.NDArray[np.generic]
    names: tuple[str, ...]
    source: str
    total: int
    profile: str
    preprocessing: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class ClassFlips:
    """On how many images of class ``label`` only the one model is right (``gained``), or only the other (``lost``).

    Classes are counted from 0, as the data set's labels. The class has so many ``images``.
    """

    label: int
    images: int
    gained: int
    lost: int


@dataclass(frozen=True)
class Comparison:
    """An IR compared with another one, on the same labelled ``images``.

    ``top1`` and ``top5`` count the right answers of this IR. ``gained`` counts the images on which only this IR is
    right, ``lost`` those on which only the other is, and ``same`` those to which both give the same first answer.
    ``difference`` of top-1 and its 95 % ``interval`` are in points. ``held_out`` counts the images that are not in the
    quantization calibration set; ``held_out_difference`` is the difference on these, None where there are none.
    ``by_class`` has the classes of the images that were gained or lost, those with the most first.
    """

    precision: str
    images: int
    top1: int
    top5: int
    gained: int
    lost: int
    same: int
    difference: float
    interval: tuple[float, float]
    held_out: int
    held_out_difference: float | None
    by_class: tuple[ClassFlips, ...] = ()
