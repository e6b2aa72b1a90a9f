"""An HTTP server on loopback, in a thread of the test's process."""

from __future__ import annotations

import http.server
import socketserver
import threading
from collections.abc import Callable


class LoopbackServer(http.server.ThreadingHTTPServer):
    """On ``port`` (0: a free one), between :meth:`start` and :meth:`stop`; ``handler`` makes what answers a request."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, handler: Callable[..., socketserver.BaseRequestHandler], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def host(self) -> str:
        """Address and port, as in a URL."""
        return f"127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more, and let go of the port."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away in the middle are what these tests are about."""
