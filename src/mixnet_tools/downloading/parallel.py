"""Downloads several models with any number of threads, each of which takes one file after the other."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence

from mixnet_tools.downloading.context import Stopped
from mixnet_tools.downloading.fetch import FileRequest
from mixnet_tools.downloading.job import Outcome, Steps
from mixnet_tools.downloading.manifest import FileRecord
from mixnet_tools.values import DownloadedModel

_FILES_OF_A_THREAD = 4
"""A partial file, its description, a connection, and the lock of a model."""

_SPARE_FILES = 5
"""For looking up names, reading certificates, loading modules."""


def threads_that_fit(wanted: int) -> int:
    """``wanted`` threads, or as many as may be at work with the number of files that this process may open."""
    try:
        import resource

        most, opened = resource.getrlimit(resource.RLIMIT_NOFILE)[0], len(os.listdir("/dev/fd"))
    except (ImportError, OSError):  # Windows has no such limit; elsewhere the folder may be missing
        return wanted
    if most == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (most - opened - _SPARE_FILES) // _FILES_OF_A_THREAD))


class FileQueue:
    """The files of all models, in order.

    Each thread calls :meth:`work`. The next model begins only when all files of the earlier ones are taken. So while a
    thread waits for the lock of a model, other threads finish the models whose locks this process already holds, and
    two processes never wait for each other.
    """

    def __init__(self, models: Sequence[Steps], fetch: Callable[[FileRequest], FileRecord]) -> None:
        self._models = [_Model(steps) for steps in models]
        self._fetch = fetch
        self._waiting = deque(self._models)
        self._files: deque[tuple[_Model, int]] = deque()
        self._beginning = 0
        self._changed = threading.Condition()

    def work(self, stop: threading.Event) -> None:
        """Fetch files until none is left. Raises :class:`Stopped` once ``stop`` is set."""
        while (taken := self._take(stop)) is not None:
            model, index = taken
            outcome: Outcome
            try:
                outcome = self._fetch(model.requests[index])
            except Stopped:
                raise
            except Exception as error:
                outcome = error
            with self._changed:
                model.outcomes[index] = outcome
                is_last = len(model.outcomes) == len(model.requests)
            if is_last:
                model.go_on([model.outcomes[number] for number in range(len(model.requests))])

    def results(self) -> list[DownloadedModel | Exception]:
        """The result of each model, in their order, when all work is done."""
        return [model.result for model in self._models if model.result is not None]

    def close(self) -> None:
        """End the models that are not finished, and free their locks, unless a thread is still working on them."""
        for model in self._models:
            with contextlib.suppress(ValueError):
                model.steps.close()

    def _take(self, stop: threading.Event) -> tuple[_Model, int] | None:
        """The next file, of a model that has begun if possible; None when there are no more."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._files or self._waiting or not self._beginning)
                if stop.is_set():
                    raise Stopped
                if self._files:
                    return self._files.popleft()
                if not self._waiting:
                    return None
                model = self._waiting.popleft()
                self._beginning += 1
            try:
                model.go_on(None)
            finally:
                with self._changed:
                    self._files.extend((model, index) for index in range(len(model.requests)))
                    self._beginning -= 1
                    self._changed.notify_all()


class _Model:
    """One model: the files that it asked for, what came of each so far, and in the end its result."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.requests: Sequence[FileRequest] = ()
        self.outcomes: dict[int, Outcome] = {}
        self.result: DownloadedModel | Exception | None = None

    def go_on(self, outcomes: Sequence[Outcome] | None) -> None:
        """Take the model's steps until it needs files, or has ended."""
        try:
            self.requests = next(self.steps) if outcomes is None else self.steps.send(outcomes)
        except StopIteration as end:
            self.result = end.value
        except Stopped:
            raise
        except Exception as error:
            self.result = error
