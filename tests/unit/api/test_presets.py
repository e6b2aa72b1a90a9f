"""Presets say the same as the profiles and descriptors that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import load_accuracy_config
from mixnet_tools.accuracy.preprocessing.preprocessing import Preprocessing
from mixnet_tools.accuracy.preprocessing.profiles import profile_steps
from mixnet_tools.accuracy.preprocessing.steps import Normalization
from mixnet_tools.api.authoring.accuracy_text import AccuracyText, accuracy_text
from mixnet_tools.api.authoring.new import DEFAULT_ZOO
from mixnet_tools.api.authoring.presets import DEFAULT_CROP, IMAGENET_MEAN, IMAGENET_STD, PRESETS
from mixnet_tools.api.authoring.values import NewModelOptions
from mixnet_tools.cli import main, new
from mixnet_tools.conversion.plan import InputPlan, parse_cut
from mixnet_tools.conversion.survey.locate import FoundModel
from mixnet_tools.conversion.survey.ports import Port, settle
from mixnet_tools.conversion.survey.survey import Survey, SurveyedInput
from mixnet_tools.descriptors import zoo
from mixnet_tools.errors import UsageError


def written_steps(
    preset: str, side: int, folder: Path, launcher: str, crop_pct: float = DEFAULT_CROP
) -> tuple[object, ...]:
    """The steps of ``launcher`` in the accuracy-check.yml that is written for a frozen graph."""
    port = Port("image", (1, side, side, 3), "f32")
    plan = InputPlan(parse_cut("image"), (1, side, side, 3), "NHWC", reverse=True)
    found = FoundModel("frozen_graph", folder / "net.pb", "net.pb", ())
    surveyed = SurveyedInput(port, settle(port, "NHWC"), plan)
    seen = Survey(found, (surveyed,), (Port("out", (1, 1000), "f32"),), classes=1000, takes_values=True)
    mean, std = NewModelOptions(preset=preset).mean_and_std()
    text = accuracy_text(AccuracyText("net", seen, PRESETS[preset], preset, crop_pct, mean, std))
    path = folder / "accuracy-check.yml"
    path.write_text(text)
    return load_accuracy_config(path).measurement(launcher).steps


def test_the_command_offers_the_presets_and_the_zoo_that_python_has() -> None:
    command = main.command_parser("new", "mixnet new")
    args = command.parse_args(["own", "net.onnx"])
    assert (new._DEFAULT_ZOO, args.models_dir) == (DEFAULT_ZOO, None)
    assert sorted(new._PRESETS) == sorted(PRESETS)


@pytest.mark.parametrize("side", [32, 224, 288])
def test_timm_is_the_profile(side: int, tmp_path: Path) -> None:
    assert written_steps("timm", side, tmp_path, "openvino") == profile_steps("timm", side).steps


@pytest.mark.parametrize("name", ["mixnet-l", "mixnet-nano"])
@pytest.mark.parametrize("launcher", ["openvino", "tf"])
def test_tf_is_what_mixnet_is_measured_with(name: str, launcher: str, tmp_path: Path) -> None:
    known = load_accuracy_config(zoo.embedded_root() / "public" / name / "accuracy-check.yml").measurement(launcher)
    side = 224 if name == "mixnet-l" else 64
    assert written_steps("tf", side, tmp_path, launcher) == known.steps


@pytest.mark.parametrize("preset", ["torch", "imagenet"])
def test_torch_and_imagenet_are_torchvisions(preset: str, tmp_path: Path) -> None:
    known = Preprocessing(224, shorter_side=256, interpolation="BILINEAR")
    normalization = Normalization(type="normalization", mean=list(IMAGENET_MEAN), std=list(IMAGENET_STD))  # type: ignore[arg-type]
    expected = (*known.config().measurement("openvino").steps, normalization)
    found = written_steps(preset, 224, tmp_path, "tf")
    kinds = [type(step) for step in found]
    assert kinds == [type(step) for step in expected]
    assert found[0] == expected[0]
    assert [getattr(step, "target", None) for step in found] == [getattr(step, "target", None) for step in expected]
    assert found[-1] == expected[-1]


def test_timms_crop_can_be_given(tmp_path: Path) -> None:
    scale, crop = written_steps("timm", 224, tmp_path, "openvino", 0.95)
    assert (getattr(scale, "target", None), getattr(crop, "target", None)) == ((235, 235), (224, 224))


@pytest.mark.parametrize(
    ("options", "mean", "std"),
    [
        ({}, None, None),
        ({"preset": "tf"}, None, None),
        ({"preset": "torch"}, IMAGENET_MEAN, IMAGENET_STD),
        ({"preset": "torch", "channels": "BGR"}, IMAGENET_MEAN[::-1], IMAGENET_STD[::-1]),
        ({"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}, IMAGENET_MEAN, IMAGENET_STD),
        ({"mean": (127.5,), "std": (127.5,)}, (127.5,) * 3, (127.5,) * 3),
        ({"mean": (0.5,), "std": (0.5,)}, (127.5,) * 3, (127.5,) * 3),
        ({"preset": "torch", "mean": (0.0,), "std": (255.0,)}, None, (255.0,) * 3),
        ({"mean": (0.0,), "std": (1.0,)}, None, None),
    ],
)
def test_mean_and_std_have_one_scale(options: dict[str, object], mean: object, std: object) -> None:
    found = NewModelOptions(**options).mean_and_std()  # type: ignore[arg-type]
    assert found == (pytest.approx(mean) if mean else None, pytest.approx(std) if std else None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"preset": "keras"}, "expected one of imagenet, torch, timm, tf"),
        ({"channels": "GBR"}, "expected RGB or BGR"),
        ({"layout": "CHW"}, "expected NCHW or NHWC"),
        ({"crop_pct": 0.0}, "expected a share"),
        ({"size": (0, 5)}, "expected pixels"),
        ({"mean": (1.0, 2.0)}, "expected one number or three"),
        ({"mean": (float("nan"),)}, "expected one number or three"),
        ({"std": (0.0,)}, "expected numbers above 0"),
        ({"mean": (0.5,)}, "is on the scale 0 to 1"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        NewModelOptions(**options).mean_and_std()  # type: ignore[arg-type]
