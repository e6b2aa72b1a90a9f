"""Shards that are cut, empty or missing are an error: nothing may end early in silence."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from mixnet_tools.accuracy.shards import find_shards
from mixnet_tools.accuracy.tars import members
from mixnet_tools.accuracy.tfrecord import tfrecords
from mixnet_tools.errors import DatasetError


def write_tar(path: Path, count: int = 4) -> list[int]:
    """A tar of ``count`` files of 700 bytes; returns where each member's header begins."""
    places = []
    with tarfile.open(path, "w") as archive:
        for number in range(count):
            places.append(archive.offset)
            member = tarfile.TarInfo(f"{number}.jpg")
            member.size = 700
            archive.addfile(member, io.BytesIO(bytes([number + 1]) * 700))
    return places


def test_a_whole_tar_is_read(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar")
    assert [member.name for member in members(tmp_path / "a.tar")] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]


@pytest.mark.parametrize("beyond", [0, 100, 511, 512, 600])
def test_a_tar_cut_anywhere_is_refused(tmp_path: Path, beyond: int) -> None:
    path = tmp_path / "a.tar"
    place = write_tar(path)[2]
    path.write_bytes(path.read_bytes()[: place + beyond])
    with pytest.raises(DatasetError, match=r"a\.tar"):
        members(path)


def test_a_tar_with_a_damaged_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    place = write_tar(path)[2]
    data = bytearray(path.read_bytes())
    data[place : place + 100] = b"\xff" * 100
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"a\.tar"):
        members(path)


def test_a_missing_shard_is_noticed_by_its_number(tmp_path: Path) -> None:
    for number in (0, 2):
        (tmp_path / f"validation-{number:05}-of-00003").write_bytes(b"x")
    with pytest.raises(DatasetError, match="1 of 3 shards of 'validation' are missing, the first is number 1"):
        find_shards(tmp_path)
    (tmp_path / "validation-00001-of-00003").write_bytes(b"x")
    found = find_shards(tmp_path)
    assert found is not None
    assert len(found.paths) == 3
    single = find_shards(tmp_path / "validation-00001-of-00003")
    assert single is not None
    assert len(single.paths) == 1


def test_an_empty_shard_is_refused(tmp_path: Path) -> None:
    (tmp_path / "validation-00000-of-00001").touch()
    with pytest.raises(DatasetError, match="is empty"):
        tfrecords([tmp_path / "validation-00000-of-00001"], 1)
