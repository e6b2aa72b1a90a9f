"""The way from mixnet-quantize to NNCF is short."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mixnet_tools.cli.main import run
from tests.support.frames import own_frames

MOST = 10


def test_few_frames_from_the_command_to_nncf(
    nano_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import nncf

    stacks: list[list[str]] = []

    def watched(*arguments: object, **options: object) -> None:
        stacks.append(own_frames(sys._getframe(1)))
        raise RuntimeError("enough was seen")

    monkeypatch.setattr(nncf, "quantize", watched)
    monkeypatch.setattr("mixnet_tools.cli.common.interruption.listen", lambda: None)  # the test runner's signals
    given = ["--name", "mixnet-nano", "-d", str(nano_dir), "-o", str(tmp_path), "--num_images", "8", "-q"]
    for search in ([], ["--max_drop", "50"]):
        assert run("quantize", [*given, "--subset_size", "8", *search], "mixnet-quantize") == 1
        assert "NNCF cannot quantize this model: enough was seen" in capsys.readouterr().err
    assert len(stacks) == 2
    for stack in stacks:
        assert stack[0] == "cli/main.py:run"
        assert len(stack) <= MOST, " > ".join(stack)
