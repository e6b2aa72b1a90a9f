"""Sends GET requests as the environment wants them: proxies, certificates and .netrc are looked up once a server.

requests does the work, also of redirects: which credentials follow to which server, relative and oddly encoded
addresses, cookies. What is added is that a redirect's body is not read to its end, however long it is, that only
http(s) is followed, and that every error is a :class:`SourceFailure` with its cause.
"""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

import requests
import requests.adapters
import urllib3
import urllib3.exceptions

from mixnet_tools import __version__
from mixnet_tools.files.shown import redact
from mixnet_tools.network import plain
from mixnet_tools.network.certificates import Trust, trust_of_environment
from mixnet_tools.network.environment import Route, find_route
from mixnet_tools.network.explain import explain
from mixnet_tools.network.failure import Kind, SourceFailure

if TYPE_CHECKING:
    import ssl

MAX_REDIRECTS = 10

_SERVER = re.compile("[^/?#]*://[^/?#]*")

_SHORT = 1 << 14
"""Bytes of a redirect's body that are read, so that the connection can be used again. It is closed if it has more."""

_NO_RETRIES = urllib3.Retry(False, redirect=False)
_ASCII_SAFE = "".join(map(chr, range(0x21, 0x7F)))
_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)


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
        except _ERRORS as error:
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
        self._idle: dict[str, deque[_Session]] = {}
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
            raise SourceFailure(f"redirects in circles (more than {MAX_REDIRECTS} times)", Kind.PERMANENT)
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
        session = _Session()
        # No transfer compression: a range must count the file's own bytes, and archives do not shrink.
        session.headers.update({"User-Agent": f"mixnet_tools/{__version__}", "Accept-Encoding": "identity"})
        return _Lease(server, session)

    def _plain(self, session: _Session, url: str, headers: dict[str, str]) -> _Sent | None:
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
            raw = plain.pool_of(session, session.pools, server).urlopen(
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
        except _BadRedirect:
            raise _no_redirect() from None
        except _ERRORS as error:
            raise self.explained(error, route) from None
        return plain.Response(raw, url), route, None

    def _send(
        self, session: requests.Session, url: str, headers: dict[str, str], redirected: requests.PreparedRequest | None
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
            if redirected is None:
                raise
            raise SourceFailure(f"redirects to {redact(url)}, which fails: {failure}", failure.kind) from None
        try:
            response = session.send(
                request, stream=True, timeout=(self.timeout, self.timeout), allow_redirects=False, proxies=route.proxies
            )
        except _BadRedirect:
            raise _no_redirect() from None
        except _ERRORS as error:
            raise self.explained(error, route) from None  # the original's text may show credentials
        return response, route, response.next

    def _secure(self, session: requests.Session) -> None:
        if not isinstance(session.get_adapter("https://"), _Adapter):
            adapter = _Adapter(self.trust().context)
            session.mount("https://", adapter)
            session.mount("http://", adapter)


_Sent = tuple[requests.Response | plain.Response, Route, requests.PreparedRequest | None]
"""An answer, the way to its server, and the request that it redirects to."""


class _Lease(NamedTuple):
    """A session in use, and the server that it is for."""

    server: str
    session: _Session


def _server(url: str) -> str:
    found = _SERVER.match(url)
    return found[0] if found else url


class _BadRedirect(Exception):
    """A redirect goes to what is not a URL."""


def _no_redirect() -> SourceFailure:
    return SourceFailure("redirects to something that is not a usable URL", Kind.PERMANENT)


class _Session(requests.Session):
    """What requests does at a redirect, with small changes. ``pools`` are the connections of plain requests."""

    def __init__(self) -> None:
        super().__init__()
        self.pools: dict[str, urllib3.HTTPConnectionPool] = {}

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """The address that ``resp`` redirects to: its bytes are UTF-8, or else whatever they are, escaped."""
        if not resp.is_redirect:
            return None
        _end(resp)
        location = resp.headers["Location"].encode("latin-1")
        try:
            target = location.decode("utf-8")
        except UnicodeDecodeError:
            target = quote(location, safe=_ASCII_SAFE)
        try:
            _ = urlsplit(target).port
        except ValueError:
            raise _BadRedirect from None
        return target

    def rebuild_proxies(self, prepared_request: requests.PreparedRequest, proxies: object) -> dict[str, str]:
        """Nothing: proxies are looked up before each request, and urllib3 sends them their credentials."""
        return {}

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Credentials in the new address are new ones. Without any, the old ones stay if it is the same server."""
        super().rebuild_auth(prepared_request, response)  # type: ignore[no-untyped-call]
        given = requests.utils.get_auth_from_url(prepared_request.url or "")
        if any(given):
            prepared_request.prepare_auth(given)


class _Adapter(requests.adapters.HTTPAdapter):
    """Connections with a TLS context of our own, to servers and to proxies."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)  # type: ignore[arg-type]

    def proxy_manager_for(self, proxy: str, **kwargs: object) -> urllib3.PoolManager:
        own = {"ssl_context": self._context}
        if proxy.lower().startswith("https:"):
            own["proxy_ssl_context"] = self._context
        manager: urllib3.PoolManager = super().proxy_manager_for(proxy, **own, **kwargs)
        return manager

    def cert_verify(self, conn: _Verifying, url: str, verify: object, cert: object) -> None:
        """Nothing: the context knows what to trust. requests would add its own roots to those that were named."""
        conn.cert_reqs = "CERT_REQUIRED"


class _Verifying(Protocol):
    cert_reqs: str | None


def _end(response: requests.Response) -> None:
    """Read the rest of a redirect's body if it is short. Else requests, which reads it all, finds it closed."""
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length[:9]) <= _SHORT:
        # A server may send it byte by byte: what follows is given up sooner than the timeout of each read.
        deadline = time.monotonic() + 2.0
        try:
            while time.monotonic() < deadline:
                if not response.raw.read1(_SHORT, decode_content=False):
                    return
        except _ERRORS:
            pass
    response.close()
