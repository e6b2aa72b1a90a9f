"""The profiles timm, tpu-bicubic and tpu-bilinear, against what they stand for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from mixnet_tools.accuracy.launchers.base import RunnerInfo
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import load_accuracy_config
from mixnet_tools.accuracy.preprocessing.decode import decode
from mixnet_tools.accuracy.preprocessing.pipeline import ordered
from mixnet_tools.accuracy.preprocessing.plan import make_plan
from mixnet_tools.accuracy.preprocessing.prepare import prepare
from mixnet_tools.accuracy.preprocessing.resize import legacy_resize, tensorflow_resize
from mixnet_tools.descriptors import zoo
from mixnet_tools.errors import DescriptorError, EvaluationError, UsageError
from tests.support.colour_model import accuracy_data
from tests.support.images import pattern
from tests.support.tensorflow_import import import_tensorflow

MIXNET_L = zoo.embedded_root() / "public/mixnet-l/accuracy-check.yml"
SIZES = [(375, 500), (500, 375), (97, 131), (226, 225), (301, 1024)]


def jpeg(height: int, width: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pattern(height, width)).save(buffer, "JPEG", **{"quality": 90, **options})
    return buffer.getvalue()


def prepared(data: bytes, profile: str, launcher: str = "tf") -> Any:
    plan = make_plan(load_accuracy_config(MIXNET_L).measurement(launcher, profile))
    info = RunnerInfo(launcher, None, "CPU", 224, 224, 1000, ())
    found = prepare(lambda: io.BytesIO(data), "image.jpg", {plan.operations: info})
    assert found.problem is None
    return ordered(found.arrays[plan.operations][None], plan.order)[0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", ["bicubic", "bilinear"])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_tpu_profiles_are_upstreams_own_operations(size: tuple[int, int], method: str, subsampling: int) -> None:
    """From the JPEG file to the array: decode_and_crop_jpeg with its default DCT, then TensorFlow 1's resize."""
    tensorflow = import_tensorflow()
    data = jpeg(*size, subsampling=subsampling)
    height, width = size
    side = int(224 / 256 * min(height, width))
    box = [(height - side + 1) // 2, (width - side + 1) // 2, side, side]
    cropped = tensorflow.image.decode_and_crop_jpeg(data, box, channels=3)
    resize = getattr(tensorflow.compat.v1.image, f"resize_{method}")
    expected = resize(cropped[None], [224, 224])[0].numpy()
    found = prepared(data, f"tpu-{method}")
    assert (found.dtype, found.shape) == (np.float32, (224, 224, 3))
    # Colours of half the resolution: cropping while decoding changes the square's last column or row.
    reach = 0 if subsampling == 0 else 1 + 3 * 224 // side
    inner = np.abs(found - expected)[: 224 - reach, : 224 - reach]
    assert inner.max() <= 0.01
    assert (prepared(data, f"tpu-{method}", "openvino") == found[..., ::-1]).all()


@pytest.mark.parametrize("fast_dct", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 1}, {"subsampling": 2}, {"quality": 30}]
)
def test_both_inverse_dcts_are_tensorflows(options: dict[str, Any], fast_dct: bool) -> None:
    data = jpeg(97, 131, **options)
    method = "INTEGER_FAST" if fast_dct else "INTEGER_ACCURATE"
    expected = import_tensorflow().image.decode_jpeg(data, channels=3, dct_method=method).numpy()
    found = np.asarray(decode(io.BytesIO(data), fast_dct=fast_dct).image)
    assert (found == expected).all()
    if fast_dct:
        default = import_tensorflow().image.decode_jpeg(data, channels=3).numpy()
        assert (found == default).all()


@pytest.mark.parametrize("method", ["BILINEAR", "BICUBIC"])
@pytest.mark.parametrize(("size", "new"), [((5, 7), (9, 4)), ((1, 1), (3, 3)), ((300, 40), (31, 64)), ((8, 8), (8, 8))])
def test_the_same_pixels_scale_as_in_tensorflow_1(method: str, size: tuple[int, int], new: tuple[int, int]) -> None:
    pixels = pattern(*size)
    resize = getattr(import_tensorflow().compat.v1.image, f"resize_{method.lower()}")
    expected = resize(pixels[None], list(new))[0].numpy()
    np.testing.assert_allclose(legacy_resize(pixels, new[1], new[0], method), expected, atol=2e-3)


