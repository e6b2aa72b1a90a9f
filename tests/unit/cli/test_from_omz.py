"""docs/from-omz.md: every option that it names beside an old one exists, and none of accuracy_check's is forgotten."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from mixnet_tools.cli.main import command_parser
from mixnet_tools.cli.omz.accuracy_check import _OPTIONS
from mixnet_tools.cli.omz_aliases import PROGRAMS

PAGE = (Path(__file__).parents[3] / "docs/from-omz.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^## (\w+) becomes mixnet-(\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
SECTIONS = {old: (new, text) for old, new, text in SECTION.findall(PAGE)}
OLD_OPTIONS = {
    "omz_downloader": "--name --list --all --print_all --precisions -o --output_dir --cache_dir --num_attempts "
    "--progress_format -j --jobs",
    "omz_converter": "-d --download_dir -o --output_dir --name --list --all --print_all --precisions -p --python --mo "
    "--add_mo_arg --dry_run -j --jobs",
    "omz_quantizer": "--model_dir --dataset_dir -o --output_dir --name --list --all --print_all -p --python --pot "
    "--dry_run --precisions --target_device",
    "omz_info_dumper": "--name --list --all --print_all",
}
"""What Open Model Zoo's programs take, as their parsers said in 2026 (omz_quantizer: when it was removed)."""


def cells(text: str, column: int) -> set[str]:
    """The options in a column of the tables in ``text``."""
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")]
    return {option for row in rows for option in re.findall(r"`(--?[a-zA-Z]\w*)[ `]", row[column])}


def options(command: str) -> set[str]:
    """The options of a command that its help names."""
    actions = command_parser(command, command)._actions
    return {name for one in actions if one.help != argparse.SUPPRESS for name in one.option_strings}


def test_there_is_a_section_for_each_program() -> None:
    assert set(SECTIONS) == {*PROGRAMS, "accuracy_check"}
    assert all(SECTIONS[program][0] == command for program, (command, _) in PROGRAMS.items())


@pytest.mark.parametrize("old", SECTIONS)
def test_new_options_exist(old: str) -> None:
    command, text = SECTIONS[old]
    assert cells(text, 1), "no option was read from the table"
    assert cells(text, 1) <= options(command)


@pytest.mark.parametrize("old", OLD_OPTIONS)
def test_no_old_option_is_forgotten_and_each_is_taken(old: str) -> None:
    command, text = SECTIONS[old]
    assert set(OLD_OPTIONS[old].split()) == cells(text, 0) - {"--json"}
    assert set(OLD_OPTIONS[old].split()) <= options(command)


def test_no_option_of_accuracy_check_is_forgotten() -> None:
    known = {name for spellings in _OPTIONS for name in spellings.split("/")} | {
        "-s",
        "--source",
        "-d",
        "--annotations",
    }
    assert known <= cells(SECTIONS["accuracy_check"][1], 0)
