"""Shards out, answers in, until every image is done: what happens to each, whatever happens to the workers.

A bounded number of shards is with Dask, which decides where they run, and runs those of a dead worker elsewhere. What a
shard's failure means is decided here. Nothing is taken twice: a shard's first answer counts.
"""

from __future__ import annotations

import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from mixnet_tools.accuracy.cluster import worker as remote
from mixnet_tools.accuracy.cluster.roster import ANSWER, Roster
from mixnet_tools.accuracy.cluster.sent import Sent, SentShards, fetched
from mixnet_tools.accuracy.cluster.shards import Shard, ShardQueue
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.errors import EvaluationError, MixnetToolsError, first_line
from mixnet_tools.progress import Progress

PER_WORKER = 2
"""Shards that a worker has: one at work, the next at hand."""

INTERVAL = 0.5
"""Seconds between two looks at who is there."""

GRACE = 5.0
"""Seconds to wait for other workers where all that are there were refused."""

TRIES = 3
"""How often something unknown may be raised for a shard; how often in a row a worker may fail where others do not."""

HOPELESS = 10.0
"""How many times as long as for an answer that is late to wait for the confirmation of bad images, where none comes."""

LOSSES = 5
"""How often a shard may get lost before it is looked into."""


class SchedulerLost(Exception):
    """The scheduler does not answer any more."""


