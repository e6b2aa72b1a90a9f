"""Turns exceptions of requests, urllib3, PySocks and sockets into failures in our own words, with their true cause.

Their own messages contain the request's URL or the proxy's, and with it any credentials. So none of that text is passed
on.
"""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from typing import TypeVar

import requests
import urllib3.exceptions

from mixnet_tools.network.environment import Proxy, Route
from mixnet_tools.network.failure import Kind, SlowHeaders, SourceFailure, of_status

E = TypeVar("E", bound=BaseException)

_WRONG_URL = (
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationParseError,
    UnicodeError,
)
_TLS = (requests.exceptions.SSLError, urllib3.exceptions.SSLError, ssl.SSLError)
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_NOT_TLS = {
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "UNKNOWN_PROTOCOL",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
}
_OLD_TLS = {"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "VERSION_TOO_LOW"}
_LASTING_TLS = re.compile("(?!.*INTERNAL_ERROR).*ALERT|.*UNRECOGNIZED_NAME|.*TOO_SMALL|UNSAFE_LEGACY|NO_SHARED_CIPHER")
"""What servers and OpenSSL say when they do not agree: they will not the next time."""

_CUT_STATUS = re.compile(r"HTTP(/[\d.]*( \d{0,2})?)?|H|HT|HTT")
"""The beginning of an answer, which went no further."""

_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64
"""What OpenSSL calls X509_V_ERR_CERT_HAS_EXPIRED, _CERT_NOT_YET_VALID, _HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH."""

_NO_SUCH_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
_SOCKS_REFUSALS = {0x02: "does not allow the connection", 0x03: "no network", 0x04: "no such host", 0x05: "refused"}
_OTHER_ROOTS = "SSL_CERT_FILE or REQUESTS_CA_BUNDLE names other roots"

ADVICE = {
    401: "the server wants credentials",
    403: "the server does not allow it",
    404: "there is no such file on this server",
    407: "the proxy wants credentials",
    410: "the file was removed from this server",
}


def explain(
    error: BaseException, route: Route, timeout: float, *, roots: str = "", in_body: bool = False
) -> SourceFailure:
    """The failure that ``error`` means on ``route``, after waiting up to ``timeout`` seconds.

    ``roots`` says where the root certificates are from, ``in_body`` that the answer had begun.
    """
    chain = list(_causes(error))
    proxy = route.proxy
    if isinstance(error, _WRONG_URL) or any(isinstance(one, _WRONG_URL) for one in chain):
        return SourceFailure("is not a usable URL", Kind.PERMANENT)
    if any(isinstance(one, OSError) and one.errno in (errno.EMFILE, errno.ENFILE) for one in chain):
        return SourceFailure("was not asked: this process may not open more files (ulimit -n)", Kind.TRANSIENT)
    if _first(chain, requests.exceptions.InvalidHeader, urllib3.exceptions.InvalidHeader):
        return SourceFailure("sends headers that contradict each other", Kind.PERMANENT)
    if not in_body:
        if proxy is not None and (failure := _of_proxy(chain, route, proxy, timeout, roots)):
            return failure
        if any(isinstance(one, _TLS) for one in chain):
            return _of_tls(chain, f"{route.place}{_through(route)}", route.host, roots)
    return _of_connection(chain, str(proxy) if route.forwards else f"{route.host}{_through(route)}", timeout, error)


def _of_proxy(
    chain: list[BaseException], route: Route, proxy: Proxy, timeout: float, roots: str
) -> SourceFailure | None:
    """What went wrong between us and the proxy, or on its other side; None if it was none of both."""
    is_ours = _first(chain, requests.exceptions.ProxyError, urllib3.exceptions.ProxyError) is not None
    for one in chain:
        if isinstance(one, OSError) and (match := _TUNNEL.search(str(one))):
            return _of_tunnel(int(match[1]), proxy)
        if type(one).__module__ == "socks":
            is_ours = True
            if (failure := _of_socks(one, route, proxy)) is not None:
                return failure
    if not is_ours:
        return None
    if any(isinstance(one, ssl.SSLError) for one in chain):
        return _of_tls(chain, str(proxy), str(proxy), roots, wrong="its scheme is http, not https")
    return _of_connection(chain, str(proxy), timeout, chain[0])


def _of_tunnel(status: int, proxy: Proxy) -> SourceFailure:
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    wants = f": it wants a user name and password, as in USER:PASSWORD@{proxy.host}:{proxy.port}"
    refuses = ": it does not accept the user name and password (signs in them are written as %40 and so on)"
    advice = {
        403: ": it does not allow this server",
        407: refuses if proxy.has_credentials else wants,
    }.get(status, "")
    return of_status(status, f"{proxy} answers {status}{phrase}{advice}")


def _of_socks(error: BaseException, route: Route, proxy: Proxy) -> SourceFailure | None:
    """The failure that an exception of PySocks means; None where another one in the chain says more."""
    kind, text = type(error).__name__, str(error)
    if kind == "SOCKS5AuthError":
        return SourceFailure(f"{proxy} does not accept the user name and password, or wants some", Kind.PERMANENT)
    if kind in ("SOCKS5Error", "SOCKS4Error"):
        match = re.match(r"0x([0-9a-fA-F]{2})", text)
        code = int(match[1], 16) if match else -1
        if code == 0x02:
            return SourceFailure(f"{proxy} {_SOCKS_REFUSALS[code]} to {route.place}", Kind.PERMANENT)
        reason = _SOCKS_REFUSALS.get(code, f"error {code:#04x}" if match else "no connection")
        return SourceFailure(f"{proxy} cannot reach {route.place}: {reason}", Kind.UNREACHABLE)
    if kind == "GeneralProxyError" and "invalid data" in text:
        return SourceFailure(f"{proxy} does not speak {proxy.scheme.upper()}", Kind.PERMANENT)
    if kind == "GeneralProxyError" and isinstance(getattr(error, "socket_err", None), socket.gaierror):
        text = f"the name {route.host} cannot be resolved by this machine; with socks5h:// {proxy} does it"
        return SourceFailure(text, Kind.UNREACHABLE, lasting=True)
    if kind == "GeneralProxyError" and "closed" in text:
        return SourceFailure(f"{proxy} hung up", Kind.TRANSIENT)
    return None


def _of_tls(chain: list[BaseException], place: str, host: str, roots: str, wrong: str = "") -> SourceFailure:
    refused = _first(chain, ssl.SSLCertVerificationError)
    if refused is not None:
        return SourceFailure(_certificate(refused, host, roots), Kind.PERMANENT)
    error = _first(chain, ssl.SSLError)
    reason = (getattr(error, "reason", None) or "") if error else ""
    if reason in _NOT_TLS:
        return SourceFailure(f"{place} does not speak TLS ({wrong or 'is it HTTP, not HTTPS?'})", Kind.PERMANENT)
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return SourceFailure(f"no secure connection to {place}: it hung up", Kind.TRANSIENT)
    if reason in _OLD_TLS:
        return SourceFailure(f"{place} has no version of TLS that is still safe (1.2 or newer)", Kind.PERMANENT)
    words = f": {reason.replace('_', ' ').lower()}" if reason else ""
    kind = Kind.PERMANENT if _LASTING_TLS.match(reason) else Kind.TRANSIENT
    return SourceFailure(f"no secure connection to {place}{words}", kind)


def _certificate(error: ssl.SSLCertVerificationError, host: str, roots: str) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return f"the certificate of {host} has expired (or the clock of this machine is wrong)"
    if code == _NOT_YET:
        return f"the certificate of {host} is not valid yet (or the clock of this machine is wrong)"
    if code in (_OTHER_NAME, _OTHER_ADDRESS):
        return f"the certificate of {host} is for another name: somebody else answers there"
    against = f" by {roots}" if roots else ""
    return f"the certificate of {host} is not trusted: {error.verify_message}{against} ({_OTHER_ROOTS})"


def _of_connection(chain: list[BaseException], peer: str, timeout: float, error: BaseException) -> SourceFailure:
    """What went wrong below TLS, on the connection to ``peer``."""
    if _first(chain, socket.gaierror, urllib3.exceptions.NameResolutionError):
        lookup, name = _first(chain, socket.gaierror), f"of {peer}" if peer.startswith("the ") else peer
        lasting = lookup is not None and lookup.errno in _NO_SUCH_NAME
        return SourceFailure(f"the name {name} cannot be resolved", Kind.UNREACHABLE, lasting=lasting)
    if _first(chain, ConnectionRefusedError):
        return SourceFailure(f"{peer} refuses the connection", Kind.UNREACHABLE)
    # In some versions of urllib3, NewConnectionError is a kind of ConnectTimeoutError.
    if _first(chain, urllib3.exceptions.NewConnectionError):
        return SourceFailure(f"{peer} cannot be reached{_system_words(chain)}", Kind.UNREACHABLE)
    if _first(chain, requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError):
        return SourceFailure(f"no connection to {peer} within {timeout:g} s", Kind.UNREACHABLE)
    if failure := _of_http(chain, peer, timeout):
        return failure
    if _first(chain, requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
        return SourceFailure(f"stalled: nothing came from {peer} for {timeout:g} s", Kind.TRANSIENT)
    if _first(chain, urllib3.exceptions.IncompleteRead, http.client.IncompleteRead):
        return SourceFailure("was cut off", Kind.TRANSIENT)
    if _first(chain, ConnectionResetError, BrokenPipeError):
        return SourceFailure(f"the connection broke: {peer} reset it", Kind.TRANSIENT)
    if _first(chain, ConnectionError, http.client.HTTPException, urllib3.exceptions.ProtocolError, ssl.SSLError):
        return SourceFailure("the connection broke", Kind.TRANSIENT)
    return SourceFailure(f"the request failed ({type(error).__name__}{_system_words(chain)})", Kind.TRANSIENT)


def _of_http(chain: list[BaseException], peer: str, timeout: float) -> SourceFailure | None:
    """What is wrong with the answer itself; None if nothing is."""
    if _first(chain, SlowHeaders):
        return SourceFailure(f"stalled: the headers of {peer} did not end within {timeout:g} s", Kind.TRANSIENT)
    if _first(chain, http.client.RemoteDisconnected):
        return SourceFailure(f"{peer} hung up without an answer", Kind.TRANSIENT)
    if any(isinstance(one, http.client.HTTPException) and "got more than" in str(one) for one in chain):
        return SourceFailure(f"{peer} sends headers that are too long, or too many", Kind.PERMANENT)
    if (status := _first(chain, http.client.BadStatusLine)) and _CUT_STATUS.fullmatch(str(status).strip("'")):
        return SourceFailure(f"{peer} hung up in the middle of its answer", Kind.TRANSIENT)
    if status or _first(chain, http.client.UnknownProtocol):
        return SourceFailure(f"what {peer} sends is not HTTP/1.1 (is it HTTPS, not HTTP?)", Kind.PERMANENT)
    return None


def _through(route: Route) -> str:
    return f" through {route.proxy}" if route.proxy else ""


def _system_words(chain: list[BaseException]) -> str:
    """What the operating system says, which shows no URL."""
    words = [one.strerror for one in chain if type(one) is OSError and one.errno and one.strerror]
    return f": {words[-1]}" if words else ""


def _first(chain: list[BaseException], *kinds: type[E]) -> E | None:
    return next((one for one in chain if isinstance(one, kinds)), None)


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
