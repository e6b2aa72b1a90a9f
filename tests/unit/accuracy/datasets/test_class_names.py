"""Labels by the names of classes: whose names, in which spellings, and what is not guessed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from mixnet_tools.accuracy.datasets.labels.class_names import ModelClasses, fits_in_place, match
from mixnet_tools.descriptors.imagenet import imagenet_classes
from mixnet_tools.descriptors.labels import ClassLabel
from mixnet_tools.errors import DatasetError
from tests.support.forms import open_at, write_tar

COLOURS = ModelClasses.of(
    [ClassLabel(name) for name in ("red_disc", "great white shark, white shark", "blue", "Blue-green", "red")],
    "labels.txt",
)
IMAGENET = ModelClasses.imagenet("ImageNet's list")
IDS = [one.wordnet_id for one in imagenet_classes()]
WORDS = [", ".join(one.words) for one in imagenet_classes()]
CRANES = {label for label, words in enumerate(WORDS) if words.split(", ")[0] == "crane"}


@pytest.mark.parametrize(
    ("name", "label"),
    [("Red Disc", 0), ("red-disc", 0), ("white_shark", 1), ("great white shark, white shark", 1), ("003.BLUE", 2),
     ("blue_green", 3), ("4_red", 4)],
)  # fmt: skip
def test_spellings_of_one_name(name: str, label: int) -> None:
    assert match([name], COLOURS, "here") == (label,)


@pytest.mark.parametrize("name", [IDS[200], f"{IDS[200]}-Tibetan_terrier", f"Tibetan_terrier_{IDS[200]}", WORDS[200]])
def test_a_class_of_imagenet_by_id_and_words(name: str) -> None:
    assert match([name], IMAGENET, "here") == (200,)


def test_a_models_own_list_of_imagenet_knows_the_ids() -> None:
    usual = [ClassLabel(one.words[0]) for one in imagenet_classes()]
    usual[10] = ClassLabel("my own name")
    names = [IDS[10], "My own name", IDS[999]]
    with_background = [ClassLabel("background"), *usual]
    for labels, background in ((usual, 0), (usual, 1), (with_background, 1)):
        model = ModelClasses.of(labels, "labels.txt", background)
        assert (len(model), match(names, model, "here")) == (1000, (10, 10, 999))
    counted = ModelClasses.of(with_background, "labels.txt")
    assert (len(counted), match(names, counted, "here")) == (1001, (11, 11, 1000)), (
        "the background is a class of its own"
    )
    assert not ModelClasses.of(usual[:-1], "labels.txt").knows(IDS[10]), "999 classes are another set"


def test_a_name_of_two_classes_is_refused_unless_the_other_is_named_otherwise() -> None:
    assert len(CRANES) == 2
    with pytest.raises(DatasetError, match="'crane' is the name of several classes: "):
        match(["crane"], IMAGENET, "here")
    first, second = sorted(CRANES)
    assert match(["crane", IDS[first]], IMAGENET, "here") == (second, first)


def test_unknown_names_are_named_with_the_nearest() -> None:
    with pytest.raises(DatasetError) as caught:
        match(["red disc", "redd disc", "xyzzy"], COLOURS, "here")
    assert str(caught.value) == (
        "here: 2 of 3 classes are none of the 5 that the model knows by labels.txt: 'redd disc' (nearest: 'red_disc'), "
        "'xyzzy'"
    )
    assert match(["a", "b"], COLOURS, "here") is None


def test_a_list_in_the_models_order_may_have_spellings_of_its_own() -> None:
    names = [words.split(",")[0] for words in WORDS]
    names[:300] = [f"photo of {name}" for name in names[:300]]
    assert fits_in_place(names, IMAGENET)
    names[400], names[401] = names[401], names[400]
    assert not fits_in_place(names, IMAGENET)


def folders(root: Path, names: list[str], image: str = "1.jpg") -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / image).touch()
    return root


def labels(source: Path, **wanted: Any) -> dict[str, int]:
    found = open_at(source, **wanted)
    return {image.name.partition("/")[0]: image.label for image in found.images}


def test_folders_are_found_by_name_in_any_order_and_number(tmp_path: Path) -> None:
    chosen = random.Random(2).sample(range(1000), 200)  # as many as ImageNet-A and -R have
    source = folders(tmp_path / "set", [IDS[label] for label in chosen])
    (source / "scripts").mkdir()
    assert labels(source, classes=IMAGENET) == {IDS[label]: label for label in chosen}
    found = open_at(source, classes=IMAGENET)
    assert found.class_names is None, "their number says nothing"
    assert found.remarks == (
        f"labels were found by the names of 200 classes ({min(IDS[label] for label in chosen)}, ...)",
    )


def test_folders_of_which_the_model_knows_some_are_refused(tmp_path: Path) -> None:
    source = folders(tmp_path / "set", ["red_disc", "blue", "blu"])
    with pytest.raises(DatasetError, match=r"1 of 3 classes .*'blu' \(nearest: 'blue'\)"):
        open_at(source, classes=COLOURS)


def test_folders_of_which_the_model_knows_none_count_by_their_order_if_there_are_as_many(tmp_path: Path) -> None:
    source = folders(tmp_path / "set", ["c1", "c2", "c3", "c4", "c5"])
    found = open_at(source, classes=COLOURS)
    assert (found.class_names, [image.label for image in found.images]) == (
        ("c1", "c2", "c3", "c4", "c5"),
        [0, 1, 2, 3, 4],
    )
    assert found.remarks == (
        "the names of the class folders (c1, ...) are none of the model's: their order gives the labels",
    )
    with pytest.raises(DatasetError, match="4 of 4 classes are none of the 5"):
        open_at(folders(tmp_path / "fewer", ["c1", "c2", "c3", "c4"]), classes=COLOURS)


def test_numbered_folders_are_numbers(tmp_path: Path) -> None:
    source = folders(tmp_path / "set", [str(number) for number in range(1000)])
    found = open_at(source, classes=IMAGENET)
    assert {image.name: image.label for image in found.images}["10/1.jpg"] == 10
    assert found.remarks == ()


def table(path: Path, labels: list[Any], metadata: dict[bytes, bytes] | None = None) -> Path:
    import pyarrow
    from pyarrow import parquet

    rows = [{"bytes": b"x", "path": f"{number}.jpg"} for number in range(len(labels))]
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table({"image": rows, "label": labels}).replace_schema_metadata(metadata), path)
    return path


def hub(names: list[str]) -> dict[bytes, bytes]:
    """What the hub's library writes into the schema."""
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


