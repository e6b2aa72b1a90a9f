"""Grey images: the steps and readers of accuracy_check that make them, and what is refused."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from PIL import Image

from mixnet_tools import Preprocessing
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import Measurement, load_accuracy_config
from mixnet_tools.accuracy.preprocessing.decode import decode
from mixnet_tools.accuracy.preprocessing.grey import Library, convert_grey
from mixnet_tools.accuracy.preprocessing.pipeline import apply, ordered
from mixnet_tools.accuracy.preprocessing.plan import make_plan
from mixnet_tools.accuracy.preprocessing.prepare import prepare
from mixnet_tools.errors import DescriptorError, EvaluationError, MissingDependency, UsageError
from tests.support.colour_model import accuracy_data
from tests.support.images import pattern, plain, save, turned

GOLDEN = json.loads(Path(__file__).with_name("grey_golden.json").read_text())["rows"]
GREY: dict[str, Any] = {"type": "bgr_to_gray"}
RGB: dict[str, Any] = {"type": "bgr_to_rgb"}
GREY_8: dict[str, Any] = {**GREY, "cast_to_float": False}
READ_GREY = {"type": "opencv_imread", "reading_flag": "gray"}
TO_32: dict[str, Any] = {"type": "resize", "size": 32}
PILLOW_32: dict[str, Any] = {**TO_32, "use_pillow": True}


def measurement(folder: Path, reader: Any, steps: list[dict[str, Any]], profile: str = "omz") -> Measurement:
    data = accuracy_data(top1=None, top5=1.0)
    data["models"][1]["datasets"][0].update(reader=reader, preprocessing=steps)
    path = folder / "accuracy-check.yml"
    path.write_text(yaml.safe_dump(data))
    return load_accuracy_config(path).measurement("openvino", profile)


def prepared(path: Path, found: Measurement, channels: int | None = None) -> Any:
    """What the model gets of the image at ``path``."""
    plan = make_plan(found, channels)
    how = plan.operations
    image = decode(path, orient=how.orient, fast_dct=how.fast_dct, grey_reader=how.grey_reader).image
    return ordered(apply(image, how)[None], plan.order)[0]


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{row[1]}-{'-'.join(step['type'] for step in row[2])}")
def test_arrays_are_bit_exact_with_accuracy_check(row: list[Any], tmp_path: Path) -> None:
    name, reader, steps, array, digest = row
    colour = pattern(97, 131)
    path = save(tmp_path / name, colour if name == "colour.png" else colour[..., 0])
    found = prepared(path, measurement(tmp_path, reader, steps), 3 if array.endswith("3]") else 1)
    assert f"{found.dtype} {list(found.shape)}" == array
    assert hashlib.sha256(np.ascontiguousarray(found).tobytes()).hexdigest() == digest


def test_weights_are_those_of_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    levels = np.arange(256, dtype=np.uint8)
    for red in (0, 1, 77, 128, 255):
        colours = np.stack(np.broadcast_arrays(np.uint8(red), levels[:, None], levels[None, :]), axis=-1)
        assert (convert_grey(colours, blue_first=False)[..., 0] == cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)).all()
        assert (convert_grey(colours, blue_first=True)[..., 0] == cv2.cvtColor(colours, cv2.COLOR_BGR2GRAY)).all()


JPEG_OPTIONS: list[dict[str, Any]] = [
    {},
    {"subsampling": 0},
    {"progressive": True},
    {"quality": 20},
    {"keep_rgb": True},
]


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        *(("a.jpg", "RGB", options) for options in JPEG_OPTIONS),
        ("l.jpg", "L", {}),
        ("cmyk.jpg", "CMYK", {}),
        ("a.png", "RGB", {}),
        ("l.png", "L", {}),
        ("la.png", "LA", {}),
        ("clear.png", "RGBA", {}),
        ("palette.png", "P", {}),
        ("bits.png", "1", {}),
        ("a.bmp", "RGB", {}),
        ("palette.bmp", "P", {}),
        ("a.ppm", "RGB", {}),
        ("a.tiff", "RGB", {}),
        ("l.tiff", "L", {}),
        ("a.webp", "RGB", {"lossless": True}),
    ],
)
def test_files_are_read_as_opencv_reads_them_with_the_flag_gray(
    name: str, mode: str, options: dict[str, Any], tmp_path: Path
) -> None:
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / name
    # Full colours: the luma of a JPEG file is not what its clipped colours add up to.
    Image.fromarray(pattern(97, 131)).convert(mode).save(path, **options)
    expected = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    image = decode(path, grey_reader="opencv").image
    assert image.mode == "L"
    assert (np.asarray(image) == expected).all()


def test_grey_files_are_turned_and_noted_as_others(tmp_path: Path) -> None:
    levels = pattern(6, 4)[..., 0]
    path = tmp_path / "turned.png"
    Image.fromarray(levels).save(path, exif=turned(6))
    found = decode(path, grey_reader="opencv")
    assert (np.asarray(found.image) == levels.T[:, ::-1]).all()
    assert (found.image_notes, found.orientation) == (("grey",), 6)
    deep = tmp_path / "deep.png"
    Image.fromarray(np.array([[0, 255, 256, 0xFFFF]], dtype=np.uint16)).save(deep)
    for library in get_args(Library):
        assert np.asarray(decode(deep, grey_reader=library).image).tolist() == [[0, 0, 1, 0xFF]]


def test_grey_is_unusual_only_for_a_model_that_takes_colours(tmp_path: Path) -> None:
    data = save(tmp_path / "grey.png", pattern(32, 32)[..., 0]).read_bytes()

    class Model:
        label, height, width = "net", 32, 32

    for steps, notes in (([], ("grey",)), ([GREY], ())):
        how = make_plan(measurement(tmp_path, "opencv_imread", steps)).operations
        assert prepare(lambda: io.BytesIO(data), "grey.png", {how: Model()}).image_notes == notes


@pytest.mark.parametrize("steps", [[TO_32, GREY], [TO_32, RGB, GREY], [TO_32, {**GREY, "type": "rgb_to_gray"}]])
def test_what_opencv_scaled_becomes_grey_without_rounding(steps: list[dict[str, Any]], tmp_path: Path) -> None:
    """accuracy_check's steps, written out with OpenCV: its resize leaves floats, whose order counts in a sum."""
    cv2 = pytest.importorskip("cv2")
    path = save(tmp_path / "image.png", pattern(97, 131))
    array = cv2.imread(str(path))
    for step in steps:
        if step["type"] == "resize":
            array = cv2.resize(array, (32, 32)).astype(np.float32)
        else:
            array = cv2.cvtColor(array, getattr(cv2, f"COLOR_{step['type'].replace('_to_', '2').upper()}"))
    found = prepared(path, measurement(tmp_path, "opencv_imread", steps), None)
    assert found.dtype == np.float32
    assert (found[..., 0] == array).all()
    assert (array % 1 != 0).any()


