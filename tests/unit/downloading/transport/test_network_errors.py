"""Network errors in our own words."""

from __future__ import annotations

import socket
import ssl

import pytest
import requests
import urllib3.exceptions

from mixnet_tools.downloading.transport.network_errors import explain

NO_ROUTE = urllib3.exceptions.NewConnectionError(urllib3.connection.HTTPConnection("x"), "no route")
EXPLANATIONS = [
    (requests.ConnectionError(socket.gaierror(-2, "unknown")), "the name host.example cannot be resolved", True),
    (requests.ConnectionError(ConnectionRefusedError(111, "no")), "host.example refuses the connection", True),
    (requests.ConnectionError(NO_ROUTE), "host.example cannot be reached", True),
    (requests.ConnectTimeout(), "no connection to host.example within 9 s", True),
    (requests.ReadTimeout(), "stalled: nothing came for 9 s", True),
    (urllib3.exceptions.IncompleteRead(1, 2), "was cut off", True),
    (requests.ConnectionError(ConnectionResetError(104, "reset")), "the connection broke", True),
    (
        requests.exceptions.ProxyError("cannot connect to http://user:hunter2@proxy"),
        "the proxy could not be used",
        True,
    ),
    (requests.exceptions.SSLError(ssl.SSLError("handshake")), "no secure connection to host.example", True),
    (requests.exceptions.InvalidURL("http://user:hunter2@"), "is not a usable URL", False),
    (requests.exceptions.RequestException("hunter2"), "the request failed (RequestException)", True),
]


@pytest.mark.parametrize(("error", "words", "may_pass"), EXPLANATIONS)
def test_network_errors_are_explained_without_their_own_text(error: Exception, words: str, may_pass: bool) -> None:
    failure = explain(error, "https://user:hunter2@host.example/net.bin", 9.0)
    assert words in str(failure)
    assert failure.may_pass is may_pass
    assert "hunter2" not in str(failure)
