"""accuracy-check.yml: what it says, and how it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig, load_accuracy_config
from mixnet_tools.accuracy.preprocessing.plan import make_plan
from mixnet_tools.accuracy.preprocessing.steps import Crop, Normalization, Resize
from mixnet_tools.descriptors import zoo
from mixnet_tools.errors import DescriptorError
from tests.support.colour_model import accuracy_data


def load_text(folder: Path, text: str) -> AccuracyConfig:
    path = folder / "accuracy-check.yml"
    path.write_text(text)
    return load_accuracy_config(path)


def load_data(folder: Path, data: Any) -> AccuracyConfig:
    return load_text(folder, yaml.safe_dump(data, sort_keys=False))


def good() -> Any:
    return accuracy_data(top1=0.9, top5=0.99)


def test_mixnet_l_is_measured_as_its_card_says() -> None:
    config = load_accuracy_config(zoo.embedded_root() / "public/mixnet-l/accuracy-check.yml")
    for launcher, order in (("tf", "RGB"), ("openvino", "BGR")):
        found = config.measurement(launcher)
        assert (found.reference_top1, found.reference_top5) == (0.783, 0.9391)
        assert (found.dataset_name, found.reference_images, found.label_offset) == ("imagenet_1000_classes", 50_000, 0)
        plan = make_plan(found)
        assert plan.order == order
        crop, resize = plan.operations.steps
        assert isinstance(crop, Crop)
        assert isinstance(resize, Resize)
        assert (crop.central_fraction, crop.use_pillow) == (0.875, True)
        assert (resize.target, resize.library, resize.interpolation) == ((224, 224), "pillow", "BICUBIC")


def test_forms_that_open_model_zoo_uses_elsewhere(tmp_path: Path) -> None:
    text = """
models:
  - name: with-background
    launchers:
      - framework: dlsdk
        adapter: classification
    datasets:
      - name: imagenet_1001_classes
        reader: pillow_imread
        preprocessing:
          - type: rgb_to_bgr
          - type: resize
            size: 256
            aspect_ratio_scale: greater
            use_pillow: True
          - type: crop
            size: 224
          - type: normalization
            mean: (123.675,116.28,103.53)
            std: 127.5
        metrics:
          - type: accuracy
            reference: 0.7
  - name: with-background-onnx
    launchers:
      - framework: onnx_runtime
        model: net.onnx
        adapter: classification
        inputs:
          - name: data
            type: INPUT
            shape: 1,3,224,224
    datasets:
      - name: imagenet_1001_classes
        metrics:
          - type: accuracy
            top_k: 5
