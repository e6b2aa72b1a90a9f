"""The dispatcher on a cluster that is simulated, with a clock of its own: whatever workers do, no image is lost."""

from __future__ import annotations

import contextlib
import queue
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.accuracy.cluster import dispatch
from mixnet_tools.accuracy.cluster import sent as sent_shards
from mixnet_tools.accuracy.cluster.shards import Problem, Shard, ShardAnswers
from mixnet_tools.accuracy.cluster.worker import Measured
from mixnet_tools.accuracy.evaluation.timing import Clock
from mixnet_tools.errors import EvaluationError
from mixnet_tools.progress import Progress

FOREVER = 3600.0
"""Simulated seconds after which a run is taken for one without end."""


class Future:
    """A task of the simulated cluster."""

    def __init__(self, key: str, payload: Any, worker: Worker) -> None:
        self.key, self.payload, self.worker = key, payload, worker
        self.status, self.answer = "pending", Measured("", Clock())
        self.callback: Callable[[Future], None] = lambda future: None

    def add_done_callback(self, callback: Callable[[Future], None]) -> None:
        self.callback = callback

    def done(self) -> bool:
        return self.status != "pending"

    def release(self) -> None:
        """Nothing holds it."""


class Worker:
    """One that takes ``seconds`` for a shard, for each of ``load`` clients, and does with it what ``kind`` says."""

    def __init__(self, address: str, kind: str, seconds: float, load: int = 1) -> None:
        self.address, self.kind, self.seconds, self.load = address, kind, seconds, load
        self.tasks: list[Future] = []
        self.free = 0.0
        self.measured = 0
        self.stuck = False

    def answer(self, shard: Shard) -> Measured:
        problems: tuple[Problem, ...] = ()
        if self.kind == "unable":
            return Measured(self.address, Clock(), error=EvaluationError("out of memory"))
        if self.kind == "failing":
            return Measured(self.address, Clock(), failure="MemoryError: std::bad_alloc")
        if self.kind == "blind":
            problems = tuple(Problem(index, True, "gone", None) for index in range(len(shard)))
        return Measured(self.address, Clock(), (ShardAnswers(problems, (), ()),))


class Simulation:
    """The client, the roster, the queue of events and the clock that a dispatcher works with."""

    def __init__(self, workers: list[Worker]) -> None:
        self.workers = {worker.address: worker for worker in workers}
        self.now = 0.0
        self.events: list[Any] = []
        self.most_out = 0
        self.taken: list[tuple[Shard, Measured | None]] = []
        # As a client
        self.status = "running"
        # As a roster
        self.admitted, self.refused = set(self.workers), dict[str, str]()
        self.silent, self.undecided = dict[str, str](), False
        self.notify: Any = None

    def submit(
        self, function: Any, run: str, group: int, payload: Any, *, key: str, workers: list[str], **_: Any
    ) -> Any:
        """To the one with the least to do, as Dask does it."""
        worker = min((self.workers[one] for one in workers), key=lambda one: (len(one.tasks), one.address))
        future = Future(key, payload, worker)
        if not worker.tasks:
            worker.free = self.now + worker.seconds * worker.load
        worker.tasks.append(future)
        self.most_out = max(self.most_out, sum(len(one.tasks) for one in self.workers.values()))
        return future

    def cancel(self, futures: list[Future]) -> None:
        """They are no one's task any more; a worker that hangs goes on hanging."""
        for future in futures:
            if future in future.worker.tasks:
                future.worker.tasks.remove(future)
                future.worker.free = self.now + future.worker.seconds * future.worker.load

    def processing(self) -> dict[str, list[str]]:
        return {worker.address: [task.key for task in worker.tasks] for worker in self.workers.values()}

    def refresh(self) -> None:
        """Who is there is there."""

    def refuse(self, address: str, problem: str) -> None:
        self.admitted.discard(address)
        self.refused[address] = problem

    def take(self, shard: Shard, measured: Measured | None) -> None:
        self.taken.append((shard, measured))

    def put(self, event: Any) -> None:
        self.events.append(event)

    def empty(self) -> bool:
        return not self.events

    def get(self, timeout: float = 0.0) -> Any:
        """The next event; time passes until there is one, or ``timeout`` is over."""
        while not self.events:
            busy = [one for one in self.workers.values() if one.tasks and not one.stuck]
            first = min(busy, key=lambda one: one.free, default=None)
            if first is None or first.free > self.now + timeout:
                self.now += timeout
                assert self.now < FOREVER, f"no end; workers have {self.processing()}"
                raise queue.Empty
            timeout -= max(0.0, first.free - self.now)
            self.now = max(self.now, first.free)
            self._finish(first)
        return self.events.pop(0)

    def _finish(self, worker: Worker) -> None:
        worker.measured += 1
        if worker.kind == "hanging" and worker.measured > 2:
            worker.stuck = True
            return
        future = worker.tasks.pop(0)
        worker.free = self.now + worker.seconds * worker.load
        future.status, future.answer = "finished", worker.answer(future.payload)
        future.callback(future)


