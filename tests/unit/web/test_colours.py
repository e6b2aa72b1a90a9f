"""The page's colours can be told apart by everybody: contrast as WCAG 2 defines it, in light and dark."""

from __future__ import annotations

import re
from importlib import resources

import pytest

CSS = (resources.files("mixnet_tools.web") / "static/page.css").read_text()
TEXT, SHAPE = 4.5, 3.0
"""The least contrast of text and of what is no text (WCAG 2 AA)."""

PAIRS = [
    ("ink", "ground", TEXT), ("quiet", "ground", TEXT), ("ink", "card", TEXT), ("quiet", "card", TEXT),
    ("ink", "accent-soft", TEXT), ("accent-ink", "accent", TEXT), ("good", "good-soft", TEXT),
    ("other", "other-soft", TEXT), ("other", "card", TEXT), ("bad", "bad-soft", TEXT), ("bad", "ground", TEXT),
    ("quiet", "bad-soft", TEXT), ("accent", "track", SHAPE), ("accent", "card", SHAPE),
    ("accent", "accent-soft", SHAPE), ("focus", "ground", SHAPE), ("focus", "card", SHAPE),
    ("focus", "accent-soft", SHAPE),
]  # fmt: skip


def colours(theme: str) -> dict[str, str]:
    selector = ":root" if theme == "light" else ':root[data-theme="dark"]'
    block = CSS.partition(f"{selector} {{")[2].partition("}")[0]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_measure_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("front", "behind", "least"), PAIRS)
def test_contrast(theme: str, front: str, behind: str, least: float) -> None:
    known = colours(theme)
    assert contrast(known[front], known[behind]) >= least


def test_both_themes_have_the_same_colours() -> None:
    assert colours("light").keys() == colours("dark").keys()
