"""A server on loopback that sends bytes as they are given, right or wrong: what no library would send.

    with WireServer(lambda request, number: b"HTTP/1.1 103 Early Hints\\r\\n\\r\\n" + ok(BODY)) as server:
        ...

Each connection takes one request, and is closed after its answer.
"""

from __future__ import annotations

import socketserver
from collections.abc import Callable, Iterable

from tests.support.serving import LoopbackServer

Script = Callable[[bytes, int], bytes | Iterable[bytes]]
"""What is sent to a request, at once or in pieces. It is given as its bytes up to the empty line, and its number."""


def ok(body: bytes, *headers: str) -> bytes:
    """A good answer with ``body``."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class WireServer(LoopbackServer):
    """Answers by ``script``; use as a context manager."""

    def __init__(self, script: Script) -> None:
        super().__init__(_Handler)
        self.script = script
        self.requests: list[bytes] = []

    @property
    def url(self) -> str:
        """The server's base URL, without a slash at the end."""
        return f"http://{self.host}"

    def __enter__(self) -> WireServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Handler(socketserver.StreamRequestHandler):
    server: WireServer

    def handle(self) -> None:
        lines = []
        while (line := self.rfile.readline()).strip():
            lines.append(line)
        if lines:
            self.server.requests.append(b"".join(lines))
            sent = self.server.script(b"".join(lines), len(self.server.requests))
            for piece in [sent] if isinstance(sent, bytes) else sent:
                self.wfile.write(piece)
