"""Who takes part: workers come and go; each new one answers a roll call, gets the models, is admitted or refused."""

from __future__ import annotations

import asyncio
import pickle
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mixnet_tools.accuracy.cluster import worker as remote
from mixnet_tools.accuracy.cluster.parcels import PackedModel
from mixnet_tools.errors import MixnetToolsError, first_line
from mixnet_tools.progress import Progress

ANSWER = 30.0
"""Seconds for an answer to come from a worker that has it."""

SLOWEST = 200_000
"""Bytes in a second at which a worker still gets a model."""

TRIES = 3
"""How often a worker is asked, or sent the models, before it is refused for not answering."""

AGAIN = 15.0
"""Seconds after which a worker that the roll call found wanting is asked again: mounts may come late."""


class _Unreadable(Exception):
    """A model's file cannot be sent, for a ``reason`` that is on this side."""

    def __init__(self, reason: MixnetToolsError) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass
class _Pending:
    """A worker that was asked something: the roll call, or (``sending``) to take in models."""

    future: Any
    sending: bool
    tries: int
    since: float = field(default_factory=time.monotonic)


class Roster:
    """The workers of ``client``'s cluster, as far as the run ``run`` is concerned."""

    def __init__(
        self,
        client: Any,
        run: str,
        assignment: remote.Assignment,
        models: Mapping[str, PackedModel],
        expected: Mapping[str, str | None],
        progress: Progress,
    ) -> None:
        """``models`` are those of ``assignment`` by their parcels' keys, ``expected`` is the software that counts."""
        self.notify: Callable[[Any], None] = lambda future: None
        """Called, in a thread of Dask's, when a worker has answered."""
        self._client, self._run, self._progress = client, run, progress
        self._payload = pickle.dumps(assignment)
        self._models, self._expected = models, dict(expected)
        self._pending: dict[str, _Pending] = {}
        self._scattered: dict[str, Any] = {}
        self._ask_again: dict[str, float] = {}
        self.admitted: set[str] = set()
        self.refused: dict[str, str] = {}
        self.processors: set[tuple[str, ...]] = set()

    @property
    def undecided(self) -> bool:
        """Whether workers are about to answer."""
        return len(self._pending) > len(self.silent)

    @property
    def silent(self) -> dict[str, str]:
        """Workers that have not answered the roll call for long, and a line that says so."""
        due = time.monotonic() - ANSWER
        late = [one for one, pending in self._pending.items() if not pending.sending and pending.since < due]
        return dict.fromkeys(late, "does not answer the roll call; perhaps it is busy with something else")

    def refresh(self) -> None:
        """See who is there, ask those who are new, and hear those who were asked.

        Raises what Dask does where the scheduler cannot be reached.
        """
        present = set(self._client.nthreads())
        for known in (self.admitted, self.refused, self._pending):
            for address in [one for one in known if one not in present]:
                self._leave(address)
        for address in sorted(present - self.admitted - self.refused.keys() - self._pending.keys()):
            self._ask(address, 1)
        for address in [one for one, due in self._ask_again.items() if time.monotonic() >= due]:
            del self._ask_again[address]
            self._ask(address, 1)
        for address, pending in list(self._pending.items()):
            if pending.future.done():
                self._hear(address, pending)

    def forget(self, address: str) -> None:
        """Ask this worker again: it is another process than the one that was admitted."""
        self._leave(address)

    def refuse(self, address: str, problem: str) -> None:
        """This worker takes no part, or not any more."""
        self.admitted.discard(address)
        if self.refused.get(address) != problem:
            self._progress.note(f"worker {address} takes no part: {problem}")
        self.refused[address] = problem

    def _admit(self, address: str) -> None:
        if self.refused.pop(address, None) is not None:
            self._progress.note(f"worker {address} takes part now")
        self.admitted.add(address)

    def _leave(self, address: str) -> None:
        self.admitted.discard(address)
        self.refused.pop(address, None)
        self._ask_again.pop(address, None)
        pending = self._pending.pop(address, None)
        if pending:
            pending.future.cancel()

    def _ask(self, address: str, tries: int) -> None:
        future = self._submit(address, remote.roll_call, self._expected, self._payload)
        self._pending[address] = _Pending(future, False, tries)

    def _send(self, address: str, missing: list[str], tries: int) -> None:
        for key in missing:
            # The bytes go to one worker; the others have them from it, or from each other.
            if key not in self._scattered or self._scattered[key].status != "finished":
                try:
                    data = self._models[key].data()
                except MixnetToolsError as error:
                    raise _Unreadable(error) from error
                self._scattered[key] = self._scatter(data, address)
        files = [self._scattered[key] for key in missing]
        self._pending[address] = _Pending(self._submit(address, remote.take_in, missing, *files), True, tries)

    def _scatter(self, data: Any, address: str) -> Any:
        """Raises a TimeoutError where that worker is frozen: it would stand still here too, for as long."""
        sending = self._client.scatter([data], workers=[address], hash=False, asynchronous=True)
        limit = max(ANSWER, sum(map(len, data)) / SLOWEST)
        sent = asyncio.run_coroutine_threadsafe(sending, self._client.loop.asyncio_loop)
        try:
            return sent.result(limit)[0]
        finally:
            sent.cancel()

    def _submit(self, address: str, function: Any, *arguments: Any) -> Any:
        future = self._client.submit(
            function,
            self._run,
            *arguments,
            key=f"mixnet-{function.__name__}-{uuid.uuid4().hex}",
            workers=[address],
            allow_other_workers=False,
            pure=False,
            priority=10,
        )
        future.add_done_callback(self.notify)
        return future

    def _hear(self, address: str, pending: _Pending) -> None:
        del self._pending[address]
        try:
            answer = pending.future.result(timeout=ANSWER)
            if pending.sending:
                self._admit(address)
            elif answer["problem"] is not None:
                self.refuse(address, answer["problem"])
                self._ask_again[address] = time.monotonic() + AGAIN
            else:
                self.processors.add(tuple(answer["processors"]))
                if answer["missing"]:
                    self._send(address, answer["missing"], pending.tries)
                else:
                    self._admit(address)
        except _Unreadable as error:
            raise error.reason from error
        except MixnetToolsError as error:  # of the worker
            self.refuse(address, str(error))
        except Exception as error:  # whatever a task may raise on a worker, and Dask while it is there no more
            if pending.tries < TRIES and not isinstance(error, ImportError):
                self._ask(address, pending.tries + 1)
            else:
                self.refuse(address, f"mixnet_tools cannot run there: {type(error).__name__}: {first_line(error)}")
