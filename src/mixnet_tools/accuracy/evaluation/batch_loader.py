"""Decodes and preprocesses images in threads, and loads them into batches in the data set's order.

A bounded number of images is prepared ahead. Threads suffice: Pillow releases Python's lock while it decodes and
scales. An image that cannot be decoded is handed on with its error.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.image_bytes import open_image
from mixnet_tools.accuracy.evaluation.timing import Clock
from mixnet_tools.accuracy.launchers.base import RunnerInfo
from mixnet_tools.accuracy.preprocessing.pipeline import Pixels
from mixnet_tools.accuracy.preprocessing.plan import Operations
from mixnet_tools.accuracy.preprocessing.prepare import Prepared, prepare
from mixnet_tools.threads import DaemonThreads, in_order

BATCH = 32
AHEAD = 2 * BATCH
"""How many images are prepared ahead of the models: 10 MB at 224x224 pixels, however long the data set."""

PATIENCE = 2.0
"""Seconds to wait for the threads where an evaluation ends early: enough to decode, not for a silent server."""


@dataclass(frozen=True)
class PreparedImage:
    """An ``image`` of a data set, and what became of it."""

    image: LabelledImage
    prepared: Prepared


@dataclass(frozen=True)
class Batch:
    """Up to :data:`BATCH` images.

    ``good`` are those without a problem. ``arrays`` [N, height, width, channels], RGB or grey, hold these, in order,
    preprocessed in each distinct way.
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
            good = [one for one in group if one.prepared.problem is None]
            stacked = {
                operations: np.stack([one.prepared.arrays[operations] for one in good]) for operations in sizes if good
            }
            yield Batch(group, tuple(one.image for one in good), stacked)


def _prepared(
    images: Sequence[LabelledImage], sizes: Mapping[Operations, RunnerInfo], threads: int, clock: Clock
) -> Generator[PreparedImage, None, None]:
    pool = DaemonThreads(threads, "decode")
    try:
        done = in_order(pool, partial(_prepare, sizes), images, AHEAD)
        while True:
            started = time.perf_counter()
            one = next(done, None)
            clock.wait += time.perf_counter() - started
            if one is None:
                return
            clock.decode += one.prepared.decode_seconds
            clock.resize += one.prepared.resize_seconds
            yield one
    finally:
        pool.close(PATIENCE)


def _prepare(sizes: Mapping[Operations, RunnerInfo], image: LabelledImage) -> PreparedImage:
    return PreparedImage(image, prepare(partial(open_image, image), image.where, sizes))
