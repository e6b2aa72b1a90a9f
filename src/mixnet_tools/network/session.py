"""What requests and urllib3 do, with changes: addresses of redirects, credentials, early answers, slow headers.

requests knows which credentials follow to which server, relative addresses and cookies. What is added is that a
redirect's body is not read to its end, however long it is, that addresses may be written oddly, and that user names and
passwords are sent as UTF-8, as curl does. urllib3 learns to pass over answers with a status of 1xx, and that headers
have to come within the timeout.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import ssl
import time
from typing import Protocol
from urllib.parse import quote, urlsplit

import requests
import requests.adapters
import requests.auth
import urllib3
import urllib3.exceptions

from mixnet_tools import __version__
from mixnet_tools.network.environment import auth_for, auth_of_url
from mixnet_tools.network.failure import SlowHeaders
from mixnet_tools.network.headers import declared_length

ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)
"""What a request may raise."""

_SHORT = 1 << 14
"""Bytes of a redirect's body that are read, so that the connection can be used again. It is closed if it has more."""

_ASCII_SAFE = "".join(map(chr, range(0x21, 0x7F)))
_LEAST_RATE = 100
"""Bytes a second, of the file or around it. What is slower for long counts as nothing."""

_MOST_EARLY = 50
"""So many answers of 1xx may come before the answer itself."""


class BadRedirect(Exception):
    """A redirect goes to what is not a URL."""


class Session(requests.Session):
    """What requests does at a redirect, with small changes."""

    def __init__(self) -> None:
        super().__init__()
        # No transfer compression: a range must count the file's own bytes, and archives do not shrink.
        self.headers.update({"User-Agent": f"mixnet_tools/{__version__}", "Accept-Encoding": "identity"})
        self._pools: dict[str, urllib3.HTTPConnectionPool] = {}
        self.is_secure = False
        self.mount("http://", _Adapter(None))

    def secure(self, context: ssl.SSLContext) -> None:
        """Connect by ``context`` to servers and proxies that speak TLS."""
        adapter = _Adapter(context)
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        self.is_secure = True

    def pool_of(self, server: str) -> urllib3.HTTPConnectionPool:
        """The connections to ``server``, for requests that requests has nothing to do for."""
        pool = self._pools.get(server)
        if pool is None:
            adapter = self.get_adapter(server)
            assert isinstance(adapter, _Adapter)
            pool = self._pools[server] = adapter.poolmanager.connection_from_url(server)
        return pool

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """The address that ``resp`` redirects to: its bytes are UTF-8, or else whatever they are, escaped."""
        if not resp.is_redirect:
            return None
        _end(resp)
        location = resp.headers["Location"].encode("latin-1").strip(b" \t")
        try:
            target = location.decode("utf-8")
        except UnicodeDecodeError:
            target = quote(location, safe=_ASCII_SAFE)
        try:
            parts = urlsplit(target)
            _ = parts.port
            if parts.netloc.isascii():
                return target
            user, at, host = parts.netloc.rpartition("@")
            name, colon, port = host.partition(":")
            return parts._replace(netloc=f"{user}{at}{name.encode('idna').decode()}{colon}{port}").geturl()
        except ValueError:
            raise BadRedirect from None

    def rebuild_proxies(self, prepared_request: requests.PreparedRequest, proxies: object) -> dict[str, str]:
        """Nothing: proxies are looked up before each request, and urllib3 sends them their credentials."""
        return {}

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Credentials in the new address are new ones. Without any, the old ones stay if it is the same server."""
        url, headers = prepared_request.url or "", prepared_request.headers
        if self.should_strip_auth(response.request.url or "", url):  # type: ignore[no-untyped-call]
            headers.pop("Authorization", None)
        auth = auth_of_url(url) if "Authorization" in headers else auth_for(url)
        if auth:
            prepared_request.prepare_auth(auth)


class _Adapter(requests.adapters.HTTPAdapter):
    """Connections with a TLS context of our own, to servers and to proxies. None where no TLS is needed."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:
        own = {"ssl_context": self._context} if self._context else {}
        super().init_poolmanager(*args, **own, **kwargs)  # type: ignore[arg-type, misc]
        _make_tolerant(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: object) -> urllib3.PoolManager:
        own = {"ssl_context": self._context} if self._context else {}
        if self._context and proxy.lower().startswith("https:"):
            own["proxy_ssl_context"] = self._context
        is_new = proxy not in self.proxy_manager
        manager: urllib3.PoolManager = super().proxy_manager_for(proxy, **own, **kwargs)
        if is_new:
            _make_tolerant(manager)
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """The proxy's user name and password, also where there is only one of them."""
        auth = auth_of_url(proxy)
        return {"Proxy-Authorization": requests.auth._basic_auth_str(auth.username, auth.password)} if auth else {}

    def cert_verify(self, conn: _Verifying, url: str, verify: object, cert: object) -> None:
        """Nothing: the context knows what to trust. requests would add its own roots to those that were named."""
        conn.cert_reqs = "CERT_REQUIRED"


