"""How far it is from the command to the request: whoever looks for a fault has to step through these frames."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.support.downloads import add_model, download_ok, file_entry, noise
from tests.support.frames import own_frames
from tests.support.http_server import FaultyServer

MOST = 14


def test_few_frames_lie_between_the_command_and_the_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted from ``cli.main.run`` on, with one job, which runs in the thread of the command."""
    stacks: list[list[str]] = []
    urlopen = urllib3.HTTPConnectionPool.urlopen

    def counted(*arguments: Any, **settings: Any) -> urllib3.BaseHTTPResponse:
        stacks.append(own_frames(sys._getframe(1)))
        return urlopen(*arguments, **settings)

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", counted)
    body = noise(1000)
    with FaultyServer() as server:
        add_model(tmp_path / "zoo", "net", [file_entry("net.bin", body, server.put("/net.bin", body))])
        download_ok(tmp_path / "zoo", tmp_path / "out")
    (frames,) = stacks
    assert frames[0] == "cli/main.py:run"
    assert len(frames) <= MOST, "\n".join(frames)
