"""Send the images to the workers in tasks, and do with what comes back as the failure policy says.

Dask decides which worker gets which task, moves tasks from busy workers to idle ones, and gives those of a worker that
died to others. A bounded number of tasks is with Dask. The first answer to a task counts.
"""

from __future__ import annotations

import pickle
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mixnet_tools.accuracy.cluster import DEFAULT_WAIT, failure_policy, worker
from mixnet_tools.accuracy.cluster.failure_policy import Action, Failure, decide
from mixnet_tools.accuracy.cluster.worker import Outcome
from mixnet_tools.accuracy.cluster.workers import Workers
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.evaluation.loop import MeasuredBatch, SeenImage
from mixnet_tools.accuracy.evaluation.timing import Clock
from mixnet_tools.errors import DatasetError, EvaluationError

if TYPE_CHECKING:
    from distributed import Future

PER_WORKER = 2
"""Tasks for each worker that are with Dask: one is measured, the next is at hand."""

INTERVAL = 0.5
"""Seconds between two looks at the workers and at late tasks."""

PARTS = 16
"""Parts into which a task is cut that kills workers: two cuts lead from 128 images to one."""


@dataclass(eq=False)
class Task:
    """Images ``start`` to ``stop`` of evaluation number ``evaluation``; ``failed`` is what went wrong with them so far.

    A task that is measured ``alone`` has the cluster to itself. ``allowed`` are the workers for which Dask has it, and
    ``since`` is when it got it last.
    """

    evaluation: int
    start: int
    stop: int
    alone: bool = False
    failed: list[Outcome] = field(default_factory=list)
    allowed: set[str] = field(default_factory=set)
    since: float = 0.0

    @property
    def tried_by(self) -> set[str]:
        """The workers on which it failed."""
        return {one.worker for one in self.failed}

    def cut(self, size: int, *, alone: bool = False) -> Iterator[Task]:
        """New tasks of ``size`` images, the last one of what is left.

        >>> [(one.start, one.stop) for one in Task(0, 10, 15).cut(2)]
        [(10, 12), (12, 14), (14, 15)]
        """
        for start in range(self.start, self.stop, size):
            yield Task(self.evaluation, start, min(start + size, self.stop), alone)


