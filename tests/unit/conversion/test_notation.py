"""The little languages of the Model Optimizer's arguments; the doctests show what is right, these what is wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.conversion import notation

PARSERS: tuple[Callable[[str], Any], ...] = (
    notation.split,
    notation.parse_shape,
    notation.parse_input,
    notation.parse_named,
    notation.parse_numbers,
    notation.parse_layout,
)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (notation.split, "a]"),
        (notation.split, "a[1"),
        (notation.parse_shape, "[1,?,3]"),
        (notation.parse_shape, "[1..3]"),
        (notation.parse_shape, ""),
        (notation.parse_input, ""),
        (notation.parse_input, "a[1]b"),
        (notation.parse_named, "a[1]b"),
        (notation.parse_numbers, "1,,a"),
        (notation.parse_numbers, "inf"),
        (notation.parse_numbers, "nan"),
        (notation.parse_layout, "NHWC->NCHW"),
        (notation.parse_layout, "NN"),
        (notation.parse_layout, ""),
    ],
)
def test_what_is_malformed_is_a_value_error(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|bracket|not supported"):
        parse(text)


@given(st.text(alphabet="ab[](){},.->0123456789 :?N", max_size=30))
def test_no_text_is_more_than_a_value_error(text: str) -> None:
    for parse in PARSERS:
        with contextlib.suppress(ValueError):
            assert parse(text) is not None


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=6))
def test_shapes_are_read_back(shape: list[int]) -> None:
    assert notation.parse_shape(str(shape)) == tuple(shape)
    assert notation.parse_input(f"x{shape}").shape == tuple(shape)
