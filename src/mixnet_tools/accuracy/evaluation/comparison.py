"""Compares IRs of one model on the same labelled images: differences of top-1, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mixnet_tools.accuracy.datasets.dataset import ImageDataset
from mixnet_tools.accuracy.evaluation.evaluate import evaluate
from mixnet_tools.accuracy.launchers.openvino import OpenVinoRunner
from mixnet_tools.accuracy.metrics.intervals import difference_interval
from mixnet_tools.accuracy.metrics.per_class import first_labels, flips_by_class
from mixnet_tools.accuracy.metrics.topk import Integers
from mixnet_tools.accuracy.predictions.values import Answers, Predictions
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig
from mixnet_tools.progress import Progress
from mixnet_tools.values import Comparison, IRModel


class Comparer:
    """Compares IRs with the IRs ``references``, which are measured once; all on ``dataset`` under ``profile``.

    ``calibrated`` are the names of images that an IR was calibrated with when it was quantized.
    """

    def __init__(
        self,
        config: AccuracyConfig,
        dataset: ImageDataset,
        references: Sequence[IRModel],
        *,
        profile: str,
        calibrated: frozenset[str] = frozenset(),
        progress: Progress | None = None,
    ) -> None:
        self._config, self._dataset, self._references = config, dataset, tuple(references)
        self._profile, self._calibrated, self._progress = profile, calibrated, progress
        self._known: Predictions | None = None

    def prepare(self) -> None:
        """Measure the references now, so that a fault of the images shows before anything else is done.

        Raises what :func:`mixnet_tools.accuracy.evaluation.evaluate.evaluate` raises.
        """
        if self._references and self._known is None:
            self._known = self._measured(self._references)

    def __call__(self, ir: IRModel) -> tuple[Comparison, ...]:
        """Compare each reference and, last, ``ir`` with the first reference; ``ir`` with itself where there is none.

        Raises what :meth:`prepare` raises.
        """
        self.prepare()
        measured = self._measured((ir,))
        known = self._known.answers if self._known else ()
        everything = Predictions(measured.names, measured.accepted, (*known, *measured.answers))
        precisions = [one.precision for one in (*self._references, ir)]
        held_out = np.array([name not in self._calibrated for name in measured.names], dtype=bool)
        labels = first_labels(measured.accepted) - self._config.measurement("openvino", self._profile).label_offset
        return tuple(
            _compare(precision, everything, index, held_out, labels) for index, precision in enumerate(precisions)
        )

    def _measured(self, irs: Sequence[IRModel]) -> Predictions:
        runners = [OpenVinoRunner(one) for one in irs]
        return evaluate(
            irs[0].name, self._config, self._dataset, runners, profile=self._profile, progress=self._progress
        ).predictions


def _compare(
    precision: str, predictions: Predictions, index: int, held_out: npt.NDArray[np.bool_], labels: Integers
) -> Comparison:
    ranks, other = predictions.ranks(index), predictions.ranks(0)
    right, base = ranks == 0, other == 0
    gained, lost, images = int((right & ~base).sum()), int((base & ~right).sum()), len(ranks)
    outside = int(held_out.sum())
    low, high = difference_interval(gained, lost, images)
    apart = int(right[held_out].sum()) - int(base[held_out].sum())
    first: Answers = predictions.answers[0]
    return Comparison(
        precision=precision,
        images=images,
        top1=int(right.sum()),
        top5=int((ranks < 5).sum()),
        gained=gained,
        lost=lost,
        same=int((predictions.answers[index].first == first.first).sum()),
        difference=round(100 * (gained - lost) / images, 4),
        interval=(round(100 * low, 4), round(100 * high, 4)),
        held_out=outside,
        held_out_difference=round(100 * apart / outside, 4) if outside else None,
        by_class=flips_by_class(labels, right & ~base, base & ~right),
    )
