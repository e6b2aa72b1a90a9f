"""docs/download.md keeps up with the commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mixnet_tools.cli import cache, download
from mixnet_tools.cli.common.parser import Parser
from mixnet_tools.downloading.archives.safety import Limits
from mixnet_tools.downloading.archives.unpack import FORMATS
from mixnet_tools.downloading.context import DownloadOptions
from mixnet_tools.network.client import MAX_REDIRECTS

MANUAL = (Path(__file__).parents[3] / "docs" / "download.md").read_text()


@pytest.mark.parametrize("module", [download, cache])
def test_every_option_is_in_the_manual_and_has_help(module: object) -> None:
    parser = Parser("x", "")
    module.add_arguments(parser)  # type: ignore[attr-defined]
    for action in parser._actions:
        assert action.help, action
        for option in action.option_strings:
            assert option in ("-h", "--help") or re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", MANUAL), option


def test_the_manual_names_no_option_that_does_not_exist() -> None:
    known = set()
    for module in (download, cache):
        parser = Parser("x", "")
        module.add_arguments(parser)
        known |= set(parser._option_string_actions)
    assert set(re.findall(r"(?<![\w-])--[a-z_]+", MANUAL)) <= known | {"--output", "--quiet"}


def test_the_figures_in_the_manual_are_those_of_the_code() -> None:
    limits = Limits()
    for figure in (
        f"larger than {limits.file_bytes / 1e9:.0f} GB",
        f"over {limits.total_bytes / 1e9:.0f} GB",
        f"over {limits.ratio} times",
        f"more than {limits.free_bytes / 1e6:.0f} MB",
        f"{limits.entries:,} entries",
        f"for S seconds (default {DownloadOptions().max_wait:.0f})",
        f"(more than {MAX_REDIRECTS})",
    ):
        assert figure in MANUAL
    assert all(f"`{name}`" in MANUAL for name in FORMATS)
