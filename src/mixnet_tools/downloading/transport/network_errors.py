"""Turns exceptions of requests, urllib3 and sockets into failures in our own words.

Their own messages contain the request's URL, and with it any credentials. So none of that text is passed on.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from mixnet_tools.downloading.transport.retry import Kind, SourceFailure


def explain(error: BaseException, url: str, timeout: float) -> SourceFailure:
    """The failure that ``error`` means for ``url``, after waiting up to ``timeout`` seconds."""
    host = urlsplit(url).hostname or "the server"
    chain = list(_causes(error))

    def met(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in chain)

    wrong_url = (
        requests.exceptions.InvalidSchema,
        requests.exceptions.InvalidURL,
        requests.exceptions.MissingSchema,
        urllib3.exceptions.LocationParseError,
        UnicodeError,
    )
    tls = (requests.exceptions.SSLError, urllib3.exceptions.SSLError, ssl.SSLError)
    if met(*wrong_url):
        return SourceFailure("is not a usable URL", Kind.PERMANENT)
    if met(requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
        return SourceFailure("the proxy could not be used (see HTTP_PROXY, HTTPS_PROXY, NO_PROXY)", Kind.UNREACHABLE)
    if met(ssl.SSLCertVerificationError):
        reason = next(one for one in chain if isinstance(one, ssl.SSLCertVerificationError)).verify_message
        return SourceFailure(
            f"the certificate of {host} is not trusted: {reason} (REQUESTS_CA_BUNDLE names other roots)", Kind.PERMANENT
        )
    if met(*tls):
        return SourceFailure(f"no secure connection to {host}", Kind.TRANSIENT)
    if met(socket.gaierror, urllib3.exceptions.NameResolutionError):
        return SourceFailure(f"the name {host} cannot be resolved", Kind.UNREACHABLE)
    if met(ConnectionRefusedError):
        return SourceFailure(f"{host} refuses the connection", Kind.UNREACHABLE)
    if met(urllib3.exceptions.NewConnectionError):  # in some versions of urllib3 a kind of ConnectTimeoutError
        return SourceFailure(f"{host} cannot be reached", Kind.UNREACHABLE)
    if met(requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError):
        return SourceFailure(f"no connection to {host} within {timeout:g} s", Kind.UNREACHABLE)
    if met(requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
        return SourceFailure(f"stalled: nothing came for {timeout:g} s", Kind.TRANSIENT)
    if met(urllib3.exceptions.IncompleteRead, http.client.IncompleteRead):
        return SourceFailure("was cut off", Kind.TRANSIENT)
    if met(ConnectionError, http.client.HTTPException, urllib3.exceptions.ProtocolError):
        return SourceFailure("the connection broke", Kind.TRANSIENT)
    return SourceFailure(f"the request failed ({type(error).__name__})", Kind.TRANSIENT)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and every exception inside it: as its cause, its context, its reason or one of its arguments."""
    queue, seen = [error], set[int]()
    while queue:
        current = queue.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        nested = [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
        queue.extend(one for one in nested if isinstance(one, BaseException))
