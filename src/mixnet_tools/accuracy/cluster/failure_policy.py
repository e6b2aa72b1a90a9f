"""What happens when something fails on a cluster: one table from failures to actions, with its limits."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

STRAGGLER_FACTOR = 4.0
"""A task is late when it takes this many times the median of the last tasks, and more than ``LEAST_LATENESS``."""

LEAST_LATENESS = 2.0
"""Seconds that a task may take in any case."""

FIRST_LATENESS = 30.0
"""Seconds that a task may take while fewer than three tasks were measured."""

ASK_AGAIN = 15.0
"""Seconds after which a refused worker is asked again whether it can take part: a mount may come late."""

REFUSED_WAIT = 5.0
"""Seconds to wait for other workers where all were refused and the caller named no time."""


class Failure(Enum):
    """What went wrong with a task, or with a worker."""

    UNREADABLE = "images could not be read or decoded"
    MODEL_ERROR = "measuring ended in a known error, such as an answer that holds NaN"
    UNKNOWN_ERROR = "measuring raised something else, such as MemoryError"
    CANNOT_LOAD = "the worker could not load a model"
    LOST = "the workers that may measure the task are gone, or the scheduler forgot it"
    DEADLY = "workers died while they had the task, more often than the scheduler allows"
    LATE = "there is no answer yet, for longer than other tasks took"
    OUTDONE = "the worker failed on tasks that another worker could measure, several in a row"


class Action(Enum):
    """What is done about it."""

    MEASURE_AGAIN = "put the task back, for a worker that has not tried it where there is one"
    ISOLATE = "measure the parts of the task last, each while no other task is on the cluster"
    ACCEPT = "take the answer with the fewest unreadable images"
    NAME_IMAGE = "count the image as one that cannot be measured"
    COPY = "give the task to an idle worker as well: the first answer counts"
    REFUSE_WORKER = "the worker takes no part until it is asked again; put the task back"
    END_RUN = "raise the error"
    WAIT = "do nothing"


@dataclass(frozen=True)
class Rule:
    """``action`` is taken where all conditions hold: it is at most failure number ``at_most`` of its kind, another
    worker can try (``others``), the task has ``several`` images, it had the cluster to itself (``alone``).
    """

    action: Action
    at_most: float = float("inf")
    others: bool = False
    several: bool = False
    alone: bool = False


_DEADLY = (Rule(Action.ISOLATE, several=True), Rule(Action.NAME_IMAGE, alone=True), Rule(Action.ISOLATE))

POLICY: Mapping[Failure, tuple[Rule, ...]] = {
    Failure.UNREADABLE: (Rule(Action.MEASURE_AGAIN, 1, others=True), Rule(Action.ACCEPT)),
    Failure.MODEL_ERROR: (Rule(Action.MEASURE_AGAIN, 1, others=True), Rule(Action.END_RUN)),
    Failure.UNKNOWN_ERROR: (Rule(Action.MEASURE_AGAIN, 2), Rule(Action.ISOLATE, several=True), Rule(Action.END_RUN)),
    Failure.CANNOT_LOAD: (
        Rule(Action.REFUSE_WORKER, others=True),
        Rule(Action.REFUSE_WORKER, 3),
        Rule(Action.END_RUN),
    ),
    Failure.LOST: (Rule(Action.MEASURE_AGAIN, 5), *_DEADLY),
    Failure.DEADLY: _DEADLY,
    Failure.LATE: (Rule(Action.COPY, others=True), Rule(Action.WAIT)),
    Failure.OUTDONE: (Rule(Action.WAIT, 2), Rule(Action.REFUSE_WORKER)),
}
"""For each failure its rules. The first rule whose conditions hold counts."""


def decide(
    failure: Failure, number: int, *, others: bool = False, several: bool = False, alone: bool = False
) -> Action:
    """What to do about ``failure``, the ``number``-th of its kind. For the conditions see :class:`Rule`."""
    return next(
        rule.action
        for rule in POLICY[failure]
        if number <= rule.at_most and others >= rule.others and several >= rule.several and alone >= rule.alone
    )


def lateness(seconds: Sequence[float]) -> float:
    """Seconds after which a task is late, where the last tasks took ``seconds``."""
    if len(seconds) < 3:
        return FIRST_LATENESS
    return max(LEAST_LATENESS, STRAGGLER_FACTOR * statistics.median(seconds))