class _Verifying(Protocol):
    cert_reqs: str | None


class _Answer(http.client.HTTPResponse):
    """An answer that keeps to the socket's timeout not only byte by byte.

    Answers of 1xx before it are passed over, which http.client does with 100 alone.
    """

    def __init__(self, sock: socket.socket, *args: object, **kwargs: object) -> None:
        super().__init__(sock, *args, **kwargs)  # type: ignore[arg-type]
        self._paced = _Paced(self.fp.detach(), sock.gettimeout())
        self.fp = io.BufferedReader(self._paced)

    def begin(self) -> None:
        for _ in range(_MOST_EARLY):
            super().begin()
            if not 102 <= self.status < 200:
                self._paced.begin_body()
                return
            self.headers = self.msg = None  # type: ignore[assignment]
        raise http.client.HTTPException(f"more than {_MOST_EARLY} early answers")


class _Paced(io.RawIOBase):
    """The bytes of ``raw``, which may not drip without end, though no single read takes ``timeout`` seconds.

    While ``is_header``, all have to come within that time, else it raises :class:`SlowHeaders`. After that it raises
    TimeoutError where hardly any come while they are waited for, as between two chunks.
    """

    def __init__(self, raw: io.RawIOBase, timeout: float | None) -> None:
        self._raw, self._timeout, self.is_header = raw, timeout, True
        self._waited, self._came = 0.0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        begin = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        if self._came or not self.is_header:  # the first byte of an answer has a timeout of its own
            self._waited += time.monotonic() - begin
        self._came += count or 0
        if self._timeout is not None and self._waited > self._timeout:
            if self.is_header:
                raise SlowHeaders
            if self._waited > 2 * self._timeout:  # what bytes of the file drip is seen before, and told better
                if self._came < _LEAST_RATE * self._waited:
                    raise TimeoutError
                self._waited, self._came = 0.0, 0
        return count

    def begin_body(self) -> None:
        """The headers have come."""
        self.is_header, self._waited, self._came = False, 0.0, 0

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()


def _make_tolerant(manager: urllib3.PoolManager) -> None:
    """Let the connections of ``manager`` read answers as :class:`_Answer` does."""
    classes = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _tolerant(pool) for scheme, pool in classes.items()}


@functools.cache
def _tolerant(pool: type[urllib3.HTTPConnectionPool]) -> type[urllib3.HTTPConnectionPool]:
    connection = type("Connection", (pool.ConnectionCls,), {"response_class": _Answer})
    return type("Pool", (pool,), {"ConnectionCls": connection})


def _end(response: requests.Response) -> None:
    """Read the rest of a redirect's body if it is short. Else requests, which reads it all, finds it closed."""
    length = declared_length(response.headers)
    if length is not None and length <= _SHORT:
        # A server may send it byte by byte: what follows is given up sooner than the timeout of each read.
        deadline = time.monotonic() + 2.0
        try:
            while time.monotonic() < deadline:
                if not response.raw.read1(_SHORT, decode_content=False):
                    return
        except ERRORS:
            pass
    response.close()