CARD = """---
license: mit
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': {}
          '1': '{}'
          '2': "{}"
  splits:
  - name: validation
---
# A card
"""


def found_labels(source: Path) -> list[int]:
    return [image.label for image in open_at(source, classes=IMAGENET).images]


def test_names_in_parquet_and_beside_it(tmp_path: Path) -> None:
    wanted = [7, 999, 3]
    ids = [IDS[label] for label in wanted]
    file = "data/validation-00000-of-00001.parquet"
    table(tmp_path / "a" / file, [0, 1, 2, 1], hub(ids))
    assert found_labels(tmp_path / "a") == [7, 999, 3, 999]
    table(tmp_path / "b" / file, [0, 1, 2])
    (tmp_path / "b/README.md").write_text(CARD.format(*ids))
    assert found_labels(tmp_path / "b") == wanted
    table(tmp_path / "c" / file, [0, 1, 2])
    (tmp_path / "c/dataset_infos.json").write_text(json.dumps({"default": {"features": {"label": {"names": ids}}}}))
    assert found_labels(tmp_path / "c") == wanted
    table(tmp_path / "d" / file, ids)
    assert found_labels(tmp_path / "d") == wanted
    with pytest.raises(DatasetError, match=r"labels are names .*, and the names of the model's classes are not known"):
        open_at(tmp_path / "d")
    shuffled = random.Random(3).sample(IDS, 1000)
    table(tmp_path / "e" / file, [shuffled.index(one) for one in ids], hub(shuffled))
    assert found_labels(tmp_path / "e") == wanted
    table(tmp_path / "f" / file, [0, 1, 2], hub(WORDS))
    assert found_labels(tmp_path / "f") == [0, 1, 2]
    table(tmp_path / "g" / file, [0, 1, 5], hub(ids))
    with pytest.raises(DatasetError, match="names 3 classes, but an image has the label 5"):
        found_labels(tmp_path / "g")


