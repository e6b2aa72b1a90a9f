"""Sizes of ``aspect_ratio_scale``, against those of Open Model Zoo's own code (aspect_ratio_golden.json says how)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixnet_tools.accuracy.preprocessing.aspect_ratio import RULES, strided

GOLDEN = json.loads(Path(__file__).with_name("aspect_ratio_golden.json").read_text())["rows"]


def test_every_rule_is_there() -> None:
    assert {row[0] for row in GOLDEN} | {"timm_shortest", "timm_longest"} == set(RULES)


@pytest.mark.parametrize("rule", sorted({row[0] for row in GOLDEN}))
def test_a_rule_gives_accuracy_checks_sizes(rule: str) -> None:
    for name, dst_width, dst_height, width, height, *expected in GOLDEN:
        if name == rule:
            found = RULES[name]((dst_width, dst_height), (width, height))
            assert list(found) == expected, (dst_width, dst_height, width, height)


def test_sizes_are_made_to_fit_a_stride() -> None:
    assert strided((100, 65), 32, True) == (96, 64)
    assert strided((100, 65), 32, False) == (97, 65)
