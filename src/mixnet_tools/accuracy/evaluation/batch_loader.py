"""Images on their way to the models: decoded and prepared by threads, a bounded number ahead, in the data set's order.

Pillow lets go of Python's lock while it decodes and scales, so threads are enough. An image that cannot be decoded is
handed on as such; what that means is the evaluation's subject.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.image_bytes import open_image
from mixnet_tools.accuracy.evaluation.timing import Clock
from mixnet_tools.accuracy.launchers.base import RunnerInfo
from mixnet_tools.accuracy.preprocessing import decode as decoding
from mixnet_tools.accuracy.preprocessing.pipeline import Operations, Pixels, apply
from mixnet_tools.errors import DatasetError, EvaluationError
from mixnet_tools.threads import DaemonThreads

BATCH = 32
AHEAD = 2 * BATCH
"""Images that may be prepared before a model has asked for them: 10 MB at 224x224, however long the data set."""

PATIENCE = 2.0
"""Seconds for which a run that ends early waits for threads: decoding takes less, a silent server any time."""


@dataclass(frozen=True)
class PreparedImage:
    """An image in every way that is asked for, or the ``problem`` with it."""

    image: LabelledImage
    arrays: Mapping[Operations, Pixels]
    image_notes: tuple[str, ...]
    problem: DatasetError | EvaluationError | None
    decode_seconds: float
    resize_seconds: float


@dataclass(frozen=True)
class Batch:
    """Up to :data:`BATCH` images. ``arrays`` [N, height, width, 3] in RGB holds the ``good`` ones, in order."""

    images: tuple[PreparedImage, ...]
    good: tuple[LabelledImage, ...]
    arrays: Mapping[Operations, Pixels]


def batches(
    images: Sequence[LabelledImage], sizes: Mapping[Operations, RunnerInfo], workers: int, clock: Clock
) -> Generator[Batch, None, None]:
    """``images`` in batches. ``sizes`` names for each distinct preprocessing a model that takes its result.

    Raises :class:`EvaluationError` where a prepared image does not have the size that the model takes.
    """
    with closing(_prepared(images, sizes, workers, clock)) as prepared:
        while group := tuple(islice(prepared, BATCH)):
            good = [one for one in group if one.problem is None]
            stacked = {operations: np.stack([one.arrays[operations] for one in good]) for operations in sizes if good}
            yield Batch(group, tuple(one.image for one in good), stacked)


def prepare(image: LabelledImage, sizes: Mapping[Operations, RunnerInfo]) -> PreparedImage:
    """Decode ``image`` once for each way of orienting it, and prepare it for every model."""
    arrays: dict[Operations, Pixels] = {}
    image_notes: tuple[str, ...] = ()
    decode_seconds = resize_seconds = 0.0
    decoded: dict[bool, decoding.Decoded] = {}
    try:
        for operations in sizes:
            started = time.perf_counter()
            if operations.orient not in decoded:
                found = decoding.decode(open_image(image), orient=operations.orient, name=image.where)
                decoded[operations.orient], image_notes = found, found.image_notes
            middle = time.perf_counter()
            arrays[operations] = apply(decoded[operations.orient].image, operations)
            decode_seconds += middle - started
            resize_seconds += time.perf_counter() - middle
    except DatasetError as error:
        return PreparedImage(image, {}, image_notes, error, decode_seconds, resize_seconds)
    except EvaluationError as error:
        named = EvaluationError(f"{image.where}: {error}", hint=error.hint)
        return PreparedImage(image, {}, image_notes, named, decode_seconds, resize_seconds)
    for operations, info in sizes.items():
        height, width, _ = arrays[operations].shape
        if (height, width) != (info.height, info.width):
            raise EvaluationError(
                f"{image.where}: {width}x{height} pixels after preprocessing, but {info.label} takes "
                f"{info.width}x{info.height}",
                hint="the sizes in accuracy-check.yml must be those of the model",
            )
    return PreparedImage(image, arrays, image_notes, None, decode_seconds, resize_seconds)


def processors() -> int:
    """Processors this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prepared(
    images: Sequence[LabelledImage], sizes: Mapping[Operations, RunnerInfo], workers: int, clock: Clock
) -> Generator[PreparedImage, None, None]:
    pool = DaemonThreads(workers, "decode")
    try:
        pending: deque[Future[PreparedImage]] = deque()
        waiting = iter(images)
        pending.extend(pool.submit(partial(prepare, image, sizes)) for image in islice(waiting, AHEAD))
        while pending:
            started = time.perf_counter()
            done = pending.popleft().result()
            clock.wait += time.perf_counter() - started
            clock.decode += done.decode_seconds
            clock.resize += done.resize_seconds
            pending.extend(pool.submit(partial(prepare, image, sizes)) for image in islice(waiting, 1))
            yield done
    finally:
        pool.close(PATIENCE)