"""
    config = load_text(tmp_path, text)
    found = config.measurement("openvino")
    assert (found.label_offset, found.reader_order, found.orient) == (1, "RGB", False)
    assert (found.reference_top1, found.reference_top5) == (0.7, None)
    normalization = found.steps[-1]
    assert isinstance(normalization, Normalization)
    assert normalization.mean == (123.675, 116.28, 103.53)
    assert normalization.std == (127.5, 127.5, 127.5)
    assert make_plan(found).order == "BGR"


def test_a_launcher_that_the_file_lacks_is_an_error(tmp_path: Path) -> None:
    data = good()
    del data["models"][0]
    config = load_data(tmp_path, data)
    assert config.measurement("openvino").reference_top1 == 0.9
    with pytest.raises(DescriptorError, match="no entry with a launcher of framework 'tf'; it has openvino") as caught:
        config.measurement("tf")
    assert caught.value.hint is not None
    assert "`launcher=openvino`" in caught.value.hint


def test_a_launcher_of_another_framework_may_have_any_keys(tmp_path: Path) -> None:
    data = good()
    other = {"framework": "pytorch", "module": "timm.create_model", "checkpoint": "net.pth", "adapter": {"type": "x"}}
    data["models"][1]["launchers"].append(other)
    assert load_data(tmp_path, data).measurement("openvino").reference_top1 == 0.9
    data["models"][1]["launchers"] = [other]
    del data["models"][0]
    with pytest.raises(DescriptorError, match="no entry with a launcher of framework 'openvino'; it has pytorch") as it:
        load_data(tmp_path, data).measurement("openvino")
    assert it.value.hint == "add an entry with the launcher 'framework: openvino' to it"


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DescriptorError, match=r"accuracy-check\.yml: not found"):
        load_accuracy_config(tmp_path / "accuracy-check.yml")


CROP = "models[0].datasets[0].preprocessing[1]"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("crop", {"type": "crop", "central_fraktion": 0.5}, f"{CROP}.central_fraktion (line 11): unknown key"),
        ("crop", {"type": "crop", "central_fraktion": 0.5}, "did you mean 'central_fraction'?"),
        ("crop", {"type": "cropp", "size": 3}, f"{CROP} (line 10): unknown preprocessing step 'cropp'; did you mean"),
        (
            "crop",
            {"type": "tiling"},
            "known: bgr_to_rgb, rgb_to_bgr, bgr_to_gray, rgb_to_gray, crop, resize, normalization",
        ),
        ("crop", {"size": 3}, f"{CROP} (line 10): expected a preprocessing step: a mapping with the key type"),
        ("crop", "crop", "expected a preprocessing step"),
        ("crop", {"type": "crop"}, "a crop needs one of central_fraction, max_square, and size"),
        ("crop", {"type": "crop", "size": 8, "central_fraction": 0.5}, "a crop needs one of"),
        ("crop", {"type": "crop", "dst_width": 8}, "a crop needs one of"),
        ("crop", {"type": "crop", "size": 0}, f"{CROP}.size (line 11): "),
        ("crop", {"type": "crop", "size": True}, f"{CROP}.size (line 11): "),
        ("crop", {"type": "crop", "central_fraction": 1.5}, f"{CROP}.central_fraction (line 11): "),
        ("crop", {"type": "crop", "size": 8, "use_pillow": "yes"}, f"{CROP}.use_pillow"),
        ("crop", {"type": "resize"}, "a resize needs size"),
        ("crop", {"type": "resize", "size": 8, "aspect_ratio_scale": "wider"}, f"{CROP}.aspect_ratio_scale"),
        ("crop", {"type": "normalization"}, "a normalization needs mean, std or both"),
        ("crop", {"type": "normalization", "std": 0}, "std must not be 0"),
        ("crop", {"type": "normalization", "mean": [1, 2]}, f"{CROP}.mean (line 11): expected a number or three"),
        ("crop", {"type": "normalization", "mean": "coco"}, f"{CROP}.mean (line 11): expected a number, three numbers"),
        ("crop", {"type": "normalization", "mean": float("nan")}, f"{CROP}.mean"),
        ("metrics", [{"type": "accuracy", "top_k": 3}], "metrics[0].top_k (line 19): expected 1 or 5, got 3"),
        ("metrics", [{"type": "accuracy", "reference": 78.3}], "metrics[0].reference (line 19): "),
        ("metrics", [{"type": "map"}], "metrics[0].type (line 18): expected 'accuracy', got 'map'"),
        ("metrics", [{"type": "accuracy"}, {"type": "accuracy"}], "the same top_k stands here twice"),
        ("reader", "numpy_reader", "datasets[0].reader"),
        ("metrics", [], "datasets[0].metrics (line 17): expected at least one metric"),
        ("postprocessing", [], "datasets[0].postprocessing (line 24): unknown key"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_key(tmp_path: Path, place: str, value: Any, message: str) -> None:
    data = good()
    dataset = data["models"][0]["datasets"][0]
    if place == "crop":
        dataset["preprocessing"][1] = value
    else:
        dataset[place] = value
    with pytest.raises(DescriptorError) as caught:
        load_data(tmp_path, data)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'accuracy-check.yml'}: models[0]")


def test_another_task_is_refused(tmp_path: Path) -> None:
    data = good()
    data["models"][0]["launchers"][0]["adapter"] = "ssd"
    with pytest.raises(DescriptorError, match=r"launchers\[0\]\.adapter .* expected 'classification', got 'ssd'"):
        load_data(tmp_path, data)


def test_empty_lists_are_refused(tmp_path: Path) -> None:
    data = good()
    data["models"][0]["launchers"] = []
    data["models"][1]["datasets"] *= 2
    with pytest.raises(DescriptorError) as caught:
        load_data(tmp_path, data)
    first, second = str(caught.value).splitlines()
    assert "models[0].launchers" in first
    assert first.endswith("expected at least one launcher")
    assert "models[1].datasets" in second
    assert second.endswith("expected one data set, got 2")
    with pytest.raises(DescriptorError, match=r"models \(line 1\): expected at least one entry"):
        load_data(tmp_path, {"models": []})


def test_two_entries_for_one_launcher_are_refused(tmp_path: Path) -> None:
    data = good()
    data["models"][1]["launchers"][0]["framework"] = "tf2"
    with pytest.raises(DescriptorError, match=r"models\[1\]\.launchers .*models\[0\] describes 'tf' already"):
        load_data(tmp_path, data)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    data = good()
    data["models"][0]["nmae"] = data["models"][0].pop("name")
    data["models"][1]["datasets"][0]["metrics"][0]["top_k"] = 2
    data["models"][1]["datasets"][0]["preprocessing"][0]["size"] = "big"
    with pytest.raises(DescriptorError) as caught:
        load_data(tmp_path, data)
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert any("models[0].name" in line and "required" in line for line in lines)
    assert any("models[0].nmae" in line and "unknown key" in line for line in lines)
    assert any("models[1].datasets[0].metrics[0].top_k" in line for line in lines)
    assert any("models[1].datasets[0].preprocessing[0].size" in line for line in lines)


def test_forms_of_whole_configurations_of_accuracy_check(tmp_path: Path) -> None:
    data = accuracy_data(top1=None, top5=1.0)
    for entry in data["models"]:
        entry["launchers"][0]["adapter"] = {"type": "classification"}
        entry["datasets"][0].update(
            reader={"type": "pillow_imread"},
            annotation="imagenet1000.pickle",
            data_source="images",
            dataset_meta="m.json",
        )
    data["models"][0]["launchers"][0]["framework"] = "onnx_runtime"
    path = tmp_path / "accuracy-check.yml"
    path.write_text(yaml.safe_dump(data))
    assert load_accuracy_config(path).measurement("onnx").reader_order == "RGB"
    data["models"][0]["launchers"][0]["adapter"] = {"type": "classification", "block": True}
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(DescriptorError, match=r"models\[0\].launchers\[0\].adapter .*: expected 'classification', got"):
        load_accuracy_config(path)
