"""Which images go to the workers, in what portions, and what came back of them. Values and a queue; no network.

A shard is a run of consecutive images of a group. A group are the evaluations of one call that have the same images:
each image is decoded once for all of its models.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.evaluation.loop import MeasuredBatch, SeenImage
from mixnet_tools.accuracy.predictions.values import Answers
from mixnet_tools.errors import DatasetError, EvaluationError

PARTS = 16
"""Into how many a shard is split whose workers died: two splits lead from 128 images to one."""


@dataclass(frozen=True)
class Shard:
    """Images ``start`` to ``stop`` of group number ``group``."""

    group: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def split(self) -> list[Shard]:
        """Up to :data:`PARTS` parts of it.

        >>> [len(part) for part in Shard(0, 10, 50).split()][:3], len(Shard(0, 0, 1).split())
        ([3, 3, 3], 1)
        """
        return list(cut(self, -(-len(self) // PARTS)))


def cut(whole: Shard, size: int) -> Iterator[Shard]:
    """``whole`` in shards of ``size`` images, the last of what is left."""
    for start in range(whole.start, whole.stop, size):
        yield Shard(whole.group, start, min(start + size, whole.stop))


class ShardQueue:
    """What is to be measured still. Shards that came back unmeasured go out first."""

    def __init__(self, sizes: Sequence[int], shard_size: int) -> None:
        """``sizes`` are the numbers of images of the groups, in the order in which they are measured."""
        self._new = (shard for group, size in enumerate(sizes) for shard in cut(Shard(group, 0, size), shard_size))
        self._next = next(self._new, None)
        self._again: deque[Shard] = deque()

    def __bool__(self) -> bool:
        return bool(self._again) or self._next is not None

    def pop(self) -> Shard:
        """The next one. IndexError where there is none."""
        if self._again or self._next is None:
            return self._again.popleft()
        shard, self._next = self._next, next(self._new, None)
        return shard

    def put_back(self, shards: Iterable[Shard]) -> None:
        """To be measured again."""
        self._again.extend(shards)


@dataclass(frozen=True)
class Problem:
    """Image number ``index`` of a shard could not be measured. ``of_data``: a :class:`DatasetError`."""

    index: int
    of_data: bool
    message: str
    hint: str | None


@dataclass(frozen=True)
class ShardAnswers:
    """The answers of one evaluation's models to the images of a shard that have no problem, in order."""

    problems: tuple[Problem, ...]
    odd: tuple[tuple[int, tuple[str, ...]], ...]
    answers: tuple[Answers, ...]


def sent(images: Sequence[LabelledImage]) -> bytes:
    """``images`` as they travel: a worker has another current folder. What only labels need stays here."""
    return pickle.dumps(tuple(replace(one, location=one.location.absolute(), label=0, accepted=None) for one in images))


def packed(batches: Iterable[MeasuredBatch], models: int) -> ShardAnswers:
    """What was measured of a shard, as it travels back."""
    problems: list[Problem] = []
    odd: list[tuple[int, tuple[str, ...]]] = []
    parts: list[list[Answers]] = [[] for _ in range(models)]
    index = 0
    for batch in batches:
        for one in batch.images:
            if one.problem is not None:
                of_data = isinstance(one.problem, DatasetError)
                problems.append(Problem(index, of_data, str(one.problem), one.problem.hint))
            elif one.image_notes:
                odd.append((index, one.image_notes))
            index += 1
        for tested, answers in enumerate(batch.answers):
            parts[tested].append(answers)
    joined = tuple(
        Answers(np.concatenate([one.classes for one in part]), np.concatenate([one.scores for one in part]))
        for part in parts
        if part
    )
    return ShardAnswers(tuple(problems), tuple(odd), joined)


def unpacked(answers: ShardAnswers, images: Sequence[LabelledImage]) -> MeasuredBatch:
    """The same as if ``images`` had been measured here: problems name the paths as they were given."""
    problems = {one.index: _raised(one, images[one.index]) for one in answers.problems}
    odd = dict(answers.odd)
    seen = tuple(SeenImage(one, odd.get(index, ()), problems.get(index)) for index, one in enumerate(images))
    return MeasuredBatch(seen, answers.answers)


def died(image: LabelledImage) -> ShardAnswers:
    """In place of the answers to an ``image`` that no worker survives."""
    return ShardAnswers(
        (Problem(0, True, f"{image.where}: the worker died while it measured this image", None),), (), ()
    )


def _raised(problem: Problem, image: LabelledImage) -> DatasetError | EvaluationError:
    message = problem.message.replace(str(image.location.absolute()), str(image.location), 1)
    return (DatasetError if problem.of_data else EvaluationError)(message, hint=problem.hint)
