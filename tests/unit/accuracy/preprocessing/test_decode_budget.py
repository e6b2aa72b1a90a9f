"""Images within a budget of pixels, of formats that a list names, converted some rows at a time."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mixnet_tools.accuracy.datasets import image_bytes
from mixnet_tools.accuracy.datasets.image import LabelledImage, Span
from mixnet_tools.accuracy.preprocessing import decode as module
from mixnet_tools.accuracy.preprocessing.decode import MAX_PIXELS, decode
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(x) print\nshowpage\n%%EOF\n"


def png(width: int, height: int, depth: int, colour: int) -> bytes:
    """A PNG that says it is so large, and has no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(b"")]
    body = b"".join(struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg(width: int, height: int, mode: str) -> bytes:
    """A JPEG that says it is so large, and has the pixels of a small one."""
    stream = io.BytesIO()
    Image.new(mode, (16, 16)).save(stream, "JPEG")
    data = stream.getvalue()
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    "data",
    [jpeg(13_300, 13_300, "CMYK"), jpeg(13_300, 13_300, "RGB"), png(65_535, 2_100, 16, 0), png(50_000, 3_000, 8, 6)],
    ids=["CMYK", "RGB", "16-bit", "transparency"],
)
def test_an_image_beyond_the_budget_is_refused_before_its_pixels_are_read(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "large.jpg").write_bytes(data)
    with pytest.raises(DatasetError, match=r"large\.jpg: .* it has 1\d\d,\d{3},[05]00 pixels, and at most 134,217,728"):
        decode(tmp_path / "large.jpg")
    assert MAX_PIXELS == 134_217_728


@pytest.mark.parametrize("data", [EPS, b"%PDF-1.4\n1 0 obj\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_other_formats_are_no_images_whatever_they_are_called(data: bytes, tmp_path: Path) -> None:
    """Pillow starts Ghostscript for an EPS."""
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(DatasetError, match=r"no known format \(of JPEG, PNG, GIF, BMP, PPM, WEBP, TIFF\)"):
        decode(tmp_path / "a.jpg")


@pytest.mark.parametrize("mode", ["CMYK", "I;16"])
def test_bands_make_the_picture_that_one_piece_makes(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    if mode == "CMYK":
        values = rng.integers(0, 256, (37, 23, 4), dtype=np.uint8)
        Image.fromarray(values, "CMYK").save(tmp_path / "a.tif")
    else:
        Image.fromarray(rng.integers(0, 1 << 16, (37, 23), dtype=np.uint16)).save(tmp_path / "a.tif")
    whole = np.asarray(decode(tmp_path / "a.tif").image)
    monkeypatch.setattr(module, "_BAND", 100)  # four rows
    monkeypatch.setattr(module, "_LARGE", 100)
    assert (np.asarray(decode(tmp_path / "a.tif").image) == whole).all()
    assert len(np.unique(whole)) > 100


def test_a_file_beyond_the_budget_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_bytes, "MAX_BYTES", 100)
    (tmp_path / "a.jpg").write_bytes(b"x" * 101)
    for part in (None, Span(0, 101)):
        with pytest.raises(DatasetError, match=r"a\.jpg: has 101 bytes, and at most 100 are read"):
            image_bytes.open_image(LabelledImage("a.jpg", Location(tmp_path / "a.jpg"), 0, part))
