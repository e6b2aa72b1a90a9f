"""Annotated copies: names that meet nothing, sizes to look at, and what was cut away is dark."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mixnet_tools.accuracy.classification.annotate import LARGEST, LEAST_WIDTH, AnnotatedCopies, annotated
from mixnet_tools.accuracy.classification.images import ImageToClassify
from mixnet_tools.accuracy.classification.values import ClassifiedImage, ClassScore, KeptRegion, ModelAnswer
from mixnet_tools.errors import OutputError

ANSWER = ModelAnswer("openvino FP16", (ClassScore(3, "a name that is far too long for any picture " * 5, 0.5),))


def answered(width: int, height: int, answers: tuple[ModelAnswer, ...] = (ANSWER,)) -> ClassifiedImage:
    kept = KeptRegion(width / 4, 0, width * 3 / 4, height, turned=True)
    return ClassifiedImage("photo.jpg", width, height, kept, (), answers)


def picture(width: int, height: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), (240, 240, 240)).save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize("size", [(1, 1), (8, 300), (300, 8), (4000, 100), (640, 480)])
def test_copies_have_a_size_to_look_at(size: tuple[int, int]) -> None:
    page = annotated(Image.new("RGB", size), answered(*size))
    assert LEAST_WIDTH <= page.width <= LARGEST
    assert page.height <= LARGEST + 100 + size[1] * 8


def test_what_was_cut_away_is_dark() -> None:
    page = np.asarray(annotated(Image.new("RGB", (640, 480), (240, 240, 240)), answered(640, 480)))
    assert (page[240, 10] == 80).all()
    assert (page[240, 320] == 240).all()
    assert (page[240, 630] == 80).all()


def test_each_model_has_a_line() -> None:
    one = annotated(Image.new("RGB", (640, 480)), answered(640, 480))
    two = annotated(Image.new("RGB", (640, 480)), answered(640, 480, (ANSWER, ANSWER)))
    assert two.height > one.height


def test_copies_have_names_of_their_own(tmp_path: Path) -> None:
    copies = AnnotatedCopies(tmp_path)
    names = [
        "a/photo.jpg",
        "b/photo.png",
        "https://host/photo.jpg",
        "\x1b[31mred.jpg",
        "x" * 300 + ".jpg",
        "standard input",
    ]
    written = [copies.write(ImageToClassify(name, picture(20, 20)), answered(20, 20)).name for name in names]
    assert written[:3] == ["photo-classified.jpg", "photo-2-classified.jpg", "photo-3-classified.jpg"]
    assert "\x1b" not in written[3]
    assert len(set(written)) == copies.count == len(list(tmp_path.iterdir())) == 6


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file: cannot be made"):
        AnnotatedCopies(tmp_path / "file")
