"""``mixnet-quantize`` on the embedded mixnet-nano: the INT8 IR, its accuracy, its bytes, and clear errors."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import mixnet_tools
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.inference.machine import has_vnni
from mixnet_tools.ir.inspect import describe
from mixnet_tools.ir.locate import ir_model
from mixnet_tools.optimization.kernels import is_tuned, kind_of, request_kernels
from mixnet_tools.values import IRModel
from scripts.site_json import values
from tests.support.commands import Outcome, run, run_failing, run_ok
from tests.support.documents import keys, table_keys

NAME = "mixnet-nano"
PATTERN = "NNCF's pattern: squeeze and excitation"
PLAIN = ("--no_optimize", "--depthwise", "int8")
"""One form for all machines, so that nothing is chosen by its speed."""
QUICK = (*PLAIN, "--fast_bias_correction", "--range_estimator", "minmax", "--subset_size", "8")
OVERFLOW_FIX = "first_layer" if has_vnni() else "enable"
"""The default; or what the manual advises where sums of products of eight bits saturate, and cost ten images more."""
FOR_THIS_PROCESSOR = (*PLAIN, "--overflow_fix", OVERFLOW_FIX)


@dataclass(frozen=True)
class Quantized:
    """What one run with the defaults left, as far as the processor can do with them."""

    folder: Path
    outcome: Outcome
    document: dict[str, Any]

    @property
    def ir(self) -> IRModel:
        return ir_of(self.folder)


def ir_of(folder: Path, precision: str = "FP16-INT8") -> IRModel:
    return ir_model(folder, f"public/{NAME}", NAME, precision)


@pytest.fixture(scope="module")
def quantized(nano_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Quantized:
    folder = tmp_path_factory.mktemp("int8")
    outcome = run_ok("quantize", "--name", NAME, "-d", nano_dir, "-o", folder, "--json", "-q", *FOR_THIS_PROCESSOR)
    return Quantized(folder, outcome, json.loads(outcome.out))


@pytest.fixture
def pictures(nano: ModelDescriptor, tmp_path: Path) -> Path:
    """Ten images of the model's kind, without labels."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for path in sorted((nano.directory / "validation").glob("*.jpg"))[:10]:
        shutil.copy(path, folder)
    return folder


def test_int8_keeps_top1_within_a_point_of_fp32(quantized: Quantized) -> None:
    (model,) = quantized.document["models"]
    fp32, fp16, int8 = model["rows"]
    assert [row["precision"] for row in model["rows"]] == ["FP32", "FP16", "FP16-INT8"]
    assert fp32["comparison"]["images"] == 600
    assert fp32["comparison"]["top1"] == fp16["comparison"]["top1"] == 551
    found = int8["comparison"]
    assert found["difference"] == pytest.approx(100 * (found["top1"] - 551) / 600, abs=1e-3)
    assert found["difference"] >= -1.0
    assert found["held_out_difference"] >= -1.0, "also on images that it was not calibrated with"
    assert found["top5"] >= 594
    assert found["interval"][0] < found["difference"] < found["interval"][1]
    assert found["same"] > 570
    sizes = [row["files"][1]["bytes"] for row in model["rows"]]
    assert sizes[0] > sizes[1] > sizes[2]
    assert int8["throughput"][0]["computed_in"] == "f32"
    assert all(one["ratio"] > 0 for one in int8["throughput"])


def test_the_report_names_everything_that_made_the_ir(quantized: Quantized) -> None:
    report = json.loads(quantized.ir.xml.with_name("quantization.json").read_text())
    (model,) = quantized.document["models"]
    assert {key: value for key, value in model.items() if key not in ("xml", "bin")} == report
    assert (report["schema"], report["model"], report["source_precision"]) == (1, NAME, "FP16")
    assert report["settings"] == {
        "preset": "mixed",
        "fast_bias_correction": False,
        "range_estimator": "default",
        "overflow_fix": OVERFLOW_FIX,
        "ignore": [],
        "subset_size": 300,
        "seed": 0,
        "target_device": "ANY",
        "optimize": False,
        "depthwise": "int8",
    }
    assert (report["calibration"]["images"], report["calibration"]["total"]) == (300, 600)
    assert report["calibration"]["preprocessing"][-1] == "channel order BGR"
    assert set(report["versions"]) == {"mixnet_tools", "openvino", "nncf", "numpy", "pillow"}
    assert report["layers"]["quantized"] == 43
    assert {layer["reason"] for layer in report["layers"]["in_float"]} == {PATTERN}
    assert len(report["layers"]["in_float"]) == 12
    assert (report["passed"], report["max_drop"], len(report["trials"])) == (None, None, 1)
    assert (report["chosen"], report["draft"], report["trials"][0]["in_float"]) == (0, None, 12)
    assert report["trials"][0]["throughput"] == report["rows"][-1]["throughput"]
    assert "300 of the 600 images" in report["notes"][0]
    assert quantized.outcome.err == ""  # -q


