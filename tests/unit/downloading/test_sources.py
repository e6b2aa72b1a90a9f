"""Where a file may be had, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixnet_tools.descriptors import zoo
from mixnet_tools.downloading.sources import LocalSource, parse_mirrors, sources_of
from mixnet_tools.errors import UsageError
from tests.support.downloads import add_model, file_entry


def test_sources_are_mirrors_in_order_then_source_then_original(tmp_path: Path) -> None:
    entry = file_entry("sub/n.bin", b"x", {"$type": "file", "path": "n.bin"}, "https://host.example/n.bin")
    add_model(tmp_path, "net", [entry])
    model = zoo.find_models([tmp_path])[0].load()
    found = sources_of(model, model.files[0], parse_mirrors(["https://m.example/zoo/", str(tmp_path)]))
    assert [str(source) for source in found] == [
        "https://m.example/zoo/public/net/sub/n.bin",
        "https://m.example/zoo/net/sub/n.bin",
        "https://m.example/zoo/sub/n.bin",
        f"{tmp_path}/public/net/sub/n.bin",
        f"{tmp_path}/net/sub/n.bin",
        f"{tmp_path}/sub/n.bin",
        f"{tmp_path}/public/net/n.bin",
        "https://host.example/n.bin",
    ]
    assert len({source.group for source in found}) == 4


def test_a_local_source_is_shown_as_its_path() -> None:
    assert str(LocalSource(Path("a/b"), "g")) == "a/b"


def test_a_mirror_of_a_scheme_that_is_not_served_is_refused_without_its_password() -> None:
    parse_mirrors(["a/folder", "/media/usb", "file:///media/usb", "http://host", "https://host/zoo?key=1"])
    with pytest.raises(UsageError, match=r"`mirrors`: ftp://\*\*\*@host/zoo: expected an http://") as caught:
        parse_mirrors(["https://host", "ftp://me:hunter2@host/zoo"])
    assert "hunter2" not in str(caught.value)
