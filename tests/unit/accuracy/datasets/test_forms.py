"""Every form of a data set, read back to the same images and labels; options that leave images out."""

from __future__ import annotations

import gzip
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mixnet_tools.accuracy.datasets.dataset import ImageDataset
from mixnet_tools.accuracy.datasets.exclusions import Exclusions
from mixnet_tools.accuracy.datasets.filters import exclude, with_real_labels
from mixnet_tools.accuracy.datasets.forms.parquet import read_cell
from mixnet_tools.accuracy.datasets.image import Cell
from mixnet_tools.accuracy.datasets.image_bytes import open_image
from mixnet_tools.accuracy.predictions.values import Shard
from mixnet_tools.accuracy.preprocessing.decode import decode
from mixnet_tools.errors import DatasetError
from tests.support import forms
from tests.support.images import pattern

CLASSES = 6
LABELS = [number * 5 % CLASSES for number in range(24)]


def encoded(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pattern(20 + number % 5, 24, number)).save(buffer, "JPEG")
    return buffer.getvalue()


IMAGES = [(encoded(number), label) for number, label in enumerate(LABELS)]


def read_back(dataset: ImageDataset) -> list[tuple[bytes, int]]:
    found = []
    for image in sorted(dataset.images, key=lambda image: image.bare_name):
        source = open_image(image)
        found.append((source.read_bytes() if isinstance(source, Path) else source.getvalue(), image.label))
    assert len({image.name for image in dataset.images}) == len(found)
    return found


def test_a_flat_folder_with_the_devkit(tmp_path: Path) -> None:
    flat = forms.write_flat(tmp_path / "flat", IMAGES)
    (flat / "val.txt").unlink()
    devkit = forms.write_devkit(tmp_path / "ILSVRC2012_devkit_t12.tar.gz", LABELS, CLASSES)
    assert read_back(forms.open_at(flat, devkit)) == IMAGES


def test_imagenets_own_tar_with_the_devkit_beside_it_or_named(tmp_path: Path) -> None:
    tar = forms.write_imagenet_tar(tmp_path, IMAGES, CLASSES)
    dataset = forms.open_at(tar)
    assert (dataset.form, dataset.total) == ("imagenet_tar", len(IMAGES))
    assert read_back(dataset) == IMAGES
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "ILSVRC2012_devkit_t12.tar.gz",
        "ILSVRC2012_img_val.tar",
    ]  # nothing was unpacked
    devkit = (tmp_path / "ILSVRC2012_devkit_t12.tar.gz").rename(tmp_path / "moved_devkit.tar.gz")
    assert read_back(forms.open_at(tar, devkit)) == IMAGES
    with pytest.raises(DatasetError, match="images without labels") as caught:
        forms.open_at(tar)
    assert caught.value.hint is not None
    assert "devkit" in caught.value.hint


def test_the_same_tar_with_a_list_of_labels(tmp_path: Path) -> None:
    tar = forms.write_imagenet_tar(tmp_path / "a", IMAGES, CLASSES)
    (tmp_path / "a/ILSVRC2012_devkit_t12.tar.gz").unlink()
    flat = forms.write_flat(tmp_path / "flat", IMAGES)
    (tmp_path / "a/val.txt").write_bytes((flat / "val.txt").read_bytes())
    assert read_back(forms.open_at(tar)) == IMAGES == read_back(forms.open_at(flat))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines, "nothing.JPEG 0"], r"line 25: 'nothing\.JPEG': no such image in .*\.tar"),
        (lambda lines: [*lines, lines[2]], r"line 25: 'ILSVRC2012_val_00000003\.JPEG' stands in line 3 already"),
        (lambda lines: lines[1:], r"labels\.txt: has no line for ILSVRC2012_val_00000001\.JPEG, which is in"),
        (lambda lines: ["ILSVRC2012_val_00000001.JPEG cat", *lines[1:]], "line 1: expected 'relative/name.jpg label'"),
    ],
)
def test_labels_that_do_not_fit_the_tar_are_named(tmp_path: Path, change: Any, message: str) -> None:
    tar = forms.write_imagenet_tar(tmp_path / "a", IMAGES, CLASSES)
    listed = (forms.write_flat(tmp_path / "flat", IMAGES) / "val.txt").read_text().splitlines()
    (tmp_path / "labels.txt").write_text("\n".join(change(listed)))
    with pytest.raises(DatasetError, match=message):
        forms.open_at(tar, tmp_path / "labels.txt")


@pytest.mark.parametrize("first_label", [0, 1])
@pytest.mark.parametrize("feature", ["image/class/label", "label"])
def test_tfrecords_as_tensorflow_writes_them(tmp_path: Path, first_label: int, feature: str) -> None:
    folder = forms.write_tfrecords(tmp_path / "records", IMAGES, {feature: first_label})
    dataset = forms.open_at(folder, first_label=first_label)
    assert dataset.form == "tfrecord"
    assert read_back(dataset) == IMAGES