def test_what_the_ir_said_of_itself_it_still_says(quantized: Quantized, nano_dir: Path) -> None:
    source, ours = describe(ir_of(nano_dir, "FP16").xml), describe(quantized.ir.xml)
    assert (ours.name, ours.inputs, ours.outputs) == (source.name, source.inputs, source.outputs)
    assert ours.inputs[0].layout == "NHWC"
    kept = ("model_info.", "conversion_parameters.")
    expected = {key: value for key, value in source.rt_info.items() if key.startswith(kept)}
    assert expected["model_info.labels"].startswith("red_disc ")
    assert {key: value for key, value in ours.rt_info.items() if key.startswith(kept)} == expected
    assert ours.rt_info["nncf.quantization.preset"] == "mixed"
    assert ours.rt_info["quantization_parameters.seed"] == "0"


def test_the_same_inputs_give_the_same_bytes_in_another_process(
    quantized: Quantized, nano_dir: Path, tmp_path: Path
) -> None:
    run_ok("quantize", "--name", NAME, "-d", nano_dir, "-o", tmp_path, "--no_verify", "-q", *FOR_THIS_PROCESSOR)
    again = ir_of(tmp_path)
    assert again.xml.read_bytes() == quantized.ir.xml.read_bytes()
    assert again.bin.read_bytes() == quantized.ir.bin.read_bytes()
    left = {path.name for path in again.xml.parent.iterdir()}
    assert left == {f"{NAME}.xml", f"{NAME}.bin", "quantization.json"}


def test_info_counts_the_weights_of_the_quantized_ir(quantized: Quantized, nano_dir: Path) -> None:
    assert describe(quantized.ir.xml).counts == describe(ir_of(nano_dir, "FP32").xml).counts
    shown = json.loads(run_ok("info", "--name", NAME, "--ir_dir", quantized.folder, "--json").out)
    assert list(shown[0]["ir"]) == ["FP16-INT8"]


def test_check_holds_the_quantized_ir_against_the_committed_baseline(
    quantized: Quantized, nano: ModelDescriptor
) -> None:
    outcome = run_ok(
        "check", "--name", NAME, "--ir_dir", quantized.folder, "--launcher", "openvino", "--precisions", "FP16-INT8",
        "--baseline", nano.directory / "baseline.json", "--json", "-q",
    )  # fmt: skip
    (report,) = json.loads(outcome.out)["reports"]
    (result,), (judged,) = report["results"], report["verdict"]["baseline"]
    assert result["precision"] == judged["precision"] == "FP16-INT8"
    assert {one["tolerance"] for one in report["verdict"]["judgements"]} == {1.0}
    rows = quantized.document["models"][0]["rows"]
    assert result["top1"]["correct"] == rows[-1]["comparison"]["top1"]


def test_a_search_reports_every_trial_and_fails_with_the_best(nano_dir: Path, tmp_path: Path) -> None:
    arguments = ("--name", NAME, "-d", nano_dir, "-o", tmp_path, "--seed", "5", "-q")
    outcome = run("quantize", *arguments, *QUICK[:-1], "2", "--max_drop", "0", "--ignore", "*dense*", "--json")
    assert outcome.code == 3, outcome.err
    assert "no settings kept top-1 within 0 points: mixnet-nano" in outcome.err
    document = json.loads(outcome.out)
    assert document["passed"] is False
    report = document["models"][0]
    tops = [trial["comparison"]["top1"] for trial in report["trials"]]
    assert 1 < len(tops) <= 6
    assert not any(trial["kept"] for trial in report["trials"])
    assert all(trial["settings"]["range_estimator"] == "minmax" for trial in report["trials"]), "as it was asked for"
    assert report["rows"][-1]["comparison"]["top1"] == max(tops)
    assert report["settings"] == report["trials"][tops.index(max(tops))]["settings"]
    assert "--ignore" in {layer["reason"] for layer in report["layers"]["in_float"]}
    assert json.loads(ir_of(tmp_path).xml.with_name("quantization.json").read_text())["passed"] is False


def test_a_search_stops_at_the_first_that_is_good_enough(nano_dir: Path, tmp_path: Path) -> None:
    arguments = ("--name", NAME, "-d", nano_dir, "-o", tmp_path, "--num_images", "60", "--subset_size", "60")
    out = run_ok("quantize", *arguments, *PLAIN, "--max_drop", "50").out
    assert "trial 1: preset mixed, fast bias correction" in out
    assert "trial 2" not in out
    assert "mixnet-nano: top-1 within 50 points: passed" in out
    assert "12 by NNCF's pattern" in out