def test_grey_before_a_resize_of_opencv_is_scaled_as_floats_unless_that_is_forbidden(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    path = save(tmp_path / "image.png", pattern(97, 131))
    grey = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2GRAY)
    floats = cv2.resize(grey.astype(np.float32), (32, 32))
    bytes_ = cv2.resize(grey, (32, 32))
    assert (prepared(path, measurement(tmp_path, "opencv_imread", [GREY, TO_32]))[..., 0] == floats).all()
    assert (prepared(path, measurement(tmp_path, "opencv_imread", [GREY_8, TO_32]))[..., 0] == bytes_).all()
    assert (floats != bytes_).any()
    enlarged = prepared(path, measurement(tmp_path, READ_GREY, [{"type": "crop", "size": 140}]), 1)
    assert enlarged.shape == (140, 140, 1)


def test_a_conversion_in_the_wrong_order_is_what_accuracy_check_computes_and_is_said(tmp_path: Path) -> None:
    path = save(tmp_path / "red.png", plain((200, 30, 10)))
    right, wrong = measurement(tmp_path, "opencv_imread", [GREY]), measurement(tmp_path, "pillow_imread", [GREY])
    assert prepared(path, right)[0, 0, 0] == round(0.299 * 200 + 0.587 * 30 + 0.114 * 10)
    assert prepared(path, wrong)[0, 0, 0] == round(0.114 * 200 + 0.587 * 30 + 0.299 * 10)
    assert make_plan(right).description == ("conversion to grey (OpenCV's weights, as floats)", "one channel")
    assert "red and blue exchanged" in make_plan(wrong).description[0]
    assert make_plan(measurement(tmp_path, READ_GREY, [])).description == ("read as grey (OpenCV)", "one channel")