def test_tfrecords_count_as_their_writers_do(tmp_path: Path) -> None:
    usual = forms.write_tfrecords(tmp_path / "scripts", IMAGES, {"image/class/label": 1})
    assert read_back(forms.open_at(usual)) == IMAGES
    tfds = forms.write_tfrecords(tmp_path / "tfds", IMAGES, {"label": 0})
    assert read_back(forms.open_at(tfds)) == IMAGES
    other = forms.write_tfrecords(tmp_path / "other", IMAGES, {"image/class/label": 0})
    with pytest.raises(
        DatasetError, match="has label 0, but the classes of 'image/class/label' count from 1"
    ) as caught:
        forms.open_at(other)
    assert caught.value.hint is not None
    assert "`first_label=0`" in caught.value.hint
    both = forms.write_tfrecords(tmp_path / "both", IMAGES, {"image/class/label": 1, "label": 0})
    with pytest.raises(DatasetError, match="record 0 has the features 'image/class/label' and 'label'"):
        forms.open_at(both)


def test_broken_tfrecords_are_named(tmp_path: Path) -> None:
    folder = forms.write_tfrecords(tmp_path / "records", IMAGES, {"image/class/label": 1})
    file = folder / "validation-00001-of-00002"
    whole = file.read_bytes()
    for cut, message in ((len(whole) - 5, "ends in its data"), (5, "ends in its header")):
        file.write_bytes(whole[:cut])
        with pytest.raises(DatasetError, match=rf"validation-00001-of-00002: record \d+: the file {message}"):
            forms.open_at(folder)
    file.write_bytes(forms.record_header(10) + bytes(14))
    with pytest.raises(DatasetError, match="record 0: no TFRecord"):
        forms.open_at(folder)


def test_a_parquet_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    (first, *_) = forms.open_at(forms.write_parquet(tmp_path / "parquet", IMAGES)).images
    assert isinstance(first.part, Cell)
    before = read_cell(first.location, first.part)
    shutil.rmtree(tmp_path / "parquet")
    forms.write_parquet(tmp_path / "parquet", [(data + b"!", label) for data, label in IMAGES])
    assert read_cell(first.location, first.part) == before + b"!"


def test_parquet_as_the_hub_has_it(tmp_path: Path) -> None:
    dataset = forms.open_at(forms.write_parquet(tmp_path / "parquet", IMAGES))
    assert dataset.form == "parquet"
    assert read_back(dataset) == IMAGES
    (tmp_path / "parquet/validation-00000-of-00002.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DatasetError, match=r"00000-of-00002\.parquet: cannot be read as Parquet"):
        forms.open_at(tmp_path / "parquet")


def test_parquet_of_another_shape_is_refused(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"text": ["a"], "label": [1]}), tmp_path / "x.parquet")
    with pytest.raises(DatasetError, match=r"x\.parquet: has no column 'image\.bytes'; it has label, text"):
        forms.open_at(tmp_path / "x.parquet")


def test_webdataset_tars(tmp_path: Path) -> None:
    folder = forms.write_webdataset(tmp_path / "wds", IMAGES)
    dataset = forms.open_at(folder)
    assert dataset.form == "webdataset"
    assert read_back(dataset) == IMAGES
    assert len(forms.open_at(folder / "set-000000.tar").images) == len(IMAGES) // 2


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.jpg", b"x"), ("a.cls", b"1"), ("b.jpg", b"x")], r"the sample 'b' has no label \(b\.cls\)"),
        ([("a.cls", b"1")], "the sample 'a' has no image"),
        ([("a.jpg", b"x"), ("a.cls", b"cat")], r"a\.cls: expected a label of 0 or more, got 'cat'"),
        ([("a.jpg", b"x"), ("a.png", b"x"), ("a.cls", b"1")], "two images are called 'a'"),
        ([("a.jpg", b"x"), ("a.cls", b"1"), ("a.CLS", b"2")], r"the sample 'a' has two labels: a\.CLS is the second"),
        ([("a.jpg", b"x"), ("a.cls", b"1"), ("a.jpg", b"y")], r"holds a\.jpg twice"),
    ],
)
def test_wrong_samples_are_named(tmp_path: Path, members: list[tuple[str, bytes]], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        forms.open_at(forms.write_tar(tmp_path / "set.tar", members))


def test_broken_and_compressed_tars_are_refused(tmp_path: Path) -> None:
    tar = forms.write_imagenet_tar(tmp_path, IMAGES, CLASSES)
    whole = tar.read_bytes()
    tar.write_bytes(gzip.compress(whole))
    with pytest.raises(DatasetError, match="cannot be read as an uncompressed tar"):
        forms.open_at(tar)
    tar.write_bytes(whole[:900])
    with pytest.raises(DatasetError, match=r"img_val\.tar: (ends in the middle of|cannot be read)"):
        forms.open_at(tar)


def test_several_forms_in_one_folder_are_refused(tmp_path: Path) -> None:
    for name in ("a.tar", "b.parquet"):
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match=r"files of several forms: b\.parquet, a\.tar"):
        forms.open_at(tmp_path)


def test_of_train_and_validation_files_only_the_latter_are_taken(tmp_path: Path) -> None:
    folder = forms.write_parquet(tmp_path / "parquet", IMAGES)
    (folder / "train-00000-of-00001.parquet").write_bytes(b"never opened")
    assert read_back(forms.open_at(folder)) == IMAGES


