"""What a folder holds: the same answers from the disk and from behind a URL."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest

from mixnet_tools.accuracy.datasets.folder import Folder, open_folder, parent_folder
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location
from tests.support.forms import open_at
from tests.support.systems import posix

NAMES = (
    "top.JPG", "notes.txt", ".hidden.jpg", ".git/y.jpg", "a-c/x.gif", "b/2.png", "b/10.png", "b/in/1.png", "b/z.txt",
)  # fmt: skip


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """The files :data:`NAMES` in a folder."""
    if request.param == "disk":
        for name in NAMES:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return open_folder(Location(tmp_path))
    system = fsspec.filesystem("memory")
    for name in NAMES:
        system.pipe(f"/{tmp_path.name}/{name}", b"")
    return open_folder(Location.parse(f"memory://{tmp_path.name}"))


def test_a_folder_is_listed_in_one_order(folder: Folder) -> None:
    tree = folder.tree
    assert list(tree.files()) == [
        "notes.txt", "top.JPG", "a-c/x.gif", "b/10.png", "b/2.png", "b/z.txt", "b/in/1.png",
    ]  # fmt: skip
    assert tree.subfolders() == ("a-c", "b")
    assert list(folder.below("b").tree.files()) == ["10.png", "2.png", "z.txt", "in/1.png"]
    assert dict(tree.left) == {".hidden.jpg": "hidden", ".git/": "hidden"}
    assert tree.image_folders == ("", "a-c", "b", "b/in")
    assert (folder.has_file("b/z.txt"), folder.has_file("b/gone")) == (True, False)
    assert folder.may_have("b/in/1.png")


def test_a_missing_file_is_known_on_disk_and_not_asked_for_behind_a_url(folder: Folder) -> None:
    assert folder.may_have("b/gone.png") == folder.location.is_remote
    assert (parent_folder(folder.location) is None) == folder.location.is_remote


@posix
def test_linked_class_folders_are_followed(tmp_path: Path) -> None:
    (tmp_path / "all/cat").mkdir(parents=True)
    (tmp_path / "all/cat/1.jpg").touch()
    (tmp_path / "some").mkdir()
    (tmp_path / "some/cat").symlink_to(tmp_path / "all/cat")
    (tmp_path / "some/dog").mkdir()
    dataset = open_at(tmp_path / "some")
    assert dataset.class_names == ("cat", "dog"), "a folder without images is a class"
    assert [(image.name, image.label) for image in dataset.images] == [("cat/1.jpg", 0)]


@posix
@pytest.mark.parametrize(
    ("name", "message"), [("set.tar", r"set\.tar: no regular file"), ("a.jpg", r"images \('a\.jpg'\), but no labels")]
)
def test_a_pipe_is_not_passed_over(tmp_path: Path, name: str, message: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DatasetError, match=message):
        open_at(tmp_path)
