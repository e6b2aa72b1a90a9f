"""mixnet-check on data sets as people have them on disk: which images are taken, and which labels they get."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mixnet_tools.accuracy.datasets.labels.name_lists import MAX_BYTES
from mixnet_tools.descriptors.imagenet import imagenet_classes
from tests.support import forms
from tests.support.colour_classes import IDS, NAME, write_image, write_zoo_model
from tests.support.commands import Outcome, run, run_failing, run_ok
from tests.support.file_server import FileServer

SOME = (0, 217, 482, 491, 497, 566, 569, 571, 574, 701)
"""The classes of imagenette."""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a thousand colours, whose classes are ImageNet's. Treat it as read-only."""
    return write_zoo_model(tmp_path_factory.mktemp("zoo"))


@pytest.fixture(scope="module")
def imagenette(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten of the thousand classes, in the layout of imagenette, with what macOS leaves. Treat it as read-only."""
    root = tmp_path_factory.mktemp("imagenette")
    for split, count in (("train", 3), ("val", 2)):
        for label in SOME:
            for number in range(count):
                write_image(root / split / IDS[label] / f"{IDS[label]}_{number}.JPEG", label)
    (root / "noisy_imagenette.csv").write_text("path,noisy_labels_0\n")
    (root / ".DS_Store").touch()
    return root


def options(zoo: Path, source: Path | str) -> list[str | Path]:
    return ["--name", NAME, "--models_dir", zoo, "--ir_dir", zoo, "--launcher", "openvino", "-s", source]


def measured(zoo: Path, source: Path | str, *more: str | Path, code: int = 0) -> dict[str, Any]:
    """The report of a run."""
    outcome = run("check", *options(zoo, source), "--json", *more)
    assert outcome.code == code, outcome.err
    (report,) = json.loads(outcome.out)["reports"]
    for account in report["dataset"]["accounts"]:
        left_out = sum(one["count"] for one in account["left_out"])
        assert account["seen"] == account["used"] + account["labels"] + left_out
    assert report["dataset"]["accounts"][-1]["used"] == report["dataset"]["evaluated"]
    return dict(report)


def right(report: dict[str, Any]) -> tuple[int, int]:
    top1 = report["results"][0]["top1"]
    return top1["correct"], top1["total"]


def left_out(report: dict[str, Any]) -> dict[str, int]:
    return {one["reason"]: one["count"] for account in report["dataset"]["accounts"] for one in account["left_out"]}


def test_ten_classes_of_a_thousand_and_the_validation_split(zoo: Path, imagenette: Path) -> None:
    report = measured(zoo, imagenette)
    assert (right(report), report["dataset"]["split"]) == ((20, 20), "validation")
    assert left_out(report) == {"other split": 30, "not an image": 1, "hidden": 1}
    assert "the split validation was taken (`split` takes another: train)" in report["notes"]
    train = measured(zoo, imagenette, "--split", "train")
    assert (right(train), train["dataset"]["split"]) == ((30, 30), "train")
    assert any("models have seen these images" in note for note in train["notes"])
    told = run_failing("check", *options(zoo, imagenette), "--split", "test")
    assert "has no split 'test': there are train, validation" in told


def test_a_model_with_a_background_class_and_names_of_its_own(imagenette: Path, tmp_path: Path) -> None:
    names = ["background", *(f"class number {number}" for number in range(1000))]
    for number, name in ((0, "Tench"), (217, "English springer"), (482, "cassette player")):
        names[1 + number] = name
    zoo = write_zoo_model(tmp_path / "zoo", background=True, labels=names)
    source = tmp_path / "set"
    for label, folder in ((0, "tench"), (217, "english_springer"), (482, "CASSETTE-PLAYER"), (3, "class number 3")):
        write_image(source / folder / "1.png", label)
    assert right(measured(zoo, source)) == (4, 4)
    told = run_failing("check", *options(zoo, imagenette))
    assert "10 of 10 classes are none of the 1000 that the model knows by labels.txt: 'n01440764'" in told


def test_a_difference_names_classes_behind_a_background(tmp_path: Path) -> None:
    names = [f"colour {number}" for number in range(1000)]
    zoo = write_zoo_model(tmp_path / "zoo", background=True)
    (tmp_path / "names.txt").write_text("\n".join(names))
    for run_name, label in (("before", 3), ("after", 5)):
        source = tmp_path / run_name
        for number in range(8):
            write_image(source / f"{number}.png", 7 if number else label)
        (source / "val.txt").write_text("".join(f"{number}.png {7 if number else 3}\n" for number in range(8)))
        baseline = ("--baseline", tmp_path / f"{run_name}.json", "--update_baseline", "--no_references")
        measured(zoo, source, "--predictions", tmp_path / f"{run_name}.jsonl", *baseline)
    for suffix in ("jsonl", "json"):
        files = [tmp_path / f"{run_name}.{suffix}" for run_name in ("before", "after")]
        told = run_ok("check", "diff", *files, "--labels", tmp_path / "names.txt").out
        assert "lost: 0.png: colour 3, now colour 5" in told


@pytest.mark.parametrize("count", [200, 1000])
def test_as_many_classes_as_a_hard_set_has(zoo: Path, tmp_path: Path, count: int) -> None:
    for label in range(0, 1000, 1000 // count):
        write_image(tmp_path / "set" / IDS[label] / "1.png", label)
    (tmp_path / "set/README.txt").touch()
    assert right(measured(zoo, tmp_path / "set")) == (count, count)


def test_kaggles_layout(zoo: Path, tmp_path: Path) -> None:
    images = tmp_path / "ILSVRC/Data/CLS-LOC"
    rows = ["ImageId,PredictionString"]
    for number, label in enumerate(SOME, 1):
        name = forms.name_of(number)
        write_image(images / "val" / name, label)
        write_image(images / "test" / name.replace("val", "test"), 1)
        write_image(images / "train" / IDS[label] / f"{IDS[label]}_1.JPEG", label)
        rows.append(f"{name.removesuffix('.JPEG')},{IDS[label]} 1 2 3 4 ")
    (tmp_path / "LOC_val_solution.csv").write_text("\n".join(rows) + "\n")
    lists = tmp_path / "ILSVRC/ImageSets/CLS-LOC"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("ILSVRC2012_val_00000001 1\n")  # numbers of images, no labels
    for source in (tmp_path, images, images / "val"):
        assert right(measured(zoo, source)) == (10, 10)
    assert right(measured(zoo, tmp_path, "--split", "train")) == (10, 10)
    assert "a test split often has no labels" in run_failing("check", *options(zoo, tmp_path), "--split", "test")


def write_tiny_imagenet(root: Path) -> Path:
    """The layout of Tiny ImageNet, without its WordNet list. Its training images have colours of other classes."""
    boxes = "0\t0\t62\t62"
    lines = []
    for number, label in enumerate(SOME):
        write_image(root / "train" / IDS[label] / "images" / f"{IDS[label]}_0.JPEG", label + 1)
        (root / "train" / IDS[label] / f"{IDS[label]}_boxes.txt").write_text(f"{IDS[label]}_0.JPEG\t{boxes}\n")
        write_image(root / "val/images" / f"val_{number}.JPEG", label)
        write_image(root / "test/images" / f"test_{number}.JPEG", label)
        lines.append(f"val_{number}.JPEG\t{IDS[label]}\t{boxes}\n")
    (root / "val/val_annotations.txt").write_text("".join(reversed(lines)))
    (root / "wnids.txt").write_text("".join(f"{IDS[label]}\n" for label in reversed(SOME)))
    return root


def test_tiny_imagenets_layout(zoo: Path, tmp_path: Path) -> None:
    root = write_tiny_imagenet(tmp_path / "tiny-imagenet-200")
    report = measured(zoo, root)
    assert (right(report), report["dataset"]["split"]) == ((10, 10), "validation")
    assert report["dataset"]["annotations"] == str(root / "val/val_annotations.txt")
    assert left_out(report) == {"other split": 30, "not an image": 1}
    for source in (root / "val", root / "val/images"):
        assert right(measured(zoo, source)) == (10, 10)
    given = ("--annotations", root / "val/val_annotations.txt")
    assert right(measured(zoo, root, *given)) == (10, 10)
    with FileServer(root) as server:
        for url in (server.url, f"{server.url}/val"):
            assert right(measured(zoo, url)) == (10, 10)
    train = measured(zoo, root, "--split", "train", code=3)
    assert (right(train), train["dataset"]["split"]) == ((0, 10), "train")
    told = run_failing("check", *options(zoo, root), "--split", "test")
    assert "all images lie in the folder images/, and have no labels" in told
    with (root / "val/val_annotations.txt").open("a") as stream:
        stream.write(f"val_10.JPEG\t{IDS[0]}\t0\t0\t62\t62\n")
    assert "line 11: 'val_10.JPEG': no such image" in run_failing("check", *options(zoo, root))


def test_tiny_imagenet_on_a_model_of_its_classes(tmp_path: Path) -> None:
    """Which class an id means, its labels.txt says."""
    order = [*range(1, 1000), 0]
    names = [IDS[label] for label in order]
    zoo = write_zoo_model(tmp_path / "zoo", labels=names)
    root = write_tiny_imagenet(tmp_path / "tiny-imagenet-200")
    report = measured(zoo, root, code=3)
    assert right(report) == (0, 10), "the model calls its colours otherwise"
    for number, label in enumerate(SOME):
        write_image(root / "val/images" / f"val_{number}.JPEG", names.index(IDS[label]))
    assert right(measured(zoo, root)) == (10, 10)


def test_synsets_of_tfrecords_are_labels_where_numbers_are_not(zoo: Path, tmp_path: Path) -> None:
    ids = [IDS[label] for label in SOME]
    plain = [(write_image(tmp_path / "1.png", label).read_bytes(), label) for label in SOME]
    shifted = [(data, (label + 1) % 1000) for data, label in plain]
    for number, (images, first_labels) in enumerate(
        ((plain, {}), (plain, {"image/class/label": -1000}), (plain, {"image/class/label": 0}), (shifted, {"label": 0}))
    ):
        source = forms.write_tfrecords(tmp_path / str(number), images, first_labels, ids)
        report = measured(zoo, source)
        assert right(report) == (10, 10)
        counted = [note for note in report["notes"] if "the features image/class/synset count" in note]
        assert len(counted) == (images is shifted)
    agreed = measured(zoo, forms.write_tfrecords(tmp_path / "agreed", plain, {"image/class/label": 1}, ids))
    assert right(agreed) == (10, 10)
    assert not any("labels were found" in note or "synset" in note for note in agreed["notes"])
    odd = forms.write_tfrecords(tmp_path / "odd", plain, {}, [*ids[:-1], "n00000001"])
    assert "1 of 10 classes are none of the 1000" in run_failing("check", *options(zoo, odd))
    partly = forms.write_tfrecords(tmp_path / "partly", plain, {}, [*ids[:-1], ""])
    assert "record 4 has no feature 'image/class/label'" in run_failing("check", *options(zoo, partly))


def test_names_of_classes_behind_a_url(zoo: Path, tmp_path: Path) -> None:
    words = sorted(imagenet_classes()[label].words[0] for label in SOME)
    members = []
    for label in SOME:
        name = imagenet_classes()[label].words[0]
        data = write_image(tmp_path / "1.png", label).read_bytes()
        members += [(f"s{label}.png", data), (f"s{label}.cls", str(words.index(name)).encode())]
    forms.write_tar(tmp_path / "served/test/0.tar", members)
    with FileServer(tmp_path / "served") as server:
        assert right(measured(zoo, f"{server.url}/test/0.tar", code=3))[0] < 5
        names = tmp_path / "served/classnames.txt"
        names.write_text("\n".join(words))
        for url in (f"{server.url}/test/0.tar", server.url):
            report = measured(zoo, url)
            assert right(report) == (10, 10)
            assert any("labels were found by the names of 10 classes" in note for note in report["notes"])
        assert report["dataset"]["accounts"][0]["labels"] == 1
        names.write_text("<!doctype html><title>Not found</title>")
        assert right(measured(zoo, server.url, code=3))[0] < 5
        with names.open("wb") as stream:
            stream.truncate(MAX_BYTES + 1)
        assert f"classnames.txt: is larger than {MAX_BYTES:,} bytes" in run_failing("check", *options(zoo, server.url))


def write_list(folder: Path, labels: Sequence[int], listed: Sequence[int]) -> Path:
    for number, label in enumerate(labels):
        write_image(folder / f"{number}.png", label)
    (folder / "val.txt").write_text("".join(f"{number}.png {label}\n" for number, label in enumerate(listed)))
    return folder


def test_a_list_in_a_known_wrong_order_is_called_so_and_fails(zoo: Path, tmp_path: Path) -> None:
    labels = [3 + 45 * number for number in range(20)]
    source = write_list(tmp_path / "set", labels, [label + 1 for label in labels])
    report = measured(zoo, source, code=3)
    assert report["notes"][-1].startswith(
        "openvino FP32: top-1 would be 100.00 % instead of 0.00 % if labels counted from 1"
    )
    assert right(measured(zoo, source, "--first_label", "1")) == (20, 20)


def test_reports_account_for_every_file(zoo: Path, imagenette: Path, tmp_path: Path) -> None:
    (tmp_path / "excluded.txt").write_text(f"{IDS[0]}_0.JPEG\n")
    page, summary = tmp_path / "page.html", tmp_path / "summary.md"
    files: list[str | Path] = ["--exclude", tmp_path / "excluded.txt", "--html", page, "--markdown", summary]
    told = run_ok("check", *options(zoo, imagenette), "--num_images", "15", *files)
    out = told.out.replace("\n", " ")
    reasons = ("30 other split: train/n01440764/n01440764_0.JPEG, ", "1 excluded: n01440764/n01440764_0.JPEG")
    for part in (*reasons, "4 not in the subset: ", "1 hidden: .DS_Store"):
        assert part in out
    for shown in (out, page.read_text(), summary.read_text()):
        assert "52 files seen: 15 used, 37 left out (" in shown
    assert "--split takes another: train" in told.err


def test_shards_put_together_account_for_all_images(zoo: Path, imagenette: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        more = ("--shard", f"{number}/2", "--predictions", tmp_path / f"{number}.jsonl")
        part = measured(zoo, imagenette, *more)
        assert left_out(part)["another shard"] == 10
    (report,) = json.loads(run_ok("check", "merge", tmp_path / "1.jsonl", tmp_path / "2.jsonl", "--json").out)[
        "reports"
    ]
    assert report["dataset"]["accounts"] == measured(zoo, imagenette)["dataset"]["accounts"]
    assert "the split validation was taken (`split` takes another: train)" in report["notes"]


def limited(bytes_: int, *arguments: str | Path) -> Outcome:
    """The command in a process that may write files of so many bytes, as on a disk that is nearly full."""
    code = (
        "import resource, runpy\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({bytes_}, {bytes_}))\n"
        "runpy.run_module('mixnet_tools.cli.main', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ},
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(
    zoo: Path, imagenette: Path, tmp_path: Path
) -> None:
    file = tmp_path / "predictions.jsonl"
    command = ("check", *options(zoo, imagenette), "--predictions", file)
    whole = measured(zoo, imagenette, "--predictions", tmp_path / "whole.jsonl")
    half = (tmp_path / "whole.jsonl").stat().st_size * 3 // 4
    told = limited(half, *command)
    assert (told.code, told.out) == (1, "")
    assert f"{file}: cannot be written: File too large" in told.err
    assert "--resume" in told.err
    assert "Traceback" not in told.err
    assert 0 < file.stat().st_size <= half
    resumed = measured(zoo, imagenette, "--predictions", file, "--resume")
    assert resumed["results"] == whole["results"]
    assert resumed["dataset"]["accounts"] == whole["dataset"]["accounts"]
