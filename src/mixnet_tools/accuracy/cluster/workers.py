"""Know which workers take part in a run: prepare those that are new, admit or refuse them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import pickle
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mixnet_tools.accuracy.cluster import failure_policy, worker
from mixnet_tools.accuracy.cluster.transfer import ModelTransfer
from mixnet_tools.accuracy.evaluation.model_under_test import ModelUnderTest
from mixnet_tools.files.location import Location
from mixnet_tools.progress import Progress

if TYPE_CHECKING:
    from distributed import Client


class Workers:
    """The workers of a cluster, by their addresses, in the run ``run``.

    ``admitted`` workers take part, ``asked`` ones have not answered whether they can, ``refused`` ones do not: why, and
    since when. ``processors`` are the names of all processors that compute.
    """

    def __init__(
        self,
        client: Client,
        evaluations: Sequence[tuple[Sequence[ModelUnderTest], Sequence[ModelTransfer]]],
        samples: Mapping[Location, int | None],
        packages: Iterable[str],
        progress: Progress,
    ) -> None:
        """``evaluations`` are the models of each one, ``samples`` images that workers must see, with their sizes, and
        ``packages`` must have the same versions everywhere.
        """
        from distributed.versions import get_package_info

        self.client, self.run, self.progress = client, uuid.uuid4().hex, progress
        versions = {name: version for name, version in get_package_info(packages).items() if name in packages}
        infos = [one.info for models, _ in evaluations for one in models]
        devices = sorted({info.device for info in infos if info.launcher == "openvino"})
        pickled = [pickle.dumps(one) for one in (samples, *evaluations)]
        self._arguments = self.run, versions, devices, *pickled
        self.admitted: set[str] = set()
        self.asked: dict[str, concurrent.futures.Future[dict[str, object]]] = {}
        self.refused: dict[str, tuple[str, float]] = {}
        self.processors: set[tuple[str, ...]] = set()

    def refresh(self) -> None:
        """See who is there, and prepare those that are new. Raises what Dask does where the scheduler is gone."""
        present, now = set(self.client.nthreads()), time.monotonic()
        for address in [address for address, answers in self.asked.items() if answers.done()]:
            self._heard(address, self.asked.pop(address).result().get(address))
        self.admitted &= present
        self.refused = {one: why for one, why in self.refused.items() if one in present}
        waiting = {one for one, (_, since) in self.refused.items() if now < since + failure_policy.ASK_AGAIN}
        if new := present - self.admitted - self.asked.keys() - waiting:
            # Not as a task: a worker that is busy with those of another client answers nevertheless.
            options = {"workers": sorted(new), "on_error": "return", "asynchronous": True}
            call = self.client.run(worker.prepare, *self._arguments, **options)
            answers = asyncio.run_coroutine_threadsafe(call, self.client.loop.asyncio_loop)
            self.asked |= dict.fromkeys(new, answers)

    def _heard(self, address: str, answer: object) -> None:
        if isinstance(answer, list):
            if self.refused.pop(address, None):
                self.progress.note(f"worker {address} takes part now")
            self.admitted.add(address)
            self.processors.add(tuple(answer))
        elif isinstance(answer, Exception):
            self.refuse(address, f"mixnet_tools cannot run there: {type(answer).__name__}: {answer}")
        else:
            self.refuse(address, str(answer))

    def refuse(self, address: str, problem: str) -> None:
        """The worker takes no part until it is asked again."""
        if self.refused.get(address, ("",))[0] != problem:
            self.progress.note(f"worker {address} takes no part: {problem}")
        self.admitted.discard(address)
        self.refused[address] = problem, time.monotonic()
