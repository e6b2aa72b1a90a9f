"""Sends GET requests as the environment wants them: proxies, certificates and .netrc are looked up once a server.

requests does the work, also of redirects (see :mod:`mixnet_tools.network.session`). What is added is that only http(s)
is followed, and that every error is a :class:`SourceFailure` with its cause.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3

from mixnet_tools.files.shown import redact
from mixnet_tools.network import plain
from mixnet_tools.network.certificates import Trust, trust_of_environment
from mixnet_tools.network.environment import Route, find_route
from mixnet_tools.network.explain import explain
from mixnet_tools.network.failure import Kind, SourceFailure
from mixnet_tools.network.session import ERRORS, BadRedirect, Session

MAX_REDIRECTS = 20
"""As many as browsers follow."""

_SERVER = re.compile("[^/?#]*://[^/?#]*")

_NO_RETRIES = urllib3.Retry(False, redirect=False)


class Answer:
    """A server's answer, whose body is still to be read. ``route`` is the way to the server that gave it."""

    def __init__(
        self, client: Client, lease: _Lease, response: requests.Response | plain.Response, route: Route
    ) -> None:
        self._client, self._lease = client, lease
        self.response, self.route = response, route

    def read(self, most: int, *, decode: bool = False) -> bytes:
        """The next bytes, at most ``most``; b"" at the end. With ``decode``, a Content-Encoding is undone.

        Raises :class:`SourceFailure`.
        """
        try:
            return self.response.raw.read1(most, decode_content=decode)
        except ERRORS as error:
            raise self._client.explained(error, self.route, in_body=True) from None

    def close(self) -> None:
        """Let go of the connection. It is kept open for the next request if the body was read to its end."""
        is_open = bool(self.response.raw.closed)  # the body is closed at its end, and the connection goes on
        self.response.close()
        self._client.give_back(self._lease, is_open)


