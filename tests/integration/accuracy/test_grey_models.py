"""Models of one channel through the real commands: converted, checked by both launchers, classified and quantized."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import mixnet_tools
from mixnet_tools.errors import EvaluationError
from mixnet_tools.ir.inspect import describe
from mixnet_tools.ir.locate import ir_model
from tests.support.commands import run, run_failing, run_ok
from tests.support.grey_model import NAME, SIDE, accuracy_data, write_accuracy, write_pictures, write_zoo_model

GREY_READER = {"type": "opencv_imread", "reading_flag": "gray"}
STEPS = mixnet_tools.Preprocessing(SIDE, interpolation="BILINEAR", channels="GRAY")


def zoo(place: Path) -> tuple[str | Path, ...]:
    return ("--name", NAME, "--models_dir", place / "zoo")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ONNX model in a zoo, downloaded and converted. Treat it as read-only."""
    folder = tmp_path_factory.mktemp("digits")
    write_zoo_model(folder / "zoo", "onnx")
    run_ok("download", *zoo(folder), "-o", folder)
    run_ok("convert", *zoo(folder), "-d", folder)
    return folder


def changed(digits: Path, root: Path, data: dict[str, Any]) -> tuple[str | Path, ...]:
    """Arguments for the same model and IRs with another accuracy-check.yml, in a zoo at ``root``."""
    shutil.copytree(digits / "zoo", root / "zoo")
    write_accuracy(root / "zoo/public" / NAME, data)
    return (*zoo(root), "-d", digits)


def right_answers(document: str) -> dict[str, int]:
    (report,) = json.loads(document)["reports"]
    return {f"{one['launcher']} {one['precision']}": one["top1"]["correct"] for one in report["results"]}


def test_both_launchers_read_every_digit(digits: Path) -> None:
    done = run_ok("check", *zoo(digits), "-d", digits, "--json")
    assert right_answers(done.out) == {"onnx None": 20, "openvino FP32": 20, "openvino FP16": 20}
    (report,) = json.loads(done.out)["reports"]
    grey = "conversion to grey (OpenCV's weights)"
    onnx, fp32 = (one["preprocessing"] for one in report["results"][:2])
    assert onnx == [grey, "resize to 16x16 (Pillow BILINEAR)", "normalization (mean 127.5, std 64)", "one channel"]
    assert fp32 == [grey, "resize to 16x16 (Pillow BILINEAR)", "one channel"]
    assert describe(ir_model(digits, f"public/{NAME}", NAME, "FP32").xml).inputs[0].shape == (1, 1, SIDE, SIDE)


def test_the_order_of_channels_counts(digits: Path, tmp_path: Path) -> None:
    place = changed(digits, tmp_path, accuracy_data(first="rgb_to_gray"))
    outcome = run("check", *place, "--json", "--launcher", "openvino", "--precisions", "FP32")
    assert outcome.code == 3
    assert right_answers(outcome.out)["openvino FP32"] < 10


@pytest.mark.parametrize("reader", [GREY_READER, {"type": "pillow_imread", "to_rgb": False}, "scipy_imread"])
def test_grey_files_are_read_as_grey(digits: Path, tmp_path: Path, reader: Any) -> None:
    pictures = write_pictures(tmp_path / "greys", 10, grey=True)
    place = changed(digits, tmp_path, accuracy_data(reader, first=None))
    done = run_ok("check", *place, "-s", pictures, "--json", "--precisions", "FP32")
    assert right_answers(done.out) == {"onnx None": 10, "openvino FP32": 10}
    assert "image_notes" not in done.out
    assert (
        "unusual" not in run_ok("check", *place, "-s", pictures, "--launcher", "openvino", "--precisions", "FP32").out
    )


def test_a_colour_profile_is_one_error_that_says_what_to_write(digits: Path, tmp_path: Path) -> None:
    place = changed(digits, tmp_path, accuracy_data(first=None))
    for command, more in (("check", ()), ("quantize", ("--subset_size", "4")), ("classify", ())):
        error = run_failing(command, *place, *more)
        assert "images are prepared in colour, with 3 channels, but the model takes 1: grey" in " ".join(error.split())
        assert "bgr_to_gray before the others in accuracy-check.yml" in " ".join(error.split())


def test_int8_reads_every_digit(digits: Path, tmp_path: Path) -> None:
    done = run_ok("quantize", *zoo(digits), "-d", digits, "-o", tmp_path, "--subset_size", "10", "--json", "-q",
                  "--fast_bias_correction")  # fmt: skip
    (model,) = json.loads(done.out)["models"]
    assert model["calibration"]["preprocessing"][-1] == "one channel"
    assert model["rows"][-1]["precision"] == "FP16-INT8"
    assert model["rows"][-1]["comparison"]["top1"] == 20
    assert describe(ir_model(tmp_path, f"public/{NAME}", NAME, "FP16-INT8").xml).inputs[0].shape == (1, 1, SIDE, SIDE)


def test_an_ir_alone_says_that_it_takes_grey(digits: Path) -> None:
    ir = ir_model(digits, f"public/{NAME}", NAME, "FP32").xml
    picture = digits / "zoo/public" / NAME / "validation/03.png"
    done = run_ok("classify", "--ir", ir, "-k", "1", picture)
    assert "class 3 " in done.out
    assert "as the IR says for Model API (crop, grey, values 0 to 255)" in " ".join(done.err.split())
    error = run_failing("classify", "--ir", ir, "--channels", "RGB", picture)
    assert "the model takes 1: grey" in " ".join(error.split())
    assert "--channels GRAY" in error
    error = run_failing("classify", "--ir", ir, "--mean", "1,2,3", picture, code=2)
    assert "--mean and --std are one number each" in " ".join(error.split())


def test_python_measures_and_classifies_a_grey_ir(digits: Path) -> None:
    ir = ir_model(digits, f"public/{NAME}", NAME, "FP32").xml
    pictures = digits / "zoo/public" / NAME / "validation"
    assert mixnet_tools.evaluate_ir(ir, pictures, preprocessing=STEPS).report.results[0].top1.correct == 20
    found = mixnet_tools.classify(sorted(pictures.glob("*.png")), ir=ir, preprocessing=STEPS)
    assert [image.answers[0].classes[0].index for image in found.images] == [index % 10 for index in range(20)]
    with pytest.raises(EvaluationError, match="the model takes 1: grey") as caught:
        mixnet_tools.evaluate_ir(ir, pictures, preprocessing=mixnet_tools.Preprocessing(SIDE))
    assert caught.value.hint == "`channels=GRAY`"


def test_a_tensorflow_model_of_one_channel(tmp_path: Path) -> None:
    write_zoo_model(tmp_path / "zoo", "tf")
    run_ok("download", *zoo(tmp_path), "-o", tmp_path)
    run_ok("convert", *zoo(tmp_path), "-d", tmp_path, "--precisions", "FP32")
    done = run_ok("check", *zoo(tmp_path), "-d", tmp_path, "--json")
    assert right_answers(done.out) == {"tf None": 20, "openvino FP32": 20}
    assert describe(ir_model(tmp_path, f"public/{NAME}", NAME, "FP32").xml).inputs[0].shape == (1, SIDE, SIDE, 1)
