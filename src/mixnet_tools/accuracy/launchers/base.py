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


@dataclass(frozen=True)
class RunnerInfo:
    """What a launcher runs, and how.

    ``launcher`` is one of :data:`mixnet_tools.accuracy.LAUNCHERS`. ``precision`` is that of the IR, None for an
    original. ``height`` and ``width`` are the size in pixels of the images that the model takes. ``classes`` is the
    length of its answer. ``remarks`` say what is special about the model on this machine. ``packages`` are names and
    versions of the software that computes, ``inference_precision`` what it computes floats in (``f32``, ``bf16``,
    ``f16``; ``dynamic`` where a device decides layer by layer). ``integrity`` says whether an IR is the one that a
    report beside it tells of, and ``warning`` says so in words, where it is another one.
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

    @property
    def label(self) -> str:
        """See :func:`label_of`."""
        device = self.device if self.among_devices else None
        return label_of(self.launcher, self.precision, device, self.inference_precision)


def label_of(launcher: str, precision: str | None, device: str | None, inference_precision: str | None = "f32") -> str:
    """A short name for messages, files and tables. It names what floats are computed in where that is not f32.

    >>> label_of("tf", None, None), label_of("openvino", "FP16", None), label_of("openvino", "FP16", "GPU")
    ('tf', 'openvino FP16', 'openvino FP16 on GPU')
    >>> label_of("openvino", "FP16", None, "bf16")
    'openvino FP16 in bf16'
    """
    words = [launcher, *([precision] if precision else []), *([f"on {device}"] if device is not None else [])]
    if launcher == "openvino" and inference_precision not in (None, "f32"):
        words.append(f"in {inference_precision}")
    return " ".join(words)


class Runner(Protocol):
    """A loaded model."""

    @property
    def info(self) -> RunnerInfo:
        """The model that runs, and how it is computed."""

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        """Compute the logits, float32 [N, classes], of ``batch``.

        ``batch`` is uint8 or float32 [N, height, width, 3], with the values and the channel order that the model takes.
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
