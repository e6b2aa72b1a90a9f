"""A folder over HTTP on loopback: range requests, lists of files, and a record of what was asked for."""

from __future__ import annotations

import functools
import http.server
import re
from pathlib import Path
from types import TracebackType

from tests.support.serving import LoopbackServer


class FileServer:
    """Serves ``folder`` while the block lasts. ``ranges`` False: parts of files are asked for in vain.

    The first answers for a path that ends with an entry of ``failing`` are 503, as many as that says. Those for a path
    that ends with ``refused`` are 403.
    """

    def __init__(
        self, folder: Path, *, ranges: bool = True, failing: dict[str, int] | None = None, refused: str | None = None
    ) -> None:
        self.refused = refused
        self.requests: list[tuple[str, str, str | None]] = []
        """(method, path, Range header) of each request."""
        self.ranges, self.failing = ranges, dict(failing or {})
        self._server = _Server(functools.partial(_Handler, directory=str(folder)))
        self._server.files = self

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"http://{self._server.host}"

    def __enter__(self) -> FileServer:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()


class _Server(LoopbackServer):
    files: FileServer


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def do_HEAD(self) -> None:
        self.server.files.requests.append(("HEAD", self.path, None))
        super().do_HEAD()

    def do_GET(self) -> None:
        files, wanted = self.server.files, self.headers.get("Range")
        files.requests.append(("GET", self.path, wanted))
        if files.refused and self.path.endswith(files.refused):
            self.send_error(403)
            return
        for name, left in files.failing.items():
            if left and self.path.endswith(name):
                files.failing[name] -= 1
                self.send_error(503)
                return
        path = Path(self.translate_path(self.path))
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
        if not match or not path.is_file() or not files.ranges:
            super().do_GET()
            return
        data = path.read_bytes()
        first = int(match[1])
        last = min(int(match[2]) if match[2] else len(data), len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        self.wfile.write(data[first : last + 1])
