"""Packed files that are cut, empty or missing are an error: nothing may end early in silence."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixnet_tools.accuracy.datasets.filters import with_real_labels
from mixnet_tools.accuracy.datasets.folder import LocalFolder
from mixnet_tools.accuracy.datasets.forms.base import Wanted
from mixnet_tools.accuracy.datasets.forms.packed_files import find_packed_files, packed_file
from mixnet_tools.accuracy.datasets.forms.parquet import parquet_images
from mixnet_tools.accuracy.datasets.forms.tar import members
from mixnet_tools.accuracy.datasets.forms.tfrecord import tfrecords
from mixnet_tools.accuracy.datasets.image import Cell
from mixnet_tools.accuracy.datasets.image_bytes import open_image
from mixnet_tools.accuracy.datasets.labels.imagenet_devkit import devkit_labels
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location
from tests.support import forms
from tests.support.systems import posix


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
    assert [member.name for member in members(Location(tmp_path / "a.tar"))] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]


@pytest.mark.parametrize("beyond", [0, 100, 511, 512, 600])
def test_a_tar_cut_anywhere_is_refused(tmp_path: Path, beyond: int) -> None:
    path = tmp_path / "a.tar"
    place = write_tar(path)[2]
    path.write_bytes(path.read_bytes()[: place + beyond])
    with pytest.raises(DatasetError, match=r"a\.tar"):
        members(Location(path))


def test_a_tar_with_a_damaged_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    place = write_tar(path)[2]
    data = bytearray(path.read_bytes())
    data[place : place + 100] = b"\xff" * 100
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"a\.tar"):
        members(Location(path))


@pytest.mark.parametrize(
    ("key", "value"), [("size", "null"), ("size", "-700"), ("GNU.sparse.size", "x"), ("mtime", "9" * 400)]
)
def test_a_tar_with_a_header_that_is_no_number_is_refused_or_read(tmp_path: Path, key: str, value: str) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a.jpg")
        member.size = 700
        member.pax_headers = {key: value}
        archive.addfile(member, io.BytesIO(b"x" * 700))
    if key == "mtime":  # nobody asks for it
        assert [(one.name, one.span.size) for one in members(Location(path))] == [("a.jpg", 700)]
        return
    with pytest.raises(DatasetError, match=r"a\.tar"):
        members(Location(path))


def test_a_missing_file_is_noticed_by_its_number(tmp_path: Path) -> None:
    for number in (0, 2):
        (tmp_path / f"validation-{number:05}-of-00003").write_bytes(b"x")
    with pytest.raises(DatasetError, match="1 of 3 files of 'validation' are missing, the first is number 1"):
        find_packed_files(LocalFolder(Location(tmp_path)), Wanted())
    (tmp_path / "validation-00001-of-00003").write_bytes(b"x")
    found = find_packed_files(LocalFolder(Location(tmp_path)), Wanted())
    assert found is not None
    assert len(found.files) == 3
    single = packed_file(Location(tmp_path / "validation-00001-of-00003"), Wanted())
    assert single is not None
    assert len(single.files) == 1


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "validation-00000-of-00001").touch()
    with pytest.raises(DatasetError, match="is empty"):
        tfrecords([Location(tmp_path / "validation-00000-of-00001")], 1)


def test_a_damaged_row_group_is_named_with_its_file(tmp_path: Path) -> None:
    from pyarrow import parquet

    images = [(bytes([number]) * 5000, number) for number in range(14)]
    folder = forms.write_parquet(tmp_path / "set", images)
    file = folder / "validation-00000-of-00002.parquet"
    column = parquet.ParquetFile(file).metadata.row_group(0).column(1)
    assert column.path_in_schema == "image.path"
    whole = file.read_bytes()
    file.write_bytes(damaged(whole, column.dictionary_page_offset or column.data_page_offset))
    with pytest.raises(DatasetError, match=r"validation-00000-of-00002\.parquet: row group 0 cannot be read"):
        parquet_images([Location(file)], 0)

    file.write_bytes(whole)
    last = parquet_images([Location(file)], 0)[0][-1]
    column = parquet.ParquetFile(file).metadata.row_group(0).column(0)
    assert column.path_in_schema == "image.bytes"
    file.write_bytes(damaged(whole, column.dictionary_page_offset or column.data_page_offset))
    with pytest.raises(DatasetError, match=r"validation-00000-of-00002\.parquet: row group 0 cannot be read"):
        open_image(last)


def test_a_parquet_file_with_fewer_images_than_labels_names_the_row(tmp_path: Path) -> None:
    folder = forms.write_parquet(tmp_path / "set", [(b"x" * 50, number) for number in range(14)])
    file = Location(folder / "validation-00000-of-00002.parquet")
    beyond = replace(parquet_images([file], 0)[0][0], part=Cell(0, 7))
    with pytest.raises(DatasetError, match="row 7 of group 0: holds no bytes of an image"):
        open_image(beyond)


def test_a_parquet_file_whose_text_is_no_text_is_refused(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    path = pyarrow.array([b"caf\xe9.jpg"]).view("string")
    image = pyarrow.StructArray.from_arrays([pyarrow.array([b"x"]), path], ["bytes", "path"])
    file = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"image": image, "label": [1]}), file)
    with pytest.raises(DatasetError, match=r"a\.parquet: row group 0 cannot be read"):
        parquet_images([Location(file)], 0)


CUT = gzip.compress(bytes(4000), mtime=0)[:40]
NO_DEVKITS = {"no tar": b"no tar", "zeros": bytes(600), "cut": CUT, "damaged": b"\x1f\x8b\x08" + b"\xff" * 60}


@pytest.mark.parametrize("body", NO_DEVKITS.values(), ids=NO_DEVKITS)
def test_a_damaged_devkit_is_refused(tmp_path: Path, body: bytes) -> None:
    file = tmp_path / "ILSVRC2012_devkit_t12.tar.gz"
    file.write_bytes(body)
    with pytest.raises(DatasetError, match=r"devkit_t12\.tar\.gz: (cannot be read|holds no)"):
        devkit_labels(Location(file))


def test_a_devkit_of_links_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ILSVRC2012_devkit_t12.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        for name in ("meta.mat", "ILSVRC2012_validation_ground_truth.txt"):
            member = tarfile.TarInfo(f"ILSVRC2012_devkit_t12/data/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, "nowhere"
            archive.addfile(member)
    with pytest.raises(DatasetError, match="holds no"):
        devkit_labels(Location(file))


NO_TABLES = {
    "text": (b"no matrix" * 20, b"1"),
    "zeros": (bytes(200), b"1"),
    "short": (b"x", b"1"),
    "large": (b"x", bytes(17 << 20)),
}


@pytest.mark.parametrize(("meta", "truth"), NO_TABLES.values(), ids=NO_TABLES)
def test_a_devkit_whose_files_are_something_else_is_refused(tmp_path: Path, meta: bytes, truth: bytes) -> None:
    file = tmp_path / "ILSVRC2012_devkit_t12.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        for name, body in (("meta.mat", meta), ("ILSVRC2012_validation_ground_truth.txt", truth)):
            member = tarfile.TarInfo(f"ILSVRC2012_devkit_t12/data/{name}")
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    with pytest.raises(DatasetError, match=r"do not fit each other|has more than \d+ bytes"):
        devkit_labels(Location(file))


def damaged(data: bytes, place: int) -> bytes:
    return data[:place] + b"\xff" * 20 + data[place + 20 :]


@posix
def test_a_pipe_is_no_image_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "val.txt").write_text("a.jpg 0\n")
    dataset = forms.open_at(tmp_path)
    with pytest.raises(DatasetError, match=r"a\.jpg: no regular file"):
        open_image(dataset.images[0])
    os.remove(tmp_path / "a.jpg")
    with pytest.raises(DatasetError, match=r"a\.jpg: cannot be read: No such file"):
        open_image(dataset.images[0])


def test_a_folder_that_cannot_be_listed_does_not_look_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "n01/inner").mkdir(parents=True)
    (tmp_path / "n01/a.jpg").write_bytes(b"x")
    scandir = os.scandir

    def closed(path: str | Path) -> Any:  # tests may run as root, for whom no folder is closed
        if str(path).endswith("inner"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(DatasetError, match="n01/inner: the folder cannot be read: Permission denied"):
        forms.open_at(tmp_path)


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    for name in (b"caf\xe9.jpg", b"tea.jpg"):
        Path(os.fsdecode(bytes(tmp_path / "0") + b"/" + name)).write_bytes(b"x")
    dataset = forms.open_at(tmp_path)
    assert [os.fsencode(image.bare_name) for image in dataset.images] == [b"caf\xe9.jpg", b"tea.jpg"]
    assert len(dataset.fingerprint) == 64
    assert len(dataset.subset(1).images) == 1


def test_a_name_with_a_nul_is_the_name_of_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "val.txt").write_bytes(b"a.jpg 0\nb\0c/d.jpg 1\n")
    with pytest.raises(DatasetError, match=r"line 2: 'b\\x00c/d\.jpg': no such image"):
        forms.open_at(tmp_path)


@pytest.mark.parametrize("listed", ["[[1], [-1]]", "[[1], [1.5]]", "[[1], [true]]", '[[1], ["2"]]'])
def test_wrong_real_labels_are_refused(tmp_path: Path, listed: str) -> None:
    for number in (1, 2):
        (tmp_path / forms.name_of(number)).write_bytes(b"x")
    (tmp_path / "val.txt").write_text("".join(f"{forms.name_of(number)} 0\n" for number in (1, 2)))
    (tmp_path / "real.json").write_text(listed)
    with pytest.raises(DatasetError, match=r"real\.json: expected ReaL's JSON list of .*: .* is no class"):
        with_real_labels(forms.open_at(tmp_path), tmp_path / "real.json")
