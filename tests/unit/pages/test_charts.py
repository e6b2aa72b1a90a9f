"""Charts of pages: drawings without outside parts, whose marks tell their values."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from mixnet_tools.pages import charts
from mixnet_tools.pages.charts import Measured, Part, Point
from mixnet_tools.pages.svg import Scale, round_step

ROWS = [Measured("tf", 91.8, 89.4, 93.8, 91.83), Measured("<b>&FP16</b>", 92.2, 89.7, 94.1)]
POINTS = [Point(row.label, Measured(row.label, 100.0 * n, 90.0 * n, 110.0 * n), row) for n, row in enumerate(ROWS, 1)]
DRAWN = {
    "intervals": charts.intervals("one", "Top-1", ROWS),
    "histogram": charts.histogram("two", "By class", [1.0, 0.96, 0.95, 0.5, 0.0], "classes"),
    "reliability": charts.reliability("three", "Reliability", [(0.2, 0.1, 5), (0.9, 0.95, 500)]),
    "bars": charts.bars(
        "four", "Time", [("main", [Part("part s1", 2.0, "inference: 2 s"), Part("part s2", 0, "0")])], " s"
    ),
    "against": charts.against("five", "Both", POINTS, (" images/s", "\u00a0%")),
}


def parsed(name: str) -> ElementTree.Element:
    return ElementTree.fromstring(DRAWN[name])


def readouts(name: str) -> list[list[str | None]]:
    """What the marks of a drawing tell, line by line."""
    return [[line.text for line in mark[1]] for mark in parsed(name) if mark.tag == "g"]


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_has_a_name_and_a_description_for_those_who_do_not_see_it(name: str) -> None:
    root = parsed(name)
    assert root.get("role") == "img"
    ids = [f"#{root[0].get('id')}", f"#{root[1].get('id')}"]
    assert [f"#{one}" for one in (root.get("aria-labelledby") or "").split()] == ids
    assert (root[0].tag, root[1].tag) == ("title", "desc")
    assert root[0].text
    assert root[1].text


@pytest.mark.parametrize("name", DRAWN)
def test_all_of_it_lies_within_the_width(name: str) -> None:
    for element in parsed(name).iter():
        for key in ("x", "x1", "x2", "cx"):
            value = element.get(key)
            if value is not None:
                assert value.endswith("%")
                assert 0 <= float(value[:-1]) <= 100, (element.tag, element.attrib)


@pytest.mark.parametrize("name", DRAWN)
def test_every_mark_tells_its_values_and_nothing_else_pops_up(name: str) -> None:
    marks = [group for group in parsed(name) if group.tag == "g"]
    assert marks
    for mark in marks:
        title, readout = mark[0], mark[1]
        assert (title.tag, title.text) == ("title", None)
        assert readout.get("class") == "readout"
        assert all(line.text for line in readout)
        assert len(readout)


def test_readouts_name_value_interval_and_reference() -> None:
    assert readouts("intervals") == [
        ["tf", "91.80\u00a0%, 89.40 to 93.80, reference 91.83"],
        ["<b>&FP16</b>", "92.20\u00a0%, 89.70 to 94.10"],
    ]
    assert "<b>" not in DRAWN["intervals"]  # it is text, and no markup
    assert readouts("against")[0] == ["tf", "91.80\u00a0% (89.40 to 93.80)", "100 images/s (90 to 110)"]


def test_a_histogram_counts_each_share_once() -> None:
    assert readouts("histogram") == [
        ["0 to 5\u00a0%: 1 classes"],
        ["50 to 55\u00a0%: 1 classes"],
        ["95 to 100\u00a0%: 3 classes"],
    ]


def test_text_of_others_cannot_steer_or_tell_secrets() -> None:
    drawn = charts.intervals("x", "t", [Measured("a\x1b[2J https://me:pw@host/", 1.0, 0.5, 1.5)])
    assert "\x1b" not in drawn
    assert "pw@" not in drawn


@pytest.mark.parametrize(
    ("low", "high", "most", "ticks"),
    [
        (0, 100, 6, [0, 20, 40, 60, 80, 100]),
        (89.4, 94.1, 6, [90, 91, 92, 93, 94]),
        (0, 3.3, 6, [0, 1, 2, 3]),
        (0, 16, 5, [0, 5, 10, 15]),
        (0.001, 0.0042, 4, [0.002, 0.004]),
    ],
)
def test_ticks_are_round_and_few(low: float, high: float, most: int, ticks: list[float]) -> None:
    assert Scale(low, high, 0, 100).ticks(most) == pytest.approx(ticks)


def test_a_scale_without_extent_has_a_middle() -> None:
    assert Scale(5, 5, 0, 100)(5) == 50
    assert round_step(0, 5) == 1