class Client:
    """Keeps connections open between requests, in several threads if need be. ``timeout``: seconds."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._idle: dict[str, deque[Session]] = {}
        self._routes: dict[str, Route] = {}
        self._not_plain: set[str] = set()
        self._trust: Trust | None = None
        self._lock = threading.Lock()

    def get(self, url: str, headers: dict[str, str], until: str | None = None) -> Answer:
        """The answer to a GET of ``url``, after redirects. :meth:`Answer.close` it. Raises :class:`SourceFailure`.

        A redirect that has the header ``until`` is not followed.
        """
        lease, request = self._take_session(url), None
        try:
            found = self._plain(lease.session, url, headers)
            for _ in range(MAX_REDIRECTS + 1):
                response, route, request = found or self._send(lease.session, url, headers, request)
                found = None
                if request is None or (until is not None and until in response.headers):
                    return Answer(self, lease, response, route)
                response.close()
                url = request.url or ""
                if urlsplit(url).scheme not in ("http", "https"):
                    raise SourceFailure(f"redirects to {redact(url)}, which is not http or https", Kind.PERMANENT)
            raise SourceFailure(f"redirects more than {MAX_REDIRECTS} times (in circles?)", Kind.PERMANENT)
        except BaseException:
            self.give_back(lease, is_open=False)
            raise

    def give_back(self, lease: _Lease, is_open: bool) -> None:
        """Keep a session for the next request to its server, which takes one with an open connection if it can.

        A server may count open connections, and refuse a new one while old ones are idle.
        """
        with self._lock:
            idle = self._idle.setdefault(lease.server, deque())
            (idle.append if is_open else idle.appendleft)(lease.session)

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            for sessions in self._idle.values():
                while sessions:
                    sessions.pop().close()

    def explained(self, error: BaseException, route: Route, *, in_body: bool = False) -> SourceFailure:
        """What ``error`` on ``route`` means."""
        roots = self._trust.roots if self._trust else ""
        return explain(error, route, self.timeout, roots=roots, in_body=in_body)

    def route(self, url: str) -> Route:
        """The way to the server of ``url``. Raises :class:`SourceFailure` where there is none.

        It is looked up once, which takes longer than a small file does, and does not change while this process runs.
        """
        server = _server(url)
        if server not in self._routes:
            self._routes[server] = find_route(url)
        return self._routes[server]

    def trust(self) -> Trust:
        """The certificates that are trusted. Raises :class:`SourceFailure` where the environment names none."""
        with self._lock:
            self._trust = self._trust or trust_of_environment()
            return self._trust

    def _take_session(self, url: str) -> _Lease:
        server = _server(url)
        with self._lock:
            if idle := self._idle.get(server):
                return _Lease(server, idle.pop())
        return _Lease(server, Session())

    def _plain(self, session: Session, url: str, headers: dict[str, str]) -> _Sent | None:
        """What :meth:`_send` gives, for a request that requests has nothing to do for; None where it might have.

        A server that has once redirected or given a cookie is asked through requests from then on.
        """
        server = _server(url)
        if server in self._not_plain or plain.URL.fullmatch(url) is None or session.cookies:
            return None
        route = self.route(url)
        if route.proxy or route.auth:
            return None
        if route.scheme == "https":
            self._secure(session)
        given = {name: str(value) for name, value in session.headers.items()} | headers
        try:
            raw = session.pool_of(server).urlopen(
                "GET",
                url[len(server) :],
                headers=given,
                redirect=False,
                retries=_NO_RETRIES,
                timeout=urllib3.Timeout(self.timeout, self.timeout),
                preload_content=False,
                decode_content=False,
            )
            if "Location" in raw.headers or "Set-Cookie" in raw.headers:
                self._not_plain.add(server)
                return plain.handed_over(session, raw, url, given, route)
        except BadRedirect:
            raise _no_redirect() from None
        except ERRORS as error:
            raise self.explained(error, route) from None
        return plain.Response(raw, url), route, None

    def _send(
        self, session: Session, url: str, headers: dict[str, str], redirected: requests.PreparedRequest | None
    ) -> _Sent:
        """One answer, the way to its server, and the request that it redirects to."""
        try:
            route = self.route(url)
            if route.scheme == "https" or (route.proxy and route.proxy.scheme == "https"):
                self._secure(session)
            request = redirected
            if request is None:
                request = requests.PreparedRequest()
                request.prepare("GET", url, {**session.headers, **headers}, auth=route.auth, cookies=session.cookies)
        except ValueError:
            raise SourceFailure("is not a usable URL", Kind.PERMANENT) from None
        except SourceFailure as failure:
            raise (failure if redirected is None else _behind(url, failure)) from None
        try:
            response = session.send(
                request, stream=True, timeout=(self.timeout, self.timeout), allow_redirects=False, proxies=route.proxies
            )
        except BadRedirect:
            raise _no_redirect() from None
        except ERRORS as error:
            found = self.explained(error, route)
            raise (found if redirected is None else _behind(url, found)) from None  # the error's shows URLs
        return response, route, response.next

    def _secure(self, session: Session) -> None:
        if not session.is_secure:
            session.secure(self.trust().context)


_Sent = tuple[requests.Response | plain.Response, Route, requests.PreparedRequest | None]
"""An answer, the way to its server, and the request that it redirects to."""


class _Lease(NamedTuple):
    """A session in use, and the server that it is for."""

    server: str
    session: Session


def _server(url: str) -> str:
    found = _SERVER.match(url)
    return found[0] if found else url


def _behind(url: str, failure: SourceFailure) -> SourceFailure:
    """``failure`` of the server that a redirect went to."""
    return SourceFailure(
        f"redirects to {redact(url)}, which fails: {failure}",
        failure.kind,
        status=failure.status,
        lasting=failure.lasting,
    )


def _no_redirect() -> SourceFailure:
    return SourceFailure("redirects to something that is not a usable URL", Kind.PERMANENT)
