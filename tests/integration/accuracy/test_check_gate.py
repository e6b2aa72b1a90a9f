"""The gate on mixnet-nano: what is the same passes always, what is broken fails, and what flipped is said."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import mixnet_tools
from mixnet_tools.accuracy.datasets.dataset import ImageDataset, bundled_source
from mixnet_tools.accuracy.evaluation.evaluate import Evaluation, evaluate
from mixnet_tools.accuracy.evaluation.timing import Timing
from mixnet_tools.accuracy.gate.baseline import Baseline, compare, read_baseline, write_baseline
from mixnet_tools.accuracy.gate.verdict import judge
from mixnet_tools.accuracy.launchers.openvino import OpenVinoRunner
from mixnet_tools.accuracy.predictions.values import Answers, Predictions
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig, load_accuracy_config
from mixnet_tools.accuracy.reports.summarize import summarize
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import EvaluationError, UsageError
from mixnet_tools.ir.locate import ir_model
from mixnet_tools.values import IRModel
from tests.support.cluster import without_runs
from tests.support.commands import run, run_failing, run_ok
from tests.support.forms import open_at


@pytest.fixture(scope="module")
def images(nano: ModelDescriptor) -> ImageDataset:
    folder = bundled_source(nano.directory)
    assert folder
    return open_at(folder)


@pytest.fixture(scope="module")
def config(nano: ModelDescriptor) -> AccuracyConfig:
    return load_accuracy_config(nano.accuracy_path)


@pytest.fixture(scope="module")
def baseline(nano: ModelDescriptor) -> Baseline:
    """The one that is committed."""
    return read_baseline(nano.directory / "baseline.json")


def ir_of(folder: Path) -> IRModel:
    return ir_model(folder, "public/mixnet-nano", "mixnet-nano", "FP32")


def measure(config: AccuracyConfig, images: ImageDataset, ir: IRModel) -> Evaluation:
    return evaluate("mixnet-nano", config, images, [OpenVinoRunner(ir)], reference_images=600)


def verdict_of(found: Evaluation, baseline: Baseline) -> Any:
    return judge(found.report, baseline=compare(baseline, found.setup, found.predictions)[0])


def subset(found: Evaluation, rows: list[int]) -> Evaluation:
    """What a run on these images only would have been."""
    whole = found.predictions
    parts = tuple(Answers(one.classes[rows], one.scores[rows]) for one in whole.answers)
    part = Predictions(tuple(whole.names[row] for row in rows), tuple(whole.accepted[row] for row in rows), parts)
    return Evaluation(found.setup, part, summarize(found.setup, part, Timing(1, len(rows), 0, 0, 0, 0, None)))


@pytest.fixture(scope="module")
def untouched(nano_dir: Path, config: AccuracyConfig, images: ImageDataset) -> Evaluation:
    return measure(config, images, ir_of(nano_dir))


def test_the_identical_model_passes_on_a_hundred_random_subsets(untouched: Evaluation, baseline: Baseline) -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        rows = sorted(rng.choice(600, int(rng.integers(20, 601)), replace=False).tolist())
        verdict = verdict_of(subset(untouched, rows), baseline)
        assert verdict.passed, verdict.summary()
        assert verdict.baseline[0].test.images == len(rows)


def disturb(ir: IRModel, folder: Path, share: float) -> IRModel:
    """A copy of ``ir`` in which a ``share`` of all weights is replaced by strong noise."""
    xml = shutil.copy(ir.xml, folder)
    weights = np.fromfile(ir.bin, dtype=np.float32)
    rng = np.random.default_rng(2)
    usual = np.flatnonzero((np.abs(weights) > 1e-6) & (np.abs(weights) < 100))  # not the shapes and axes between them
    chosen = rng.choice(usual, int(share * len(usual)), replace=False)
    weights[chosen] = rng.normal(0, 3, len(chosen))
    weights.tofile(folder / ir.bin.name)
    return IRModel("mixnet-nano", "FP32", Path(xml), folder / ir.bin.name)


def test_one_percent_of_disturbed_weights_fails_the_gate(
    nano_dir: Path, tmp_path: Path, config: AccuracyConfig, images: ImageDataset, baseline: Baseline
) -> None:
    broken = measure(config, images, disturb(ir_of(nano_dir), tmp_path, 0.01))
    verdict = verdict_of(broken, baseline)
    assert not verdict.passed
    assert not verdict.baseline[0].passed
    # Also on a subset that is too small for the references to tell, and without them.
    small = subset(broken, list(range(0, 600, 6)))
    assert not compare(baseline, small.setup, small.predictions)[0][0].passed


@pytest.mark.parametrize("mutation", ["colours lost", "square crop", "bilinear"])
def test_mutated_preprocessing_changes_the_result_and_is_seen(
    mutation: str, nano_dir: Path, tmp_path: Path, config: AccuracyConfig, images: ImageDataset, untouched: Evaluation
) -> None:
    text = config.path.read_text()
    if mutation == "bilinear":
        text = text.replace("BICUBIC", "BILINEAR")
    elif mutation == "colours lost":
        head, _, tail = text.rpartition("preprocessing:\n")
        text = f"{head}preprocessing:\n          - type: bgr_to_rgb\n{tail}"
    else:
        text = text.replace("central_fraction: 0.875", "size: 56")
    path = tmp_path / "accuracy-check.yml"
    path.write_text(text)
    mutated = measure(load_accuracy_config(path), images, ir_of(nano_dir))
    assert mutated.report.results[0].preprocessing != untouched.report.results[0].preprocessing
    now, then = mutated.predictions.answers[0], untouched.predictions.answers[0]
    assert (now.scores != then.scores).any()
    flips = int((now.first != then.first).sum())
    assert flips > 0
    own = replace(untouched.setup, dataset=replace(untouched.setup.dataset, source="", annotations=None))
    recorded = tmp_path / "baseline.json"
    write_baseline(recorded, own, untouched.predictions)
    with pytest.raises(EvaluationError, match="were prepared otherwise"):
        compare(read_baseline(recorded), mutated.setup, mutated.predictions)
    # And where a fault does not show in the description of the steps, in the answers.
    (judgement,), _ = compare(read_baseline(recorded), untouched.setup, mutated.predictions)
    assert judgement.test.lost + judgement.test.gained > 0
    if mutation != "bilinear":  # the filter alone costs this model too few images to fail it
        assert not judgement.passed


def arguments(nano_dir: Path, *more: str | Path) -> list[str | Path]:
    return ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "--precisions", "FP32", "-q", *more]


def test_the_command_against_the_committed_baseline(nano: ModelDescriptor, nano_dir: Path, tmp_path: Path) -> None:
    committed = nano.directory / "baseline.json"
    written = tmp_path / "again.json"
    outcome = run_ok("check", *arguments(nano_dir, "--baseline", committed, "--num_images", "200"))
    assert "openvino FP32: 0 of 200 images lost and 0 gained since the baseline (p = 1" in outcome.out
    run_ok("check", *arguments(nano_dir, "--baseline", written, "--update_baseline"))
    old, new = json.loads(committed.read_text()), json.loads(written.read_text())
    assert old["dataset"] == new["dataset"]
    place = [runner["name"] for runner in old["runners"]].index("openvino FP32")
    assert {name: [a, [p[place]]] for name, (a, p) in old["images"].items()} == new["images"]


def test_a_worse_model_is_exit_code_3_with_its_flips_everywhere(
    nano: ModelDescriptor, nano_dir: Path, tmp_path: Path
) -> None:
    target = tmp_path / "public/mixnet-nano/FP32"
    target.mkdir(parents=True)
    disturb(ir_of(nano_dir), target, 0.01)
    files = {name: tmp_path / f"out/{name}" for name in ("junit", "markdown", "html")}
    written = [part for name, path in files.items() for part in (f"--{name}", path)]
    outcome = run("check", *arguments(tmp_path, "--baseline", nano.directory / "baseline.json", "--json", *written))
    assert outcome.code == 3, outcome.err
    assert "WORSE: openvino FP32" in outcome.err
    (judgement,) = json.loads(outcome.out)["reports"][0]["verdict"]["baseline"]
    assert judgement["test"]["lost"] >= 7
    lost = judgement["lost"][0]["name"]
    assert int(ElementTree.parse(files["junit"]).findall("testsuite")[0].get("failures", "0")) >= 1
    for path in files.values():
        assert lost in path.read_text()


def test_the_python_call_gives_what_the_command_prints(nano_dir: Path) -> None:
    done = mixnet_tools.evaluate("mixnet-nano", ir_dir=nano_dir, precisions=["FP32"], num_images=100)
    printed = json.loads(run_ok("check", *arguments(nano_dir, "--num_images", "100", "--json")).out)["reports"][0]
    mine = json.loads(json.dumps(done.report.to_json()))
    for key in ("schema", "model", "profile", "classes", "dataset", "results", "notes"):
        assert mine[key] == printed[key], key
    assert json.loads(json.dumps(done.verdict.to_json())) == printed["verdict"]
    with pytest.raises(EvaluationError, match=r"INT8.*has no such IR"):
        mixnet_tools.evaluate("mixnet-nano", ir_dir=nano_dir, precisions=["INT8"])
    with pytest.raises(UsageError, match="brings no images of its own"):
        mixnet_tools.evaluate("mixnet-l", ir_dir=nano_dir)


def test_bad_images_are_counted_over_all_batches_and_runs(
    nano: ModelDescriptor, nano_dir: Path, tmp_path: Path
) -> None:
    source, predictions = tmp_path / "images", tmp_path / "p.jsonl"
    shutil.copytree(nano.directory / "validation", source)
    names = sorted(path.name for path in source.glob("*.jpg"))
    for number in (0, 40, 512, 544, 576):  # in five batches
        (source / names[number]).write_bytes(b"no image")
    place: list[str | Path] = ["-s", source, "--launcher", "openvino", "--precisions", "FP32"]
    refused = run("check", *arguments(nano_dir, *place, "--max_bad", "4"))
    assert refused.code == 1
    assert "more than the 4 bad images" in refused.err
    assert names[0] in refused.err
    assert run("check", *arguments(nano_dir, *place, "--max_bad", "5", "--predictions", predictions)).code in (0, 3)
    again = run("check", *arguments(nano_dir, *place, "--max_bad", "1", "--predictions", predictions, "--resume"))
    assert again.code == 1
    assert "has 5 bad images" in again.err


def test_resume_does_not_overwrite_what_is_not_its_own(nano_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "precious.json"
    path.write_text('{"precious":1}')
    outcome = run("check", *arguments(nano_dir, "--predictions", path, "--resume", "--num_images", "8"))
    assert outcome.code == 1
    assert "is not overwritten" in outcome.err
    assert path.read_text() == '{"precious":1}'


def test_edited_answers_are_refused_by_every_command(nano: ModelDescriptor, nano_dir: Path, tmp_path: Path) -> None:
    predictions, edited = tmp_path / "p.jsonl", tmp_path / "edited.json"
    common: list[str | Path] = [
        "--name",
        "mixnet-nano",
        "-d",
        nano_dir,
        "--launcher",
        "openvino",
        "--precisions",
        "FP16",
    ]
    measured = [*common, "--num_images", "20", "--predictions", predictions]
    run_ok("check", *measured)
    text = predictions.read_text()
    lines = text.splitlines(keepends=True)
    predictions.write_text("".join([*lines[:4], lines[4].replace('"label":[', '"label":[1,'), *lines[5:]]))
    for command in (["merge", predictions], [*measured, "--resume"]):
        told = run_failing("check", *command)
        assert f"{predictions}: line 5: was edited or damaged since a run wrote it" in told
    # A run that was killed leaves a torn line: that is no edit.
    predictions.write_text("".join(lines[:12]) + lines[12][:30])
    run_ok("check", *measured, "--resume")
    assert without_runs(predictions.read_bytes()) == without_runs(text.encode())
    edited.write_text(
        (nano.directory / "baseline.json").read_text().replace('"val_0007.jpg": [[7]', '"val_0007.jpg": [[6]')
    )
    told = run_failing("check", *common, "--baseline", edited)
    assert f"{edited}: was edited or damaged since a run wrote it" in told
    assert "write it anew from a run: --update_baseline" in told