class Dispatcher:
    """Measures the ``images`` of each evaluation once, in tasks of ``shard_size``; ``take`` is given each task with its
    answers. ``wait`` is for how many seconds to go on without a worker (None: the default).
    """

    def __init__(
        self,
        workers: Workers,
        images: Sequence[Sequence[LabelledImage]],
        shard_size: int,
        take: Callable[[Task, Outcome], None],
        wait: float | None,
    ) -> None:
        from distributed import as_completed

        self._workers, self._images, self._take, self._wait = workers, images, take, wait
        self._done = as_completed(loop=workers.client.loop, with_results=True, raise_errors=False)
        whole = (Task(number, 0, len(every)) for number, every in enumerate(images))
        self._waiting = deque(part for task in whole for part in task.cut(shard_size))
        self._isolated: deque[Task] = deque()
        self._running: dict[Future, Task] = {}
        self._outdone: Counter[str] = Counter()
        self._seconds: deque[float] = deque(maxlen=64)

    def run(self) -> None:
        """Measure everything.

        Raises :class:`ConnectionError` where the scheduler is lost, :class:`EvaluationError` where no worker can take
        part or an image cannot be measured, and what ``take`` raises.
        """
        looked, self._manned, self._told = float("-inf"), time.monotonic(), False
        while self._waiting or self._isolated or self._running:
            if self._workers.client.status != "running":
                raise ConnectionError
            if time.monotonic() - looked >= INTERVAL:
                self._look_around()
                looked = time.monotonic()
            self._send()
            if not self._done.has_ready():
                with self._done.thread_condition:
                    self._done.thread_condition.wait(0.05)
            for future, result in self._done.next_batch(block=False):
                if task := self._running.pop(future, None):  # else another answer came first
                    outcome = result if isinstance(result, Outcome) else _without_answer(result)
                    if outcome.failure:
                        self._failed(task, outcome, outcome.failure)
                    else:
                        self._accept(task, outcome)

    def _look_around(self) -> None:
        """See which workers are there, and look after the tasks that are with Dask."""
        self._workers.refresh()
        admitted = self._workers.admitted
        for task in [one for one in self._out() if not one.allowed & admitted]:
            self._withdraw(task)  # Dask would wait for one of the workers that may have it
            self._failed(task, _without_answer(None), Failure.LOST)
        if not admitted:
            self._without_workers(time.monotonic() - self._manned)
            return
        self._manned, self._told = time.monotonic(), False
        if self._waiting or not (late := self._late()):
            return
        busy = self._workers.client.processing()
        idle = {address for address in admitted if not busy.get(address)}
        for task in late:
            # A second reading by a worker that hangs is not waited for: the first worker may read again.
            able = idle - task.tried_by or {one for one in idle if any(failed.batches for failed in task.failed)}
            if decide(Failure.LATE, 1, others=bool(able)) is Action.COPY:
                idle.remove(address := min(able))
                self._submit(task, {address})

    def _without_workers(self, seconds: float) -> None:
        refused, asked = self._workers.refused, self._workers.asked
        limit = self._wait or (failure_policy.REFUSED_WAIT if refused and not asked else DEFAULT_WAIT)
        if seconds > limit:
            problems = dict.fromkeys(asked, "does not answer") | {one: problem for one, (problem, _) in refused.items()}
            raise EvaluationError(
                f"no worker can take part, after {seconds:.0f} s of waiting"
                + "".join(f"\n{address}: {problem}" for address, problem in sorted(problems.items())),
                hint="start workers with the software of this machine (dask worker HOST:8786), which see the images",
            )
        if seconds > 2 and not self._told:
            self._told = True
            self._workers.progress.note(f"waiting up to {limit:.0f} s for workers")

    def _out(self) -> list[Task]:
        """The tasks that are with Dask."""
        return list(dict.fromkeys(self._running.values()))

    def _late(self) -> list[Task]:
        due = time.monotonic() - failure_policy.lateness(self._seconds)
        return [one for one in self._out() if one.since < due]

    def _send(self) -> None:
        """Give Dask as many tasks as the workers need."""
        admitted = self._workers.admitted
        # Late ones do not count: a worker that hangs may hold all tasks that are out.
        wanted = PER_WORKER * len(admitted) - len(self._out()) + len(self._late()) if self._waiting else 0
        chosen = [self._waiting.popleft() for _ in range(min(wanted, len(self._waiting)))]
        if admitted and self._isolated and not self._running and not chosen:
            chosen = [self._isolated.popleft()]
        for task in chosen:
            self._submit(task, admitted - task.tried_by or admitted)

    def _submit(self, task: Task, workers: Set[str]) -> None:
        """Give ``task`` to Dask, for one of ``workers``."""
        # A worker has another current folder, and needs no labels.
        images = tuple(
            replace(one, location=one.location.absolute(), label=0, accepted=None)
            for one in self._images[task.evaluation][task.start : task.stop]
        )
        future = self._workers.client.submit(
            worker.measure,
            self._workers.run,
            task.evaluation,
            pickle.dumps(images),
            workers=sorted(workers),
            allow_other_workers=False,
            pure=False,
        )
        self._done.add(future)
        self._running[future] = task
        task.allowed |= workers
        task.since = time.monotonic()

    def _withdraw(self, task: Task) -> None:
        """Take ``task`` back from Dask."""
        for future in [one for one, running in self._running.items() if running is task]:
            del self._running[future]
            future.release()
        task.allowed.clear()

    def _failed(self, task: Task, outcome: Outcome, failure: Failure) -> None:
        """Do what the policy says about ``failure``, which has just happened."""
        size, first = task.stop - task.start, self._images[task.evaluation][task.start]
        task.failed.append(outcome)
        number = sum(one.failure is failure for one in task.failed)
        others = bool(self._workers.admitted - task.tried_by)
        action = decide(failure, number, others=others, several=size > 1, alone=task.alone)
        if task in self._running.values() and action is not Action.ACCEPT:  # a copy may succeed
            return
        self._withdraw(task)
        if action is Action.ACCEPT:
            self._accept(task, min((one for one in task.failed if one.batches), key=lambda one: len(one.unreadable)))
        elif action is Action.ISOLATE:
            self._isolated.extendleft(task.cut(-(-size // PARTS), alone=True))
        elif action is Action.NAME_IMAGE:
            problem = DatasetError(f"{first.where}: the worker died while it measured this image")
            self._take(task, Outcome("", Clock(), (MeasuredBatch((SeenImage(first, (), problem),), ()),)))
        elif action is Action.END_RUN:
            if failure is not Failure.UNKNOWN_ERROR and outcome.error:
                raise outcome.error
            raise EvaluationError(f"{first.where}: the workers cannot measure this image: {outcome.error}")
        else:
            if action is Action.REFUSE_WORKER:
                self._workers.refuse(outcome.worker, str(outcome.error))
            (self._isolated if task.alone else self._waiting).appendleft(task)

    def _accept(self, task: Task, outcome: Outcome) -> None:
        """Take the answers; note which workers failed where this one did better."""
        self._withdraw(task)
        self._seconds.append(time.monotonic() - task.since)
        self._outdone.pop(outcome.worker, None)
        for failed in task.failed:
            worse = not failed.batches or len(failed.unreadable) > len(outcome.unreadable)
            if worse and failed.worker in self._workers.admitted - {outcome.worker}:
                self._outdone[failed.worker] += 1
                if decide(Failure.OUTDONE, self._outdone[failed.worker]) is Action.REFUSE_WORKER:
                    self._workers.refuse(failed.worker, f"it cannot measure what another worker can: {failed.error}")
        self._take(task, outcome)


def _without_answer(result: object) -> Outcome:
    """What Dask says of a task that did not end: an exception by its type, itself and its traceback, or nothing."""
    from distributed import KilledWorker

    killed = isinstance(result, tuple) and isinstance(result[1], KilledWorker)
    return Outcome("", Clock(), failure=Failure.DEADLY if killed else Failure.LOST)
