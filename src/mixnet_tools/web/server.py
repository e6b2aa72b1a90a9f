"""Serves the page until it is interrupted."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from mixnet_tools.accuracy.metrics.topk import TOP
from mixnet_tools.errors import MissingDependency, OutputError, UsageError
from mixnet_tools.web.guard import hosts_for, is_loopback
from mixnet_tools.web.limits import CONNECTIONS, Limits

if TYPE_CHECKING:
    import uvicorn

    from mixnet_tools.api.classification import OpenedClassifier

HOST = "127.0.0.1"
"""The address of this machine that no other one reaches."""

_BACKLOG = 128


def require() -> None:
    """Raise :class:`MissingDependency` where Starlette or uvicorn is not installed."""
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingDependency(
            f"the page needs Starlette and uvicorn ({error})", hint="pip install 'mixnet-tools[web]'"
        ) from error


def serve(
    opened: OpenedClassifier,
    listener: socket.socket,
    host: str,
    *,
    announce: Callable[[str], None],
    tell: Callable[[str], None],
    top: int = TOP,
) -> None:
    """Serve the page for the models in ``opened`` on the socket of :func:`listen`, which was given ``host``.

    The page shows the ``top`` best classes. ``announce`` gets its address once it can be opened, ``tell`` a line on
    each thing that goes wrong. Never returns: ends by what the handlers of SIGINT and SIGTERM raise, and waits for
    no upload and no answer then. To be called in the main thread.
    """
    server = make_server(opened, host, Limits(), tell, top)
    if not is_loopback(host):
        tell(f"warning: {host} can be reached from other machines, and whoever reaches it can use the page")
    announce(address(host, listener))
    server.run([listener])


def make_server(
    opened: OpenedClassifier, host: str, limits: Limits, tell: Callable[[str], None], top: int = TOP
) -> uvicorn.Server:
    """The server for :func:`listen`'s socket; for the parameters see :func:`serve`."""
    import uvicorn

    from mixnet_tools.web.app import make_app
    from mixnet_tools.web.protocol import impatient

    config = uvicorn.Config(
        make_app(opened, hosts_for(host), limits, tell, top),
        http=impatient(limits.head_seconds),
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=0,
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """Listen on ``host`` and ``port`` (0: any that is free). To be called first: what cannot work is known at once.

    Raises :class:`MissingDependency` where a package is missing, :class:`UsageError` where ``port`` cannot be one, and
    :class:`OutputError` where it is in use, or ``host`` is no address of this machine.
    """
    require()
    if not 0 <= port <= 65535:
        raise UsageError(f"`port` must be from 0 to 65535, got {port}")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host or HOST, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise OutputError(f"{host}: not known as a host: {error}", hint=f"`host={HOST}`") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from error
    return listener


def address(host: str, listener: socket.socket) -> str:
    """The URL of the page, for a browser on this machine."""
    bound, port = listener.getsockname()[:2]
    name = {"0.0.0.0": HOST, "::": "::1"}.get(bound, host or HOST)  # noqa: S104
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


def _cannot_listen(host: str, port: int, error: OSError) -> OutputError:
    if error.errno == errno.EADDRINUSE:
        message = f"port {port} of {host} is in use by another program"
        return OutputError(message, hint="give another `port`, or `port=0` for any that is free")
    if error.errno == errno.EADDRNOTAVAIL:
        return OutputError(f"{host}: no address of this machine", hint=f"`host={HOST}`")
    if error.errno in (errno.EACCES, errno.EPERM):
        message = f"port {port} of {host}: this user may not listen there"
        return OutputError(message, hint="give a `port` from 1024 on, or `port=0` for any that is free")
    return OutputError(f"port {port} of {host}: cannot listen: {error.strerror or error}")
