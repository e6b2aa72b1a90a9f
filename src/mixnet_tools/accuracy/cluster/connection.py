"""Reaching a cluster: a scheduler that runs somewhere, or processes of this machine for the length of a run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from mixnet_tools.accuracy.cluster.address import ClusterAddress
from mixnet_tools.accuracy.cluster.dask_quietly import import_distributed, quietly
from mixnet_tools.accuracy.evaluation.batch_loader import processors
from mixnet_tools.errors import EvaluationError, first_line
from mixnet_tools.progress import Progress

PATIENCE = 10.0
"""Seconds for a scheduler to answer."""

_SETTINGS = {
    "distributed.comm.timeouts.connect": "5s",
    # A scheduler of our own: the worker that a shard kills is started anew once, then the shard is looked into.
    "distributed.scheduler.allowed-failures": 1,
    "distributed.admin.low-level-log-length": 0,
    "distributed.worker.profile.enabled": False,
}


@contextlib.contextmanager
def connected(address: ClusterAddress, progress: Progress) -> Iterator[Any]:
    """A ``distributed.Client`` of the cluster at ``address`` while the block lasts.

    Raises :class:`MissingDependency` without Dask, :class:`EvaluationError` where the cluster cannot be reached.
    """
    distributed = import_distributed()
    import dask

    with contextlib.ExitStack() as stack:
        stack.enter_context(quietly())
        stack.enter_context(dask.config.set(_SETTINGS))
        if address.scheduler is None:
            progress.note("starting the cluster's processes")
            target = stack.enter_context(_local_cluster(distributed, address.processes))
        else:
            target = address.scheduler
            _require_scheduler(distributed, target)
        try:
            client = distributed.Client(target, timeout=PATIENCE, set_as_default=False)
        except Exception as error:
            raise _unreachable(str(address), error) from error
        stack.callback(_close, client)
        if "dashboard" in client.scheduler_info().get("services", {}):
            progress.note(f"dashboard: {client.dashboard_link}")
        yield client


@contextlib.contextmanager
def _local_cluster(distributed: Any, wanted: int | None) -> Iterator[Any]:
    """``wanted`` processes that share this machine's processors (default: a process for each)."""
    cores = processors()
    processes = wanted or cores
    with _without_interrupts():
        try:
            cluster = distributed.LocalCluster(
                n_workers=processes,
                threads_per_worker=max(1, cores // processes),
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                memory_limit=0,
                silence_logs=logging.CRITICAL,
                preload=["mixnet_tools.accuracy.cluster.preload"],
            )
        except (OSError, RuntimeError) as error:
            raise EvaluationError(f"--cluster local: its processes cannot be started: {first_line(error)}") from error
    try:
        yield cluster
    finally:
        with contextlib.suppress(Exception):  # what is left of a cluster that broke is ended with this process
            cluster.close(timeout=PATIENCE)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C on a terminal reaches every process: those that start meanwhile ignore it, and leave it to this one.

    Those that Dask starts anew later do so from :mod:`.preload` on. (Blocking the signal, which they would inherit as
    well, is undone by multiprocessing.)
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _require_scheduler(distributed: Any, address: str) -> None:
    """Dask's client tries again and again, without end where something else listens: so it is asked first who answers.

    Raises :class:`EvaluationError`.
    """
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE):
            pass
    except OSError as error:
        raise EvaluationError(
            f"{address}: cannot be reached: {error.strerror or error}",
            hint="is the scheduler running (dask scheduler), and the port open?",
        ) from error

    async def identify() -> Any:
        arguments = distributed.Security().get_connection_args("client")
        comm = await distributed.core.connect(address, timeout=PATIENCE, **arguments)
        try:
            await comm.write({"op": "identity", "reply": True})
            return await comm.read()
        finally:
            comm.abort()

    async def bounded() -> Any:
        return await asyncio.wait_for(identify(), PATIENCE)

    try:
        answer = asyncio.run(bounded())
    except Exception as error:  # whatever a transport raises that lacks a package, a certificate or an answer
        raise _unreachable(address, error) from error
    if not isinstance(answer, dict) or answer.get("type") != "Scheduler":
        raise _unreachable(address, ValueError("something else does"))


def _unreachable(address: str, error: Exception) -> EvaluationError:
    silent = isinstance(error, (TimeoutError, asyncio.TimeoutError))
    reason = f"it said nothing for {PATIENCE:.0f} s" if silent else first_line(error)
    hint = "start one with: dask scheduler (and workers with: dask worker HOST:8786)"
    if address.startswith(("tls:", "wss:")):
        hint = "encrypted addresses need certificates: Dask's settings distributed.comm.tls, on this machine as well"
    return EvaluationError(f"{address}: no Dask scheduler answers there: {reason}", hint=hint)


def _close(client: Any) -> None:
    with contextlib.suppress(Exception):  # the scheduler may be gone
        client.close(timeout=2)
