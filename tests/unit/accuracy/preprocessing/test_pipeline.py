"""Decoding and preprocessing, pixel by pixel."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import Measurement
from mixnet_tools.accuracy.preprocessing.decode import decode
from mixnet_tools.accuracy.preprocessing.pipeline import apply, ordered
from mixnet_tools.accuracy.preprocessing.plan import Operations, make_plan
from mixnet_tools.accuracy.preprocessing.steps import ChannelSwap, Crop, Normalization, Resize
from mixnet_tools.errors import DatasetError, EvaluationError
from tests.support.images import Pixels, pattern, plain, save

FRACTION = {"type": "crop", "central_fraction": 0.875, "use_pillow": True}
TO_64 = {"type": "resize", "size": 64, "use_pillow": True, "interpolation": "BICUBIC"}
RGB = {"type": "bgr_to_rgb"}

# SHA-256 of the 64x64x3 BGR bytes that Open Model Zoo's pipeline makes of pattern(height, width). Made once by its own
# order of operations, with opencv-python-headless 4.14.0 and Pillow 13.0.0: cv2.imread of the PNG; Image.fromarray(bgr)
# .crop((j, i, j + int(0.875 * w), i + int(0.875 * h))) with i, j = int(round(rest / 2.)); np.array;
# Image.fromarray(...).resize((64, 64), BICUBIC); np.array. The rests of these sizes are odd, even, and both.
GOLDEN = {
    (97, 131): "f16f557aa593b738e1b26a9616138e134b99bd76df56a09e9bdbe4cb18b6f2b6",
    (375, 500): "7b60efacd58c48c5ebfba9d58d405574b6ac5642b8a557ef41e26d8e21faec0f",
    (33, 40): "511b41df694e7023e37dffa74630ca974b7d7e26ae618b5b83243acc683f2b2b",
    (75, 101): "96e1e9947e5e2ae4a41045936655092a9c76c5398079e766dac4fc50fc946be5",
}


def measurement(*steps: dict[str, Any], reader: str = "BGR") -> Measurement:
    kinds = {"crop": Crop, "resize": Resize, "normalization": Normalization}
    parsed = tuple(kinds.get(step["type"], ChannelSwap)(**step) for step in steps)
    return Measurement("a.yml: datasets[0]", "d", reader, True, parsed, 0, None, None, None)  # type: ignore[arg-type]


def load(path: Path, operations: Operations) -> Any:
    return apply(decode(path, orient=operations.orient).image, operations)


def prepared(pixels: Pixels, *steps: dict[str, Any]) -> Any:
    """What the steps make of ``pixels`` (RGB), in the order of channels that the launcher gets."""
    plan = make_plan(measurement(*steps))
    return ordered(apply(Image.fromarray(pixels), plan.operations)[None], plan.order)[0]


@pytest.mark.parametrize("size", GOLDEN)
def test_the_omz_profile_is_bit_exact_with_open_model_zoo(tmp_path: Path, size: tuple[int, int]) -> None:
    path = save(tmp_path / "image.png", pattern(*size))
    plan = make_plan(measurement(FRACTION, TO_64))
    bgr = ordered(load(path, plan.operations)[None], plan.order)[0]
    assert (bgr.dtype, bgr.shape) == (np.uint8, (64, 64, 3))
    assert hashlib.sha256(bgr.tobytes()).hexdigest() == GOLDEN[size]


@pytest.mark.parametrize(
    ("side", "offset"),
    [(4, 0), (12, 1), (20, 2), (28, 2), (36, 2), (44, 3)],  # halves: 0.5, 1, 1.5, 2, 2.5, 3
)
def test_a_pillow_crop_rounds_half_to_even(side: int, offset: int) -> None:
    ramp = np.repeat(np.arange(side, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(side, axis=0)
    cropped = prepared(ramp, FRACTION)
    assert cropped.shape == (int(side * 0.875),) * 2 + (3,)
    assert cropped[0, 0, 0] == offset


def test_a_crop_without_pillow_rounds_down() -> None:
    ramp = np.repeat(np.arange(7, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(7, axis=0)
    assert prepared(ramp, {"type": "crop", "size": 4})[0, 0, 0] == 1
    assert prepared(ramp, {"type": "crop", "size": 4, "use_pillow": True})[0, 0, 0] == 2  # 1.5 to even


def test_each_side_is_cropped_by_itself() -> None:
    assert prepared(pattern(40, 80), FRACTION).shape == (35, 70, 3)


def test_a_pillow_crop_beyond_the_image_pads_with_black() -> None:
    padded = prepared(plain((9, 9, 9), 2, 4), {"type": "crop", "size": 4, "use_pillow": True})
    assert padded[:, 0, 0].tolist() == [0, 9, 9, 0]


@pytest.mark.parametrize(("size", "covering"), [((7, 11), (16, 26)), ((11, 7), (26, 16)), ((20, 9), (36, 16))])
def test_another_crop_first_enlarges_what_is_too_small_as_accuracy_checker_does(
    size: tuple[int, int], covering: tuple[int, int]
) -> None:
    image = pattern(*size)
    height, width = covering
    enlarged = cv2.resize(image, (width, height))
    top, left = (height - 16) // 2, (width - 16) // 2
    cropped = prepared(image, RGB, {"type": "crop", "size": 16})
    assert (cropped == enlarged[top : top + 16, left : left + 16]).all()


@pytest.mark.parametrize(
    ("interpolation", "flag"),
    [
        (None, cv2.INTER_LINEAR),
        ("LINEAR", cv2.INTER_LINEAR),
        ("bicubic", cv2.INTER_CUBIC),
        ("AREA", cv2.INTER_AREA),
        ("NEAREST", cv2.INTER_NEAREST),
        ("LANCZOS4", cv2.INTER_LANCZOS4),
    ],
)
def test_a_resize_without_pillow_is_opencvs(interpolation: str | None, flag: int) -> None:
    image = pattern(75, 101)
    step = {"type": "resize", "size": 32, "interpolation": interpolation, "aspect_ratio_scale": "greater"}
    # OMZ resizes the BGR image it read; its crop comes second, and floors.
    bgr = cv2.resize(np.ascontiguousarray(image[..., ::-1]), (int(32 * 101 / 75), 32), interpolation=flag)
    expected = bgr[4:28, (43 - 24) // 2 : (43 - 24) // 2 + 24]
    assert (prepared(image, step, {"type": "crop", "size": 24}) == expected).all()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (None, (64, 64)),
        ("min_ratio", (64, 106)),
        ("greater", (64, 106)),
        ("width", (64, 106)),
        ("height", (38, 64)),
        ("fit_to_window", (38, 64)),
    ],
)
def test_aspect_ratio_scales(rule: str | None, expected: tuple[int, int]) -> None:
    step = {**TO_64, "aspect_ratio_scale": rule}
    assert prepared(pattern(60, 100), step).shape[:2] == expected
    if rule in (None, "greater", "fit_to_window", "min_ratio"):  # these do not mind which side is the longer
        assert prepared(pattern(100, 60), step).shape[:2] == expected[::-1]


def test_width_and_height_of_a_resize_are_told_apart() -> None:
    step = {"type": "resize", "dst_width": 30, "dst_height": 20, "use_pillow": True}
    assert prepared(pattern(50, 50), step).shape == (20, 30, 3)


def test_pillow_resizes_bilinearly_where_no_interpolation_is_named() -> None:
    default = {"type": "resize", "size": 20, "use_pillow": True}
    image = pattern(50, 50)
    assert (prepared(image, default) == prepared(image, {**default, "interpolation": "LINEAR"})).all()
    assert (prepared(image, default) != prepared(image, {**default, "interpolation": "CUBIC"})).any()


def test_launchers_share_all_but_the_channel_order() -> None:
    original = make_plan(measurement(RGB, FRACTION, TO_64))
    converted = make_plan(measurement(FRACTION, TO_64))
    assert original.operations == converted.operations
    assert (original.order, converted.order) == ("RGB", "BGR")
    red = plain((200, 30, 10))
    assert prepared(red, RGB)[0, 0].tolist() == [200, 30, 10]
    assert prepared(red)[0, 0].tolist() == [10, 30, 200]
    assert prepared(red, RGB, {"type": "rgb_to_bgr"})[0, 0].tolist() == [10, 30, 200]


def test_a_pillow_reader_starts_with_rgb() -> None:
    assert make_plan(measurement(reader="RGB")).order == "RGB"
    assert make_plan(measurement({"type": "rgb_to_bgr"}, reader="RGB")).order == "BGR"


def test_normalization_counts_channels_in_the_order_they_have_there() -> None:
    step = {"type": "normalization", "mean": [1.0, 2.0, 3.0], "std": [2.0, 4.0, 8.0]}
    red = plain((200, 30, 10))
    as_rgb, as_bgr = prepared(red, RGB, step), prepared(red, step)
    assert as_rgb.dtype == as_bgr.dtype == np.float32
    assert as_rgb[0, 0].tolist() == [(200 - 1) / 2, (30 - 2) / 4, (10 - 3) / 8]
    assert as_bgr[0, 0].tolist() == [(10 - 1) / 2, (30 - 2) / 4, (200 - 3) / 8]
    assert prepared(red, step, RGB)[0, 0].tolist() == as_bgr[0, 0].tolist()[::-1]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([{**TO_64, "interpolation": "AREA"}], r"\[0\]\.interpolation: unknown 'AREA'; Pillow has ANTIALIAS, "),
        ([RGB, {"type": "resize", "size": 8, "interpolation": "BOX"}], r"\[1\]\.interpolation: unknown 'BOX'; OpenCV"),
        ([{"type": "resize", "size": 8, "use_tensorflow": True, "interpolation": "AREA"}], r"unknown 'AREA'; TensorF"),
        (
            [{"type": "normalization", "mean": [1.0] * 3}, TO_64],
            r"\[1\]: step resize of Pillow, which takes 8-bit images only, after normalization, which leaves floats",
        ),
        (
            [{"type": "resize", "size": 8, "use_tensorflow": True}, {"type": "crop", "size": 4, "use_pillow": True}],
            r"\[1\]: step crop of Pillow, which takes 8-bit images only, after resize to 8x8",
        ),
    ],
)
def test_what_is_not_supported_is_named(steps: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(EvaluationError, match=message) as caught:
        make_plan(measurement(*steps))
    assert str(caught.value).startswith("a.yml: datasets[0].preprocessing[")


def decoded(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return np.asarray(decode(path).image)


def test_grey_levels_are_repeated(tmp_path: Path) -> None:
    grey = pattern(9, 7)[..., 0]
    rgb = decoded(save(tmp_path / "grey.png", grey))
    assert all((rgb[..., channel] == grey).all() for channel in range(3))
    assert decoded(save(tmp_path / "grey.jpg", grey)).shape == (9, 7, 3)


def test_of_16_bits_the_upper_8_count(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 0x1234, 0xFFFF]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    Image.fromarray(values).save(tmp_path / "deep.tif")
    for name in ("deep.png", "deep.tif"):
        assert decoded(tmp_path / name)[0, :, 0].tolist() == [0, 0, 1, 0x12, 0xFF]


def test_transparency_is_dropped(tmp_path: Path) -> None:
    colour = pattern(8, 8)
    save(tmp_path / "clear.png", np.dstack([colour, np.zeros((8, 8), np.uint8)]))
    assert (decoded(tmp_path / "clear.png") == colour).all()
    palette = Image.fromarray(plain((10, 200, 30))).quantize(4)
    palette.save(tmp_path / "palette.png", transparency=bytes([0, 128, 255, 7]))
    assert decoded(tmp_path / "palette.png")[0, 0].tolist() == [10, 200, 30]


def test_cmyk_becomes_the_colour_it_prints(tmp_path: Path) -> None:
    Image.fromarray(plain((200, 60, 20))).convert("CMYK").save(tmp_path / "print.jpg", quality=100)
    assert np.abs(decoded(tmp_path / "print.jpg")[0, 0].astype(int) - [200, 60, 20]).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_exif_says_like_opencv_does(tmp_path: Path, orientation: int) -> None:
    stored = pattern(6, 4)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "turned.png", exif=exif)
    # EXIF 2.3, tag 0x0112: on which sides of the scene the stored row 0 and column 0 lie.
    turned = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: stored.transpose(1, 0, 2)[:, ::-1],
        7: stored.transpose(1, 0, 2)[::-1, ::-1],
        8: stored.transpose(1, 0, 2)[::-1],
    }[orientation]
    assert (decoded(tmp_path / "turned.png") == turned).all()
    assert (np.asarray(decode(tmp_path / "turned.png", orient=False).image) == stored).all()


def test_a_png_named_jpeg_is_a_png(tmp_path: Path) -> None:
    Image.fromarray(pattern(5, 5)).save(tmp_path / "odd.JPEG", "PNG")
    assert (decoded(tmp_path / "odd.JPEG") == pattern(5, 5)).all()


def test_broken_images_are_named(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.jpg", pattern(60, 60)).read_bytes()
    cut, text, empty = tmp_path / "cut.jpg", tmp_path / "text.jpg", tmp_path / "empty.png"
    cut.write_bytes(whole[: len(whole) // 2])
    text.write_text("not an image")
    empty.write_bytes(b"")
    for path in (cut, text, empty, tmp_path / "missing.jpg"):
        with pytest.raises(DatasetError) as caught:
            load(path, Operations(True, ()))
        message = str(caught.value)
        assert message.startswith(f"{path}: cannot be decoded as an image: ")
        assert message.count(path.name) == 1


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "tif", "bmp"])
def test_damaged_images_are_decoded_or_named_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    whole = save(tmp_path / f"whole.{suffix}", pattern(40, 30)).read_bytes()
    rng = np.random.default_rng(11)
    damaged = tmp_path / f"damaged.{suffix}"
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow may remark on odd metadata
        for _ in range(60):
            data = bytearray(whole[: rng.integers(1, len(whole) + 1)])
            for place in rng.integers(0, len(data), 4):
                data[place] = rng.integers(0, 256)
            damaged.write_bytes(data)
            try:
                assert decode(damaged).image.mode == "RGB"
            except DatasetError:
                refused += 1
    assert refused > 0


def test_an_image_too_small_for_its_steps_is_refused(tmp_path: Path) -> None:
    dot = save(tmp_path / "dot.png", plain((1, 2, 3), 1, 1))
    with pytest.raises(EvaluationError, match=r"nothing is left of 1x1 pixels after crop to 0\.875"):
        load(dot, make_plan(measurement(FRACTION, TO_64)).operations)


def test_what_is_odd_about_an_image_is_said(tmp_path: Path) -> None:
    grey = pattern(9, 7)[..., 0]
    save(tmp_path / "grey.png", grey)
    save(tmp_path / "plain.jpg", pattern(9, 7))
    Image.fromarray(grey.astype(np.uint16) << 8).save(tmp_path / "deep.png")
    Image.fromarray(pattern(9, 7)).convert("CMYK").save(tmp_path / "print.jpg")
    Image.fromarray(pattern(9, 7)).quantize(9).save(tmp_path / "table.JPEG", "PNG")
    save(tmp_path / "clear.png", np.dstack([pattern(8, 8), np.zeros((8, 8), np.uint8)]))
    found = {path.name: decode(path).image_notes for path in sorted(tmp_path.iterdir())}
    assert found == {
        "clear.png": ("transparency",),
        "deep.png": ("16-bit",),
        "grey.png": ("grey",),
        "plain.jpg": (),
        "print.jpg": ("CMYK",),
        "table.JPEG": ("palette", "PNG named .JPEG"),
    }


def test_steps_come_in_any_order_as_in_accuracy_check() -> None:
    """The arrays that accuracy_check's steps make, written out with OpenCV: its resize leaves floats."""
    cv2 = pytest.importorskip("cv2")
    image = pattern(61, 87)
    to_40, to_24 = ({"type": "resize", "size": size} for size in (40, 24))
    mean = {"type": "normalization", "mean": [1.0, 2.0, 3.0], "std": [2.0, 4.0, 8.0]}
    first = cv2.resize(image, (40, 40), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    twice = cv2.resize(first, (24, 24), interpolation=cv2.INTER_LINEAR)
    assert (prepared(image, RGB, to_40, to_24) == twice).all()
    normalized = (image - np.array([1.0, 2.0, 3.0])) / np.array([2.0, 4.0, 8.0])
    then_scaled = cv2.resize(normalized, (40, 40), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    assert (prepared(image, RGB, mean, to_40) == then_scaled).all()
    again = ((normalized - np.array([1.0, 2.0, 3.0])) / np.array([2.0, 4.0, 8.0])).astype(np.float32)
    assert (prepared(image, RGB, mean, mean) == again).all()
    cropped = then_scaled[8:32, 8:32]
    assert (prepared(image, RGB, mean, to_40, {"type": "crop", "size": 24}) == cropped).all()


def test_the_largest_square_is_cropped() -> None:
    image = pattern(60, 101)
    square = {"type": "crop", "max_square": True}
    assert (prepared(image, RGB, square) == image[:, 20:80]).all()
    assert (prepared(image, RGB, {**square, "use_pillow": True}) == image[:, 20:80]).all()
    assert make_plan(measurement(square)).description[0] == "crop to the largest square"


def test_names_for_means_are_known() -> None:
    named = {"type": "normalization", "mean": "imagenet"}
    written = {"type": "normalization", "mean": "(104.00698793, 116.66876762, 122.67891434)"}
    image = pattern(9, 9)
    assert (prepared(image, named) == prepared(image, written)).all()


def test_sizes_follow_from_a_factor() -> None:
    step = {"type": "resize", "aspect_ratio_scale": "scale_factor", "scale": 0.5, "use_pillow": True}
    assert prepared(pattern(60, 101), step).shape == (30, 50, 3)
    strided = {**TO_64, "aspect_ratio_scale": "greater", "factor": 32, "include_boundary": True}
    assert prepared(pattern(60, 100), strided).shape == (64, 96, 3)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": 0},
        {"subsampling": 1},
        {"keep_rgb": True},
        {"restart_marker_blocks": 3},
        {"quality": 20},
    ],
)
def test_jpeg_files_have_pillows_pixels(options: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(pattern(97, 131)).save(buffer, "JPEG", **options)
    for data in (buffer.getvalue(), buffer.getvalue() + b"more", pattern_as_grey_jpeg(), buffer.getvalue()[:-1]):
        with Image.open(io.BytesIO(data)) as image:
            try:
                expected = np.asarray(image.convert("RGB"))
            except OSError:
                with pytest.raises(DatasetError, match="truncated"):
                    decode(io.BytesIO(data))
                continue
        assert (np.asarray(decode(io.BytesIO(data)).image) == expected).all()


def pattern_as_grey_jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pattern(40, 30)).convert("L").save(buffer, "JPEG")
    return buffer.getvalue()
