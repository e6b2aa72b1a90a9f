"""What is shown while a download runs: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io

import pytest

from mixnet_tools.progress import BarProgress, LineProgress
from tests.support.waiting import wait_for


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("mixnet_tools.progress.time.monotonic", lambda: now[0])
    return now


def test_lines_show_speed_and_time_left_now_and_then(clock: list[float]) -> None:
    stream = io.StringIO()
    shown = LineProgress(stream)
    shown.file_begin("net", "a.bin", 100_000_000)
    for second in range(1, 13):
        clock[0] += 1
        shown.file_progress("net", "a.bin", 40_000_000 + second * 1_000_000)
    assert stream.getvalue().splitlines() == [
        "net/a.bin: downloading 100.0 MB",
        "net/a.bin: 45.0 MB of 100.0 MB, 1.0 MB/s, 55 s left",
        "net/a.bin: 50.0 MB of 100.0 MB, 1.0 MB/s, 50 s left",
    ]


def test_bars_show_each_file_and_all_of_them_and_vanish() -> None:
    stream = io.StringIO()
    shown = BarProgress(stream)
    shown.files_expected("net", 2, 3000)
    for name, size in (("a.bin", 1000), ("b.bin", 2000)):
        shown.file_begin("net", name, size)
        shown.file_progress("net", name, size // 2)
        shown.file_progress("net", name, 10)  # begun again
        shown.file_progress("net", name, size)
        shown.file_end("net", name, True)
    text = stream.getvalue()
    assert "a.bin:   0%" in text
    assert "b.bin:   0%" in text
    assert "all files:   0%" in text
    assert "\r" in text
    assert not shown._bars
    assert shown._overall is None


def test_a_stage_is_a_line_where_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    shown = LineProgress(stream)
    with shown.stage("net: reading"):
        pass
    monkeypatch.setattr(LineProgress, "seconds_between_lines", 0.01)
    with shown.stage("net: converting"):
        wait_for(lambda: bool(stream.getvalue()), "the line")
    assert stream.getvalue() == "net: converting\n"


def test_a_stage_on_a_terminal_is_rewritten_and_gone_at_its_end() -> None:
    stream = io.StringIO()
    shown = BarProgress(stream)
    for label in ("net: reading", "net: converting"):
        with shown.stage(label):
            shown.note("a note")
    first, second = (stream.getvalue().index(f"\rnet: {word}") for word in ("reading", "converting"))
    assert first < second
    assert stream.getvalue().endswith("\r")
    assert not stream.getvalue().rsplit("\r", 2)[1].strip()


def test_one_file_needs_no_bar_for_all() -> None:
    stream = io.StringIO()
    shown = BarProgress(stream)
    shown.files_expected("net", 1, 1000)
    shown.file_begin("net", "a.bin", 1000)
    shown.file_end("net", "a.bin", True)
    assert "all files" not in stream.getvalue()
