"""How wide a stream is, and whether it takes colours: real terminals, files, and the variables that people set."""

from __future__ import annotations

import io
import sys

import pytest

from mixnet_tools.cli.common.output import print_text
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.cli.common.streams import safe_output
from mixnet_tools.cli.common.terminal import Terminal, terminal_of
from mixnet_tools.cli.main import COMMANDS, command_module
from tests.support.terminal import terminal


@pytest.fixture(autouse=True)
def _usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_a_terminal_tells_its_width(width: int) -> None:
    with terminal(width) as (stream, _):
        assert terminal_of(stream) == Terminal(width, coloured=True)


@pytest.mark.parametrize(("width", "taken"), [(0, 80), (5, 20)])
def test_a_terminal_without_a_usable_width(width: int, taken: int) -> None:
    with terminal(width) as (stream, _):
        assert terminal_of(stream).width == taken


def test_a_file_takes_lines_of_any_length() -> None:
    assert terminal_of(io.StringIO()) == Terminal(None, coloured=False)


@pytest.mark.parametrize(
    ("told", "width"), [("40", 40), ("3", 20), ("0", None), ("wide", None), ("", None), ("-5", None)]
)
def test_columns_is_heeded_everywhere(monkeypatch: pytest.MonkeyPatch, told: str, width: int | None) -> None:
    monkeypatch.setenv("COLUMNS", told)
    assert terminal_of(io.StringIO()).width == width
    with terminal(60) as (stream, _):
        assert terminal_of(stream).width == (width or 60)


@pytest.mark.parametrize(
    ("variables", "on_terminal", "elsewhere"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"CLICOLOR": "0"}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_colours(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], on_terminal: bool, elsewhere: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert terminal_of(io.StringIO()).coloured == elsewhere
    with terminal(80) as (stream, _):
        assert terminal_of(stream).coloured == on_terminal


def test_only_our_own_colours_reach_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(40) as (stream, screen):
        monkeypatch.setattr(sys, "stdout", stream)
        with safe_output():
            print_text("passed \x1b[31m", style="good")
            print("\x1b[31m")
    assert screen.text == "\x1b[32mpassed \\x1b[31m\x1b[0m\n\\x1b[31m\n"


def test_the_text_of_a_list_stays_below_its_start() -> None:
    listing = "commands:\n  check    measure top-1 and top-5 of both\n  convert  猫\n" + " " * 30
    assert Terminal(width=30).fold(listing).splitlines()[:4] == [
        "commands:",
        "  check    measure top-1 and",
        "           top-5 of both",
        "  convert  猫",
    ]


@pytest.mark.parametrize("command", [*COMMANDS, "check.merge"])
def test_help_fits_the_usual_terminal(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    module = command_module(command)
    parser = Parser(f"mixnet {command}", module.__doc__ or "")
    module.add_arguments(parser)
    lines = parser.format_help().splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert len(lines) > 10
    monkeypatch.setenv("COLUMNS", "200")  # the description's own lines are as they were written
    assert (module.__doc__ or "").strip() in parser.format_help()


def test_lines_are_folded_at_blanks_and_paths_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "mixnet-nano: downloaded to somewhere\n  mixnet-nano.tar.gz from https://host.example/a/long/path/of/it.tar.gz"
    )
    print_text(text)
    assert capsys.readouterr().out == text + "\n"
    assert Terminal(width=30).fold(text).splitlines() == [
        "mixnet-nano: downloaded to",
        "  somewhere",
        "  mixnet-nano.tar.gz from",
        "    https://host.example/a/long/path/of/it.tar.gz",
    ]


class Full(io.StringIO):
    """A log on a disk without room, or one whose reader has gone."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


def test_what_stderr_cannot_take_is_lost_and_the_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Full(OSError(28, "No space left on device")))
    with safe_output():
        print("progress", file=sys.stderr, flush=True)
    monkeypatch.setattr(sys, "stderr", Full(BrokenPipeError()))
    with safe_output(), pytest.raises(BrokenPipeError):
        print("progress", file=sys.stderr)
