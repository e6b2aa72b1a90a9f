"""The command line as reports show it."""

from __future__ import annotations

import shlex

import pytest

from mixnet_tools.cli.common.command_line import command_line


def test_a_shell_reads_it_back() -> None:
    arguments = ["-s", "a folder/it's", "--name", "mixnet-*", "--ignore=a;b"]
    line = command_line("mixnet-check merge", arguments)
    assert shlex.split(line) == ["mixnet-check", "merge", *arguments]


@pytest.mark.parametrize(
    "argument",
    [
        "https://me:hunter2@host/val",
        "--source=https://me:hunter2@host/val",
        "https://me:hun'ter2@host/val",
        'https://me:"hunter2@host/val',
        "https://host/val?X-Amz-Signature=hunter2&id=1",
        "s3://key:hunter2@bucket/val",
        "tls://me:hunter2@scheduler:8786",
        "tar://a::https://me:hunter2@host/x.tar",
        "HTTPS://me:hunter2@host/val",
    ],
)
def test_secrets_of_urls_are_not_in_it(argument: str) -> None:
    line = command_line("mixnet-check", ["-s", argument])
    assert "hunter2" not in line
    assert "ter2" not in line
    assert "***" in line


def test_nothing_steers_a_terminal_or_ends_the_line() -> None:
    line = command_line("mixnet-check", ["-s", "a\x1b[2J\nb"])
    assert line.isprintable()
