"""Interrupted, resumed, sharded and merged runs; bad and odd images: the same figures whichever way they came about."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml
from PIL import Image

from mixnet_tools.accuracy.cluster.transfer import load, pack_onnx
from mixnet_tools.accuracy.datasets.dataset import ImageDataset
from mixnet_tools.accuracy.datasets.filters import with_real_labels
from mixnet_tools.accuracy.evaluation.evaluate import Evaluation, evaluate
from mixnet_tools.accuracy.launchers.base import Array, RunnerInfo, Synchronous
from mixnet_tools.accuracy.launchers.onnx import OnnxRunner
from mixnet_tools.accuracy.launchers.openvino import OpenVinoRunner
from mixnet_tools.accuracy.launchers.tensorflow import TensorFlowRunner
from mixnet_tools.accuracy.predictions.jsonl import read_predictions
from mixnet_tools.accuracy.predictions.jsonl_writer import PredictionsWriter
from mixnet_tools.accuracy.predictions.merge import merge
from mixnet_tools.accuracy.predictions.values import BadImage, Shard
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig, load_accuracy_config
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport
from mixnet_tools.errors import DatasetError, EvaluationError, UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.ir.image_input import ImageInput
from tests.support import forms
from tests.support.colour_model import CLASSES, NAME, SIDE, accuracy_data, frozen_graph, weights, write_ir
from tests.support.commands import run, run_failing, run_ok
from tests.support.images import COLOURS, pattern, plain, save, write_flat_set
from tests.support.waiting import wait_for

LABELS = [index * 7 % CLASSES for index in range(150)]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> AccuracyConfig:
    path = tmp_path_factory.mktemp("config") / "accuracy-check.yml"
    data = accuracy_data(top1=0.5, top5=0.9)
    onnx = {**data["models"][0], "launchers": [{"framework": "onnx_runtime", "adapter": "classification"}]}
    path.write_text(yaml.safe_dump({"models": [*data["models"], onnx]}))
    return load_accuracy_config(path)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageDataset:
    folder = write_flat_set(tmp_path_factory.mktemp("images") / "set", LABELS)
    for number in (3, 77, 140):  # some that the model gets wrong, with scores of many digits
        save(folder / f"image_{number:04}.png", pattern(30, 30, number))
    return forms.open_at(folder)


class Wavering(Synchronous):
    """Right for most images, and sure of it by shades that depend on the image."""

    def __init__(self, stop_after: int | None = None, launcher: str = "openvino") -> None:
        self.info = RunnerInfo(launcher, "FP32" if launcher == "openvino" else None, "none", SIDE, SIDE, CLASSES, ())
        self.seen = 0
        self._stop_after = stop_after

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        if self._stop_after is not None and self.seen + len(batch) > self._stop_after:
            raise KeyboardInterrupt
        self.seen += len(batch)
        order = slice(None, None, -1) if self.info.launcher == "openvino" else slice(None)
        rgb = batch[..., order].astype(np.float64).mean(axis=(1, 2)) - 127.5
        return np.asarray(rgb @ weights() / 50, dtype=np.float32)


def go(config: AccuracyConfig, dataset: ImageDataset, *runners: Any, **options: Any) -> Evaluation:
    return evaluate(NAME, config, dataset, runners or (Wavering(),), **options)


def figures(report: AccuracyReport) -> AccuracyReport:
    """Everything but the clock, what the run says of itself, and the software loaded by other tests meanwhile."""
    bare = report.to_json()
    assert bare["seconds"] is not None
    notes = tuple(note for note in report.notes if "earlier run" not in note)
    return replace(report, seconds=0.0, timing=None, notes=notes, versions=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("stop_after", [0, 32, 64, 100, 149])
def test_an_interrupted_run_goes_on_to_the_same_figures(
    config: AccuracyConfig, images: ImageDataset, tmp_path: Path, stop_after: int
) -> None:
    whole = go(config, images)
    path = tmp_path / "predictions.jsonl"
    with pytest.raises(KeyboardInterrupt):
        go(config, images, Wavering(stop_after), predictions=path)
    second = Wavering()
    resumed = go(config, images, second, predictions=path, resume=True)
    assert figures(resumed.report) == figures(whole.report)
    done = (stop_after // 32) * 32
    assert second.seen <= len(LABELS) - max(0, done - 64)  # what had been answered was not asked again
    if done >= 96:
        assert second.seen < len(LABELS)
        assert any("measured by an earlier run" in note for note in resumed.report.notes)
    again = Wavering()
    assert figures(go(config, images, again, predictions=path, resume=True).report) == figures(whole.report)
    assert again.seen == 0


def test_a_file_torn_at_any_byte_goes_on_to_the_same_file(
    config: AccuracyConfig, images: ImageDataset, tmp_path: Path
) -> None:
    path = tmp_path / "predictions.jsonl"
    small = images.subset(12)
    whole = go(config, small, predictions=path)
    data = path.read_bytes()
    header = data.index(b"\n") + 1
    rng = np.random.default_rng(5)
    cuts = [0, 1, header - 1, header, header + 1, len(data) - 1, len(data), *rng.integers(header, len(data), 12)]
    for cut in cuts:
        path.write_bytes(data[: int(cut)])
        resumed = go(config, small, predictions=path, resume=True)
        assert figures(resumed.report) == figures(whole.report), cut
        assert path.read_bytes().split(b"\n")[1:] == data.split(b"\n")[1:], cut


def test_a_file_of_another_evaluation_is_refused(config: AccuracyConfig, images: ImageDataset, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    go(config, images, predictions=path)
    with pytest.raises(UsageError, match="exists already"):
        go(config, images, predictions=path)
    for dataset, options, message in (
        (images, {"profile": "timm"}, 'profile: "timm" and "omz"'),
        (images.subset(100), {}, "chosen: 100 and 150"),
        (replace(images, images=images.images[::-1]), {}, "chosen_fingerprint"),
        (replace(images, fingerprint="00"), {}, 'fingerprint: "00" and'),
        (images.take_shard(Shard(1, 2)), {}, "shard"),
    ):
        with pytest.raises(EvaluationError, match="is of another evaluation") as caught:
            go(config, dataset, predictions=path, resume=True, **options)
        assert message in str(caught.value)
    path.write_text('{"kind": "shopping list"}\n')
    with pytest.raises(EvaluationError, match="no file of predictions"):
        go(config, images, predictions=path, resume=True)


def test_a_file_that_cannot_be_put_in_order_costs_no_figure(
    config: AccuracyConfig, images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "predictions.jsonl"
    whole = go(config, images, predictions=path)
    header, *lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(header + b"".join(lines[99::-1]))
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", lambda _: os.open(tmp_path / "gone" / "x", os.O_RDONLY))
        resumed = go(config, images, predictions=path, resume=True).report
    assert any("cannot be put in order" in note and "resuming this run" in note for note in resumed.notes)
    assert resumed.results == whole.report.results
    go(config, images, predictions=path, resume=True)
    assert path.read_bytes().splitlines(keepends=True) == [header, *lines]


def test_a_damaged_line_is_named(config: AccuracyConfig, images: ImageDataset, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    go(config, images, predictions=path)
    lines = path.read_text().splitlines(keepends=True)
    for damage in ("{}\n", "[1]\n", "half a li\n"):
        path.write_text("".join([*lines[:5], damage, *lines[6:]]))
        with pytest.raises(EvaluationError, match="line 6: was edited or damaged since a run wrote it"):
            go(config, images, predictions=path, resume=True)
        path.write_text("".join([*unsealed(lines[:5]), damage, *unsealed(lines[6:])]))
        with pytest.raises(EvaluationError, match="line 6: no record of an image"):
            go(config, images, predictions=path, resume=True)


def unsealed(lines: list[str]) -> list[str]:
    """Lines as earlier versions wrote them: without digests."""
    return [re.sub(r',"digest":"[0-9a-f]{16}"}$', "}", line).replace('"schema":2', '"schema":1') for line in lines]


@pytest.mark.parametrize("stop_after", [0, 40, 150])
def test_a_file_of_an_earlier_version_is_gone_on_with(
    config: AccuracyConfig, images: ImageDataset, tmp_path: Path, stop_after: int
) -> None:
    path = tmp_path / "predictions.jsonl"
    whole = go(config, images, predictions=path)
    lines = unsealed(path.read_text().splitlines(keepends=True))
    path.write_text("".join(lines[: 1 + stop_after]))
    resumed = go(config, images, predictions=path, resume=True)
    assert resumed.report.results == whole.report.results
    assert path.read_text() == "".join(lines)
    words = f"{path}: an earlier version began it, without digests of its lines: edits go unnoticed"
    assert words in resumed.report.notes
    assert words in merge([path]).report.notes


def test_an_edit_of_a_predictions_file_is_refused(config: AccuracyConfig, images: ImageDataset, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    go(config, images, predictions=path)
    lines = path.read_text().splitlines(keepends=True)
    for number, old, new in (
        (1, '"reference_top1":', '"reference_top1":0.5,"x":'),
        (1, '"kind":"mixnet_tools predictions"', '"kind": "mixnet_tools predictions"'),
        (7, '"label":[', '"label":[1,'),
        (7, '"answers"', ' "answers"'),
        (7, ',"digest":', ',"x":1,"digest":'),
        (151, '"}', '"} '),
    ):
        line = lines[number - 1]
        assert old in line
        edited = line.rsplit(old, 1)[0] + new + line.rsplit(old, 1)[1]
        path.write_text("".join([*lines[: number - 1], edited, *lines[number:]]))
        with pytest.raises(
            EvaluationError, match=rf"predictions\.jsonl: line {number}: was edited or damaged"
        ) as caught:
            merge([path])
        assert "`resume=True`" in str(caught.value.hint)
    # A line of another run does not fit this file's first line.
    other = tmp_path / "other.jsonl"
    go(config, images, Wavering(launcher="tf"), predictions=other)
    path.write_text("".join([*lines[:6], other.read_text().splitlines(keepends=True)[6], *lines[7:]]))
    with pytest.raises(EvaluationError, match="line 7: was edited or damaged"):
        merge([path])
    # A line that is taken out is measured again.
    path.write_text("".join([*lines[:6], *lines[7:]]))
    go(config, images, predictions=path, resume=True)
    assert path.read_text() == "".join(lines)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_shards_merge_to_the_figures_of_one_run(
    config: AccuracyConfig, images: ImageDataset, tmp_path: Path, count: int
) -> None:
    whole = go(config, images, Wavering(), Wavering(launcher="tf"))
    paths = []
    for number in range(1, count + 1):
        paths.append(tmp_path / f"{number}.jsonl")
        part = images.take_shard(Shard(number, count))
        go(config, part, Wavering(), Wavering(launcher="tf"), predictions=paths[-1])
    merged = merge(paths[::-1])
    assert figures(merged.report) == figures(whole.report)
    assert merged.predictions.names == whole.predictions.names
    result = merged.report.results[0]
    assert result.top1.total == len(LABELS)
    assert len(result.confusions) > 0


def test_what_does_not_belong_together_is_not_merged(
    config: AccuracyConfig, images: ImageDataset, tmp_path: Path
) -> None:
    parts = []
    for number in (1, 2, 3):
        parts.append(tmp_path / f"{number}.jsonl")
        go(config, images.take_shard(Shard(number, 3)), predictions=parts[-1])
    other = tmp_path / "other.jsonl"
    go(config, images.take_shard(Shard(2, 3)), predictions=other, profile="timm")
    single = tmp_path / "single.jsonl"
    go(config, images, predictions=single)
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(parts[2].read_bytes()[:-400])
    for given, message in (
        (parts[:2], "shard 3 is missing"),
        ([parts[0], parts[1], parts[1]], "are the same shard, 2"),
        ([parts[0], other, parts[2]], r'not of one evaluation: profile: "omz" and "timm"'),
        ([parts[0], single], "is no shard"),
        ([parts[0], parts[1], cut], r"cut\.jsonl: holds 4\d of 50 images: its run was interrupted"),
        ([tmp_path / "gone"], "gone: cannot be read"),
    ):
        with pytest.raises(EvaluationError, match=message):
            merge(given)


def test_shards_of_different_subsets_are_not_merged(
    config: AccuracyConfig, images: ImageDataset, tmp_path: Path
) -> None:
    paths = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    go(config, images.subset(100).take_shard(Shard(1, 2)), predictions=paths[0])
    go(config, images.subset(120).take_shard(Shard(2, 2)), predictions=paths[1])
    with pytest.raises(EvaluationError, match="not of one evaluation: chosen: 100 and 120"):
        merge(paths)


def test_a_file_that_says_more_than_it_should_is_refused(
    config: AccuracyConfig, images: ImageDataset, tmp_path: Path
) -> None:
    path = tmp_path / "predictions.jsonl"
    go(config, images, predictions=path)
    lines = unsealed(path.read_text().splitlines(keepends=True))  # what an edit says is looked at, too
    whole, record = "".join(lines), json.loads(lines[5])
    for changed, message in (
        (lines[:5] + lines[4:5] + lines[5:], r"line 6: .* stands in line 5 already"),
        ([*lines, json.dumps({**record, "image": "one more"}) + "\n"], "holds 151 images, but 150 were to be measured"),
        ([*lines[:5], json.dumps({**record, "label": []}) + "\n"], "line 6: no record of an image: no class is right"),
        ([*lines[:5], json.dumps({**record, "label": [99]}) + "\n"], "expected a class from 0 to .*, got 99"),
        ([*lines[:5], json.dumps({**record, "label": [True]}) + "\n"], "expected a class from 0 to .*, got True"),
    ):
        path.write_text("".join(changed))
        with pytest.raises(EvaluationError, match=message):
            merge([path])
    path.write_text(whole)
    assert merge([path]).report.dataset.evaluated == 150


def test_two_runs_do_not_write_to_one_file(config: AccuracyConfig, images: ImageDataset, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    setup = go(config, images, predictions=path).setup
    read = read_predictions(path)
    assert read is not None
    first = PredictionsWriter(path, setup, resumed=read)
    with pytest.raises(UsageError, match="another run writes to it"):
        PredictionsWriter(path, setup, resumed=read)
    first.bad(BadImage("late", "came after the other had read the file"))
    first.close()
    with pytest.raises(UsageError, match="another run wrote to it just now"):
        PredictionsWriter(path, setup, resumed=read)


def with_bad(images: ImageDataset, tmp_path: Path) -> ImageDataset:
    bad = tmp_path / "broken.jpg"
    bad.write_bytes(b"\xff\xd8\xff\xe0 no more")
    listed = list(images.images)
    for place in (5, 40, 149):
        listed[place] = replace(listed[place], location=Location(bad))
    return replace(images, images=tuple(listed))


def test_bad_images_are_counted_named_and_in_no_figure(
    config: AccuracyConfig, images: ImageDataset, tmp_path: Path
) -> None:
    damaged = with_bad(images, tmp_path)
    path = tmp_path / "predictions.jsonl"
    report = go(config, damaged, max_bad=3, predictions=path).report
    assert [one.name for one in report.bad_images] == [images.images[place].name for place in (5, 40, 149)]
    assert "cannot be decoded" in report.bad_images[0].reason
    assert report.results[0].top1.total == report.dataset.evaluated == len(LABELS) - 3
    assert any(
        note.startswith("3 images could not be measured and are in no figure: image_0005") for note in report.notes
    )
    assert figures(merge([path]).report) == figures(report)
    with pytest.raises(
        DatasetError, match=r"more than the 2 bad images that `max_bad` allows; the first was image_0005"
    ):
        go(config, damaged, max_bad=2)
    with pytest.raises(DatasetError, match=r"broken\.jpg: cannot be decoded") as caught:
        go(config, damaged)
    assert caught.value.hint is not None
    assert "`max_bad`" in caught.value.hint


def test_odd_images_are_decoded_counted_and_named(config: AccuracyConfig, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    write_flat_set(folder, [0, 1, 2, 3, 4, 5])
    Image.fromarray(plain(COLOURS[0])).convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    Image.fromarray(plain(COLOURS[1])).save(folder / "odd.JPEG", "PNG")
    Image.fromarray(plain((90, 90, 90))[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    with (folder / "val.txt").open("a") as stream:
        stream.write("cmyk.jpg 0\nodd.JPEG 1\ndeep.png 2\n")
    report = go(config, forms.open_at(folder)).report
    assert {(one.kind, one.count, one.examples) for one in report.odd_images} == {
        ("CMYK", 1, ("cmyk.jpg",)),
        ("PNG named .JPEG", 1, ("odd.JPEG",)),
        ("16-bit", 1, ("deep.png",)),
    }
    assert report.results[0].top1.total == 9
    assert report.results[0].top1.correct >= 8


def test_every_form_of_the_same_images_has_the_same_predictions(config: AccuracyConfig, tmp_path: Path) -> None:
    flat = write_flat_set(tmp_path / "source", LABELS[:40])
    encoded = [(path.read_bytes(), label) for path, label in zip(sorted(flat.glob("*.png")), LABELS, strict=False)]
    datasets = [
        forms.open_at(forms.write_flat(tmp_path / "flat", encoded)),
        forms.open_at(forms.write_imagenet_tar(tmp_path / "tar", encoded, CLASSES)),
        forms.open_at(forms.write_tfrecords(tmp_path / "records", encoded, {"image/class/label": 1})),
        forms.open_at(forms.write_parquet(tmp_path / "parquet", encoded)),
        forms.open_at(forms.write_webdataset(tmp_path / "wds", encoded)),
    ]
    found = [go(config, dataset).predictions for dataset in datasets]
    for other in found[1:]:
        assert other.accepted == found[0].accepted
        assert (other.answers[0].classes == found[0].answers[0].classes).all()
        assert (other.answers[0].scores == found[0].answers[0].scores).all()


def test_real_labels_change_what_is_right_and_have_no_reference(config: AccuracyConfig, tmp_path: Path) -> None:
    encoded = []
    for label in LABELS[:30]:
        path = save(tmp_path / "one.png", plain(COLOURS[label]))
        encoded.append((path.read_bytes(), (label + 1) % CLASSES))  # all labels wrong
    dataset = forms.open_at(forms.write_flat(tmp_path / "flat", encoded))
    assert go(config, dataset).report.results[0].top1.correct == 0
    real = tmp_path / "real.json"
    real.write_text(json.dumps([[(label + 1) % CLASSES, label] for label in LABELS[:30]]))
    report = go(config, with_real_labels(dataset, real)).report
    (result,) = report.results
    assert (result.top1.correct, result.reference_top1, report.dataset.labels) == (30, None, "ReaL")
    assert any("ReaL" in note for note in report.notes)


# Runners.


def write_onnx(path: Path, batch: int | str, side: int | str = SIDE) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Sub", ["images", "middle"], ["centred"]),
        helper.make_node("ReduceMean", ["centred", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "kernel"], ["logits"]),
    ]
    constants = [
        numpy_helper.from_array(np.array(127.5, np.float32), "middle"),
        numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
        numpy_helper.from_array(weights(), "kernel"),
    ]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, side, side])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, CLASSES])
    graph = helper.make_graph(nodes, "colours", [image], [logits], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


@pytest.mark.parametrize("batch", [1, 4, "N"])
def test_onnx_runtime_agrees_with_tensorflow_and_the_ir(
    config: AccuracyConfig, images: ImageDataset, tmp_path: Path, batch: int | str
) -> None:
    runner = OnnxRunner(write_onnx(tmp_path / "colours.onnx", batch))
    assert (runner.info.height, runner.info.width, runner.info.classes) == (SIDE, SIDE, CLASSES)
    pixels = np.random.default_rng(3).integers(0, 256, (5, SIDE, SIDE, 3)).astype(np.uint8)
    np.testing.assert_allclose(runner.run(pixels), TensorFlowRunner(frozen_graph()).run(pixels), rtol=1e-4, atol=1e-3)
    report = go(config, images, runner, OpenVinoRunner(write_ir(tmp_path))).report
    original, converted = report.results
    assert (original.launcher, converted.agreement) == ("onnx", original.top1.__class__(150, 150))
    assert converted.against_original is not None
    assert converted.against_original.gained == converted.against_original.lost == 0
    with pytest.raises(EvaluationError, match=r"gone\.onnx: no such model"):
        OnnxRunner(tmp_path / "gone.onnx")
    (tmp_path / "cut.onnx").write_bytes(b"\x08\x09 no more")
    with pytest.raises(EvaluationError, match=r"cut\.onnx: cannot be read as ONNX"):
        OnnxRunner(tmp_path / "cut.onnx")


def test_an_onnx_file_of_open_size_runs_at_the_size_that_its_descriptor_gives(tmp_path: Path) -> None:
    fixed, open_size = (write_onnx(tmp_path / f"{side}.onnx", "N", side) for side in (SIDE, "S"))
    with pytest.raises(EvaluationError, match="fixed size") as caught:
        OnnxRunner(open_size)
    assert "input_info" in str(caught.value.hint)
    known, other = ImageInput("NCHW", 1, SIDE, SIDE), ImageInput("NCHW", 1, 1, 1)
    transfer = pack_onnx(open_size, known)  # and so on the workers of a cluster
    pixels = np.random.default_rng(3).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8)
    for runner in (OnnxRunner(open_size, known=known), load(transfer, 1), OnnxRunner(fixed, known=other)):
        assert (runner.info.height, runner.info.width) == (SIDE, SIDE)
        np.testing.assert_allclose(runner.run(pixels), OnnxRunner(fixed).run(pixels))


def test_floats_and_bytes_give_the_same_logits(tmp_path: Path) -> None:
    runner = OpenVinoRunner(write_ir(tmp_path))
    pixels = np.random.default_rng(3).integers(0, 256, (40, SIDE, SIDE, 3)).astype(np.uint8)
    first = runner.run(pixels)
    np.testing.assert_allclose(runner.run(pixels.astype(np.float32)), first, rtol=1e-5, atol=1e-4)
    assert (runner.run(pixels) == first).all()  # and back again


def test_answers_come_to_the_batch_that_asked(tmp_path: Path) -> None:
    runner = OpenVinoRunner(write_ir(tmp_path))
    batches = [np.full((32, SIDE, SIDE, 3), value, np.uint8) for value in range(0, 250, 10)]
    pending = [runner.start(batch) for batch in batches]
    runner.settle()
    for batch, answer in zip(batches, pending, strict=True):
        np.testing.assert_array_equal(answer(), runner.run(batch))


def test_a_failed_inference_is_an_error_and_not_a_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = OpenVinoRunner(write_ir(tmp_path))

    class Failing:
        def start_async(self, *_: Any, **__: Any) -> None:
            """Accepted, and never answered."""

        def wait_all(self) -> None:
            raise RuntimeError("[CPU] out of luck")

    monkeypatch.setattr(runner, "_queue", Failing())
    monkeypatch.setattr("mixnet_tools.accuracy.launchers.openvino.PATIENCE", 0.01)
    with pytest.raises(EvaluationError, match=r"colour-net\.xml: OpenVINO cannot run this IR: \[CPU\] out of luck"):
        runner.run(np.zeros((2, SIDE, SIDE, 3), np.uint8))
    runner.settle()


def test_an_unknown_device_is_named_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"OpenVINO has no device 'NPU9' here; available: .*CPU"):
        OpenVinoRunner(write_ir(tmp_path), "NPU9")
    assert OpenVinoRunner(write_ir(tmp_path / "auto"), "AUTO").info.device == "AUTO"


def test_the_time_is_accounted_for(config: AccuracyConfig, images: ImageDataset, tmp_path: Path) -> None:
    timing = go(config, images, OpenVinoRunner(write_ir(tmp_path))).report.timing
    assert timing is not None
    assert timing.images == len(LABELS)
    assert min(timing.decode, timing.resize, timing.seconds) > 0
    assert timing.wait + timing.inference <= timing.seconds + 0.01
    assert timing.first_image is not None
    assert timing.first_image <= timing.seconds
    assert "images/s; threads decoded" in timing.summary()


# The commands, in processes of their own.


def test_a_killed_process_loses_nothing(nano_dir: Path, tmp_path: Path) -> None:
    common = ["--name", "mixnet-nano", "-d", str(nano_dir), "--launcher", "openvino", "--precisions", "FP32", "--json"]
    whole = json.loads(run_ok("check", *common).out)
    path = tmp_path / "predictions.jsonl"
    command = [sys.executable, "-m", "mixnet_tools.cli.main", "check", *common, "--predictions", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})
    try:
        wait_for(
            lambda: process.poll() is not None or (path.exists() and path.stat().st_size > 8000), "some of the answers"
        )
    finally:
        process.kill()
        process.wait()
    with path.open("ab") as stream:
        stream.write(b'{"image": "val_01')  # as a write that was cut short leaves it
    resumed = run_ok("check", *common, "--predictions", path, "--resume")
    assert json.loads(resumed.out)["reports"][0]["results"] == whole["reports"][0]["results"]
    assert json.loads(resumed.out)["reports"][0]["verdict"] == whole["reports"][0]["verdict"]
    first, second = json.loads(resumed.out)["reports"][0]["runs"]
    assert "--resume" not in first["command"]
    assert second["command"].endswith(f"--predictions {path} --resume")
    assert [run["work"] for run in (first, second)] == ["measured", "measured"]
    assert first["machine"] == second["machine"]
    assert first["machine"]["processors"] >= 1


def test_shards_of_the_command_merge_to_one_run(nano_dir: Path, tmp_path: Path) -> None:
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "-q"]
    whole = json.loads(run_ok("check", *common, "--json").out)["reports"][0]
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for number, path in enumerate(paths, 1):
        run_ok("check", *common, "--shard", f"{number}/2", "--predictions", path)
    page = tmp_path / "merged.html"
    merged = json.loads(run_ok("check", "merge", *paths, "--json", "--html", page).out)["reports"][0]
    assert "Worst confusions" in page.read_text()
    for key in ("results", "dataset", "verdict", "model", "profile", "classes"):
        assert merged[key] == whole[key], key
    assert [(run["work"], run["command"].split()[:2]) for run in merged["runs"]] == [
        ("measured", ["mixnet", "check"]),
        ("measured", ["mixnet", "check"]),
        ("merged", ["mixnet", "check"]),
    ]
    assert ["--shard 1/2" in run["command"] for run in merged["runs"]] == [True, False, False]
    assert str(paths[1]) in merged["runs"][2]["command"]
    assert {run["started"][-1] for run in merged["runs"]} == {"Z"}
    assert [one["inference_precision"] for one in merged["results"]] == ["f32", "f32"]
    assert "merge" in run_ok("check", "merge", "--help").out
    assert "shard 1 is missing" in run_failing("check", "merge", paths[1])


def test_odd_names_and_files_through_the_command(nano_dir: Path, tmp_path: Path) -> None:
    """A name that is no UTF-8 and a pipe among the images: measured or named, with every result file written."""
    folder = tmp_path / "set"
    bundled = Path(__file__).parents[3] / "models/public/mixnet-nano/validation"
    lines = (bundled / "val.txt").read_text().splitlines()[:20]
    for number, line in enumerate(lines):
        name, label = line.rsplit(maxsplit=1)
        target = os.fsencode(folder / f"{int(label):02}") + b"/caf\xe9-%d.jpg" % number
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(os.fsdecode(target)).write_bytes((bundled / name).read_bytes())
    for number in range(30):
        (folder / f"{number:02}").mkdir(exist_ok=True)
    os.mkfifo(folder / "00/pipe.jpg")
    files = [tmp_path / name for name in ("junit.xml", "summary.md", "page.html", "predictions.jsonl")]
    options: list[str | Path] = [
        "--junit",
        files[0],
        "--markdown",
        files[1],
        "--html",
        files[2],
        "--predictions",
        files[3],
    ]
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "-s", folder, "--launcher", "openvino"]
    assert "00/pipe.jpg: no regular file" in run_failing("check", *common)
    done = run("check", *common, "--max_bad", "1", "--json", *options)
    assert "Traceback" not in done.err
    report = json.loads(done.out)["reports"][0]
    assert report["dataset"]["evaluated"] == 20
    assert [bad["name"] for bad in report["bad_images"]] == ["00/pipe.jpg"]
    assert all(path.stat().st_size for path in files)
    assert files[3].read_bytes().count(b"caf\xe9-") == 20
    assert run("check", *common, "--max_bad", "1", "--resume", "--predictions", files[3]).code == done.code


def test_an_empty_shard_says_how_many_there_can_be(nano_dir: Path) -> None:
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino"]
    message = run_failing("check", *common, "--num_images", "2", "--shard", "1/4")
    assert "shard 1/4 of 2 images is empty" in message
    assert "--shard I/2 at most" in message


def test_wrong_usage_of_long_runs(nano_dir: Path, tmp_path: Path) -> None:
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino"]
    existing = tmp_path / "there.jsonl"
    existing.write_text("x")
    for wrong in (
        ("--resume",),
        ("--shard", "0/2"),
        ("--shard", "3/2"),
        ("--max_bad", "-1"),
        ("--update_baseline",),
        ("--predictions", existing),
        ("--first_label", "2"),
        ("--launcher", "onnx"),
    ):
        assert "Traceback" not in run_failing("check", *common, *wrong, code=2)
    assert run("check", *common, "--device", "NPU9").code == 1


def test_every_option_stands_in_the_document() -> None:
    document = (Path(__file__).parents[3] / "docs/check.md").read_text()
    options = set(re.findall(r"(?<![\w-])--[a-z_]+", run_ok("check", "--help").out))
    missing = sorted(options - set(re.findall(r"--[a-z_]+", document)) - {"--help", "--version", "--debug", "--output"})
    assert missing == []


def test_precisions_that_are_the_same_are_measured_once(nano_dir: Path) -> None:
    words = ("check", "--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "--precisions", "FP16")
    done = json.loads(run_ok(*words, "--num_images", "10", "--inference_precision", "f32,default", "--json").out)
    (report,) = done["reports"]
    computed = [result["inference_precision"] for result in report["results"]]
    assert computed in (["f32"], ["f32", "bf16"], ["f32", "f16"])  # as the processor can
    if len(computed) == 2:
        assert report["results"][1]["agreement_f32"]["total"] == 10
        assert report["results"][1]["speed"]["images_per_second"] > 0


def test_a_precision_for_a_cluster_must_have_a_name(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    words = ("check", "--name", "mixnet-nano", "--cluster", "local", "--inference_precision", "f32,default")
    assert "not the same on all workers" in run_failing(*words, code=2, cwd=tmp_path)
