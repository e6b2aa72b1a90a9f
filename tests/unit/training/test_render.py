"""Pictures depend on label and seed alone, and a class is a form and a colour."""

from __future__ import annotations

import colorsys
import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from training import render

EASY = replace(render.DEFAULT, radius=(0.4, 0.4), opacity=(1, 1), noise=(0, 0), clutter=(0, 0), bars=(0, 0))


def test_same_seed_same_jpeg() -> None:
    first, again = (render.to_jpeg(render.render(7, 1234)) for _ in range(2))
    assert first == again


def test_seed_and_label_both_matter() -> None:
    pictures = {render.to_jpeg(render.render(label, seed)) for label in (0, 1) for seed in range(5)}
    assert len(pictures) == 10


def test_sizes_and_aspect_ratios_vary_within_their_bounds() -> None:
    shapes = [render.render(seed % 30, seed).shape for seed in range(60)]
    assert all(64 <= min(height, width) <= 76 and channels == 3 for height, width, channels in shapes)
    ratios = [width / height for height, width, _ in shapes]
    assert all(0.74 < ratio < 1.35 for ratio in ratios)
    assert min(ratios) < 0.9
    assert max(ratios) > 1.1


def test_pictures_are_uint8_and_use_the_range() -> None:
    pictures = [render.render(label, 5) for label in range(30)]
    assert all(picture.dtype == np.uint8 for picture in pictures)
    assert min(picture.min() for picture in pictures) < 30
    assert max(picture.max() for picture in pictures) > 225


def test_classes_are_forms_times_colours() -> None:
    assert len(render.CLASSES) == len(set(render.CLASSES)) == 30
    assert Counter(name.split("_")[1] for name in render.CLASSES) == dict.fromkeys(render.FORMS, 5)
    assert all(" " not in name for name in render.CLASSES)


@pytest.mark.parametrize("colour", render.HUES)
def test_a_disc_has_its_colour(colour: str) -> None:
    picture = render.render(render.CLASSES.index(f"{colour}_disc"), 3, EASY)
    hues = [colorsys.rgb_to_hsv(*pixel)[0] for pixel in picture.reshape(-1, 3) / 255.0]
    near = [abs((hue - render.HUES[colour] + 0.5) % 1.0 - 0.5) < 0.08 for hue in hues]
    assert np.mean(near) > 0.2  # the disc alone covers about a third


def test_swapping_red_and_blue_names_another_class_for_most() -> None:
    swapped = [render.swapped_class(label) for label in range(30)]
    assert [render.swapped_class(label) for label in swapped] == list(range(30))
    assert sum(other != label for label, other in enumerate(swapped)) == 24


def test_jpeg_is_small_rgb() -> None:
    data = [render.to_jpeg(render.render(label, 11)) for label in range(30)]
    images = [Image.open(io.BytesIO(item)) for item in data]
    assert all(image.format == "JPEG" and image.mode == "RGB" for image in images)
    assert np.mean([len(item) for item in data]) < 2000
