"""What mixnet-classify takes as images, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mixnet_tools.accuracy.classification import web_image
from mixnet_tools.accuracy.classification.images import ImageToClassify, find_images
from mixnet_tools.errors import DatasetError, UsageError
from mixnet_tools.files.location import Location
from tests.support.file_server import FileServer
from tests.support.systems import posix


def found(*places: str | Path | bytes) -> list[str]:
    return [
        image.name for image in find_images(one if isinstance(one, bytes) else Location.parse(one) for one in places)
    ]


def test_files_folders_urls_and_bytes_come_in_their_order(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.PNG", "sub/c.webp", "notes.txt", ".hidden.jpg"):
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_bytes(b"x")
    odd = tmp_path / "no suffix"
    odd.write_bytes(b"x")
    names = found(odd, tmp_path / "d", "https://me:secret@host/cat.jpg?sig=1", b"bytes")
    assert names[0] == str(odd)
    assert [Path(name).name for name in names[1:4]] == ["a.PNG", "b.jpg", "c.webp"]
    assert names[4] == "https://host/cat.jpg"
    assert names[5] == "image 4"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("film.mp4", "film.mp4: a video"),
        ("rtsp://camera/stream", "a video"),
        ("/dev/video0", "a camera"),
        ("0", "0: a camera"),
        ("val.tar", "holds many images"),
        ("s3://bucket/part-0.parquet", "holds many images"),
    ],
)
def test_what_is_no_single_image_is_refused(place: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        found(place)


def test_a_file_called_by_a_number_is_no_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("0").write_bytes(b"x")
    assert found("0") == ["0"]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file or folder"):
        found(tmp_path / "missing.jpg")
    with pytest.raises(DatasetError, match="no image in this folder"):
        found(tmp_path)


@posix
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(DatasetError, match="no regular file"):
        ImageToClassify("pipe", Location(tmp_path / "pipe.jpg")).open()


def test_bytes_have_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixnet_tools.accuracy.datasets.image_bytes.MAX_BYTES", 3)
    assert ImageToClassify("a", b"abc").open()
    with pytest.raises(DatasetError, match="has 4 bytes, and at most 3 are read"):
        ImageToClassify("a", b"abcd").open()


def test_an_image_is_fetched_within_a_budget(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(bytes(2000))
    with FileServer(tmp_path) as server:
        there = Location.parse(f"{server.url}/a.jpg")
        assert web_image.fetch_image(there, 2000) == bytes(2000)
        with pytest.raises(DatasetError, match="has more than 1,999 bytes"):
            web_image.fetch_image(there, 1999)
        with pytest.raises(DatasetError, match="the server answers 404"):
            web_image.fetch_image(Location.parse(f"{server.url}/b.jpg"), 10)
        gone = server.url
    with pytest.raises(DatasetError, match=r"cannot be fetched: .* refuses the connection") as caught:
        web_image.fetch_image(Location.parse(f"{gone}/a.jpg?token=secret"), 10)
    assert "secret" not in str(caught.value)


def test_a_slow_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(bytes(10))
    monkeypatch.setattr(web_image, "WHOLE_SECONDS", -1.0)
    with FileServer(tmp_path) as server, pytest.raises(DatasetError, match="not complete after"):
        web_image.fetch_image(Location.parse(f"{server.url}/a.jpg"), 10)
