"""Lets requests of the page through, and no others: not of other hosts' names, and not of pages of other sites.

A site that somebody visits may have its own name point to 127.0.0.1 (DNS rebinding), or send requests there from its
pages. Browsers tell both by headers that a page cannot forge: ``Host``, ``Origin`` and ``Sec-Fetch-Site``.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]{2,45})\]|(?P<name>[a-z0-9_.-]{1,255}))(?::[0-9]{1,5})?")

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
"""Headers of every answer: a browser loads nothing from elsewhere for the page, and gives it to no other site."""


@dataclass(frozen=True)
class Hosts:
    """The ``names`` under which the page may be asked for; ``addresses``: and any IP address.

    An address in ``Host`` is no danger: only a name can be made to point somewhere else.
    """

    names: frozenset[str]
    addresses: bool = False

    def allow(self, host: str) -> bool:
        """Whether the header ``Host`` (a name or an address, perhaps with a port) is one of these.

        >>> [Hosts(LOOPBACK).allow(one) for one in ("localhost:8000", "[::1]:80", "127.0.0.1.evil.example")]
        [True, True, False]
        """
        found = _HOST.fullmatch(host.strip().lower())
        if found is None:
            return False
        name = found["v6"] or found["name"]
        return name in self.names or (self.addresses and _is_address(name))


def hosts_for(host: str) -> Hosts:
    """The names for a server that listens on ``host``: those of this machine, where others may reach it."""
    if is_loopback(host):
        return Hosts(LOOPBACK | {host.lower()})
    own = socket.gethostname().lower()
    names = {host.lower(), own, own.partition(".")[0], f"{own.partition('.')[0]}.local"}
    return Hosts(LOOPBACK | names, addresses=True)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on ``host``."""
    return host.lower() == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def refusal(method: str, headers: Iterable[tuple[bytes, bytes]], hosts: Hosts) -> str | None:
    """Why a request must not be answered, in a word for who sent it; None: it may.

    ``headers`` have names in lower case.
    """
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    host = found.get("host", [])
    if len(host) != 1 or not hosts.allow(host[0]):
        return "This page is for the machine that it runs on, and is not known under this host name."
    if method in ("GET", "HEAD"):
        return None
    sites = found.get("sec-fetch-site", [])
    if any(site not in ("same-origin", "none") for site in sites):
        return "Pages of other sites may not send pictures here."
    origins = found.get("origin", [])
    if any(not _is_same(origin, host[0]) for origin in origins):
        return "Pages of other sites may not send pictures here."
    return None


class Guard:
    """The ASGI application ``app`` for requests to ``hosts``, with :data:`HEADERS` on every answer."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        from starlette.datastructures import MutableHeaders
        from starlette.responses import JSONResponse

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        reason = refusal(scope["method"], scope["headers"], self._hosts)
        if reason is not None:
            await JSONResponse({"problem": reason}, 403, {"connection": "close"})(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)


def _is_same(origin: str, host: str) -> bool:
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.strip().lower()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