def test_images_without_labels_calibrate_and_are_not_measured(nano_dir: Path, pictures: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(pictures.iterdir())):
        folder = pictures / f"day-{number % 2}"  # folders that are no classes
        folder.mkdir(exist_ok=True)
        path.rename(folder / path.name)
    place = ("--name", NAME, "-d", nano_dir, "-o", tmp_path / "out", "-s", pictures)
    outcome = run_ok("quantize", *place, *QUICK, "--source_precision", "FP32")
    assert "mixnet-nano: note: its accuracy was not measured" in outcome.err
    assert re.search(r"FP16-INT8 +- +- ", outcome.out)
    assert "from FP32" in outcome.out
    error = run_failing("quantize", *place, *QUICK, "--max_drop", "1", code=2)
    assert "--max_drop needs labelled images to measure on" in error


def test_the_form_is_chosen_by_speed_where_none_is_asked_for(nano_dir: Path, tmp_path: Path) -> None:
    import openvino

    place = ("--name", NAME, "-d", nano_dir, "-o", tmp_path, "--num_images", "20")
    document = json.loads(run_ok("quantize", *place, *QUICK[len(PLAIN) :], "--json", "-q").out)
    assert set(document) == {"schema", "passed", "models", "failed"}
    (report,) = document["models"]
    taken, why = report["settings"], report["why"]
    made = openvino.Core().read_model(ir_of(tmp_path).xml)
    assert made.has_rt_info(["optimization", "rewrites"]) is taken["optimize"]
    assert f"was {'taken' if taken['optimize'] else 'not taken'}" in why
    in_float = {layer["reason"] for layer in report["layers"]["in_float"]}
    assert ("depthwise in float" in in_float) is (taken["depthwise"] == "float")
    assert f"{report['graph_speed'][-1]['ratio']:.2f} x as fast as the other" in why
    assert f"depthwise layers in INT8 would make it {report['draft']['ratio']:.2f} x as fast" in why
    assert f"trial {report['chosen'] + 1} " in why
    report["versions"], report["seconds"], report["ir"] = {}, {}, {}  # their keys are names
    assert keys(report) - set(table_keys(values())) == set()


@pytest.mark.parametrize("vnni", [True, False])
def test_calibration_and_measurement_may_be_of_different_images(
    nano: ModelDescriptor, nano_dir: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vnni: bool
) -> None:
    monkeypatch.setattr("mixnet_tools.quantization.stage.has_vnni", lambda: vnni)
    options = mixnet_tools.QuantizationOptions(
        settings=mixnet_tools.QuantizationSettings(
            fast_bias_correction=True, subset_size=10, optimize=False, depthwise="int8"
        ),
        num_images=50,
    )
    report = mixnet_tools.quantize(
        NAME,
        ir_dir=nano_dir,
        output_dir=tmp_path,
        source=pictures,
        eval_source=nano.directory / "validation",
        options=options,
    )
    assert report.ir.xml.is_file()
    last = report.rows[-1].comparison
    assert last is not None
    assert (last.images, last.held_out) == (50, 50), "copies are other files"
    assert report.passed is None
    assert ["no VNNI" in note for note in report.notes] == ([] if vnni else [True])


def test_kernels_that_were_tuned_for_floats_are_forgotten(quantized: Quantized, nano_dir: Path, tmp_path: Path) -> None:
    import openvino

    source = openvino.Core().read_model(ir_of(nano_dir, "FP16").xml)
    request_kernels(source, {node.get_friendly_name(): "jit_avx2" for node in source.get_ops() if kind_of(node)})
    source.set_rt_info({"rewrites": "none", "tuned_on": "a processor"}, ["optimization"])
    tuned = ir_of(tmp_path, "FP16")
    tuned.xml.parent.mkdir(parents=True)
    openvino.save_model(source, tuned.xml)
    run_ok("quantize", "--name", NAME, "-d", tmp_path, "--no_verify", "-q", *FOR_THIS_PROCESSOR)
    made = openvino.Core().read_model(ir_of(tmp_path).xml)
    assert not is_tuned(made)
    assert not made.has_rt_info(["optimization", "tuned_on"])
    assert made.get_rt_info(["optimization", "rewrites"]).astype(str) == "none"
    assert ir_of(tmp_path).bin.read_bytes() == quantized.ir.bin.read_bytes()


def test_one_model_that_fails_does_not_stop_the_others(nano: ModelDescriptor, nano_dir: Path, tmp_path: Path) -> None:
    zoo = tmp_path / "zoo/public"
    shutil.copytree(nano.directory, zoo / NAME)
    shutil.copytree(nano.directory, zoo / "another")
    (zoo / "broken").mkdir()
    (zoo / "broken/model.yml").write_text("framework: [")
    words = ("--models_dir", tmp_path / "zoo", "--all", "-d", nano_dir, "-o", tmp_path / "out", "--no_verify", "--json")
    outcome = run("quantize", *words, *QUICK, "-s", nano.directory / "validation")
    assert outcome.code == 1
    document = json.loads(outcome.out)
    assert [one["model"] for one in document["models"]] == [NAME]
    assert {one["name"] for one in document["failed"]} == {"another", "broken"}