class Dispatcher:
    """One run: ``groups`` are the images of each group; ``take`` is given each shard's answers, once (None: of a single
    image that no worker survives).

    ``wait`` is for how many seconds a run goes on without a worker; ``hasty``: less where all that came were refused.
    """

    def __init__(
        self,
        client: Any,
        run: str,
        roster: Roster,
        groups: Sequence[Sequence[LabelledImage]],
        shard_size: int,
        take: Callable[[Shard, remote.Measured | None], None],
        *,
        wait: float,
        hasty: bool,
        progress: Progress,
    ) -> None:
        self._client, self._roster, self._groups, self._take = client, roster, groups, take
        self._wait, self._hasty, self._progress = wait, hasty, progress
        self._errors: dict[str, str] = {}
        self._able: set[int] = set()
        self._strikes: Counter[str] = Counter()
        self._heard: dict[str, float] = {}
        self._queue = ShardQueue([len(images) for images in groups], shard_size)
        self._suspects: deque[Shard] = deque()
        self._doubtful: list[tuple[Sent, remote.Measured]] = []
        self._lost: Counter[tuple[Shard, bool]] = Counter()
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._sent = SentShards(client, run, self._images, self._events.put)
        self._looked = self._manned = time.monotonic() - INTERVAL
        self._told = False
        roster.notify = self._events.put

    def run(self) -> None:
        """Measure everything.

        Raises :class:`SchedulerLost`, :class:`EvaluationError` where no worker can take part or an image cannot be
        measured, and what ``take`` raises. Whatever ends it, nothing is left with Dask.
        """
        self._manned = time.monotonic()
        try:
            while self._queue or self._sent or self._suspects or self._doubtful:
                self._look_around()
                self._send()
                self._receive()
        except (MixnetToolsError, SchedulerLost):
            raise
        except Exception as error:
            # Whatever Dask raises of a connection that is gone; a full disk here is something else.
            if self._client.status != "running" or type(error).__module__.startswith("distributed"):
                raise SchedulerLost from error
            raise
        finally:
            self._sent.cancel()

    def _look_around(self) -> None:
        now = time.monotonic()
        if now - self._looked < INTERVAL:
            return
        self._looked = now
        self._roster.refresh()
        for sent in self._sent.all():
            if not sent.allowed & self._roster.admitted:  # none is left that may have it: Dask would wait for one
                self._sent.withdraw(sent)
                self._again(sent)
        doubtful, self._doubtful = self._doubtful, []
        for sent, found in doubtful:
            self._judge(sent, found)
        if self._roster.admitted:
            self._manned, self._told, self._hasty = now, False, False
            self._help_out()
        else:
            self._without_workers(now - self._manned)

    def _without_workers(self, seconds: float) -> None:
        refused, limit = {**self._roster.refused, **self._roster.silent}, self._wait
        if self._roster.undecided:
            limit *= 10  # models are on their way
        elif refused and self._hasty:
            limit = min(GRACE, limit)
        if seconds > limit:
            reasons = "".join(f"\n{address}: {problem}" for address, problem in sorted(refused.items()))
            raise EvaluationError(
                f"no worker can take part, after {seconds:.0f} s of waiting{reasons}",
                hint="start workers with the software of this machine: dask worker HOST:8786"
                if not refused
                else "give the workers what they lack, or this machine what they have",
            )
        if seconds > 2 and not self._told:
            self._told = True
            self._progress.note(f"waiting up to {limit:.0f} s for workers")

    def _help_out(self) -> None:
        """What is left over when nothing is waiting any more, and takes long, is given to idle workers as well."""
        late = [] if self._queue else self._sent.late()
        if not late:
            return
        hopeless = time.monotonic() - HOPELESS * self._sent.limit
        busy = self._client.processing()
        idle = [address for address in sorted(self._roster.admitted) if not busy.get(address)]
        for sent in late:
            address = next((one for one in idle if one not in sent.avoided), None)
            if address is not None:
                idle.remove(address)
                self._sent.send(sent, frozenset([address]))
            elif all(since < hopeless for since in (sent.since, *self._heard_of(sent))):
                self._give_up(sent)

    def _heard_of(self, sent: Sent) -> list[float]:
        """When those that may have it have answered anything, for the last time."""
        return [self._heard.get(one, 0.0) for one in self._roster.admitted - sent.avoided]

    def _give_up(self, sent: Sent) -> None:
        """No worker that could have it has answered anything for long: what others have said of it holds."""
        if sent.first:
            self._sent.withdraw(sent)
            self._take(sent.shard, sent.first)
        elif sent.failures:
            self._sent.withdraw(sent)
            self._raised(sent, *sent.failures[-1])

    def _send(self) -> None:
        admitted = frozenset(self._roster.admitted)
        # Late ones do not count: a worker that hangs may hold all that are out, with those of others that died.
        while admitted and self._queue and self._sent.in_time() < PER_WORKER * len(admitted):
            self._sent.send(Sent(self._queue.pop(), False, admitted), admitted)
        if admitted and self._suspects and not self._queue and not self._sent:
            # By itself, so that it is known whose fault it is when a worker dies.
            self._sent.send(Sent(self._suspects.popleft(), True, admitted), admitted)

    def _images(self, shard: Shard) -> Sequence[LabelledImage]:
        return self._groups[shard.group][shard.start : shard.stop]

    def _receive(self) -> None:
        """Wait a moment for something to be done, then see to all that is, so that workers wait for nothing."""
        try:
            self._hear(self._events.get(timeout=INTERVAL / 2))
            while not self._events.empty():
                self._hear(self._events.get())
                self._send()
        except queue.Empty:
            return

    def _hear(self, future: Any) -> None:
        sent = self._sent.of(future)
        if sent is None:  # a worker's answer to the roster; or a copy that came second, or one that was withdrawn
            self._looked -= INTERVAL
            return
        try:
            found = fetched(future)
        except Exception as error:
            self._failed(sent, future, error)
            return
        self._heard[found.worker] = time.monotonic()
        if found.failure is not None and self._sent.drop(sent, future):
            sent.failures += ((found.worker, found.failure),)
            return
        self._sent.withdraw(sent)
        now = time.monotonic()
        if found.answers and not found.problems:
            self._sent.took(now - sent.since)
            self._able.add(sent.shard.group)
        sent.since = now
        self._judge(sent, found)

    def _judge(self, sent: Sent, found: remote.Measured) -> None:
        """Take an answer; or have it confirmed, where it may be the worker's fault and others are there, or coming."""
        others = frozenset(self._roster.admitted - {found.worker})
        # A folder that is gone from one worker looks like bad images: another has to say the same.
        doubtful = bool(found.problems) and sent.first is None
        if found.error is not None:
            self._unable(sent, found.worker, found.error, bool(others) or self._roster.undecided)
        elif found.failure is not None:
            self._raised(sent, found.worker, found.failure)
        elif sent.first and _crossed(sent.first, found) and len(sent.shard) > 1:
            self._queue.put_back(sent.shard.split())  # each failed on what the other can: reading fails now and then
        elif doubtful and others:
            self._sent.send(Sent(sent.shard, sent.alone, others, first=found), others)
        elif doubtful and self._roster.undecided and time.monotonic() - sent.since < ANSWER:
            self._doubtful.append((sent, found))
        else:
            for address, text in dict(sent.failures).items():
                self._strike(address, text, found.worker)
            best = self._better(sent.first, found) if sent.first else found
            self._strikes.pop(best.worker, None)
            self._take(sent.shard, best)

    def _raised(self, sent: Sent, worker: str, text: str) -> None:
        """Something unknown: tried again, elsewhere where that is possible; then in parts, until an image is named."""
        failures = (*sent.failures, (worker, text))
        able = self._roster.admitted - {sent.first.worker if sent.first else ""}
        if not able:
            self._requeue(sent)
        elif len(failures) < TRIES:
            workers = frozenset(able - {address for address, _ in failures} or able)
            self._sent.send(Sent(sent.shard, sent.alone, workers, first=sent.first, failures=failures), workers)
        elif len(sent.shard) > 1:
            self._queue.put_back(sent.shard.split())
        else:
            (image,) = self._images(sent.shard)
            raise EvaluationError(f"{image.where}: the workers cannot measure this image: {text}")

    def _strike(self, address: str, text: str, measured_by: str) -> None:
        """A worker that fails again and again, where others do not, takes no part any more."""
        if address == measured_by or address not in self._roster.admitted:
            return
        self._strikes[address] += 1
        if self._strikes[address] >= TRIES and self._roster.admitted != {address}:
            self._roster.refuse(address, f"it cannot measure what another worker can: {text}")

    def _unable(self, sent: Sent, worker: str, error: MixnetToolsError, others: bool) -> None:
        """A worker failed as a whole. Where another does too, in the same words, it is not the worker's fault."""
        again = self._errors.setdefault(str(error), worker) != worker
        if not others or (again and sent.shard.group not in self._able):
            raise error
        self._roster.refuse(worker, str(error))
        self._requeue(sent)

    def _better(self, first: remote.Measured, second: remote.Measured) -> remote.Measured:
        """The answer with fewer bad images."""
        good, bad = sorted((first, second), key=lambda one: len(one.problems))
        reason = next((text for place, text in bad.problems.items() if place not in good.problems), None)
        if reason:
            self._strike(bad.worker, reason, good.worker)
        return good

    def _failed(self, sent: Sent, future: Any, error: Exception) -> None:
        from distributed import KilledWorker

        if self._client.status != "running":
            raise SchedulerLost from error
        failed = future.status == "error"  # else it was forgotten, or its answer did not come
        self._sent.withdraw(sent)
        if failed and isinstance(error, KilledWorker):
            self._deadly(sent)
        elif failed and isinstance(error, remote.Unprepared):
            self._roster.forget(error.args[0])
            self._requeue(sent)
        elif not failed:
            self._again(sent)
        else:
            self._raised(sent, "", f"{type(error).__name__}: {first_line(error)}")

    def _again(self, sent: Sent) -> None:
        """It got lost. That may be its own fault, where it happens again and again."""
        self._lost[sent.shard, sent.alone] += 1
        if self._lost[sent.shard, sent.alone] > LOSSES:
            self._deadly(sent)
        else:
            self._requeue(sent)

    def _requeue(self, sent: Sent) -> None:
        if sent.alone:
            self._suspects.appendleft(sent.shard)
        else:
            self._queue.put_back([sent.shard])

    def _deadly(self, sent: Sent) -> None:
        """Workers died that had it, perhaps for the sake of another shard that they had."""
        if len(sent.shard) > 1:
            self._queue.put_back(sent.shard.split())
        elif not sent.alone:
            self._suspects.append(sent.shard)
        else:
            self._take(sent.shard, None)


def _crossed(first: remote.Measured, second: remote.Measured) -> bool:
    one, other = first.problems.keys(), second.problems.keys()
    return bool(one - other) and bool(other - one)
