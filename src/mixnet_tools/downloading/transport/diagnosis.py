"""Looks at each source of a file without downloading it: proxy, name, TLS, answer, ranges and size."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from mixnet_tools.descriptors.file_entries import ModelFile
from mixnet_tools.downloading.sources import DriveSource, LocalSource, Source
from mixnet_tools.network.failure import SourceFailure

if TYPE_CHECKING:
    from mixnet_tools.network.client import Answer, Client
    from mixnet_tools.network.environment import Route

_MOST_ADDRESSES = 3


@dataclass(frozen=True)
class SourceDiagnosis:
    """What was found out about ``source``, as (subject, what was found), in the order in which a download meets it.

    ``works`` says whether the file can be had there, as far as can be told without its bytes. No text has secrets.
    """

    source: str
    findings: tuple[tuple[str, str], ...]
    works: bool


def diagnose(file: ModelFile, sources: Sequence[Source], timeout: float) -> Iterator[SourceDiagnosis]:
    """Look at each of ``sources`` of ``file``, one request each. ``timeout`` is in seconds."""
    from mixnet_tools.network.client import Client

    with contextlib.closing(Client(timeout)) as client:
        for source in sources:
            look = _Look(file, source)
            try:
                look.at(client)
                works = look.right_size
            except SourceFailure as failure:
                look.found("failure", str(failure))
                works = False
            yield SourceDiagnosis(str(source), tuple(look.findings), works)


class _Look:
    """One look at ``source``. What is found out stays in ``findings``, also where the next step fails."""

    def __init__(self, file: ModelFile, source: Source) -> None:
        self._file, self._source = file, source
        self.findings: list[tuple[str, str]] = []
        self.right_size = True
        self._ranges = "no"

    def found(self, subject: str, what: str) -> None:
        self.findings.append((subject, what))

    def at(self, client: Client) -> None:
        if isinstance(self._source, LocalSource):
            from mixnet_tools.downloading.transport.local_file import LocalBody

            LocalBody(self._source.path, self._file.size, 0).close()
            self._size(self._file.size)
            return
        from mixnet_tools.downloading.transport.http import NO_PARTS

        url = self._source.url if not isinstance(self._source, DriveSource) else self._drive_url(self._source)
        route = client.route(url)
        self.found("proxy", _proxy(url, route))
        self.found("name", _addresses(route))
        if route.scheme == "https":
            self.found("trusted", client.trust().roots)
        begin = time.monotonic()
        answer = client.get(url, {"Range": "bytes=0-0"})
        if (status := answer.response.status_code) in NO_PARTS:
            answer.close()
            begin = time.monotonic()
            answer = client.get(url, {})
            if answer.response.status_code != status:
                self._ranges = f"refused with HTTP {status}"
        with contextlib.closing(answer):
            self._answer(answer, url, time.monotonic() - begin)

    def _answer(self, answer: Answer, url: str, seconds: float) -> None:
        from mixnet_tools.files.shown import redact
        from mixnet_tools.network.explain import ADVICE
        from mixnet_tools.network.headers import WHOLE, declared_length, media_type

        response = answer.response
        if answer.route.scheme == "https":
            self.found("TLS", _certificate(response.raw))
        if response.url != url:
            self.found("redirects", f"to {redact(response.url)}")
        status = response.status_code
        advice = f": {ADVICE[status]}" if status in ADVICE else ""
        self.found("answer", f"HTTP {status} {response.reason or ''}".rstrip() + f"{advice}, after {seconds:.2f} s")
        if status == 206:
            match = re.fullmatch(r"\s*bytes\s+0-\d+/(\d{1,18}|\*)\s*", response.headers.get("Content-Range", ""))
            self.found("ranges", "yes" if match else "answered in a wrong way: an interrupted download begins anew")
            self._size(int(match[1]) if match and match[1] != "*" else None)
        elif status in WHOLE:
            self.found("ranges", f"{self._ranges}: an interrupted download begins anew")
            packed = response.headers.get("Content-Encoding", "identity").strip().lower() != "identity"
            self._size(None if packed else declared_length(response.headers))
        else:
            self.right_size = False
        is_expected = isinstance(self._source, DriveSource) or self._file.name.endswith((".html", ".htm"))
        if self.right_size and media_type(response.headers) == "text/html" and not is_expected:
            self.found("page", "an HTML page, not the file (a login or error page?)")
            self.right_size = False

    def _size(self, size: int | None) -> None:
        if size is None:
            self.found("size", f"not told (the descriptor has {self._file.size} bytes)")
            return
        self.right_size = size == self._file.size
        says = "as in the descriptor" if self.right_size else f"but the descriptor has {self._file.size}"
        self.found("size", f"{size} bytes, {says}")

    @staticmethod
    def _drive_url(source: DriveSource) -> str:
        from mixnet_tools.downloading.transport import google_drive

        return google_drive.url_of(source.id)


def _proxy(url: str, route: Route) -> str:
    from urllib.request import getproxies

    import requests.utils

    if route.proxy:
        return str(route.proxy)
    passed_over = requests.utils.select_proxy(url, getproxies())
    return "none: NO_PROXY leaves this server out" if passed_over else "none"


def _addresses(route: Route) -> str:
    """What the name of the server that is connected to stands for."""
    host, port = (route.proxy.host, route.proxy.port) if route.proxy else (route.host, route.port)
    whose = "the proxy's, which looks up the server's own name: " if route.proxy else ""
    try:
        found = list(dict.fromkeys(str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    except (OSError, UnicodeError):
        return f"{whose}{host} cannot be resolved"
    more = f" and {len(found) - _MOST_ADDRESSES} more" if len(found) > _MOST_ADDRESSES else ""
    return f"{whose}{host} is {', '.join(found[:_MOST_ADDRESSES])}{more}"


def _certificate(raw: object) -> str:
    """The version of TLS and the server's certificate, of the connection that an answer comes over."""
    sock = getattr(getattr(raw, "connection", None), "sock", None)
    if not isinstance(sock, ssl.SSLSocket):
        return "in use"
    certificate = cast("dict[str, Any]", sock.getpeercert() or {})
    issuer = dict(pair for part in certificate.get("issuer", ()) for pair in part)
    name = issuer.get("organizationName") or issuer.get("commonName") or "unknown"
    return f"{sock.version()}, certificate by {name}, valid until {certificate.get('notAfter', 'unknown')}"
