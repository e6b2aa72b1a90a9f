"""Decodes and preprocesses images in threads, and loads them into batches in the data set's order.

A bounded number of images is prepared ahead. Threads suffice: Pillow releases Python's lock while it decodes and
scales. An image that cannot be decoded is handed on with its error.
"""

from __future__ import annotations

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
"""How many images are prepared ahead of the models: 10 MB at 224x224 pixels, however long the data set."""

PATIENCE = 2.0
"""Seconds to wait for the threads where an evaluation ends early: enough to decode, not for a silent server."""


@dataclass(frozen=True)
class PreparedImage:
    """An image, preprocessed in each distinct way, or the ``problem`` with it.

    ``arrays`` are [height, width, 3] in RGB. ``image_notes`` say what is unusual about the image.
    """

    image: LabelledImage
    arrays: Mapping[Operations, Pixels]
    image_notes: tuple[str, ...]
    problem: DatasetError | EvaluationError | None
    decode_seconds: float
    resize_seconds: float


@dataclass(frozen=True)
class Batch:
    """Up to :data:`BATCH` images.

    ``good`` are those without a problem. ``arrays`` [N, height, width, 3] in RGB hold these, in order, preprocessed in
    each distinct way.
    """

    images: tuple[PreparedImage, ...]
    good: tuple[LabelledImage, ...]
    arrays: Mapping[Operations, Pixels]


def batches(
    images: Sequence[LabelledImage], sizes: Mapping[Operations, RunnerInfo], threads: int, clock: Clock
) -> Generator[Batch, None, None]:
    """Prepare ``images`` with so many ``threads``, and yield them in batches.

    ``sizes`` names for each distinct preprocessing a model that takes its result. ``clock`` is told the time that was
    spent. Raises :class:`EvaluationError` where a prepared image has not the size that the model takes.
    """
    with closing(_prepared(images, sizes, threads, clock)) as prepared:
        while group := tuple(islice(prepared, BATCH)):
            good = [one for one in group if one.problem is None]
            stacked = {operations: np.stack([one.arrays[operations] for one in good]) for operations in sizes if good}
            yield Batch(group, tuple(one.image for one in good), stacked)


def prepare(image: LabelledImage, sizes: Mapping[Operations, RunnerInfo]) -> PreparedImage:
    """Decode ``image`` (twice, where only some ways turn it as EXIF says), and preprocess it in each distinct way.

    Raises :class:`EvaluationError` where the result has not the size that the model takes.
    """
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


def _prepared(
    images: Sequence[LabelledImage], sizes: Mapping[Operations, RunnerInfo], threads: int, clock: Clock
) -> Generator[PreparedImage, None, None]:
    pool = DaemonThreads(threads, "decode")
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
