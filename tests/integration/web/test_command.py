"""mixnet-classify --web as a user runs it: a process of its own, signals, ports that are taken."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.support.commands import run_failing
from tests.support.waiting import PATIENCE

PICTURE = Path(__file__).parents[3] / "models/public/mixnet-nano/validation/val_0000.jpg"
HANG = 20.0
"""Seconds that nobody waits at the end. An upload may take longer, and so may an answer."""


class Running(NamedTuple):
    """The command, and the port of its page."""

    process: subprocess.Popen[str]
    port: int

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, body, {"Content-Type": "application/octet-stream"})
        try:
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """The exit code and stderr after a signal."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=HANG)
        return self.process.returncode, err


@contextmanager
def page(folder: Path, *arguments: str) -> Iterator[Running]:
    command = [
        sys.executable,
        "-m",
        "mixnet_tools.cli.main",
        "classify",
        "--name",
        "mixnet-nano",
        "--web",
        "--port",
        "0",
    ]
    with subprocess.Popen(
        [*command, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("http://"), process.communicate()
            yield Running(process, urlsplit(line).port or 0)
        finally:
            process.kill()


def test_it_serves_this_machine_alone_and_ctrl_c_ends_it_whatever_is_going_on(nano_dir: Path) -> None:
    with page(nano_dir) as running:
        assert listening_addresses(running.port) == {"0100007F"}  # 127.0.0.1, as the kernel writes it
        found = running.ask("POST", "/api/classify?name=a.jpg", PICTURE.read_bytes())
        assert [answer["model"] for answer in found["answers"]] == ["openvino FP16"]
        with (
            socket.create_connection(("127.0.0.1", running.port)),
            socket.create_connection(("127.0.0.1", running.port)) as upload,
        ):
            upload.sendall(
                b"POST /api/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
                b"Content-Length: 1000\r\n\r\nnot all of it"
            )
            code, err = running.end(signal.SIGINT)
        assert code == 130
        assert err.splitlines() == ["open this address in a browser; Ctrl-C ends it", "mixnet classify: interrupted"]


def test_others_reach_it_where_host_says_so_and_are_warned_of(nano_dir: Path) -> None:
    with page(nano_dir, "--host", "0.0.0.0", "-k", "2") as running:
        assert listening_addresses(running.port) == {"00000000"}
        (answer,) = running.ask("POST", "/api/classify", PICTURE.read_bytes())["answers"]
        assert len(answer["classes"]) == 2
        code, err = running.end(signal.SIGTERM)
        assert code == 143
        assert "warning: 0.0.0.0 can be reached from other machines" in err


def listening_addresses(port: int) -> set[str]:
    """The local addresses on which somebody listens at ``port``, in hexadecimal."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        address, _, hexadecimal = local.partition(":")
        if int(hexadecimal, 16) == port and state == "0A":
            found.add(address)
    return found


def test_a_port_that_is_in_use_is_one_error_before_anything_is_loaded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        arguments = ["--name", "mixnet-nano", "--web", "--port", str(port), "-d", str(tmp_path)]
        err = run_failing("classify", *arguments)
    assert f"port {port} of 127.0.0.1 is in use by another program" in err
    assert "try: give another --port, or --port 0 for any that is free" in err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--port", "8000"], "--host and --port are for the page"),
        (["--web", "photo.jpg"], "--web takes pictures on its page"),
        (["--web", "--json"], "--web takes pictures on its page"),
        (["--web", "--port", "70000"], "expected a port from 0 to 65535"),
        (["--web", "--port", "-1"], "expected a port from 0 to 65535"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(arguments: list[str], expected: str) -> None:
    assert expected in run_failing("classify", "--name", "mixnet-nano", *arguments, code=2)


def test_a_host_that_is_not_this_machine_is_one_error(tmp_path: Path) -> None:
    err = run_failing("classify", "--name", "mixnet-nano", "--web", "--host", "192.0.2.1", "-d", tmp_path)
    assert "192.0.2.1: no address of this machine" in err
    assert "try: --host 127.0.0.1" in err
