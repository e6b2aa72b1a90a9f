"""What is shown while a download runs: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import pytest
from tqdm import tqdm
from tqdm.utils import disp_len

from mixnet_tools.bars import BarProgress, fitted
from mixnet_tools.progress import LineProgress
from tests.support.terminal import terminal
from tests.support.waiting import wait_for


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    # Not time.monotonic itself: an event loop in another thread would wait by this clock, and then for hours.
    monkeypatch.setattr("mixnet_tools.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
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


def test_many_files_are_a_line_every_few_seconds(clock: list[float]) -> None:
    stream = io.StringIO()
    shown = LineProgress(stream)
    shown.files_expected("net", 2000, 2_000_000)
    for number in range(2000):
        shown.file_begin("net", f"{number}.bin", 1000)
        shown.file_progress("net", f"{number}.bin", 1000)
        shown.file_end("net", f"{number}.bin", True)
        clock[0] += 0.01
    lines = stream.getvalue().splitlines()
    assert lines[0] == "0 of 2000 files, 0 B of 2.0 MB; net/0.bin"
    assert lines[1] == "500 of 2000 files, 500.0 kB of 2.0 MB, 100.0 kB/s, 15 s left; net/500.bin"
    assert len(lines) == 4


def test_a_later_model_is_counted_anew(clock: list[float]) -> None:
    stream = io.StringIO()
    shown = LineProgress(stream)
    for model in ("one", "two"):
        shown.files_expected(model, 2, 2000)
        for name in "ab":
            shown.file_begin(model, name, 1000)
            clock[0] += 10
            shown.file_progress(model, name, 1000)
            shown.file_end(model, name, True)
    assert "1 of 2 files, 2.0 kB of 2.0 kB" in stream.getvalue().splitlines()[-1]


@pytest.mark.parametrize("name", ["net.bin", "n" * 79, "\u732b" * 40])
@pytest.mark.parametrize("width", [0, 1, 4, 10, 20, 40, 80, 200])
def test_a_bar_or_a_number_is_shown_whatever_the_width(width: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    with tqdm(total=100_000_000, desc=name, unit="B", unit_scale=True, file=io.StringIO()) as bar:
        values = {**bar.format_dict, "n": 45_000_000, "elapsed": 5.0, "ncols": width}
    line = tqdm.format_meter(**fitted(values))
    assert disp_len(line) <= (width or 80)
    if width != 1:
        assert "45%" in line
    if width == 0 or width >= 20:
        assert line.startswith(name[:4])
        assert "|" in line or width == 20
    if width == 0 or width >= 80:
        assert "00:05<00:06, 9.00MB/s" in line


@pytest.mark.parametrize(
    ("width", "height"), [(0, 0), (0, 25), (20, 25), (40, 25), (80, 25), (80, 0), (80, 1), (80, 2)]
)
def test_bars_fit_a_terminal(width: int, height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    with terminal(width, height) as (stream, screen):
        shown = BarProgress(stream)
        shown.files_expected("net", 2, 3000)
        shown.file_begin("net", "n" * 79, 1000)
        shown.file_progress("net", "n" * 79, 500)
        shown.file_end("net", "n" * 79, True)
    lines = [line for line in re.split("[\r\n]", screen.plain.replace("\x1b[A", "")) if line.strip()]
    assert lines
    assert all(len(line) <= (width or 80) and "%" in line for line in lines), lines
