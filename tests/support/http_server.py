"""A real HTTP server on loopback whose every answer can be made to fail in a chosen way.

    with FaultyServer() as server:
        url = server.put("/a.bin", b"...", Answer(cut_at=100), Answer())

Each request takes the next answer; the last one is given for all that follow. ``server.requests`` records what was
asked. Without faults it does what a good server does: ranges, If-Range, ETag, keep-alive.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType

from tests.support.serving import LoopbackServer


@dataclass(frozen=True)
class Answer:
    """How one request is answered. The defaults are a good server's.

    ``body`` replaces the resource's; ``cut_at``, ``stall_at`` and ``drip_at`` are bytes of this answer's body after
    which the connection is closed, goes silent, or gives a byte every ``drip_seconds``. ``declared`` is a false
    Content-Length (None: the true one; -1: none at all, the end is the end of the connection). ``wait`` is how many
    seconds pass before the answer begins, and ``gate`` is waited for. ``ranges`` is
    ``honour``, ``ignore``, ``shift`` (bytes from elsewhere, said truthfully), ``lie`` (bytes from elsewhere, under the
    right Content-Range), ``always`` (If-Range is not looked at), ``refuse`` (416) or ``unasked`` (206 for a whole
    file). ``most`` is how many bytes one answer has at most, as a part (206). ``packed`` sends the body gzip-encoded;
    ``label`` only says that it is. ``status`` 203 has the file as 200 does.
    """

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    cut_at: int | None = None
    stall_at: int | None = None
    drip_at: int | None = None
    drip_seconds: float = 0.1
    declared: int | None = None
    ranges: str = "honour"
    most: int | None = None
    packed: bool = False
    label: str | None = None
    chunked: bool = False
    wait: float = 0.0
    gate: threading.Event | None = None

    @property
    def is_slow(self) -> bool:
        """Whether it is one that a client has to give up."""
        return bool(self.wait) or self.stall_at is not None or self.drip_at is not None


@dataclass(frozen=True)
class Request:
    """A request as it came: ``headers`` by lower-case name."""

    path: str
    headers: dict[str, str]


class _Resource:
    def __init__(self, body: bytes, answers: tuple[Answer, ...]) -> None:
        self.body = body
        self.etag = '"' + hashlib.sha256(body).hexdigest()[:16] + '"'
        self.answers = list(answers) or [Answer()]

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class FaultyServer:
    """Serves what was :meth:`put`, on a free port of loopback; use as a context manager.

    It takes ``most`` connections at once, idle ones too. Another gets 503, or with ``refuse`` is closed.
    """

    def __init__(
        self, tls: ssl.SSLContext | None = None, most: int | None = None, refuse: bool = False, port: int = 0
    ) -> None:
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._resources: dict[str, _Resource] = {}
        self._lock = threading.Lock()
        self._server = _Server(_Handler, port)
        self._server.faulty = self
        self._most, self._refuse = most, refuse
        self._connections = 0
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        """The server's base URL, without a slash at the end."""
        return f"{self._scheme}://{self._server.host}"

    def put(self, path: str, body: bytes, *answers: Answer) -> str:
        """Serve ``body`` at ``path``, with ``answers`` in turn; returns its URL."""
        with self._lock:
            self._resources[path] = _Resource(body, answers)
        return self.url + path

    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        with self._lock:
            return [request.path for request in self.requests]

    def take(self, request: Request) -> tuple[_Resource, Answer] | None:
        """Record ``request`` and say what to answer; None for an unknown path."""
        with self._lock:
            self.requests.append(request)
            resource = self._resources.get(request.path) or self._resources.get(request.path.partition("?")[0])
            return (resource, resource.next_answer()) if resource else None

    def connected(self, number: int) -> bool:
        """Count ``number`` more connections; whether the server takes that many."""
        with self._lock:
            self._connections += number
            return self._most is None or self._connections <= self._most

    @property
    def refuses(self) -> bool:
        """Whether a connection too many is closed without an answer."""
        return self._refuse

    def __enter__(self) -> FaultyServer:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.stop()


