"""Any IR measured from Python, without a zoo; and baselines of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

import mixnet_tools
from mixnet_tools.errors import DatasetError, DescriptorError, EvaluationError, OutputError, UsageError
from tests.support.colour_model import CLASSES, SIDE, accuracy_data, write_ir
from tests.support.images import COLOURS, plain, save, write_flat_set

LABELS = [index * 7 % CLASSES for index in range(40)]
STEPS = mixnet_tools.Preprocessing(SIDE, channels="BGR")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The colour model's IR as net.xml, and images that it knows all. Treat it as read-only."""
    folder = tmp_path_factory.mktemp("own")
    ir = write_ir(folder, "FP32")
    for path in (ir.xml, ir.bin):
        shutil.copy(path, folder / f"net{path.suffix}")
    write_flat_set(folder / "images", LABELS)
    return folder


def measure(place: Path, **options: object) -> mixnet_tools.Evaluation:
    given = {"preprocessing": STEPS, **options}
    return mixnet_tools.evaluate_ir(place / "net.xml", place / "images", **given)  # type: ignore[arg-type]


def test_an_ir_is_measured_with_a_value_or_a_file_of_preprocessing(place: Path, tmp_path: Path) -> None:
    done = measure(place)
    (result,) = done.report.results
    assert (result.label, result.top1.correct, result.top1.total) == ("openvino", 40, 40)
    assert done.report.model == "net"
    assert done.verdict.passed
    assert "nothing to judge" in done.verdict.summary()
    path = tmp_path / "accuracy-check.yml"
    path.write_text(yaml.safe_dump(accuracy_data(top1=1.0, top5=1.0)))
    judged = measure(place, preprocessing=path, num_images=10)
    assert judged.report.dataset.evaluated == 10
    assert [one.reference for one in judged.verdict.judgements] == [1.0, 1.0]
    lost = measure(place, preprocessing=mixnet_tools.Preprocessing(SIDE))  # colours reversed
    assert lost.report.results[0].top1.correct < 40


def test_rows_are_plain_data(place: Path) -> None:
    rows = measure(place, num_images=6).rows()
    assert len(rows) == 6
    assert json.loads(json.dumps(rows)) == rows
    assert all(row["correct"] and row["correct_top5"] and row["predicted"] == row["label"] for row in rows)
    assert {row["model"] for row in rows} == {"openvino"}
    assert all(0 < row["score"] <= 1 for row in rows)


def test_a_baseline_is_written_and_compared(place: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept/baseline.json"
    mixnet_tools.update_baseline(measure(place), path)
    verdict = mixnet_tools.compare_baseline(measure(place, num_images=20), path)
    assert verdict.passed
    assert "0 of 20 images lost" in verdict.summary()
    (tmp_path / "images").mkdir()
    for index, label in enumerate(LABELS):
        wrong = COLOURS[(label + 1) % CLASSES] if index < 8 else COLOURS[label]
        save(tmp_path / f"images/image_{index:04}.png", plain(wrong))
    shutil.copy(place / "images/val.txt", tmp_path / "images")
    worse = mixnet_tools.evaluate_ir(place / "net.xml", tmp_path / "images", preprocessing=STEPS)
    verdict = mixnet_tools.compare_baseline(worse, path)
    assert not verdict.passed
    assert "WORSE: openvino: 8 of 40 images lost" in verdict.summary()
    with pytest.raises(OutputError, match="cannot be written"):
        mixnet_tools.update_baseline(worse, path / "below")


def test_what_is_wrong_is_named(place: Path, tmp_path: Path) -> None:
    shutil.copy(place / "net.xml", tmp_path)
    images = place / "images"
    for error, message, xml, where, steps in (
        (EvaluationError, r"gone\.xml: no such file", place / "gone.xml", images, STEPS),
        (EvaluationError, r"net\.bin: no such file", tmp_path / "net.xml", images, STEPS),
        (DatasetError, "no such file or folder", place / "net.xml", tmp_path / "gone", STEPS),
        (DescriptorError, "not found", place / "net.xml", images, tmp_path / "accuracy-check.yml"),
        (UsageError, "Preprocessing: ", place / "net.xml", images, mixnet_tools.Preprocessing(0)),
        (EvaluationError, "24x24 pixels after", place / "net.xml", images, mixnet_tools.Preprocessing(24)),
        (
            EvaluationError,
            "unknown 'CUBE'",
            place / "net.xml",
            images,
            mixnet_tools.Preprocessing(16, interpolation="CUBE"),
        ),
    ):
        with pytest.raises(error, match=message):
            mixnet_tools.evaluate_ir(xml, where, preprocessing=steps)


def test_labels_are_found_by_the_names_that_an_ir_carries_and_a_split_is_chosen(place: Path, tmp_path: Path) -> None:
    import openvino

    model = openvino.Core().read_model(place / "net.xml")
    model.set_rt_info("red green blue yellow cyan magenta", ["model_info", "labels"])
    openvino.save_model(model, tmp_path / "named.xml", compress_to_fp16=False)
    for name in ("val/Cyan/1.png", "val/blue/2.png", "train/green/3.png"):
        label = ["red", "green", "blue", "yellow", "cyan", "magenta"].index(name.split("/")[1].lower())
        save(tmp_path / "set" / name, plain(COLOURS[label]))
    for split, count in ((None, 2), ("train", 1)):
        done = mixnet_tools.evaluate_ir(tmp_path / "named.xml", tmp_path / "set", preprocessing=STEPS, split=split)
        assert (done.report.results[0].top1.correct, done.report.results[0].top1.total) == (count, count)
        assert done.report.dataset.split == (split or "validation")


def test_an_image_that_cannot_be_read_is_named_and_can_be_excluded(place: Path, tmp_path: Path) -> None:
    source = write_flat_set(tmp_path / "set", [0, 1])
    (source / "photo.heic").touch()
    with pytest.raises(DatasetError, match=r"images that cannot be read: photo\.heic") as caught:
        mixnet_tools.evaluate_ir(place / "net.xml", source, preprocessing=STEPS)
    assert "`exclude`" in str(caught.value.hint) or "`annotations=" in str(caught.value.hint)
    listed = tmp_path / "excluded.txt"
    listed.write_text("photo.heic\nimage_0001.png\n")
    done = mixnet_tools.evaluate_ir(place / "net.xml", source, preprocessing=STEPS, exclude=listed)
    assert done.report.results[0].top1.total == 1
    assert [(one.reason, one.count) for one in done.report.dataset.accounts[0].left_out] == [("excluded", 2)]
