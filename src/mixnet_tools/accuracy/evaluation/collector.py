"""What has been answered so far of one evaluation: in memory, in its file, and as running figures.

Answers may come in any order (the workers of a cluster are not equally quick); figures are computed in the data set's.
"""

from __future__ import annotations

from collections.abc import Iterable

from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.evaluation.loop import MeasuredBatch, SeenImage
from mixnet_tools.accuracy.evaluation.plan import EvaluationPlan
from mixnet_tools.accuracy.predictions.jsonl import RecordWriter
from mixnet_tools.accuracy.predictions.values import BadImage, Predictions, PredictionsBuilder
from mixnet_tools.errors import DatasetError


class Collector:
    """Gathers the answers to the images of ``plan``, and appends them to ``writer``'s file as they come."""

    def __init__(self, plan: EvaluationPlan, max_bad: int, writer: RecordWriter | None) -> None:
        """Begin with what an earlier run left. Raises :class:`DatasetError` where that has more than ``max_bad`` bad
        images.
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
                f"and --max_bad allows {max_bad}",
                hint="mend the data set, or allow more with --max_bad",
            )

    def __len__(self) -> int:
        """Images that are done, bad ones and those of an earlier run among them."""
        return len(self._builder)

    @property
    def figures(self) -> dict[str, str]:
        """Running values for people: top-1 of the first model so far."""
        return {"top-1": f"{100 * self._right / self._seen:.2f} %"} if self._seen else {}

    def meet(self, images: Iterable[SeenImage]) -> None:
        """Images that are about to be measured. Raises where there are more bad ones than allowed: their own error
        where none is, else :class:`DatasetError`; the first ones are named.
        """
        for one in images:
            if one.problem is None:
                continue
            self._bad.append(one.image.name)
            if len(self._bad) <= self._max_bad:
                continue
            if self._max_bad == 0:
                hint = one.problem.hint or "--max_bad N goes on without up to N such images"
                raise type(one.problem)(str(one.problem), hint=hint)
            raise DatasetError(
                f"{one.problem}\nthis is more than the {self._max_bad} bad images that --max_bad allows; the first was "
                f"{self._bad[0]}",
                hint="mend the data set, or allow more with --max_bad",
            )

    def take(self, batch: MeasuredBatch) -> None:
        """Images that were measured. When this returns, their answers are with the operating system."""
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
        """What :meth:`finish` could not do with the file."""
        return (self._writer.disorder,) if self._writer and self._writer.disorder else ()

    def finish(self) -> Predictions:
        """All answers in the data set's order, and the file in this order too. Call it when every image is done."""
        names = [image.name for image in self._plan.dataset.images]
        if self._writer:
            self._writer.put_in_order(names)
        return self._builder.predictions().in_order(names)


def _accepted(image: LabelledImage, offset: int) -> tuple[int, ...]:
    return tuple(label + offset for label in image.accepted or (image.label,))
