"""Asks for (the rest of) a file over HTTP: redirects, ranges, encodings and stalls.

:meth:`HttpClient.open` returns a :class:`HttpBody`, or raises a :class:`SourceFailure` that says whether asking again
makes sense. Proxies, CA bundles and .netrc come from the environment. Nothing here knows of files on disk:
:mod:`mixnet_tools.downloading.transport.receive` checks whether the bytes are the right ones.
"""

from __future__ import annotations

import queue
import re
import time
import zlib
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions

from mixnet_tools import __version__
from mixnet_tools.downloading.transport.network_errors import explain
from mixnet_tools.downloading.transport.partial_file import CHUNK, Origin
from mixnet_tools.downloading.transport.retry import Kind, SourceFailure, parse_retry_after
from mixnet_tools.files.shown import redact

MAX_REDIRECTS = 10

MIN_RATE = 1024
"""Bytes a second. A body that is slower than this for the length of the timeout counts as stalled."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRY = frozenset({408, 425, 429})
_ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})
_ADVICE = {
    401: "the server wants credentials",
    403: "the server does not allow it",
    404: "there is no such file on this server",
    407: "the proxy wants credentials",
    410: "the file was removed from this server",
}


class HttpClient:
    """Sends requests and keeps connections open between files, in several threads if need be. ``timeout``: seconds."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._idle: queue.LifoQueue[requests.Session] = queue.LifoQueue()
        self._environment: dict[str, _Environment] = {}

    def open(
        self, url: str, size: int, offset: int = 0, origin: Origin | None = None, recode: bool = False
    ) -> HttpBody:
        """Ask for the file of ``size`` bytes behind ``url``, from byte ``offset`` on.

        ``origin`` says where the first ``offset`` bytes came from. ``recode`` asks for the second reading of a
        Content-Encoding (see :class:`HttpBody`). Raises :class:`SourceFailure`.
        """
        headers = {}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if origin is not None and origin.validator and origin.url_key == Origin.key_of(url):
                headers["If-Range"] = origin.validator
        session = self._take_session()
        try:
            response = self._follow(session, url, headers)
        except BaseException:
            self._idle.put(session)
            raise
        body = HttpBody(self, session, response, url, size=size, recode=recode)
        try:
            body.check_status(offset, headers.get("If-Range"))
        except BaseException:
            body.close()
            raise
        return body

    def give_back(self, session: requests.Session) -> None:
        """Keep ``session`` for the next file."""
        self._idle.put(session)

    def close(self) -> None:
        """Close all idle connections."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

    def _take_session(self) -> requests.Session:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            session = requests.Session()
            # No transfer compression: a range must count the file's own bytes, and archives do not shrink.
            session.headers.update({"User-Agent": f"mixnet_tools/{__version__}", "Accept-Encoding": "identity"})
            return session

    def _follow(self, session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
        # requests would read each redirect's body to its end, however long, and follow to any scheme it has.
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = self._send(session, url, headers)
            except (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError) as error:
                raise explain(error, url, self.timeout) from None  # the original's text may show credentials
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not location:
                return response
            response.close()
            url = urljoin(url, location.strip())
            if urlsplit(url).scheme not in ("http", "https"):
                raise SourceFailure(f"redirects to {redact(url)}, which is not http or https", Kind.PERMANENT)
        raise SourceFailure(f"redirects in circles (more than {MAX_REDIRECTS} times)", Kind.PERMANENT)

    def _send(self, session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
        """Do what ``session.get`` does, but look up proxies, CA bundle and .netrc only once for each server.

        Looking them up takes longer than a small file does, and they do not change while this process runs.
        """
        parts = urlsplit(url)
        server = f"{parts.scheme}://{parts.netloc}"
        known = self._environment.get(server)
        if known is None:
            found = session.merge_environment_settings(url, {}, True, None, None)
            auth = requests.utils.get_netrc_auth(url)
            known = self._environment[server] = _Environment(found["proxies"], found["verify"], found["cert"], auth)
        request = requests.PreparedRequest()
        request.prepare("GET", url, {**session.headers, **headers}, auth=known.auth, cookies=session.cookies)
        return session.send(
            request,
            stream=True,
            timeout=(self.timeout, self.timeout),
            allow_redirects=False,
            proxies=known.proxies,
            verify=known.verify,
            cert=known.cert,
        )


@dataclass(frozen=True)
class _Environment:
    """What the environment says about one server: proxies, CA bundle, client certificate, credentials from .netrc."""

    proxies: MutableMapping[str, str]
    verify: bool | str | None
    cert: str | tuple[str, str] | None
    auth: tuple[str, str] | None


class HttpBody:
    """The body of an answer: the file's bytes from ``offset`` on.

    ``Content-Encoding: gzip`` has two readings: the server packed the file for the transfer, or the file itself is a
    ``.gz`` file. If the declared length is the file's size, the body is taken as it is. Otherwise it is unpacked.
    ``recode`` asks for the other one of the two.
    """

    def __init__(
        self,
        client: HttpClient,
        session: requests.Session,
        response: requests.Response,
        url: str,
        *,
        size: int,
        recode: bool,
    ) -> None:
        self._client, self._session, self._response, self._url, self._size = client, session, response, url, size
        headers = response.headers
        length = headers.get("Content-Length", "")
        self.declared = int(length) if length.isascii() and length.isdigit() else None
        self.is_delimited = self.declared is not None or "chunked" in headers.get("Transfer-Encoding", "").lower()
        self.is_encoded = headers.get("Content-Encoding", "identity").strip().lower() in _ENCODINGS
        self.is_decoded = self.is_encoded and (self.declared != size) != recode and response.status_code == 200
        self.offset = 0

    @property
    def origin(self) -> Origin | None:
        """What is needed to continue later; None for a body that is unpacked, as its ranges are not the file's."""
        if self.is_decoded:
            return None
        etag = self._response.headers.get("ETag", "").strip()
        validator = etag if etag and not etag.startswith("W/") else self._response.headers.get("Last-Modified")
        return Origin(Origin.key_of(self._url), validator)

    @property
    def content_type(self) -> str:
        """The declared media type in lower case, without parameters."""
        return self._response.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies that came with the answer."""
        return {cookie.name: cookie.value or "" for cookie in self._response.cookies}

    @property
    def final_url(self) -> str:
        """The URL after redirects."""
        return self._response.url

    def check_status(self, offset: int, if_range: str | None) -> None:
        """Set ``offset`` from the answer to a request from byte ``offset`` on. Raises :class:`SourceFailure`."""
        status = self._response.status_code
        if status == 206 and offset:
            self._check_range(offset, if_range)
            self.offset = offset
        elif status == 416 and offset:
            raise SourceFailure("the server has no bytes from there on (HTTP 416)", Kind.RESTART)
        elif status != 200:
            raise self._status_failure(status)

    def _check_range(self, offset: int, if_range: str | None) -> None:
        given = self._response.headers.get("Content-Range", "")
        match = re.fullmatch(r"\s*bytes\s+(\d+)-(\d+)/(\d+|\*)\s*", given)
        if not match or int(match[1]) != offset or match[3] not in ("*", str(self._size)):
            raise SourceFailure(f"asked for bytes from {offset}, the server sent {given!r}", Kind.RESTART)
        etag = self._response.headers.get("ETag")
        if if_range and etag and if_range.startswith('"') and etag.strip() != if_range:
            raise SourceFailure("the file changed on the server midway", Kind.RESTART)

    def _status_failure(self, status: int) -> SourceFailure:
        text = f"HTTP {status} {self._response.reason or ''}".rstrip()
        retry_after = parse_retry_after(self._response.headers.get("Retry-After"))
        if status in _RETRY or status >= 500:
            asks = f", asks to come back in {retry_after:.0f} s" if retry_after else ""
            return SourceFailure(text + asks, Kind.TRANSIENT, retry_after=retry_after, status=status)
        advice = _ADVICE.get(status)
        return SourceFailure(f"{text}: {advice}" if advice else text, Kind.PERMANENT, status=status)

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes, as they come. Raises :class:`SourceFailure` where they stop too soon or stall."""
        return self._unpacked() if self.is_decoded else self._raw()

    def _raw(self) -> Iterator[bytes]:
        timeout = self._client.timeout
        window, received = time.monotonic(), 0
        while True:
            try:
                chunk = self._response.raw.read1(CHUNK, decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise explain(error, self._url, timeout) from None
            if not chunk:
                return
            received += len(chunk)
            # A read waits for one byte at least; a server that drips is only seen over a longer time.
            now = time.monotonic()
            if now - window >= timeout:
                if received < MIN_RATE * timeout:
                    raise SourceFailure(f"stalled: {received} bytes in {now - window:.0f} s", Kind.TRANSIENT)
                window, received = now, 0
            yield chunk

    def _unpacked(self) -> Iterator[bytes]:
        unpacker = zlib.decompressobj(wbits=47)  # gzip or zlib, found out from the header
        try:
            for chunk in self._raw():
                data = chunk
                while data and not unpacker.eof:
                    if unpacked := unpacker.decompress(data, CHUNK):
                        yield unpacked
                    data = unpacker.unconsumed_tail
            while unpacked := unpacker.decompress(unpacker.unconsumed_tail, CHUNK):
                yield unpacked
        except zlib.error as error:
            raise SourceFailure(f"the body is not encoded as it says ({error})", Kind.RECODE) from None
        if not unpacker.eof:
            raise SourceFailure("the encoded body was cut short", Kind.TRANSIENT)

    def close(self) -> None:
        """Let go of the connection. It is kept open for the next file if the body was read to its end."""
        self._response.close()
        self._client.give_back(self._session)
