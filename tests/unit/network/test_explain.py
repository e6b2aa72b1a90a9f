"""Network errors in our own words."""

from __future__ import annotations

import http.client
import socket
import ssl

import pytest
import requests
import socks
import urllib3.exceptions

from mixnet_tools.network.environment import Proxy, Route
from mixnet_tools.network.explain import explain
from mixnet_tools.network.failure import SourceFailure

NO_ROUTE = urllib3.exceptions.NewConnectionError(urllib3.connection.HTTPConnection("x"), "no route")
NO_ROUTE.__cause__ = OSError(113, "No route to host")
PROXY = Proxy("http://user:hunter2@proxy.example:3128", "http", "proxy.example", 3128, "HTTPS_PROXY")
SHOWN = "the proxy proxy.example:3128 (HTTPS_PROXY)"


def tunnel(status: int) -> Exception:
    return requests.exceptions.ProxyError(OSError(f"Tunnel connection failed: {status} hunter2"))


def certificate(code: int) -> Exception:
    error = ssl.SSLCertVerificationError(1, "verify failed")
    error.verify_code, error.verify_message = code, "the reason of OpenSSL"
    return requests.exceptions.SSLError(error)


def tls(reason: str) -> Exception:
    error = ssl.SSLError(1, "hunter2")
    error.reason = reason
    return requests.exceptions.SSLError(error)


EXPLANATIONS = [
    (requests.ConnectionError(socket.gaierror(-3, "later")), "the name host.example cannot be resolved", True),
    (requests.ConnectionError(socket.gaierror(socket.EAI_NONAME, "unknown")), "cannot be resolved", False),
    (requests.ConnectionError(ConnectionRefusedError(111, "no")), "host.example refuses the connection", True),
    (requests.ConnectionError(NO_ROUTE), "host.example cannot be reached: No route to host", True),
    (requests.ConnectTimeout(), "no connection to host.example within 9 s", True),
    (requests.ReadTimeout(), "stalled: nothing came from host.example for 9 s", True),
    (requests.ConnectionError(OSError(24, "too many")), "was not asked: this process may not open more files", True),
    (urllib3.exceptions.IncompleteRead(1, 2), "was cut off", True),
    (requests.ConnectionError(ConnectionResetError(104, "reset")), "the connection broke: host.example reset it", True),
    (requests.ConnectionError(http.client.RemoteDisconnected("x")), "host.example hung up without an answer", True),
    (requests.ConnectionError(http.client.BadStatusLine("\x15\x03")), "is not HTTP/1.1 (is it HTTPS", False),
    (requests.ConnectionError(http.client.BadStatusLine("HTTP/1.1 2")), "hung up in the middle of its answer", True),
    (requests.ConnectionError(http.client.UnknownProtocol("HTTP/2.0")), "is not HTTP/1.1", False),
    (requests.ConnectionError(http.client.LineTooLong("header line")), "sends headers that are too long", False),
    (requests.ConnectionError(http.client.HTTPException("got more than 100 headers")), "or too many", False),
    (tls("TLSV1_ALERT_PROTOCOL_VERSION"), "has no version of TLS that is still safe", False),
    (tls("TLSV1_ALERT_INTERNAL_ERROR"), ": tlsv1 alert internal error", True),
    (requests.exceptions.SSLError(ssl.SSLError("x")), "no secure connection to host.example:443", True),
    (tls("WRONG_VERSION_NUMBER"), "host.example:443 does not speak TLS (is it HTTP,", False),
    (tls("TLSV13_ALERT_CERTIFICATE_REQUIRED"), ": tlsv13 alert certificate required", False),
    (certificate(10), "the certificate of host.example has expired", False),
    (certificate(62), "the certificate of host.example is for another name", False),
    (certificate(18), "is not trusted: the reason of OpenSSL by SSL_CERT_FILE (/x.pem)", False),
    (requests.exceptions.InvalidURL("http://user:hunter2@"), "is not a usable URL", False),
    (requests.exceptions.RequestException("hunter2"), "the request failed (RequestException)", True),
]


def explained(error: Exception, proxy: Proxy | None = None) -> SourceFailure:
    failure = explain(error, Route("https", "host.example", 443, proxy), 9.0, roots="SSL_CERT_FILE (/x.pem)")
    assert "hunter2" not in str(failure)
    return failure


@pytest.mark.parametrize(("error", "words", "may_pass"), EXPLANATIONS)
def test_network_errors_are_explained_without_their_own_text(error: Exception, words: str, may_pass: bool) -> None:
    failure = explained(error)
    assert words in str(failure)
    assert failure.lasting is not may_pass


OF_THE_PROXY = [
    (
        tunnel(407),
        f"{SHOWN} answers 407 Proxy Authentication Required: it does not accept the user name and password",
        False,
    ),
    (tunnel(403), f"{SHOWN} answers 403 Forbidden: it does not allow this server", False),
    (tunnel(502), f"{SHOWN} answers 502 Bad Gateway", True),
    (tunnel(799), f"{SHOWN} answers 799", True),
    (requests.exceptions.ProxyError(ConnectionRefusedError(111, "no")), f"{SHOWN} refuses the connection", True),
    (requests.exceptions.ProxyError(socket.gaierror(-2, "x")), f"the name of {SHOWN} cannot be resolved", False),
    (requests.exceptions.ProxyError(certificate(18)), f"the certificate of {SHOWN} is not trusted: the reason", False),
    (requests.exceptions.ProxyError("http://user:hunter2@proxy"), "the request failed (ProxyError)", True),
    (requests.ConnectionError(socks.GeneralProxyError("x sent invalid data")), f"{SHOWN} does not speak HTTP", False),
    (requests.ConnectionError(ConnectionResetError(104, "r")), f"host.example through {SHOWN} reset it", True),
]


@pytest.mark.parametrize(("error", "words", "may_pass"), OF_THE_PROXY)
def test_what_the_proxy_did_is_not_laid_at_the_servers_door(error: Exception, words: str, may_pass: bool) -> None:
    failure = explained(error, PROXY)
    assert words in str(failure)
    assert failure.lasting is not may_pass