class _Server(LoopbackServer):
    faulty: FaultyServer


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def handle(self) -> None:
        self.is_taken = self.server.faulty.connected(1)
        try:
            if self.is_taken or not self.server.faulty.refuses:
                super().handle()
        finally:
            self.server.faulty.connected(-1)

    def do_GET(self) -> None:
        if not self.is_taken:
            self.close_connection = True
            self._send_plain(503, b"too many connections", {})
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        taken = self.server.faulty.take(Request(self.path, headers))
        if taken is None:
            self._send_plain(404, b"no such file", {})
            return
        resource, answer = taken
        if answer.wait:
            self.server.faulty.stopping.wait(answer.wait)
        while answer.gate and not answer.gate.wait(0.05) and not self.server.faulty.stopping.is_set():
            pass
        if answer.status not in (200, 203):
            self._send_plain(answer.status, answer.body or b"not now", answer.headers)
            return
        self._send_file(resource, answer, headers)

    def _send_plain(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)
        if "Date" not in headers:
            self.send_header("Date", self.date_time_string())
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self, resource: _Resource, answer: Answer, headers: dict[str, str]) -> None:
        body = resource.body if answer.body is None else answer.body
        etag = resource.etag if answer.etag is None else answer.etag
        if answer.packed:
            body = gzip.compress(body, mtime=0)
        start, end = self._range(headers, answer, etag, len(body))
        if start and answer.ranges == "refuse":
            self._send_plain(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            return
        total = len(body)
        claimed = start
        if start and answer.ranges in ("shift", "lie"):
            start -= 1
            claimed = start if answer.ranges == "shift" else claimed
        body = body[start : end if answer.most is None else min(end, start + answer.most)]
        is_part = bool(claimed) or answer.ranges == "unasked" or len(body) < total - start
        self.send_response(206 if is_part else answer.status)
        if is_part:
            known = f"bytes {claimed}-{claimed + len(body) - 1}/{total}"
            self.send_header("Content-Range", answer.headers.get("Content-Range", known))
        if etag:
            self.send_header("ETag", etag)
        if answer.packed or answer.label:
            self.send_header("Content-Encoding", answer.label or "gzip")
        for name, value in answer.headers.items():
            if name != "Content-Range":
                self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.declared == -1:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body) if answer.declared is None else answer.declared))
        self.end_headers()
        self._send_body(body, answer)

    def _range(self, headers: dict[str, str], answer: Answer, etag: str, size: int) -> tuple[int, int]:
        """The first byte that is wanted, and the one after the last."""
        wanted = headers.get("range", "")
        if answer.ranges == "ignore" or not wanted.startswith("bytes="):
            return 0, size
        if answer.ranges != "always" and headers.get("if-range", etag) != etag:
            return 0, size
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        return int(first), int(last) + 1 if last else size

    def _send_body(self, body: bytes, answer: Answer) -> None:
        if answer.chunked:
            for start in range(0, len(body), 10_000):
                if answer.cut_at is not None and start >= answer.cut_at:
                    self._hang_up()
                    return
                piece = body[start : start + 10_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return
        whole = len(body) if answer.cut_at is None else answer.cut_at
        for limit in (answer.stall_at, answer.drip_at):
            whole = whole if limit is None else min(whole, limit)
        self.wfile.write(body[:whole])
        self.wfile.flush()
        stopping = self.server.faulty.stopping
        if answer.stall_at is not None:
            stopping.wait(60)
        elif answer.drip_at is not None:
            for position in range(whole, len(body)):
                if stopping.wait(answer.drip_seconds):
                    break
                self.wfile.write(body[position : position + 1])
                self.wfile.flush()
        if whole < len(body) or answer.declared is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
