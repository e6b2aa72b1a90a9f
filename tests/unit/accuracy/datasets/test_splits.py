"""Splits by words in the names of folders and files: which one is taken, and what is no split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mixnet_tools.accuracy.datasets.labels.class_names import ModelClasses
from mixnet_tools.accuracy.datasets.splits import choose, split_of, words
from mixnet_tools.descriptors.labels import ClassLabel
from mixnet_tools.errors import DatasetError
from tests.support.forms import open_at


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def images(source: Path, **wanted: Any) -> tuple[str | None, list[str]]:
    found = open_at(source, **wanted)
    return found.split, [image.location.path.relative_to(source).as_posix() for image in found.images]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("imagenet1k-train-0000.tar", "train"),
        ("imagenet1k-validation-00.tar", "validation"),
        ("imagenet2012-validation.tfrecord-00000-of-00064", "validation"),
        ("validation-00000-of-00128", "validation"),
        ("test-00000-of-00028-8a0ae3e7b3a2d5cd.parquet", "test"),
        ("ILSVRC2012_img_val.tar", "validation"),
        ("ImageNetVal", "validation"),
        ("VALID", "validation"),
        ("val2017", "validation"),
        ("dev.parquet", "dev"),
        ("my.eval.set", "eval"),
        ("train+val", "train+validation"),
        ("trainer", None),
        ("invalid", None),
        ("contest", None),
        ("medieval", None),
        ("retrieval-000.tar", None),
        ("device", None),
    ],
)
def test_a_split_is_a_word_of_a_name(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_numbers_are_words_too() -> None:
    assert words("test_v2-B") == ["test", "v", "2", "b"]


@pytest.mark.parametrize(
    ("names", "wanted", "chosen"),
    [
        (["a-train-0.tar", "a-val-0.tar", "a-test-0.tar"], None, ["a-val-0.tar"]),
        (["train-0", "validation-0", "validation-1"], None, ["validation-0", "validation-1"]),
        (["train-0", "test-0"], None, ["test-0"]),
        (["train-0", "dev-0"], None, ["dev-0"]),
        (["train-0", "train-1"], None, ["train-0", "train-1"]),
        (["0.tar", "1.tar"], None, ["0.tar", "1.tar"]),
        (["train-0", "val-0"], "train", ["train-0"]),
        (["train-0", "val-0"], "Validation", ["val-0"]),
        (["test_v1-0", "test_v2-0", "val-0"], "test_v2", ["test_v2-0"]),
        (["default/train/0000.parquet", "default/validation/0000.parquet"], None, ["default/validation/0000.parquet"]),
        (["test-data/a-val-0.tar", "test-data/a-train-0.tar"], None, ["test-data/a-val-0.tar"]),
    ],
)
def test_the_validation_split_is_taken_or_the_one_that_is_asked_for(
    names: list[str], wanted: str | None, chosen: list[str]
) -> None:
    assert list(choose(names, wanted, "here").names) == chosen


@pytest.mark.parametrize(
    ("names", "wanted", "message"),
    [
        (["train-0", "0.tar"], None, "a mixture of splits, none of which is called validation: train-0, 0.tar"),
        (["test-0", "0.tar"], None, "a mixture of splits"),
        (["train-0", "val-0"], "test", "here: has no split 'test': there are train, validation"),
        (["0.tar"], "test", "has no split 'test': no folder or file in it names a split"),
    ],
)
def test_a_mixture_is_never_taken_for_one_set(names: list[str], wanted: str | None, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        choose(names, wanted, "here")


@pytest.mark.parametrize(
    ("there", "split", "taken"),
    [
        (["train/a/1.jpg", "val/a/2.jpg", "val/b/3.jpg"], "validation", ["val/a/2.jpg", "val/b/3.jpg"]),
        (["x/y/train/a/1.jpg", "x/y/val/a/2.jpg"], "validation", ["x/y/val/a/2.jpg"]),
        (["imagenet_train/a/1.jpg", "imagenet_val/a/2.jpg"], "validation", ["imagenet_val/a/2.jpg"]),
        (["train/a/1.jpg", "val/a/2.jpg", "val_blurred/a/2.jpg"], "validation", ["val/a/2.jpg"]),
        (["train/a/1.jpg", "test/a/2.jpg"], "test", ["test/a/2.jpg"]),
        (["test/a/2.jpg"], "test", ["test/a/2.jpg"]),
        (["cat/train/1.jpg", "cat/val/2.jpg", "dog/train/3.jpg", "dog/val/4.jpg"], "validation",
         ["cat/val/2.jpg", "dog/val/4.jpg"]),
        # Classes, whatever they are called.
        (["train/1.jpg", "bus/2.jpg", "car/3.jpg"], None, ["bus/2.jpg", "car/3.jpg", "train/1.jpg"]),
        (["test_positive/1.jpg", "test_negative/2.jpg"], None, ["test_negative/2.jpg", "test_positive/1.jpg"]),
        (["bullet_train/1.jpg", "school_bus/2.jpg"], None, ["bullet_train/1.jpg", "school_bus/2.jpg"]),
        (["valid/1.jpg", "invalid/2.jpg"], None, ["invalid/2.jpg", "valid/1.jpg"]),
    ],
)  # fmt: skip
def test_folders_of_splits_are_no_classes(
    tmp_path: Path, there: list[str], split: str | None, taken: list[str]
) -> None:
    assert images(touch(tmp_path, *there)) == (split, taken)


def test_classes_inside_each_class_folder_are_counted_once(tmp_path: Path) -> None:
    found = open_at(touch(tmp_path, "cat/train/1.jpg", "cat/val/2.jpg", "dog/train/3.jpg", "dog/val/4.jpg"))
    assert [(image.name, image.label) for image in found.images] == [("cat/val/2.jpg", 0), ("dog/val/4.jpg", 1)]
    assert found.class_names == ("cat", "dog")


@pytest.mark.parametrize(
    "there",
    [
        ["train/n1/1.jpg", "n1/2.jpg", "n2/2.jpg"],
        ["bullet_train/1.jpg", "test_tube/2.jpg"],
        ["cat/train/1.jpg", "cat/val/2.jpg", "dog/3.jpg"],
    ],
)
def test_folders_of_which_it_is_not_clear_are_refused(tmp_path: Path, there: list[str]) -> None:
    with pytest.raises(DatasetError, match=r"a split or a class\?|some classes have folders of splits"):
        open_at(touch(tmp_path, *there))


def test_names_that_the_model_knows_are_classes(tmp_path: Path) -> None:
    model = ModelClasses.of([ClassLabel("bullet train"), ClassLabel("test tube"), ClassLabel("cat")], "labels.txt")
    found = open_at(touch(tmp_path, "bullet_train/1.jpg", "test_tube/2.jpg"), classes=model)
    assert (found.split, [image.label for image in found.images]) == (None, [0, 1])


def test_the_folder_of_a_split_is_the_same_data_set_as_the_split_of_its_parent(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.jpg", "val/a/2.jpg")
    assert open_at(tmp_path).fingerprint == open_at(tmp_path / "val").fingerprint
    assert images(tmp_path / "val", split="val") == ("validation", ["a/2.jpg"])
    assert images(tmp_path, split="train") == ("train", ["train/a/1.jpg"])


def test_lists_of_splits(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.jpg", "val/2.jpg")
    (tmp_path / "val.txt").write_text("2.jpg 1\n")
    (tmp_path / "train.txt").write_text("train/1.jpg 0\n")
    assert images(tmp_path) == ("validation", ["val/2.jpg"])
    assert images(tmp_path, split="train") == ("train", ["train/1.jpg"])
    (tmp_path / "all.txt").write_text("train/1.jpg 0\nval/2.jpg 1\n")
    assert images(tmp_path, annotations=str(tmp_path / "all.txt"))[1] == ["train/1.jpg", "val/2.jpg"]
    assert images(tmp_path, annotations=str(tmp_path / "all.txt"), split="val") == ("validation", ["val/2.jpg"])