def test_every_form_has_the_same_pixels_and_the_same_subset(tmp_path: Path) -> None:
    flat = forms.open_at(forms.write_flat(tmp_path / "flat", IMAGES))
    others = [
        forms.open_at(forms.write_imagenet_tar(tmp_path / "tar", IMAGES, CLASSES)),
        forms.open_at(forms.write_tfrecords(tmp_path / "records", IMAGES, {"image/class/label": 1})),
        forms.open_at(forms.write_parquet(tmp_path / "parquet", IMAGES)),
    ]
    wanted = {image.bare_name for image in flat.subset(9).images}
    for other in others:
        assert {image.bare_name for image in other.subset(9).images} == wanted
        assert decode(open_image(other.images[3])).image.tobytes() == decode(open_image(flat.images[3])).image.tobytes()


def test_a_span_that_is_gone_is_named(tmp_path: Path) -> None:
    tar = forms.write_imagenet_tar(tmp_path, IMAGES, CLASSES)
    last = forms.open_at(tar).images[-1]
    forms.torn(tar, 700)
    with pytest.raises(DatasetError, match=rf"img_val\.tar: {last.name}: the file ends before the image does"):
        open_image(last)


def test_labels_may_count_from_one(tmp_path: Path) -> None:
    flat = forms.write_flat(tmp_path / "flat", [(data, label + 1) for data, label in IMAGES])
    assert read_back(forms.open_at(flat, first_label=1)) == IMAGES
    (flat / "val.txt").write_text(f"{forms.name_of(1)} 0\n")
    with pytest.raises(DatasetError, match="with a label of 1 or more, got"):
        forms.open_at(flat, first_label=1)


def test_a_list_of_exclusions_has_names_and_numbers(tmp_path: Path) -> None:
    dataset = forms.open_at(forms.write_flat(tmp_path / "flat", IMAGES))
    listed = tmp_path / "blacklist.txt"
    listed.write_text(f"# do not count\n3\n{forms.name_of(7)}\n\n24 # the last\n")
    left = exclude(dataset, Exclusions(listed))
    assert (left.total, left.excluded, len(left.images)) == (21, 3, 21)
    assert {image.name for image in dataset.images} - {image.name for image in left.images} == {
        forms.name_of(number) for number in (3, 7, 24)
    }
    assert left.fingerprint != dataset.fingerprint
    listed.write_text("3\n25\nx.jpg\n")
    with pytest.raises(DatasetError, match=r"blacklist\.txt: line 2: '25' is no image of .*nor are 1 further lines"):
        exclude(dataset, Exclusions(listed))


def test_real_labels_accept_several_classes_and_leave_out_images_without_any(tmp_path: Path) -> None:
    dataset = forms.open_at(forms.write_flat(tmp_path / "flat", IMAGES))
    listed: list[list[int]] = [[label] for label in LABELS]
    listed[4], listed[9] = [], [1, 4]
    real = tmp_path / "real.json"
    real.write_text(json.dumps(listed))
    found = with_real_labels(dataset, real)
    assert (found.labels, found.total, found.excluded) == ("ReaL", 23, 1)
    assert next(image for image in found.images if image.name == forms.name_of(10)).accepted == (1, 4)
    real.write_text(json.dumps(listed[:5]))
    with pytest.raises(DatasetError, match=r"has no entry for ILSVRC2012_val_00000006\.JPEG"):
        with_real_labels(dataset, real)
    real.write_text('{"a": 1}')
    with pytest.raises(DatasetError, match="expected ReaL's JSON list"):
        with_real_labels(dataset, real)


@pytest.mark.parametrize("count", [1, 2, 5, 24, 30])
def test_shards_are_the_whole_in_order(tmp_path: Path, count: int) -> None:
    dataset = forms.open_at(forms.write_flat(tmp_path / "flat", IMAGES))
    parts = [dataset.take_shard(Shard(number, count)).images for number in range(1, count + 1)]
    assert tuple(image for part in parts for image in part) == dataset.images
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_rows_that_are_all_called_alike_are_told_apart(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    rows = [{"bytes": data, "path": "image.jpg"} for data, _ in IMAGES[:3]]
    parquet.write_table(pyarrow.table({"image": rows, "label": [0, 1, 2]}), tmp_path / "x.parquet")
    dataset = forms.open_at(tmp_path)
    assert [image.bare_name for image in dataset.images] == ["image.jpg", "image.jpg#2", "image.jpg#3"]
    assert [image.label for image in dataset.images] == [0, 1, 2]


def test_a_tar_beside_listed_images_is_not_taken_for_the_data_set(tmp_path: Path) -> None:
    flat = forms.write_flat(tmp_path / "flat", IMAGES)
    forms.write_tar(flat / "ILSVRC2012_img_val.tar", [("x.JPEG", b"")])
    assert read_back(forms.open_at(flat)) == IMAGES
    (flat / "val.txt").rename(tmp_path / "labels.txt")
    assert read_back(forms.open_at(flat, tmp_path / "labels.txt")) == IMAGES
