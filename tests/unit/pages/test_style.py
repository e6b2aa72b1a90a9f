"""The colours of pages: readable in light and in dark (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re

import pytest

from mixnet_tools.pages.page import PAGES

CSS = (PAGES / "style.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{([^}]+)\}", CSS)
)
TEXT = [
    *((ink, ground) for ink in ("ink", "soft", "accent") for ground in ("card", "page", "sunken")),
    *((ink, "card") for ink in ("good", "bad", "warn")),
    ("bad", "sunken"),
    *(("on-pill", pill) for pill in ("good", "bad", "soft")),
    *(("on-series", f"s{number}") for number in range(1, 7)),
]
"""Colours of text, and what is behind them: 4.5 to 1."""
MARKS = [("accent", "card"), ("warn", "card"), *((f"s{number}", "card") for number in range(1, 7))]
"""Colours of marks in charts: 3 to 1."""


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_marks_can_be_read(palette: dict[str, str]) -> None:
    found = {f"{ink} on {ground}": contrast(palette[ink], palette[ground]) for ink, ground in TEXT}
    assert {pair: value for pair, value in found.items() if value < 4.5} == {}
    found = {f"{ink} on {ground}": contrast(palette[ink], palette[ground]) for ink, ground in MARKS}
    assert {pair: value for pair, value in found.items() if value < 3} == {}


def test_both_palettes_have_the_same_colours() -> None:
    assert LIGHT.keys() == DARK.keys()
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", CSS))
    assert used == set(LIGHT)


def test_contrast_is_what_the_recommendation_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
