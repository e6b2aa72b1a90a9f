"""The protocol of a launcher: a loaded model that runs batches of images. It knows no files, labels or accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mixnet_tools.errors import EvaluationError
from mixnet_tools.ir.digests import Integrity

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Digest:
    """A file that was measured: ``what`` is its name (or ``frozen graph``), ``sha256`` its digest in lower-case hex."""

    what: str
    sha256: str


class Labelled:
    """The base of values that tell of one model: its short name."""

    launcher: str
    precision: str | None
    device: str
    among_devices: bool
    inference_precision: str | None

    @property
    def reduced_precision(self) -> str | None:
        """What the floats of an IR are computed in, where that is not f32. None for originals, and where the file of
        an earlier version does not tell.
        """
        told = self.inference_precision if self.launcher == "openvino" else None
        return None if told == "f32" else told

    @property
    def plain_label(self) -> str:
        """A short name for messages, files and tables, which does not say what floats are computed in."""
        words = [self.launcher, *([self.precision] if self.precision else [])]
        return " ".join([*words, *([f"on {self.device}"] if self.among_devices else [])])

    @property
    def label(self) -> str:
        """A short name: ``tf``, ``openvino FP16``, ``openvino FP16 on GPU``, ``openvino FP16 in bf16``."""
        return f"{self.plain_label} in {self.reduced_precision}" if self.reduced_precision else self.plain_label


def without_precision(label: str) -> str:
    """The ``plain_label`` of a model, from its ``label``.

    >>> without_precision("openvino FP16 on GPU in bf16"), without_precision("tf")
    ('openvino FP16 on GPU', 'tf')
    """
    return label.partition(" in ")[0]


@dataclass(frozen=True)
class RunnerInfo(Labelled):
    """What a launcher runs, and how.

    ``launcher`` is one of :data:`mixnet_tools.accuracy.LAUNCHERS`. ``precision`` is that of the IR, None for an
    original. ``height`` and ``width`` are the size in pixels of the images that the model takes, ``channels`` their
    channels: 3, or 1 where they are grey. ``classes`` is the length of its answer. ``remarks`` say what is special
    about the model on this machine. ``packages`` are names and versions of the software that computes,
    ``inference_precision`` what it computes floats in (``f32``, ``bf16``, ``f16``; ``dynamic`` where a device decides
    layer by layer). ``integrity`` says whether an IR is the one that a report beside it tells of, and ``warning`` says
    so in words, where it is another one.
    """

    launcher: str
    precision: str | None
    device: str
    height: int
    width: int
    classes: int
    digests: tuple[Digest, ...]
    among_devices: bool = False
    """Whether the same model may run on other devices beside this one. Then its label names the device."""
    remarks: tuple[str, ...] = ()
    packages: tuple[tuple[str, str], ...] = ()
    inference_precision: str = "f32"
    would_choose: str | None = None
    """What OpenVINO computes floats in on this device where nobody says otherwise; None where that is not known."""
    integrity: Integrity | None = None
    warning: str | None = None
    channels: int = 3


class Runner(Protocol):
    """A loaded model."""

    @property
    def info(self) -> RunnerInfo:
        """The model that runs, and how it is computed."""

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        """Compute the logits, float32 [N, classes], of ``batch``.

        ``batch`` is uint8 or float32 [N, height, width, channels], with the values and the channel order that the model
        takes.
        """

    def start(self, batch: npt.NDArray[np.generic]) -> Callable[[], Array]:
        """Begin to :meth:`run`. The function that is returned waits for the logits.

        Answers must be fetched in the order in which batches were started.
        """

    def settle(self) -> None:
        """Wait until nothing runs any more, whether it succeeded or failed."""


class Synchronous:
    """The base of a launcher that has only ``run``: nothing runs any more when :meth:`start` returns."""

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        """See :meth:`Runner.run`."""
        raise NotImplementedError

    def start(self, batch: npt.NDArray[np.generic]) -> Callable[[], Array]:
        """See :meth:`Runner.start`."""
        logits = self.run(batch)
        return lambda: logits

    def settle(self) -> None:
        """See :meth:`Runner.settle`."""


def require_finite(logits: Array, info: RunnerInfo, images: Sequence[str]) -> None:
    """Check the ``logits`` [N, classes] of a model for the N ``images``, by their names in messages.

    Raises :class:`EvaluationError` that names the first image whose answer holds NaN or infinity.
    """
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        raise EvaluationError(
            f"{info.label}: the answer for {images[int(np.argmin(finite))]} holds NaN or infinity",
            hint="a damaged download or conversion does this: fetch and convert the model again",
        )
