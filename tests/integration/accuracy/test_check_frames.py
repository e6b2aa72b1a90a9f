"""The way from the command to the call that does the work is short."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mixnet_tools.cli.main import run
from tests.support.frames import own_frames

MOST = 9


def test_few_frames_from_the_command_to_the_inference(
    nano_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import openvino

    stacks: list[list[str]] = []
    original = openvino.AsyncInferQueue.start_async

    def watched(queue: openvino.AsyncInferQueue, *arguments: object, **options: object) -> None:
        stacks.append(own_frames(sys._getframe(1)))
        original(queue, *arguments, **options)

    monkeypatch.setattr(openvino.AsyncInferQueue, "start_async", watched)
    given = ["--name", "mixnet-nano", "-d", str(nano_dir), "--launcher", "openvino", "--num_images", "40", "-q"]
    monkeypatch.setattr("mixnet_tools.cli.common.interruption.listen", lambda: None)  # the test runner's signals
    assert run("check", given, "mixnet-check") == 0
    assert "openvino" in capsys.readouterr().out
    assert len(stacks) == 80
    longest = max(stacks, key=len)
    assert longest[0] == "cli/main.py:run"
    assert len(longest) <= MOST, " > ".join(longest)
