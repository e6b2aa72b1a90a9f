"""Pictures that a browser would show otherwise than the models saw them are made by the server."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mixnet_tools.accuracy.classification.images import ImageToClassify
from mixnet_tools.accuracy.classification.values import ClassifiedImage
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location
from mixnet_tools.web.pictures import PREVIEW, THUMBNAIL, needs_preview, preview, read_samples
from tests.support.images import encoded, pattern, turned

SMALL = pattern(40, 60)


@pytest.mark.parametrize(
    ("kind", "needed"),
    [("JPEG", False), ("PNG", False), ("WEBP", False), ("BMP", True), ("TIFF", True), ("PPM", True), ("GIF", True)],
)
def test_formats_that_browsers_show(kind: str, needed: bool) -> None:
    assert needs_preview(encoded(kind, SMALL), ClassifiedImage("a")) is needed


def test_of_a_moving_picture_the_first_frame_is_shown() -> None:
    others = [Image.fromarray(pattern(20, 20, seed)) for seed in (1, 2)]
    moving = encoded("GIF", pattern(20, 20), save_all=True, append_images=others)
    assert needs_preview(moving, ClassifiedImage("a.gif"))
    assert Image.open(io.BytesIO(preview(moving, turned=False))).format == "JPEG"


def test_colours_that_browsers_mix_otherwise_and_turns_that_not_all_know() -> None:
    assert needs_preview(encoded("JPEG", SMALL), ClassifiedImage("a", notes=("CMYK",)))
    assert needs_preview(encoded("PNG", SMALL), ClassifiedImage("a", notes=("transparency",)))
    assert needs_preview(encoded("PNG", SMALL), ClassifiedImage("a", orientation=6))
    assert not needs_preview(encoded("JPEG", SMALL), ClassifiedImage("a", orientation=6))
    assert not needs_preview(encoded("JPEG", SMALL), ClassifiedImage("a", notes=("grey",)))


def test_a_preview_is_bounded_and_turned_as_asked() -> None:
    data = encoded("JPEG", pattern(1000, 3000), exif=turned(6))
    for upright, size in ((False, (PREVIEW, 341)), (True, (341, PREVIEW))):
        made = Image.open(io.BytesIO(preview(data, turned=upright)))
        assert made.size == size
        assert not made.getexif()


def test_a_preview_has_the_colours_of_the_models() -> None:
    clear = encoded("PNG", np.full((30, 40, 4), (200, 30, 60, 0), np.uint8))
    made = Image.open(io.BytesIO(preview(clear, turned=False)))
    assert np.abs(np.asarray(made).astype(int) - (200, 30, 60)).max() < 6


def test_what_is_no_picture_has_no_preview() -> None:
    with pytest.raises(DatasetError, match="the picture: cannot be decoded"):
        preview(b"no picture", turned=True)


def test_samples_are_read_once_and_broken_or_large_ones_left_out(tmp_path: Path) -> None:
    good, broken = tmp_path / "good.png", tmp_path / "broken.png"
    good.write_bytes(encoded("PNG", pattern(300, 400)))
    broken.write_bytes(b"no picture")
    images = [ImageToClassify(path.name, Location(str(path))) for path in (broken, good, tmp_path / "gone.png")]
    (found,) = read_samples(tuple(images), 10_000_000)
    assert (found.name, found.media_type, found.data) == ("good.png", "image/png", good.read_bytes())
    assert Image.open(io.BytesIO(found.thumbnail)).size == (THUMBNAIL, 144)
    assert read_samples(tuple(images), 100) == ()