@pytest.mark.parametrize("method", ["BILINEAR", "BICUBIC"])
@pytest.mark.parametrize(("size", "new"), [((5, 7), (9, 4)), ((1, 1), (3, 3)), ((300, 40), (31, 64)), ((8, 8), (8, 8))])
def test_the_same_pixels_scale_as_in_tensorflow(method: str, size: tuple[int, int], new: tuple[int, int]) -> None:
    pixels = pattern(*size)
    expected = import_tensorflow().image.resize(pixels, list(new), method=method.lower()).numpy()
    np.testing.assert_allclose(tensorflow_resize(pixels, new[1], new[0], method), expected, atol=2e-3)


@pytest.mark.parametrize("size", SIZES)
def test_timm_is_a_short_side_of_256_and_a_central_square(size: tuple[int, int]) -> None:
    data = jpeg(*size)
    # The reference, written out with Pillow: torchvision's Resize(256, bicubic) and CenterCrop(224).
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    if width <= height:
        image = image.resize((256, int(256 * height / width)), Image.Resampling.BICUBIC)
    else:
        image = image.resize((int(256 * width / height), 256), Image.Resampling.BICUBIC)
    left, top = round((image.width - 224) / 2.0), round((image.height - 224) / 2.0)
    expected = np.asarray(image)[top : top + 224, left : left + 224]
    found = prepared(data, "timm")
    assert found.dtype == np.uint8
    assert (found == expected).all()


def test_no_two_profiles_are_the_same() -> None:
    data = jpeg(375, 500)
    arrays = [prepared(data, name).astype(float) for name in ("omz", "timm", "tpu-bicubic", "tpu-bilinear")]
    for index, one in enumerate(arrays):
        for other in arrays[index + 1 :]:
            assert np.abs(one - other).mean() > 1


@pytest.mark.parametrize(
    ("profile", "top1", "top5"),
    [
        ("omz", 0.783, 0.9391),
        ("timm", 0.78774, 0.94),
        ("tpu-bicubic", 0.789, 0.942),
        ("tpu-bilinear", 0.789, 0.942),
    ],
)
def test_each_profile_has_its_own_references(profile: str, top1: float, top5: float) -> None:
    found = load_accuracy_config(MIXNET_L).measurement("openvino", profile)
    assert (found.reference_top1, found.reference_top5) == (top1, top5)
    assert found.orient is (profile == "omz")


def config(folder: Path, data: Any, profiles: str | None = None) -> Any:
    path = folder / "accuracy-check.yml"
    path.write_text(yaml.safe_dump(data))
    if profiles is not None:
        (folder / "profiles.yml").write_text(profiles)
    return load_accuracy_config(path)


def test_without_a_profiles_file_there_is_no_reference(tmp_path: Path) -> None:
    found = config(tmp_path, accuracy_data(top1=0.9, top5=0.99)).measurement("tf", "timm")
    assert (found.reference_top1, found.reference_top5) == (None, None)


def test_channel_order_and_normalization_stay_the_models_own(tmp_path: Path) -> None:
    data = accuracy_data(top1=None, top5=None)
    steps = data["models"][0]["datasets"][0]["preprocessing"]
    steps.append({"type": "normalization", "mean": [1, 2, 3], "std": 2})
    steps.append({"type": "rgb_to_bgr"})
    plan = make_plan(config(tmp_path, data).measurement("tf", "timm"))
    assert plan.order == "BGR"
    assert plan.description == (
        "resize to 18x18 (Pillow BICUBIC, aspect_ratio_scale greater)",
        "crop to 16x16 (Pillow)",
        "normalization (mean (1.0, 2.0, 3.0), std (2.0, 2.0, 2.0), as RGB)",
        "channel order BGR",
    )


def test_a_profile_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    data = accuracy_data(top1=None, top5=None)
    data["models"][0]["datasets"][0]["preprocessing"] = [{"type": "resize", "dst_width": 20, "dst_height": 10}]
    with pytest.raises(EvaluationError, match="profile timm needs the side of a square input"):
        config(tmp_path, data).measurement("tf", "timm")
    with pytest.raises(UsageError, match="unknown preprocessing profile 'tim'; available: omz, timm, tpu-bicubic"):
        config(tmp_path, data).measurement("tf", "tim")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("profiles: {omz: {top1: 0.5, top5: 0.6, source: x}}", r"profiles\.yml: profiles"),
        ("profiles: {timm: {top1: 78.3, top5: 0.6, source: x}}", r"profiles\.timm\.top1 \(line 1\): .* got 78.3"),
        ("profiles: {timm: {top1: 0.783, top5: 0.9}}", r"profiles\.timm\.source.*is required, and missing"),
        ("profile: {}", r"profile .*unknown key"),
    ],
)
def test_a_wrong_profiles_file_is_named_by_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DescriptorError, match=message):
        config(tmp_path, accuracy_data(top1=0.9, top5=0.99), text)
