"""Which images a quantization is calibrated with, and how IRs are compared on labelled ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from mixnet_tools.accuracy.datasets.exclusions import Exclusions
from mixnet_tools.accuracy.datasets.forms.base import Wanted
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.labels.class_names import ModelClasses
from mixnet_tools.accuracy.evaluation.comparison import Comparer
from mixnet_tools.accuracy.evaluation.quantization_calibration_set import (
    among,
    calibration_images,
    calibration_set,
    choose,
)
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import load_accuracy_config
from mixnet_tools.descriptors.labels import ClassLabel
from mixnet_tools.errors import DatasetError, EvaluationError
from mixnet_tools.files.location import Location
from mixnet_tools.ir.image_input import ImageInput
from tests.support.colour_model import SIDE, accuracy_data, write_ir
from tests.support.forms import open_at
from tests.support.images import plain, save, write_class_folders, write_flat_set

LABELS = [0, 1, 2, 3, 4, 5, 0, 1]
INPUT = ImageInput("NHWC", 1, SIDE, SIDE)


def pictures(count: int) -> tuple[LabelledImage, ...]:
    return tuple(LabelledImage(f"{index:04}.jpg", Location(Path(f"{index:04}.jpg")), 0) for index in range(count))


def test_the_choice_depends_on_names_and_seed_only() -> None:
    images = pictures(100)
    first = choose(images, 20, 0, "here")
    assert first == choose(images, 20, 0, "there")
    assert set(first) == set(choose(images[::-1], 20, 0, "here"))
    moved = tuple(replace(image, name=f"class/{image.name}") for image in images)
    assert [image.bare_name for image in choose(moved, 20, 0, "here")] == [image.name for image in first]
    assert first != choose(images, 20, 1, "here")
    assert list(first) == sorted(first, key=lambda image: image.name)
    assert set(first) <= set(choose(images, 40, 0, "here"))


def test_too_few_images_are_an_error_that_says_how_to_take_all() -> None:
    with pytest.raises(DatasetError, match="here: too few images to calibrate with: 300 are asked for") as caught:
        choose(pictures(12), 300, 0, "here")
    assert caught.value.hint is not None
    assert "`subset_size=12`" in caught.value.hint


def test_images_without_labels_are_enough_to_calibrate(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "below/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save(tmp_path / name, plain((10, 20, 30), 20, 20))
    found = calibration_images(Location(tmp_path))
    assert found.dataset is None
    assert [image.name for image in found.images] == ["a.png", "b.png", "below/c.png"]


def test_labelled_sets_are_read_as_for_a_measurement(tmp_path: Path) -> None:
    write_flat_set(tmp_path / "flat", LABELS)
    write_class_folders(tmp_path / "classes", [0, 1, 1], ["red", "rose"])
    for form in ("flat", "classes"):
        found = calibration_images(Location(tmp_path / form))
        assert found.dataset == open_at(tmp_path / form)
        assert found.images == found.dataset.images


@pytest.mark.parametrize(("classes", "labelled"), [(None, True), (2, True), (3, True), (1, False), (4, False)])
def test_folders_are_classes_where_there_are_as_many_as_the_model_has(
    tmp_path: Path, classes: int | None, labelled: bool
) -> None:
    write_class_folders(tmp_path, [0, 1, 1], ["red", "rose"])
    found = calibration_images(Location(tmp_path), classes=classes)
    assert (found.dataset is not None) == labelled
    assert len(found.images) == 3


def test_no_images_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no images here"):
        calibration_images(Location(tmp_path))
    with pytest.raises(DatasetError, match="no such file or folder"):
        calibration_images(Location(tmp_path / "nowhere"))


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "accuracy-check.yml"
    path.write_text(yaml.safe_dump(accuracy_data(top1=1.0, top5=1.0)))
    return path


def test_pixels_are_prepared_as_the_ir_takes_them(tmp_path: Path, config_path: Path) -> None:
    save(tmp_path / "images" / "red.png", plain((200, 100, 50), 40, 40))
    images = calibration_images(Location(tmp_path / "images")).images
    config = load_accuracy_config(config_path)
    found = calibration_set(config, images, (Location(tmp_path / "images"), 1), INPUT, "omz")
    assert found.images.shape == (1, SIDE, SIDE, 3)
    assert found.images[0, 0, 0].tolist() == [50, 100, 200], "the IR takes BGR"
    assert found.preprocessing[-1] == "channel order BGR"
    assert found.names == ("red.png",)
    with pytest.raises(EvaluationError, match="16x16 pixels after preprocessing"):
        calibration_set(config, images, (Location(tmp_path), 1), ImageInput("NHWC", 1, 8, 8), "omz")


def test_an_image_that_cannot_be_decoded_is_named(tmp_path: Path, config_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "bad.jpg").write_bytes(b"no image")
    images = calibration_images(Location(tmp_path / "images")).images
    with pytest.raises(DatasetError, match=r"bad\.jpg"):
        calibration_set(load_accuracy_config(config_path), images, (Location(tmp_path), 1), INPUT, "omz")


def test_a_broken_model_is_compared_image_by_image(tmp_path: Path, config_path: Path) -> None:
    write_flat_set(tmp_path / "images", LABELS)
    dataset = open_at(tmp_path / "images")
    good, swapped = write_ir(tmp_path), write_ir(tmp_path / "swapped", "FP16", reverse=False)
    calibrated = among(dataset, dataset.images[:2])
    assert calibrated == {image.name for image in dataset.images[:2]}
    compare = Comparer(load_accuracy_config(config_path), dataset, [good], profile="omz", calibrated=calibrated)
    first, second = compare(swapped)
    assert compare(swapped) == (first, second)
    assert (first.precision, first.top1, first.difference, first.same) == ("FP32", 8, 0.0, 8)
    # Red and blue, yellow and cyan are taken for each other: labels 1 and 5 stay right.
    right = sum(label in (1, 5) for label in LABELS)
    assert (second.precision, second.top1, second.gained, second.lost) == ("FP16", right, 0, 8 - right)
    assert second.difference == pytest.approx(-100 * (8 - right) / 8)
    assert second.interval[0] < second.difference < second.interval[1] <= 0
    assert second.held_out == 6


def test_of_several_splits_one_calibrates_and_folders_named_as_classes_are_labels(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "train", [0, 1, 1], ["red", "rose"])
    write_class_folders(tmp_path / "val", [1, 0], ["red", "rose"])
    model = ModelClasses.of([ClassLabel(name) for name in ("rose", "green", "red")], "labels.txt")
    found = calibration_images(Location(tmp_path), Wanted(classes=model), 3)
    assert found.dataset is not None
    assert [(image.name, image.label) for image in found.images] == [
        ("red/image_0001.png", 2),
        ("rose/image_0000.png", 0),
    ]
    assert found.remarks[0] == "the split validation was taken (`split` takes another: train)"
    assert found.remarks[-1].startswith("5 files seen: 2 used, 3 left out (3 other split: ")
    train = calibration_images(Location(tmp_path), Wanted(split="train"), 99)
    assert (train.dataset, len(train.images)) == (None, 3)


def test_excluded_images_do_not_calibrate(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.heic"):
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / name).touch()
    with pytest.raises(DatasetError, match=r"cannot be read: c\.heic"):
        calibration_images(Location(tmp_path / "set"))
    (tmp_path / "excluded.txt").write_text("c.heic\na.png\n")
    found = calibration_images(Location(tmp_path / "set"), Wanted(exclusions=Exclusions(tmp_path / "excluded.txt")))
    assert [image.name for image in found.images] == ["b.png"]
    assert "2 excluded: a.png, c.heic" in found.remarks[-1]
