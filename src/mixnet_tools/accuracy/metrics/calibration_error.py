"""The expected calibration error: how far a model's scores are from its share of right answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mixnet_tools.accuracy.metrics.topk import Floats

BINS = 15


@dataclass(frozen=True)
class Bin:
    """The images whose top-1 score lies in (``low``, ``high``].

    ``confidence`` is their mean score, and ``accuracy`` their share of right answers, both 0 to 1.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class CalibrationError:
    """``ece`` is the mean distance of score and share of right answers over all images, 0 to 1."""

    ece: float
    bins: tuple[Bin, ...]


def calibration_error(confidence: Floats, right: npt.NDArray[np.bool_]) -> CalibrationError:
    """Compute the expected calibration error over :data:`BINS` equal bins of the top-1 score (Guo et al., ICML 2017,
    arXiv 1706.04599, equation 3). Both arrays are [N]. Empty bins are left out.

    >>> calibration_error(np.array([0.9, 0.9, 0.5]), np.array([True, False, True])).ece
    0.433333
    """
    index = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    bins, error = [], 0.0
    for number in range(BINS):
        inside = index == number
        images = int(inside.sum())
        if images:
            mean, share = math.fsum(confidence[inside]) / images, int(right[inside].sum()) / images
            error += images / len(confidence) * abs(mean - share)
            bins.append(Bin(number / BINS, (number + 1) / BINS, images, round(mean, 6), round(share, 6)))
    return CalibrationError(round(error, 6), tuple(bins))
