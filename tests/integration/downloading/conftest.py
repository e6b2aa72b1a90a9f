"""A server that can fail, and a zoo with a model whose files it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mixnet_tools.network.certificates import BUNDLES, OPENSSL_FILE, OPENSSL_FOLDERS
from tests.support.archived_model import FINISHED, add_archived_model
from tests.support.downloads import delivered, download_ok
from tests.support.http_server import FaultyServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A server on loopback. No proxy of this machine stands between it and the test, and no certificates of it."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", *BUNDLES, OPENSSL_FILE, OPENSSL_FOLDERS):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with FaultyServer() as running:
        yield running


@pytest.fixture
def zoo(tmp_path: Path, server: FaultyServer) -> Path:
    """A zoo with the archived model alone."""
    add_archived_model(tmp_path / "zoo", server)
    return tmp_path / "zoo"


@pytest.fixture
def out(zoo: Path) -> Path:
    """A finished download of the zoo's model."""
    folder = zoo.parent / "out"
    download_ok(zoo, folder)
    assert delivered(folder) == FINISHED
    return folder