def test_a_test_split_without_labels_says_so(tmp_path: Path) -> None:
    table(tmp_path / "test-00000-of-00001.parquet", [-1, -1])
    with pytest.raises(DatasetError, match="expected a label, got -1") as caught:
        open_at(tmp_path)
    assert "a test split often has no labels" in str(caught.value.hint)


def test_names_beside_webdatasets(tmp_path: Path) -> None:
    write_tar(tmp_path / "test/0.tar", [("s0.webp", b""), ("s0.cls", b"1")])
    (tmp_path / "classnames.txt").write_text("goldfish\nTibetan terrier\n")
    found = open_at(tmp_path, classes=IMAGENET)
    assert ([image.label for image in found.images], found.split) == ([200], "test")
    assert [(account.unit, account.used, account.labels) for account in found.accounts] == [
        ("files", 1, 1),
        ("members", 1, 1),
    ]


def test_a_list_may_hold_wordnet_ids(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").touch()
    (tmp_path / "2.jpg").touch()
    (tmp_path / "val.txt").write_text(f"1.jpg {IDS[3]}\n2.jpg {IDS[1]}\n")
    assert found_labels(tmp_path) == [3, 1]
    (tmp_path / "val.txt").write_text(f"1.jpg {IDS[3]}\n2.jpg 1\n")
    with pytest.raises(DatasetError, match=r"some labels are numbers \(2\.jpg: 1\), some are WordNet ids"):
        found_labels(tmp_path)


def test_wordnet_ids_in_the_names_of_images_and_in_members(tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in (f"ILSVRC2012_val_00000001_{IDS[65]}.JPEG", f"{IDS[3]}_10026.JPEG"):
        (flat / name).touch()
    assert found_labels(flat) == [65, 3]
    (flat / "odd.jpg").touch()
    with pytest.raises(DatasetError, match="but no labels"):
        found_labels(flat)
    tar = write_tar(
        tmp_path / "0.tar",
        [("1.jpg", b""), ("1.cls", f"{IDS[9]}\n".encode()), ("2.jpg", b""), ("2.cls", IDS[4].encode())],
    )
    assert found_labels(tar) == [9, 4]


def kaggle(root: Path, rows: list[str]) -> Path:
    for place in (
        "val/ILSVRC2012_val_00000001.JPEG",
        "val/ILSVRC2012_val_00000002.JPEG",
        "test/ILSVRC2012_test_1.JPEG",
    ):
        path = root / "ILSVRC/Data/CLS-LOC" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]) + "\n")
    return root


def test_kaggles_solution(tmp_path: Path) -> None:
    rows = [f"ILSVRC2012_val_00000002,{IDS[9]} 1 2 3 4 ", f"ILSVRC2012_val_00000001,{IDS[5]} 1 2 3 4 {IDS[5]} 1 1 9 9"]
    root = kaggle(tmp_path, rows)
    for source in (root, root / "ILSVRC", root / "ILSVRC/Data/CLS-LOC/val"):
        assert found_labels(source) == [5, 9]
    files = open_at(root, classes=IMAGENET).accounts[0]
    assert (files.used, files.labels, files.left_out[0].reason, files.left_out[0].count) == (2, 1, "other split", 1)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([f"ILSVRC2012_val_00000001,{IDS[5]} 1 2 3 4"], "images that would not be used: .*_00000002"),
        ([f"ILSVRC2012_val_0000000{number},{IDS[5]} 1 2 3 4" for number in (1, 2, 3)], "1 of 3 images are not in"),
        (["ILSVRC2012_val_00000001,dog 1 2 3 4"], "line 2: expected an image and boxes of one class"),
        ([f"ILSVRC2012_val_00000001,{IDS[5]} 1 2 3 4 {IDS[6]} 1 2 3 4"], "line 2: expected an image and boxes of one"),
        ([f"ILSVRC2012_val_00000001,{IDS[5]} 1 2 3 4"] * 2, "line 3: 'ILSVRC2012_val_00000001' stands in it already"),
    ],
)
def test_a_solution_that_does_not_fit_is_refused(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        open_at(kaggle(tmp_path, rows), classes=IMAGENET)
