"""Collects the answers of an evaluation as they come: in memory, in the predictions file, and as running figures.

Answers may come in any order, since the workers of a cluster are not equally quick. At the end they are put into the
data set's order, so that the figures do not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable

from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.evaluation.loop import MeasuredBatch, SeenImage
from mixnet_tools.accuracy.evaluation.plan import EvaluationPlan
from mixnet_tools.accuracy.predictions.jsonl_writer import PredictionsWriter
from mixnet_tools.accuracy.predictions.values import BadImage, Predictions, PredictionsBuilder
from mixnet_tools.errors import DatasetError


class Collector:
    """Collects the answers to the images of ``plan``, and appends them to the file of ``writer``, where there is one.

    ``measured`` counts the images that this run has measured, without bad ones.
    """

    def __init__(self, plan: EvaluationPlan, max_bad: int, writer: PredictionsWriter | None) -> None:
        """Begin with the answers of the earlier run that ``plan`` goes on with.

        Raises :class:`DatasetError` where that run found more than ``max_bad`` bad images.
        """
        self.measured = 0
        self._plan, self._max_bad, self._writer = plan, max_bad, writer
        self._offset = plan.setup.dataset.label_offset
        self._builder = PredictionsBuilder(len(plan.dataset.images), len(plan.models))
        self._right = self._seen = 0
        self._bad: list[str] = []
        if plan.resumed:
            earlier = plan.resumed.predictions
            self._bad += [bad.name for bad in earlier.bad]
            self._builder.extend(earlier)
            self._right = int((earlier.ranks(0) == 0).sum())
            self._seen = len(earlier.names)
        if len(self._bad) > max_bad:
            raise DatasetError(
                f"the run to go on with has {len(self._bad)} bad images ({self._bad[0]} is the first), "
                f"and `max_bad` allows {max_bad}",
                hint="mend the data set, or allow more: `max_bad`",
            )

    def __len__(self) -> int:
        """How many images are done, with bad ones and those of an earlier run."""
        return len(self._builder)

    @property
    def figures(self) -> dict[str, str]:
        """Running figures for people: top-1 of the first model, in percent."""
        return {"top-1": f"{100 * self._right / self._seen:.2f} %"} if self._seen else {}

    def meet(self, images: Iterable[SeenImage]) -> None:
        """Count the bad images among those that are about to be measured.

        Raises the error of the first one where no bad image is allowed, and :class:`DatasetError` where there are more
        than allowed.
        """
        for one in images:
            if one.problem is None:
                continue
            self._bad.append(one.image.name)
            if len(self._bad) <= self._max_bad:
                continue
            if self._max_bad == 0:
                hint = one.problem.hint or "`max_bad` N goes on without up to N such images"
                raise type(one.problem)(str(one.problem), hint=hint)
            raise DatasetError(
                f"{one.problem}\nthis is more than the {self._max_bad} bad images that `max_bad` allows; the first was "
                f"{self._bad[0]}",
                hint="mend the data set, or allow more: `max_bad`",
            )

    def take(self, batch: MeasuredBatch) -> None:
        """Add a batch that was measured. When this returns, the operating system has its lines of the file."""
        row = 0
        for one in batch.images:
            name, accepted = one.image.name, _accepted(one.image, self._offset)
            if one.problem is not None:
                bad = BadImage(name, str(one.problem).removeprefix(f"{one.image.where}: "))
                self._builder.add_bad(bad)
                if self._writer:
                    self._writer.bad(bad, accepted)
                continue
            self._builder.add(name, accepted, batch.answers, row)
            self._builder.add_notes(name, one.image_notes)
            self._right += int(batch.answers[0].classes[row, 0] in accepted)
            if self._writer:
                self._writer.image(name, accepted, batch.answers, row, one.image_notes)
            row += 1
        if self._writer:
            self._writer.flush()
        self._seen += row
        self.measured += row

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for the report: what :meth:`finish` could not do with the file."""
        return (self._writer.disorder,) if self._writer and self._writer.disorder else ()

    def finish(self) -> Predictions:
        """Put answers and file into the data set's order, and return the answers. Call it when every image is done."""
        names = [image.name for image in self._plan.dataset.images]
        if self._writer:
            self._writer.put_in_order(names)
        return self._builder.predictions().in_order(names)


def _accepted(image: LabelledImage, offset: int) -> tuple[int, ...]:
    return tuple(label + offset for label in image.accepted or (image.label,))
