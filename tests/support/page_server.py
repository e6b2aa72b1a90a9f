"""The page of mixnet_tools.web, served by a thread of the test's process, and requests to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from mixnet_tools.api.classification import OpenedClassifier
from mixnet_tools.web.limits import Limits
from mixnet_tools.web.server import address, listen, make_server

PICTURE = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the headers with names in lower case, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        """The body as an object of JSON."""
        found: dict[str, object] = json.loads(self.body)
        return found

    @property
    def problem(self) -> str:
        """What the page would show; "" where all is well."""
        return str(self.json.get("problem", ""))


@dataclass
class PageServer:
    """The page at ``address``; ``told`` has what the person at the terminal is told."""

    address: str
    port: int
    told: list[str] = field(default_factory=list)

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request. ``headers`` may say another Host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            came = connection.getresponse()
            return Answer(came.status, {name.lower(): value for name, value in came.getheaders()}, came.read())
        finally:
            connection.close()

    def classify(self, picture: bytes, name: str = "a.png", headers: Mapping[str, str] | None = None) -> Answer:
        """Send a picture as the page does."""
        return self.ask(f"/api/classify?name={quote(name)}", "POST", picture, {**PICTURE, **(headers or {})})


@contextlib.contextmanager
def serving(opened: OpenedClassifier, limits: Limits | None = None, host: str = "127.0.0.1") -> Iterator[PageServer]:
    """The page for ``opened`` at a free port."""
    with listen(host, 0) as listener:
        server = PageServer(address(host, listener), listener.getsockname()[1])
        running = make_server(opened, host, limits or Limits(), server.told.append)
        thread = threading.Thread(target=running.run, args=([listener],))
        thread.start()
        try:
            yield server
        finally:
            running.should_exit = True
            thread.join(30)
    assert not thread.is_alive(), "the server did not end"
