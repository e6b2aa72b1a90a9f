"""The files that benchmarks/download.py fetches, their descriptors, and a server that has them."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import random
import re
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

_SERVE = "import sys; from benchmarks.served_files import serve_forever; serve_forever(sys.argv[1])"


@dataclass(frozen=True)
class Served:
    """A file that the server has."""

    name: str
    size: int
    sha384: str


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each small file waits 40 ms for an acknowledgement

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        """Serve a file, or the range of it that is asked for."""
        asked = re.fullmatch(r"bytes=([0-9]+)-([0-9]+)", self.headers.get("Range", ""))
        if asked is None:
            super().do_GET()
            return
        begin, end = int(asked[1]), int(asked[2]) + 1
        with open(self.translate_path(self.path), "rb") as source:
            self.send_response(206)
            self.send_header("Content-Length", str(end - begin))
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{os.fstat(source.fileno()).st_size}")
            self.end_headers()
            self._send(source, begin, end)

    def copyfile(self, source: object, outputfile: object) -> None:
        """Send all of ``source``."""
        assert isinstance(source, io.BufferedReader)
        self._send(source, 0, os.fstat(source.fileno()).st_size)

    def _send(self, source: io.BufferedReader, begin: int, end: int) -> None:
        """Let the kernel do it, so that the server's own cost blurs the comparison as little as possible."""
        self.wfile.flush()
        while begin < end:
            begin += os.sendfile(self.connection.fileno(), source.fileno(), begin, end - begin)


def serve_forever(folder: str) -> None:
    """Serve ``folder`` on a free port of loopback, which is printed."""
    handler = functools.partial(_Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        print(server.server_address[1], flush=True)
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0))).start()
        server.serve_forever()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server of ``folder`` in a process of its own; gives its base URL."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.wait()


def make_archive(folder: Path, name: str, size: int) -> Served:
    """An archive of the published one's form: three files that hardly compress, like weights."""
    noise = random.Random(0)
    path = folder / f"{name}.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for member, share in (("meta", 0.08), ("data-00000-of-00001", 0.92)):
            info = tarfile.TarInfo(f"{name}/model.ckpt.{member}")
            info.size = int(size * share)
            tar.addfile(info, _Noise(noise, info.size))
    return _describe(path)


class _Noise(io.RawIOBase):
    """``size`` random bytes, made as they are read."""

    def __init__(self, source: random.Random, size: int) -> None:
        self._source, self._left = source, size

    def read(self, count: int = -1) -> bytes:
        count = min(self._left, count if count >= 0 else self._left)
        self._left -= count
        return self._source.randbytes(count)


def make_file(folder: Path, name: str, size: int) -> Served:
    """One file that does not compress."""
    noise = random.Random(2)
    path = folder / name
    with path.open("wb") as stream:
        for begin in range(0, size, 1 << 20):
            stream.write(noise.randbytes(min(1 << 20, size - begin)))
    return _describe(path)


def make_small_files(folder: Path, count: int) -> list[Served]:
    """``count`` files of 1 to 40 kB."""
    noise = random.Random(1)
    files = []
    for number in range(count):
        path = folder / f"small{number:03}.bin"
        path.write_bytes(noise.randbytes(noise.randrange(1_000, 40_000)))
        files.append(_describe(path))
    return files


def _describe(path: Path) -> Served:
    digest = hashlib.sha384()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return Served(path.name, path.stat().st_size, digest.hexdigest())


def write_model(zoo: Path, name: str, files: Sequence[Served], url: str, archive: str | None) -> None:
    """A descriptor of ``files``, of which ``archive`` is unpacked."""
    descriptor = {
        "description": "Files for a benchmark.",
        "task_type": "classification",
        "files": [{"name": f.name, "size": f.size, "checksum": f.sha384, "source": f"{url}/{f.name}"} for f in files],
        "framework": "dldt",
        "license": "none",
    }
    if archive:
        descriptor["postprocessing"] = [{"$type": "unpack_archive", "format": "gztar", "file": archive}]
    path = zoo / "public" / name / "model.yml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(descriptor))
