"""The address of a cluster, and what happens without Dask."""

from __future__ import annotations

import sys

import pytest

from mixnet_tools.accuracy.cluster.connection import parse_address, require_dask
from mixnet_tools.errors import MissingDependency, UsageError
from mixnet_tools.threads import processors


@pytest.mark.parametrize(
    "text", ["", "local:0", "local:", "local:x", "localhost", "tcp://h", "http://h:1", "tcp://h:1/x", "tcp://h:x"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="`cluster`: expected the address of a scheduler") as caught:
        parse_address(text)
    assert caught.value.hint is not None


@pytest.mark.parametrize("text", ["tcp://[::1]:8786", "tls://host.example:1", "ws://h:80", "wss://h:443"])
def test_addresses_of_schedulers(text: str) -> None:
    assert parse_address(text) is None


def test_processes_of_this_machine() -> None:
    assert parse_address("local:12") == 12
    assert parse_address("local") == processors()


def test_without_dask_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependency) as caught:
        require_dask()
    assert caught.value.hint == "pip install 'mixnet-tools[cluster]'"
