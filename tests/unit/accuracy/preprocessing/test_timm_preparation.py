"""Preparation of images as timm does it, against digests of what timm's own transform gave (timm_golden.json)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from mixnet_tools.api.authoring.timm.preparation import Step, geometry
from mixnet_tools.errors import DescriptorError, UsageError
from tests.support.timm_preparation import LOSSLESS, PREPARATIONS, ours

GOLDEN = json.loads(Path(__file__).with_name("timm_golden.json").read_text())["rows"]


def test_every_preparation_of_every_image_is_there() -> None:
    assert {(image, name) for image, name, _ in GOLDEN} == {(a, b) for a in LOSSLESS for b in PREPARATIONS}


@pytest.mark.parametrize("image", LOSSLESS)
def test_arrays_are_timms(image: str, tmp_path: Path) -> None:
    path = tmp_path / image
    LOSSLESS[image](path)
    for other, name, digest in GOLDEN:
        if other == image:
            pixels = np.ascontiguousarray(ours(path, PREPARATIONS[name].steps))
            assert hashlib.sha256(pixels.tobytes()).hexdigest() == digest, name


def test_the_colour_of_a_border_follows_the_channels(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    LOSSLESS["wide.png"](path)
    resize, crop = geometry((64, 64), 1.0, "border", "bicubic", (1.0, 0.5, 0.0))
    assert crop["fill"] == [255, 128, 0]
    rgb = ours(path, [resize, crop])
    assert rgb[0, 0].tolist() == [255, 128, 0]
    before: Step = {"type": "rgb_to_bgr"}
    after: Step = {"type": "bgr_to_rgb"}
    assert (ours(path, [before, resize, {**crop, "fill": [0, 128, 255]}, after]) == rgb).all()


@pytest.mark.parametrize(
    "crop", [{"fill": [0, 0, 0], "size": 9}, {"fill": [0, 0, 0], "central_fraction": 0.5, "use_pillow": True}]
)
def test_a_border_without_pillow_or_size_is_refused(crop: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(DescriptorError, match="fill needs use_pillow and a size"):
        ours(tmp_path / "a.png", [{"type": "crop", **crop}])


def test_an_unknown_crop_mode_is_refused() -> None:
    with pytest.raises(UsageError, match="crop_mode: expected center, squash or border, got 'wild'"):
        geometry((64, 64), 1.0, "wild", "bicubic", (0.5, 0.5, 0.5))