def test_an_ir_of_a_batch_of_four_is_quantized_and_keeps_it(nano_dir: Path, tmp_path: Path) -> None:
    import openvino

    model = openvino.Core().read_model(ir_of(nano_dir, "FP32").xml)
    model.reshape([4, *model.input(0).shape[1:]])
    source = ir_of(tmp_path, "FP32")
    source.xml.parent.mkdir(parents=True)
    openvino.save_model(model, source.xml, compress_to_fp16=False)
    given = ("--name", NAME, "-d", tmp_path, "--num_images", "40", *QUICK, "--optimize", "--json", "-q")
    (report,) = json.loads(run_ok("quantize", *given).out)["models"]
    assert [row["comparison"]["images"] for row in report["rows"]] == [40, 40]
    made = openvino.Core().read_model(ir_of(tmp_path).xml)
    assert report["settings"]["optimize"] is True
    assert "split_elimination" in made.get_rt_info(["optimization", "rewrites"]).astype(str)
    assert (list(made.input(0).shape), list(made.output(0).shape)) == ([4, 64, 64, 3], [4, 30])
    run_ok("check", "--name", NAME, "-d", tmp_path, "--launcher", "openvino", "--num_images", "40", "-q")


def test_clear_errors(quantized: Quantized, nano_dir: Path, pictures: Path, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "out")
    base = ("--name", NAME, "-d", nano_dir, *out)
    error = run_failing("quantize", *base, "-s", pictures)
    assert "too few images to calibrate with: 300 are asked for, and here are 10" in error
    assert "--subset_size 10" in error
    (tmp_path / "empty").mkdir()
    assert "no images here" in run_failing("quantize", *base, "-s", tmp_path / "empty")
    error = run_failing("quantize", "--name", NAME, "-d", tmp_path, *out)
    assert "has no such IR" in error
    assert "mixnet convert --name mixnet-nano" in error
    assert "--ignore nothing" in run_failing("quantize", *base, "--ignore", "nothing", code=2)
    assert "all layers are to stay in float" in run_failing("quantize", *base, "--ignore", "*", code=2)
    assert "--ignore: an empty name" in run_failing("quantize", *base, "--ignore", ",", code=2)
    assert "nothing would be measured" in run_failing("quantize", *base, "--no_verify", "--max_drop", "1", code=2)
    assert "--annotations without images" in run_failing("quantize", *base, "--annotations", "val.txt", code=2)
    # An INT8 IR where the FP16 one should be.
    shutil.copytree(quantized.ir.xml.parent, ir_of(tmp_path / "twice", "FP16").xml.parent)
    error = run_failing("quantize", "--name", NAME, "-d", tmp_path / "twice", *out)
    assert "is quantized already" in error
    assert not (tmp_path / "out").exists()


def test_without_nncf_the_extra_is_named(nano_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "nncf.py").write_text("raise ModuleNotFoundError(\"No module named 'nncf'\", name='nncf')\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    outcome = run("quantize", "--name", NAME, "-d", nano_dir, "-o", tmp_path / "out", env={"PYTHONPATH": path})
    assert outcome.code == 1
    assert "quantization needs NNCF, which is not installed" in outcome.err
    assert "pip install 'mixnet-tools[int8]'" in outcome.err
    assert not (tmp_path / "out").exists()


def test_a_failure_leaves_the_ir_that_was_there(quantized: Quantized, nano_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(quantized.ir.xml.parent, ir_of(tmp_path).xml.parent)
    before = {path.name: path.read_bytes() for path in ir_of(tmp_path).xml.parent.iterdir()}
    run_failing("quantize", "--name", NAME, "-d", nano_dir, "-o", tmp_path, "--subset_size", "601")
    assert {path.name: path.read_bytes() for path in ir_of(tmp_path).xml.parent.iterdir()} == before


def test_the_model_api_opens_it_as_it_is(quantized: Quantized, nano: ModelDescriptor) -> None:
    import warnings

    import numpy as np
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from model_api.models import Model

        model = Model.create_model(str(quantized.ir.xml))
        name, label = (nano.directory / "validation/val.txt").read_text().splitlines()[0].rsplit(maxsplit=1)
        pixels = np.asarray(Image.open(nano.directory / "validation" / name).convert("RGB"))[..., ::-1].copy()
        best = model(pixels).top_labels[0]
    names = (nano.directory / "labels.txt").read_text().split()
    assert (int(best.id), best.name) == (int(label), names[int(label)])
