"""Where the page listens, and what is said where it cannot."""

from __future__ import annotations

import builtins
import socket
from typing import Any

import pytest

from mixnet_tools.errors import MissingDependency, OutputError, UsageError
from mixnet_tools.web import server


def test_any_free_port_is_found_and_told() -> None:
    with server.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        assert server.address("127.0.0.1", listener) == f"http://127.0.0.1:{port}/"
        assert server.address("localhost", listener) == f"http://localhost:{port}/"


def test_a_server_for_all_addresses_is_opened_at_this_machines_own() -> None:
    with server.listen("0.0.0.0", 0) as listener:
        assert server.address("0.0.0.0", listener).startswith("http://127.0.0.1:")


def test_a_port_that_is_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OutputError, match=f"port {port} of 127.0.0.1 is in use") as caught:
            server.listen("127.0.0.1", port)
    assert "`port=0`" in str(caught.value.hint)


def test_a_port_is_free_again_as_soon_as_its_server_has_ended() -> None:
    with server.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            listener.accept()[0].close()  # this end waits in TIME_WAIT
    server.listen("127.0.0.1", port).close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "a b", "x" * 300])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with pytest.raises(OutputError, match=host[:20]):
        server.listen(host, 0)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_cannot_be_is_wrong_usage(port: int) -> None:
    with pytest.raises(UsageError, match="`port`"):
        server.listen("127.0.0.1", port)


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "uvicorn":
            raise ImportError("No module named 'uvicorn'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependency, match="uvicorn") as caught:
        server.require()
    assert caught.value.hint == "pip install 'mixnet-tools[web]'"