def test_launchers_that_differ_in_the_order_of_8_bit_channels_only_share_the_work(tmp_path: Path) -> None:
    swapped = make_plan(measurement(tmp_path, "opencv_imread", [RGB, {"type": "rgb_to_gray"}, TO_32]))
    assert swapped == make_plan(measurement(tmp_path, "opencv_imread", [GREY, TO_32]))


def test_a_reader_that_keeps_channels_gives_what_the_model_takes(tmp_path: Path) -> None:
    colour, grey = save(tmp_path / "c.png", pattern(9, 7)), save(tmp_path / "g.png", pattern(9, 7)[..., 0])
    for reader in ({"type": "pillow_imread", "to_rgb": False}, "scipy_imread"):
        found = measurement(tmp_path, reader, [])
        assert prepared(grey, found, 3).shape == (9, 7, 3)
        assert (prepared(grey, found, 1)[..., 0] == pattern(9, 7)[..., 0]).all()
        assert (prepared(colour, found, 1)[..., 0] == np.asarray(Image.open(colour).convert("L"))).all()
        assert not make_plan(found, 1).operations.orient


@pytest.mark.parametrize(
    ("reader", "steps", "message"),
    [
        (
            "opencv_imread",
            [GREY, RGB],
            r"preprocessing\[1\]: step bgr_to_rgb takes three channels, and the image is gr",
        ),
        (READ_GREY, [GREY], r"preprocessing\[0\]: step bgr_to_gray takes three channels"),
        (
            "opencv_imread",
            [GREY, {"type": "normalization", "mean": [1.0, 2.0, 3.0]}],
            r"\[1\]\.mean: three values, and the image is grey",
        ),
        (READ_GREY, [{"type": "normalization", "std": "imagenet"}], r"\[0\]\.std: three values"),
        (
            "opencv_imread",
            [{"type": "normalization", "mean": 1.0}, GREY],
            r"\[1\]: step bgr_to_gray after normalization, whose 64-bit floats OpenCV does not convert",
        ),
        (
            "opencv_imread",
            [GREY, PILLOW_32],
            r"\[1\]: step resize of Pillow, which takes 8-bit .* after conversion to gr",
        ),
        (
            "opencv_imread",
            [TO_32, PILLOW_32],
            r"\[1\]: step resize of Pillow, which takes 8-bit .* after resize to 32x",
        ),
    ],
)
def test_steps_that_do_not_fit_a_grey_image_are_refused(
    reader: Any, steps: list[dict[str, Any]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(EvaluationError, match=message) as caught:
        make_plan(measurement(tmp_path, reader, steps))
    assert "accuracy-check.yml" in str(caught.value.hint)
    if "conversion to grey" in str(caught.value):
        assert "cast_to_float: false" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("reader", "steps", "channels", "message", "hint"),
    [
        ("opencv_imread", [], 1, "in colour, with 3 channels, but the model takes 1", "bgr_to_gray before the others"),
        ("opencv_imread", [RGB, TO_32], 1, "in colour", "bgr_to_gray instead of bgr_to_rgb"),
        ("pillow_imread", [], 1, "in colour", "step rgb_to_gray before"),
        ("opencv_imread", [GREY], 3, "as grey, with 1 channel, but the model takes 3", "leave out bgr_to_gray"),
        (READ_GREY, [], 3, "as grey", "`reading_flag: gray`"),
    ],
)
def test_a_model_with_other_channels_is_one_error_that_says_what_to_write(
    reader: Any, steps: list[dict[str, Any]], channels: int, message: str, hint: str, tmp_path: Path
) -> None:
    found = measurement(tmp_path, reader, steps)
    make_plan(found)  # while the model is not known, nothing is wrong
    with pytest.raises(EvaluationError, match=message) as caught:
        make_plan(found, channels)
    assert str(caught.value).startswith(f"{tmp_path}/accuracy-check.yml: models[1].datasets[0]: ")
    assert hint in str(caught.value.hint)


def test_without_opencv_grey_of_8_bits_works_and_what_needs_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    path = save(tmp_path / "image.png", pattern(97, 131))
    readable: list[tuple[Any, list[dict[str, Any]]]] = [
        ("opencv_imread", [GREY_8, PILLOW_32]),
        (READ_GREY, [PILLOW_32]),
        ("opencv_imread", [GREY]),
    ]
    for reader, steps in readable:
        assert prepared(path, measurement(tmp_path, reader, steps), 1).shape[2] == 1
    tensorflow = {**TO_32, "use_tensorflow": True}
    for steps in ([GREY, TO_32], [TO_32, GREY], [tensorflow, GREY]):
        with pytest.raises(MissingDependency, match="needs OpenCV, which is not installed") as caught:
            make_plan(measurement(tmp_path, "opencv_imread", steps))
        assert caught.value.hint == "pip install 'mixnet-tools[opencv]'"


@pytest.mark.parametrize("profile", ["timm", "tpu-bicubic"])
def test_a_profile_keeps_the_conversion_to_grey(profile: str, tmp_path: Path) -> None:
    steps = [{"type": "resize", "size": 32}, GREY, {"type": "normalization", "mean": 10.0, "std": 2.0}]
    plan = make_plan(measurement(tmp_path, "opencv_imread", steps, profile), 1)
    assert plan.description[0] == "conversion to grey (OpenCV's weights)"
    assert plan.description[-2:] == ("normalization (mean 10, std 2)", "one channel")
    path = save(tmp_path / "image.png", pattern(97, 131))
    assert prepared(path, measurement(tmp_path, "opencv_imread", steps, profile), 1).shape == (32, 32, 1)
    read = make_plan(measurement(tmp_path, READ_GREY, [TO_32], profile), 1)
    assert read.operations.grey_reader == "opencv"


def test_a_preprocessing_in_grey() -> None:
    image = Image.fromarray(pattern(97, 131))
    plan = make_plan(Preprocessing(32, channels="GRAY", mean=10.0, std=2.0).config().measurement("openvino"), 1)
    grey = convert_grey(np.asarray(image), blue_first=False)[..., 0]
    expected = np.asarray(Image.fromarray(grey).resize((32, 32), Image.Resampling.BICUBIC))
    found = apply(image, plan.operations)
    assert (found == ((expected - 10.0) / 2.0).astype(np.float32)[..., None]).all()
    with pytest.raises(UsageError, match="one channel: `mean` and `std` are one number each"):
        Preprocessing(32, channels="GRAY", mean=(1.0, 2.0, 3.0)).config()
    with pytest.raises(EvaluationError, match="the model takes 3") as caught:
        make_plan(Preprocessing(32, channels="GRAY").config().measurement("openvino"), 3)
    assert caught.value.hint == "`channels=RGB`, or BGR"
    with pytest.raises(EvaluationError, match="the model takes 1") as caught:
        make_plan(Preprocessing(32).config().measurement("openvino"), 1)
    assert caught.value.hint == "`channels=GRAY`"


@pytest.mark.parametrize(
    ("reader", "message"),
    [
        ("pilow_imread", "unknown reader 'pilow_imread'; did you mean 'pillow_imread'?"),
        ({"type": "nifti_reader"}, "unknown reader 'nifti_reader'; known: opencv_imread, pillow_imread, scipy_imread"),
        ({"reading_flag": "gray"}, "expected a reader: a mapping with the key type"),
        ({**READ_GREY, "reading_flag": "unchanged"}, "expected 'color' or 'gray'"),
        ({"type": "pillow_imread", "reading_flag": "gray"}, "unknown key"),
        ({"type": "pillow_imread", "to_rgb": "no"}, "expected true or false, got 'no'"),
    ],
)
def test_a_reader_that_is_not_known_is_named(reader: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DescriptorError) as caught:
        measurement(tmp_path, reader, [])
    assert "datasets[0].reader" in str(caught.value)
    assert message in str(caught.value)
