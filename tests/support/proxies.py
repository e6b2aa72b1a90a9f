"""Proxies on loopback: an HTTP proxy that tunnels (CONNECT), and a SOCKS5 server.

    with ConnectProxy(credentials=("me", "secret")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@{proxy.host}")

``asked`` records where clients wanted to go.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import socketserver
import struct
import threading
from types import TracebackType


class Proxy(socketserver.ThreadingTCPServer):
    """What both have in common; use as a context manager. ``credentials`` are asked for, if given."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, handler: type[socketserver.BaseRequestHandler], credentials: tuple[str, str] | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.credentials = credentials
        self.asked: list[str] = []
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def host(self) -> str:
        """Address and port, as in a URL."""
        return f"127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are expected."""


class ConnectProxy(Proxy):
    """Answers CONNECT with ``answer`` (None: it hangs up at once; 200: it tunnels)."""

    def __init__(self, answer: int | None = 200, credentials: tuple[str, str] | None = None) -> None:
        super().__init__(_Connect, credentials)
        self.answer = answer


class SocksProxy(Proxy):
    """Answers a SOCKS5 request with ``reply`` (0: it tunnels, after looking the name up)."""

    def __init__(self, reply: int = 0, credentials: tuple[str, str] | None = None) -> None:
        super().__init__(_Socks, credentials)
        self.reply = reply


class _Connect(socketserver.StreamRequestHandler):
    server: ConnectProxy

    def handle(self) -> None:
        if self.server.answer is None:
            return
        method, _, rest = self.rfile.readline().decode("latin-1").partition(" ")
        target, headers = rest.partition(" ")[0], {}
        while (line := self.rfile.readline().decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self.server.asked.append(f"{method} {target}")
        status = self.server.answer
        if self.server.credentials:
            wanted = base64.b64encode(":".join(self.server.credentials).encode()).decode()
            status = status if headers.get("proxy-authorization") == f"Basic {wanted}" else 407
        if status != 200 or method != "CONNECT":
            self.wfile.write(f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n".encode())
            return
        host, _, port = target.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port))) as there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            relay(self.connection, there)


class _Socks(socketserver.StreamRequestHandler):
    server: SocksProxy

    def handle(self) -> None:
        _, count = self.rfile.read(2)
        offered = self.rfile.read(count)
        method = 2 if self.server.credentials else 0
        if method not in offered:
            self.wfile.write(b"\x05\xff")
            return
        self.wfile.write(bytes([5, method]))
        if self.server.credentials:
            self.rfile.read(1)
            right = (self._text(), self._text()) == self.server.credentials
            self.wfile.write(bytes([1, 0 if right else 1]))
            if not right:
                return
        kind = self.rfile.read(4)[3]
        host = socket.inet_ntoa(self.rfile.read(4)) if kind == 1 else self._text()
        (port,) = struct.unpack("!H", self.rfile.read(2))
        self.server.asked.append(f"{host}:{port}")
        self.wfile.write(bytes([5, self.server.reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        if self.server.reply == 0:
            with socket.create_connection((host, port)) as there:
                relay(self.connection, there)

    def _text(self) -> str:
        return self.rfile.read(self.rfile.read(1)[0]).decode()


def relay(one: socket.socket, other: socket.socket) -> None:
    """Pass on all bytes in both directions, until one side ends."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=pump, args=(other, one), daemon=True)
    back.start()
    pump(one, other)
    back.join()
