"""The surroundings of a download: proxies, certificates, a terminal, the Python interface."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from importlib import import_module
from pathlib import Path

import pytest

import mixnet_tools
from mixnet_tools.errors import OfflineError, UnknownModelError, UsageError
from mixnet_tools.progress import Progress
from tests.support.downloads import add_model, delivered, download_failing, download_ok, file_entry, noise
from tests.support.http_server import Answer, FaultyServer

BODY = noise(300_000)
EXPECTED = {"public/net/net.bin": BODY}


@pytest.fixture
def zoo(tmp_path: Path, server: FaultyServer) -> Path:
    """A zoo with a model of one plain file."""
    add_model(tmp_path / "zoo", "net", [file_entry("net.bin", BODY, server.put("/net.bin", BODY))])
    return tmp_path / "zoo"


def test_a_proxy_of_the_environment_is_used_and_no_proxy_heeded(
    zoo: Path, tmp_path: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_model(zoo, "net", [file_entry("net.bin", BODY, "http://far.invalid/net.bin")])
    server.put("http://far.invalid/net.bin", BODY)
    monkeypatch.setenv("HTTP_PROXY", server.url)
    download_ok(zoo, tmp_path / "proxied")
    assert delivered(tmp_path / "proxied") == EXPECTED
    monkeypatch.setenv("NO_PROXY", "far.invalid")
    assert "the name far.invalid cannot be resolved" in download_failing(zoo, tmp_path / "direct")
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", "http://user:hunter2@127.0.0.1:9")
    message = download_failing(zoo, tmp_path / "dead", "--debug")
    assert "the proxy 127.0.0.1:9 (HTTP_PROXY) refuses the connection" in message
    assert "hunter2" not in message


def test_a_terminal_gets_bars_and_the_result(zoo: Path, tmp_path: Path, server: FaultyServer) -> None:
    server.put("/net.bin", BODY, Answer(drip_at=299_990, drip_seconds=0.05))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    program = [sys.executable, "-m", "mixnet_tools.cli.main", "download", "--all", "--models_dir", str(zoo)]
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen([*program, "-o", tmp_path / "out"], stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = bytearray()
        try:
            while piece := terminal.read(4096):
                shown += piece
        except OSError:
            pass  # what a terminal says when the other side has gone
        assert process.wait(60) == 0
    text = shown.decode()
    assert "net.bin:" in text
    assert "%|" in text
    assert "B/s]" in text
    assert "net: downloaded to" in text


def test_python_gets_a_typed_model_and_progress(zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Recorder(Progress):
        sizes: list[int]

        def __init__(self) -> None:
            self.sizes = []

        def file_progress(self, model: str, file: str, size: int) -> None:
            self.sizes.append(size)

    import_module("mixnet_tools.downloading.download")  # which makes a module of what is a function before
    recorder = Recorder()
    monkeypatch.setenv("MIXNET_TOOLS_MODELS", str(zoo))
    model = mixnet_tools.download("net", output_dir=tmp_path / "out", progress=recorder)
    assert model.directory == tmp_path / "out/public/net"
    assert [file.path.read_bytes() for file in model.files] == [BODY]
    assert not model.up_to_date
    assert recorder.sizes[-1] == len(BODY)
    again = mixnet_tools.download("net", output_dir=tmp_path / "out", models_dir=[zoo])
    assert again.up_to_date
    with pytest.raises(UnknownModelError, match="did you mean 'net'"):
        mixnet_tools.download("nett", output_dir=tmp_path / "out")
    add_model(zoo, "nets", [file_entry("net.bin", BODY, "http://127.0.0.1:9/x")])
    with pytest.raises(UnknownModelError, match="expected the name of one model"):
        mixnet_tools.download("net*", output_dir=tmp_path / "out")
    once = mixnet_tools.DownloadOptions(num_attempts=1)
    with pytest.raises(OfflineError, match="refuses the connection"):
        mixnet_tools.download("nets", output_dir=tmp_path / "out", options=once)
    with pytest.raises(UsageError, match="`jobs`: expected a whole number of at least 1, got 0"):
        mixnet_tools.DownloadOptions(jobs=0)
    with pytest.raises(mixnet_tools.UsageError, match=r"`mirrors`: .* got the text 'https://\*\*\*@host/'"):
        mixnet_tools.DownloadOptions(mirrors="https://me:hunter2@host/")  # type: ignore[arg-type]


def test_a_reader_that_goes_away_ends_it_quietly(zoo: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "mixnet_tools.cli.main", "download", "--all", "--models_dir", str(zoo)]
    process = subprocess.Popen(
        [*program, "-o", tmp_path / "out", "--progress_format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"Traceback" not in errors
    assert b"cannot be written" not in errors


def test_the_command_loads_nothing_heavy(zoo: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from mixnet_tools.cli.main import mixnet\n"
        f"mixnet(['download', '--all', '--models_dir', {str(zoo)!r}, '-o', {str(tmp_path / 'out')!r}])\n"
        "print(sorted({'tensorflow', 'openvino', 'numpy', 'tqdm', 'tarfile'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
