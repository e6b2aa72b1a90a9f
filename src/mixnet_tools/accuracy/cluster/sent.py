"""The shards that are with Dask: which, for how long, for which workers; sending, fetching and withdrawing them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import statistics
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mixnet_tools.accuracy.cluster import shards
from mixnet_tools.accuracy.cluster import worker as remote
from mixnet_tools.accuracy.cluster.roster import ANSWER
from mixnet_tools.accuracy.cluster.shards import Shard
from mixnet_tools.accuracy.datasets.image import LabelledImage

SLOW = 4.0
"""A shard whose answer takes so many times as long as others' is late."""

UNKNOWN = 30.0
"""Seconds after which it is, where hardly any other was measured."""

FETCH = 1.0
"""Seconds after which it is looked whether the answer that is being fetched still exists."""


@dataclass(eq=False)
class Sent:
    """A shard that is with Dask: its ``futures`` (all but the first are copies for other workers), who may have it
    (``allowed``), and ``since`` when the last of these has it, or its answer is here. ``alone``: nothing else is out
    at the same time.
    """

    shard: Shard
    alone: bool
    allowed: frozenset[str]
    since: float = 0.0
    futures: list[Any] = field(default_factory=list)
    first: remote.Measured | None = None
    """What another worker answered, with bad images that this one is to confirm."""
    failures: tuple[tuple[str, str], ...] = ()
    """On which workers something unknown was raised, and what."""

    @property
    def avoided(self) -> frozenset[str]:
        """Workers that have had their turn: the one whose answer is to be confirmed, and those that failed."""
        return frozenset([self.first.worker] if self.first else []) | dict(self.failures).keys()


class SentShards:
    """Those of the run ``run``. ``images`` are a shard's; ``notify`` is called, in a thread of Dask's, with each future
    that is done.
    """

    def __init__(
        self,
        client: Any,
        run: str,
        images: Callable[[Shard], Sequence[LabelledImage]],
        notify: Callable[[Any], None],
    ) -> None:
        self._client, self._run, self._images, self._notify = client, run, images, notify
        self._by_key: dict[str, Sent] = {}
        self._seconds: deque[float] = deque(maxlen=64)

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def of(self, future: Any) -> Sent | None:
        """Whose future that is; None where it was withdrawn, or is of something else."""
        return self._by_key.get(future.key)

    def all(self) -> list[Sent]:
        """Each once, however many copies there are."""
        return list({id(one): one for one in self._by_key.values()}.values())

    @property
    def limit(self) -> float:
        """Seconds that an answer should not take."""
        return max(2.0, SLOW * statistics.median(self._seconds)) if len(self._seconds) >= 3 else UNKNOWN

    def late(self) -> list[Sent]:
        """Those that take longer than they should, the oldest first."""
        due = self._due
        return sorted((one for one in self.all() if one.since < due), key=lambda one: one.since)

    def in_time(self) -> int:
        """How many there are that are not late."""
        due = self._due
        return sum(one.since >= due for one in self.all())

    @property
    def _due(self) -> float:
        return time.monotonic() - self.limit

    def took(self, seconds: float) -> None:
        """A shard was answered so many ``seconds`` after it was sent: it waits for the one before it, too."""
        self._seconds.append(seconds)

    def send(self, sent: Sent, workers: frozenset[str]) -> None:
        """To one of ``workers``, whichever Dask chooses."""
        future = self._client.submit(
            remote.measure,
            self._run,
            sent.shard.group,
            shards.sent(self._images(sent.shard)),
            key=f"mixnet-measure-{uuid.uuid4().hex}",
            workers=sorted(workers),
            allow_other_workers=False,
            pure=False,
        )
        sent.since = time.monotonic()
        sent.allowed |= workers
        sent.futures.append(future)
        self._by_key[future.key] = sent
        future.add_done_callback(self._notify)

    def drop(self, sent: Sent, future: Any) -> bool:
        """This copy came to nothing; returns whether there are others."""
        self._by_key.pop(future.key, None)
        sent.futures.remove(future)
        future.release()
        return bool(sent.futures)

    def withdraw(self, sent: Sent) -> None:
        """Nothing of it matters any more."""
        for future in sent.futures:
            self._by_key.pop(future.key, None)
        self._cancel([future for future in sent.futures if not future.done()])
        for future in sent.futures:
            future.release()

    def cancel(self) -> None:
        """Leave nothing with Dask."""
        self._cancel([future for sent in self.all() for future in sent.futures])

    def _cancel(self, futures: list[Any]) -> None:
        if futures and self._client.status == "running":
            with contextlib.suppress(Exception):  # the scheduler is gone, and they are with it
                self._client.cancel(futures)


def fetched(future: Any) -> remote.Measured:
    """The answer of a shard that is done. Raises what it raised, and TimeoutError where the answer does not come."""
    deadline = time.monotonic() + ANSWER
    client = future.client
    # Asked for once: asking anew each second would never get an answer that takes longer on its way.
    coming = asyncio.run_coroutine_threadsafe(client.gather(future, asynchronous=True), client.loop.asyncio_loop)
    while not concurrent.futures.wait([coming], FETCH).done:
        # An answer that died with its worker is measured anew: that is no reason to stand still here.
        if future.status not in ("finished", "error") or time.monotonic() > deadline:
            coming.cancel()
            raise TimeoutError
    found: remote.Measured = coming.result()
    return found
