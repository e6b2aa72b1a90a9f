"""How far it is from the command to the request: whoever looks for a fault has to step through these frames."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.downloads import add_model, download_ok, file_entry, noise
from tests.support.frames import own_frames
from tests.support.http_server import FaultyServer

MOST = 14


def test_few_frames_lie_between_the_command_and_the_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted from ``cli.main.run`` on, with one job, which runs in the thread of the command."""
    stacks: list[list[str]] = []
    send = requests.Session.send

    def counted(*arguments: Any, **settings: Any) -> requests.Response:
        stacks.append(own_frames(sys._getframe(1)))
        return send(*arguments, **settings)

    monkeypatch.setattr(requests.Session, "send", counted)
    body = noise(1000)
    with FaultyServer() as server:
        add_model(tmp_path / "zoo", "net", [file_entry("net.bin", body, server.put("/net.bin", body))])
        download_ok(tmp_path / "zoo", tmp_path / "out")
    (frames,) = stacks
    assert frames[0] == "cli/main.py:run"
    assert len(frames) <= MOST, "\n".join(frames)
