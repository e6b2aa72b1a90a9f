"""Tables in terminals of any width: no line is broken, and nothing is lost without a word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.cli.common.tables import Cell, Column, Painted, fields, table
from mixnet_tools.cli.common.terminal import Terminal, columns_of, wrap
from tests.support.terminal import SEQUENCE

COLUMNS = (
    Column("model"),
    Column("precision", drop=1),
    Column("top-1 %", right=True),
    Column("file", breaks=True),
    Column("same as original", drop=2),
)
ROWS: list[list[Cell]] = [
    ["mixnet-nano", "FP32", "91.83", "public/mixnet-nano/FP32/mixnet-nano.xml", "100.00 %"],
    ["猫猫猫", "FP16-INT8", "8.5", "a/b.xml", Painted("99.50 %", "bad")],
]


def test_as_wide_as_its_text() -> None:
    assert table(COLUMNS, ROWS, Terminal()).splitlines() == [
        "model        precision  top-1 %  file                                     same as original",
        "-----------  ---------  -------  ---------------------------------------  ----------------",
        "mixnet-nano  FP32         91.83  public/mixnet-nano/FP32/mixnet-nano.xml  100.00 %",
        "猫猫猫       FP16-INT8      8.5  a/b.xml                                  99.50 %",
    ]


def test_the_widest_columns_are_folded() -> None:
    assert table(COLUMNS, ROWS, Terminal(width=70)).splitlines() == [
        "model        precision  top-1 %  file                      same as",
        "                                                           original",
        "-----------  ---------  -------  ------------------------  --------",
        "mixnet-nano  FP32         91.83  public/mixnet-nano/FP32/  100.00 %",
        "                                 mixnet-nano.xml",
        "猫猫猫       FP16-INT8      8.5  a/b.xml                   99.50 %",
    ]


def test_what_is_left_out_is_named() -> None:
    assert table(COLUMNS, ROWS, Terminal(width=50)).splitlines() == [
        "model        top-1 %  file",
        "-----------  -------  ----------------------------",
        "mixnet-nano    91.83  public/mixnet-nano/FP32/mixn",
        "                      et-nano.xml",
        "猫猫猫           8.5  a/b.xml",
        "(left out, for there is no room: precision, same",
        "  as original)",
    ]


def test_rows_become_blocks_with_all_their_cells() -> None:
    assert table(COLUMNS, ROWS, Terminal(width=40)).splitlines()[:7] == [
        "mixnet-nano",
        "  precision         FP32",
        "  top-1 %           91.83",
        "  file              public/mixnet-nano/F",
        "                    P32/mixnet-nano.xml",
        "  same as original  100.00 %",
        "",
    ]
    assert table(COLUMNS, ROWS, Terminal(width=20)).splitlines()[10:] == [
        "猫猫猫",
        "  precision",
        "    FP16-INT8",
        "  top-1 %  8.5",
        "  file  a/b.xml",
        "  same as original",
        "    99.50 %",
    ]


def test_without_headings_there_is_no_line_above_the_rows() -> None:
    assert table((Column(""), Column("", right=True)), [["ab", "1"], ["c", "10"]], Terminal()) == "ab   1\nc   10"


def test_fields() -> None:
    pairs = [("input", "image\nmask"), ("file", "public/mixnet-nano/FP32/mixnet-nano.xml")]
    assert fields("mixnet-nano", pairs, Terminal()).splitlines() == [
        "mixnet-nano",
        "-----  ---------------------------------------",
        "input  image",
        "       mask",
        "file   public/mixnet-nano/FP32/mixnet-nano.xml",
    ]
    assert fields("mixnet-nano", pairs, Terminal(width=20)).splitlines() == [
        "mixnet-nano", "input", "  image", "  mask", "file", "  public/mixnet-nano", "  /FP32/mixnet-nano.", "  xml",
    ]  # fmt: skip


def test_colours_do_not_move_anything() -> None:
    for width in (None, 70, 50, 40, 20):
        coloured = table(COLUMNS, ROWS, Terminal(width, coloured=True))
        assert SEQUENCE.sub("", coloured) == table(COLUMNS, ROWS, Terminal(width))
        assert "\x1b[1;31m99.50 %\x1b[0m" in coloured or width == 50  # there it is left out


def test_text_cannot_bring_its_own_sequences() -> None:
    hostile = "\x1b[2J\x1b]0;title\x07"
    for width in (None, 20):
        done = table([Column("a"), Column("b")], [[hostile, Painted(hostile, "good")]], Terminal(width, coloured=True))
        done += fields(hostile, [(hostile, hostile)], Terminal(width, coloured=True))
        assert "\x1b" not in SEQUENCE.sub("", done)
        assert "title" not in "".join(SEQUENCE.findall(done))
        assert "\\x1b[2J" in done


words = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs", "Mn"]), max_size=40)


@given(
    st.integers(20, 130),
    st.lists(st.builds(Column, words, st.integers(0, 3), st.booleans(), st.booleans()), min_size=1, max_size=8).flatmap(
        lambda columns: st.tuples(st.just(columns), st.lists(st.lists(words, min_size=8, max_size=8), max_size=4))
    ),
)
def test_no_line_is_wider_than_the_terminal(width: int, made: tuple[list[Column], list[list[str]]]) -> None:
    columns, rows = made
    terminal = Terminal(width)
    tables = (
        table(columns, [row[: len(columns)] for row in rows], terminal),
        fields("a", [(a, b) for a, b, *_ in rows], terminal),
    )
    assert all(columns_of(line) <= width for done in tables for line in done.splitlines())


@given(st.integers(2, 30), words)
def test_folded_text_keeps_its_words(width: int, text: str) -> None:
    lines = wrap(text, width)
    assert all(columns_of(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
    whole = wrap(text, width, breaking=False)
    assert [word for line in whole for word in line.split()] == text.split()


@pytest.mark.parametrize(("text", "columns"), [("", 0), ("cat", 3), ("猫", 2), ("e\u0301", 1), ("ﾈｺ", 2)])
def test_columns_of_letters(text: str, columns: int) -> None:
    assert columns_of(text) == columns
