"""Every file is used, or left out and why; what looks like an image or a label is never left out in silence."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from mixnet_tools.accuracy.datasets.account import FileAccount, LeftOut
from mixnet_tools.accuracy.datasets.dataset import ImageDataset
from mixnet_tools.accuracy.datasets.exclusions import Exclusions
from mixnet_tools.accuracy.datasets.filters import exclude
from mixnet_tools.accuracy.predictions.values import Shard
from mixnet_tools.errors import DatasetError
from tests.support.forms import open_at, write_tar
from tests.support.systems import posix


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def reasons(account: FileAccount) -> dict[str, int]:
    assert account.seen == account.used + account.labels + sum(one.count for one in account.left_out)
    return {one.reason: one.count for one in account.left_out}


def only(dataset: ImageDataset) -> FileAccount:
    (account,) = dataset.accounts
    return account


def failure(source: Path, **wanted: object) -> str:
    with pytest.raises(DatasetError) as caught:
        open_at(source, **wanted)  # type: ignore[arg-type]
    return f"{caught.value} (try: {caught.value.hint})"


NAMES = (
    "val/a/1.jpg", "val/a/2.JFIF", "val/b/3.WebP", "val/b/README.txt", "val/b/Thumbs.db", "val/b/._3.jpg",
    "train/a/4.jpg", "train/a/5.jpg", "meta.bin", ".DS_Store", "__MACOSX/val/._1.jpg", ".cache/x/y.jpg",
)  # fmt: skip
LEFT_OUT = {"other split": 2, "not an image": 2, "hidden": 5}


def test_a_folder_accounts_for_everything_in_it(tmp_path: Path) -> None:
    account = only(open_at(touch(tmp_path, *NAMES)))
    assert (account.unit, account.seen, account.used, account.labels) == ("files", 12, 3, 0)
    assert reasons(account) == LEFT_OUT
    assert account.text().startswith("12 files seen: 3 used, 9 left out (")
    assert "2 other split: train/a/4.jpg, train/a/5.jpg" in account.text()


def test_a_url_accounts_for_everything_too(tmp_path: Path) -> None:
    system = fsspec.filesystem("memory")
    for name in NAMES:
        system.pipe(f"/{tmp_path.name}/{name}", b"")
    assert reasons(only(open_at(f"memory://{tmp_path.name}"))) == LEFT_OUT


def test_images_that_a_list_does_not_name_are_an_error_unless_the_list_was_given(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg", "notes.txt")
    (tmp_path / "val.txt").write_text("1.jpg 0\n3.jpg 1\n")
    told = failure(tmp_path)
    assert f"{tmp_path}: images that would not be used: 2.jpg" in told
    assert f"`annotations={tmp_path / 'val.txt'}`" in told
    account = only(open_at(tmp_path, tmp_path / "val.txt"))
    assert (account.used, account.labels, reasons(account)) == (2, 1, {"no label": 1, "not an image": 1})


def test_what_is_named_for_exclusion_is_no_error(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.heic", "a/3.avif", "b/4.jpg")
    assert "images that cannot be read: a/2.heic, a/3.avif: .heic is none of the formats" in failure(tmp_path)
    listed = tmp_path.with_suffix(".txt")
    listed.write_text("2.heic\na/3.avif\n4.jpg\n")
    exclusions = Exclusions(listed)
    found = exclude(open_at(tmp_path, exclusions=exclusions), exclusions)
    assert ([image.name for image in found.images], reasons(only(found))) == (["a/1.jpg"], {"excluded": 3})
    listed.write_text("nothing.jpg\n")
    with pytest.raises(DatasetError, match=r"'nothing\.jpg' is no image of"):
        exclude(open_at(touch(tmp_path.with_suffix(".set"), "a/1.jpg")), Exclusions(listed))


def test_subsets_and_shards_move_images_out_and_back(tmp_path: Path) -> None:
    dataset = open_at(touch(tmp_path, *(f"a/{number}.jpg" for number in range(10))))
    subset = dataset.subset(6)
    assert (only(subset).used, reasons(only(subset))) == (6, {"not in the subset": 4})
    shard = only(subset.take_shard(Shard(1, 3)))
    assert (shard.used, reasons(shard)) == (2, {"not in the subset": 4, "another shard": 4})
    assert shard.use_again("another shard") == only(subset)


def test_only_the_first_names_are_kept() -> None:
    account = FileAccount("rows", 100, 100).leave_out("excluded", [f"{number}" for number in range(9)])
    assert account == FileAccount("rows", 100, 91, 0, (LeftOut("excluded", 9, ("0", "1", "2", "3", "4")),))
    assert account.text() == "100 rows seen: 91 used, 9 left out (9 excluded: 0, 1, 2, 3, 4, ...)"


@posix
def test_links_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    touch(tmp_path / "all", "cat/1.jpg", "cat/more/2.jpg")
    touch(tmp_path / "set", "dog/3.jpg")
    (tmp_path / "set/cat").symlink_to(tmp_path / "all/cat")
    (tmp_path / "set/dog/more").symlink_to(tmp_path / "all/cat/more")
    (tmp_path / "all/cat/up").symlink_to(tmp_path / "set")
    (tmp_path / "all/cat/here").symlink_to(".")
    found = open_at(tmp_path / "set")
    assert [image.name for image in found.images] == ["cat/1.jpg", "cat/more/2.jpg", "dog/3.jpg", "dog/more/2.jpg"]
    assert reasons(only(found)) == {"link to a folder above it": 2}


@posix
@pytest.mark.parametrize("name", ["cat/2.jpg", "dog", "cat/more"])
def test_a_link_to_nothing_is_named(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "cat/1.jpg")
    (tmp_path / name).symlink_to("gone")
    assert f"{tmp_path}: links to what is not there: {name}" in failure(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(name.rpartition("/")[2])
    assert "links to what is not there" in failure(tmp_path)


@pytest.mark.parametrize(
    ("members", "used"),
    [
        (["7.jpg", "7.cls", "7.json"], ["7.jpg"]),
        (["n01440764/val_0.0001.jpg", "n01440764/val_0.0001.cls", "n01440764/val_0.0002.jpg",
          "n01440764/val_0.0002.cls"], ["n01440764/val_0.0001.jpg", "n01440764/val_0.0002.jpg"]),
        (["7.jpg", "7.seg.png", "7.cls"], ["7.jpg"]),
        (["a.jfif", "a.cls", "._a.jfif", "__MACOSX/._b.jpg"], ["a.jfif"]),
        (["train/1.jpg", "train/1.cls", "val/1.jpg", "val/1.cls"], ["val/1.jpg"]),
    ],
)  # fmt: skip
def test_members_of_a_tar_are_accounted_for(tmp_path: Path, members: list[str], used: list[str]) -> None:
    files = [(name, b"1" if name.endswith(".cls") else b"") for name in members]
    found = open_at(write_tar(tmp_path / "set.tar", files))
    assert [image.name for image in found.images] == used
    account = only(found)
    assert (account.unit, account.seen, account.used) == ("members", len(members), len(used))
    reasons(account)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (["a.jpg", "a.cls", "b.cls"], "the sample 'b' has no image"),
        (["a.jpg", "a.cls", "b.0.jpg"], "the sample 'b.0' has no label|images that would not be used: b.0.jpg"),
        (["a.jpg", "a.cls", "b.heic"], "images that cannot be read: b.heic"),
        (["a.1.jpg", "a.1.cls", "a.2.jpg"], "a.2"),
    ],
)
def test_a_member_without_its_partner_is_named(tmp_path: Path, members: list[str], message: str) -> None:
    tar = write_tar(tmp_path / "set.tar", [(name, b"1" if name.endswith(".cls") else b"") for name in members])
    with pytest.raises(DatasetError, match=message):
        open_at(tar)


def test_files_of_many_images_beside_images_are_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "0.tar", [("1.jpg", b""), ("1.cls", b"1")])
    touch(tmp_path, "preview.png")
    told = failure(tmp_path)
    assert "images (preview.png) beside files of many images (0.tar): which ones are meant?" in told
    listed = tmp_path.with_suffix(".txt")
    listed.write_text("preview.png\n")
    found = open_at(tmp_path, exclusions=Exclusions(listed))
    assert [reasons(account) for account in found.accounts] == [{"excluded": 1}, {}]


def test_a_compressed_shard_is_not_passed_over(tmp_path: Path) -> None:
    write_tar(tmp_path / "val-0.tar", [("1.jpg", b""), ("1.cls", b"1")])
    touch(tmp_path, "val-1.tar.gz")
    assert "val-1.tar.gz is compressed" in failure(tmp_path)


def test_shards_in_several_folders_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_tar(tmp_path / name / "val-0.tar", [("1.jpg", b""), ("1.cls", b"1")])
    assert "files of many images in several folders: a, b" in failure(tmp_path)