@contextlib.contextmanager
def simulated(simulation: Simulation) -> Iterator[None]:
    clock = SimpleNamespace(monotonic=lambda: simulation.now)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "time", clock)
        patch.setattr(sent_shards, "time", clock)
        patch.setattr(dispatch, "queue", SimpleNamespace(SimpleQueue=lambda: simulation, Empty=queue.Empty))
        patch.setattr(dispatch, "fetched", lambda future: future.answer)
        patch.setattr(
            "mixnet_tools.accuracy.cluster.shards.sent", lambda images: Shard(0, images[0].index, images[-1].index + 1)
        )
        yield


def run(workers: list[Worker], count: int, shard_size: int) -> Simulation:
    simulation = Simulation(workers)
    images: list[Any] = [SimpleNamespace(index=index, where=f"{index}.jpg") for index in range(count)]
    with simulated(simulation):
        client: Any = simulation
        dispatch.Dispatcher(
            client, "run", client, [images], shard_size, simulation.take, wait=60, hasty=True, progress=Progress()
        ).run()
    return simulation


def worker_lists() -> st.SearchStrategy[list[tuple[str, float]]]:
    """At least one good worker, any number of hanging ones, and as many others as good ones can be told from."""
    seconds = st.sampled_from([0.1, 0.5, 3.0])
    several = st.lists(st.tuples(st.sampled_from(["good", "hanging"]), seconds), max_size=4)
    odd = st.lists(
        st.tuples(st.sampled_from(["blind", "unable", "failing"]), seconds), max_size=3, unique_by=lambda one: one[0]
    )
    good = st.tuples(st.just("good"), seconds)
    return st.builds(lambda first, *more: [first, *more[0], *more[1]], good, several, odd).flatmap(st.permutations)


@given(worker_lists(), st.integers(1, 40), st.integers(1, 12))
def test_every_image_is_measured_once_whatever_the_others_do(
    kinds: list[tuple[str, float]], count: int, shard_size: int
) -> None:
    workers = [Worker(f"tcp://w{number}", kind, seconds) for number, (kind, seconds) in enumerate(kinds)]
    simulation = run(workers, count, shard_size)
    done = Counter(index for shard, _ in simulation.taken for index in range(shard.start, shard.stop))
    assert done == Counter(range(count))
    assert all(measured is not None and not measured.problems for _, measured in simulation.taken)


@given(
    st.lists(st.sampled_from(["failing", "blind"]), min_size=1, max_size=3),
    st.integers(0, 3),
    st.integers(1, 12),
)
def test_without_a_good_worker_it_ends_too(odd: list[str], hanging: int, shard_size: int) -> None:
    """As long as one answers: where all hang, as a shared disk may have them do, they are waited for."""
    kinds = [*odd, *["hanging"] * hanging]
    workers = [Worker(f"tcp://w{number}", kind, 0.5) for number, kind in enumerate(kinds)]
    with contextlib.suppress(EvaluationError):
        simulation = run(workers, 20, shard_size)
        assert sum(len(shard) for shard, _ in simulation.taken) == 20


def test_shards_that_wait_on_a_busy_worker_are_not_late() -> None:
    """Three clients share it: a shard waits for six times as long as its measuring takes."""
    simulation = run([Worker("tcp://w0", "good", 0.6, load=3)], 200, 2)
    assert simulation.most_out == dispatch.PER_WORKER


def test_an_image_on_which_all_workers_fail_is_named() -> None:
    with pytest.raises(EvaluationError, match=r"\d\.jpg: the workers cannot measure this image: MemoryError"):
        run([Worker(f"tcp://w{number}", "failing", 0.5) for number in range(2)], 5, 5)


def test_bad_images_that_nobody_else_answers_for_are_bad() -> None:
    workers = [Worker("tcp://w0", "hanging", 0.5), Worker("tcp://w1", "blind", 0.5)]
    simulation = run(workers, 30, 5)
    assert sum(len(shard) for shard, _ in simulation.taken) == 30
    assert any(measured and measured.problems for _, measured in simulation.taken)
