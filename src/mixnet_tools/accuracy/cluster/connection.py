"""Connect to a Dask cluster: a scheduler that runs, or processes of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mixnet_tools.errors import EvaluationError, MissingDependency, UsageError, first_line
from mixnet_tools.progress import Progress
from mixnet_tools.threads import processors

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

PATIENCE = 10.0
"""Seconds for a scheduler to answer."""


def parse_address(text: str) -> int | None:
    """Read the address of a cluster: the number of processes where it is ``local[:N]``, else None.

    Raises :class:`UsageError` where ``text`` is neither that nor the address of a scheduler. Touches no network.

    >>> parse_address("local:4"), parse_address("tcp://10.0.0.1:8786")
    (4, None)
    """
    if match := re.fullmatch(r"local(?::([1-9][0-9]{0,3}))?", text):
        return int(match[1] or processors())
    with contextlib.suppress(ValueError):
        parts = urlsplit(text)
        if (
            parts.scheme in ("tcp", "tls", "ws", "wss")
            and parts.hostname
            and parts.port
            and not parts.path + parts.query
        ):
            return None
    raise UsageError(
        f"`cluster`: expected the address of a scheduler, or local[:N] (a cluster needs a process), got {text!r}",
        hint="`cluster=tcp://HOST:8786` for a running scheduler, `cluster=local` for processes on this machine",
    )


def require_dask() -> None:
    """Raise :class:`MissingDependency` where Dask is not installed."""
    if find_spec("distributed") is None:
        raise MissingDependency(
            "`cluster` needs Dask, which is not installed", hint="pip install 'mixnet-tools[cluster]'"
        )


@contextlib.contextmanager
def connected(address: str, progress: Progress) -> Iterator[Client]:
    """Connect to the cluster at ``address`` (see :func:`parse_address`) while the block lasts.

    Raises :class:`MissingDependency` without Dask, :class:`EvaluationError` where the cluster cannot be reached.
    """
    require_dask()
    import dask
    from distributed import Client
    from distributed.utils import silence_logging_cmgr

    with contextlib.ExitStack() as stack:
        # What matters of Dask's own output becomes a note or an error.
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", module=r"(distributed|dask|bokeh|tornado|asyncio|contextlib)(\.|$)")
        for name in ("distributed", "distributed.client", "bokeh", "tornado"):
            stack.enter_context(silence_logging_cmgr(logging.CRITICAL + 1, root=name))
        stack.callback(logging.getLogger("asyncio").setLevel, logging.getLogger("asyncio").level)
        logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
        # Of a scheduler of our own: the second death of a worker that has a task is looked into.
        settings = {"distributed.comm.timeouts.connect": "5s", "distributed.scheduler.allowed-failures": 1}
        settings |= {"distributed.admin.low-level-log-length": 0, "distributed.worker.profile.enabled": False}
        stack.enter_context(dask.config.set(settings))
        if processes := parse_address(address):
            progress.note("starting the cluster's processes")
            cluster = _start_local_cluster(processes)
            stack.callback(_close, cluster, PATIENCE)
        else:
            _require_scheduler(address)
        client = Client(cluster if processes else address, timeout=PATIENCE, set_as_default=False)
        stack.callback(_close, client, 2)
        if "dashboard" in client.scheduler_info().get("services", {}):
            progress.note(f"dashboard: {client.dashboard_link}")
        yield client


def _start_local_cluster(processes: int) -> LocalCluster:
    """Start ``processes`` that share this machine's processors."""
    from distributed import LocalCluster

    # A terminal sends Ctrl-C to every process. Those that start meanwhile inherit that it is ignored.
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    try:
        return LocalCluster(
            n_workers=processes,
            threads_per_worker=max(1, processors() // processes),
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError) as error:
        raise EvaluationError(f"`cluster=local`: its processes cannot be started: {first_line(error)}") from error
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, before)


def _require_scheduler(address: str) -> None:
    """Ask who answers at ``address``: Dask's client would wait without end for something else than a scheduler.

    Raises :class:`EvaluationError`.
    """
    from distributed import Security, rpc

    async def identity() -> object:
        async with rpc(address, connection_args=Security().get_connection_args("client")) as server:
            return await server.identity()

    parts, problem = urlsplit(address), "cannot be reached"
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE).close()
        problem = "no Dask scheduler answers there"
        # In a thread of its own: that of a notebook has an event loop already.
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(lambda: asyncio.run(asyncio.wait_for(identity(), PATIENCE))).result()
        if not isinstance(answer, dict) or answer.get("type") != "Scheduler":
            raise ValueError("something else does")
    except Exception as error:  # whatever a transport raises that lacks a package, a certificate or an answer
        silent = isinstance(error, (TimeoutError, asyncio.TimeoutError))
        reason = f"no answer for {PATIENCE:.0f} s" if silent else getattr(error, "strerror", None) or first_line(error)
        hint = "is a scheduler running (dask scheduler), and the port open?"
        if parts.scheme in ("tls", "wss"):
            hint = (
                "encrypted addresses need certificates: Dask's settings distributed.comm.tls, on this machine as well"
            )
        raise EvaluationError(f"{address}: {problem}: {reason}", hint=hint) from error


def _close(what: Client | LocalCluster, seconds: float) -> None:
    with contextlib.suppress(Exception):  # the scheduler may be gone; what is left ends with this process
        what.close(timeout=seconds)
