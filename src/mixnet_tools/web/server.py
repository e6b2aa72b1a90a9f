"""Serves the page until it is interrupted."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

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


def serve(opened: OpenedClassifier, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve the page for the models in ``opened`` on ``host`` and ``port`` (0: any free one).

    ``announce`` gets the page's address once it listens, and then a line on each thing that goes wrong. Returns never:
    ends by what the handlers of SIGINT and SIGTERM raise, within a second. To be called in the main thread.

    Raises :class:`MissingDependency` where a package is missing, :class:`UsageError` where ``port`` cannot be one, and
    :class:`OutputError` where it is in use, or ``host`` is no address of this machine.
    """
    require()
    with listen(host, port) as listener:
        server = make_server(opened, host, Limits(), announce)
        announce(address(host, listener))
        if not is_loopback(host):
            announce(f"warning: {host} can be reached from other machines, and whoever reaches it can use the page")
        server.run([listener])


def make_server(opened: OpenedClassifier, host: str, limits: Limits, tell: Callable[[str], None]) -> uvicorn.Server:
    """The server for :func:`listen`'s socket. ``tell`` gets a line on each fault."""
    import uvicorn

    from mixnet_tools.web.app import make_app
    from mixnet_tools.web.protocol import impatient

    config = uvicorn.Config(
        make_app(opened, hosts_for(host), limits, tell),
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
    """A socket that listens. For what is raised see :func:`serve`."""
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
