"""Where the time of an evaluation goes: a clock that runs with it, and its readings as a frozen value."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Seconds of a running evaluation.

    ``decode`` and ``resize`` are summed over the decoding threads. ``wait`` (for prepared images) and ``inference``
    (feeding models, waiting for their answers) are of the main thread. ``first`` is the time until the first answers
    were there, None before that. ``begun`` is the start, as :func:`time.perf_counter` tells it.
    """

    decode: float = 0.0
    resize: float = 0.0
    wait: float = 0.0
    inference: float = 0.0
    first: float | None = None
    begun: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.begun

    def add(self, other: Clock) -> None:
        """Add the seconds that another process has spent."""
        self.decode += other.decode
        self.resize += other.resize
        self.wait += other.wait
        self.inference += other.inference

    def answered(self) -> None:
        """Take note that the answers to a batch are there."""
        if self.first is None:
            self.first = self.elapsed


@dataclass(frozen=True)
class Timing:
    """Seconds of a finished evaluation, rounded to milliseconds.

    ``seconds`` is the wall time from the first image to the last, for ``images`` images. ``decode`` and ``resize`` are
    summed over the decoding threads. On the main thread, ``wait`` was spent waiting for prepared images, and
    ``inference`` feeding models and waiting for their answers. ``first_image`` is the time until the first answers were
    there, None where no image was measured.
    """

    seconds: float
    images: int
    decode: float
    resize: float
    wait: float
    inference: float
    first_image: float | None

    @staticmethod
    def of(clock: Clock, seconds: float, images: int) -> Timing:
        """Read ``clock`` after a run of ``seconds`` over ``images`` images."""
        return Timing(
            seconds=round(seconds, 3),
            images=images,
            decode=round(clock.decode, 3),
            resize=round(clock.resize, 3),
            wait=round(clock.wait, 3),
            inference=round(clock.inference, 3),
            first_image=None if clock.first is None else round(clock.first, 3),
        )

    def summary(self) -> str:
        """Describe the times in one line, for people."""
        speed = f"{self.images / max(self.seconds, 1e-9):.1f} images/s"
        return (
            f"{self.seconds:.1f} s, {speed}; threads decoded {self.decode:.1f} s and resized {self.resize:.1f} s; "
            f"waited {self.wait:.1f} s for images and {self.inference:.1f} s for inference"
        )
