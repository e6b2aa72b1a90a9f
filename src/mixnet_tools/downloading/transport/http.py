"""Asks for (the rest of) a file over HTTP: ranges, encodings and stalls.

:meth:`HttpClient.open` returns a :class:`HttpBody`, or raises a :class:`SourceFailure` that says whether asking again
makes sense. Nothing here knows of files on disk: :mod:`mixnet_tools.downloading.transport.receive` checks whether the
bytes are the right ones.
"""

from __future__ import annotations

import contextlib
import re
import time
import zlib
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from mixnet_tools.downloading.transport.partial_file import CHUNK, Origin
from mixnet_tools.network.client import Answer, Client
from mixnet_tools.network.explain import ADVICE
from mixnet_tools.network.failure import Kind, SourceFailure, of_status
from mixnet_tools.network.headers import WHOLE, declared_length, media_type
from mixnet_tools.network.retry import parse_retry_after

MIN_RATE = 1024
"""Bytes a second. A body that is slower than this for the length of the timeout counts as stalled."""

NO_PARTS = frozenset({400, 403, 405, 406, 409, 412, 413, 415, 416, 417, 421, 422, 431, 501})
"""What servers, and filters before them, answer that take no Range or If-Range. They may give the whole file."""

_ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})
_RANGE = re.compile(r"\s*bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)\s*", re.IGNORECASE)


class HttpClient:
    """Opens files over HTTP, in several threads if need be. ``timeout``: seconds."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._client = Client(timeout)
        self._without_if_range: set[str] = set()

    def open(
        self,
        url: str,
        size: int,
        offset: int = 0,
        origin: Origin | None = None,
        recode: bool = False,
        accept: str | None = None,
        unchanged: bool = False,
    ) -> HttpBody:
        """Ask for the file of ``size`` bytes behind ``url``, from byte ``offset`` on.

        ``origin`` says where the first ``offset`` bytes came from. ``recode`` asks for the second reading of a
        Content-Encoding (see :class:`HttpBody`), ``accept`` for a media type. With ``unchanged``, the rest is only
        taken if the server says that the file is still the same, else the whole. Raises :class:`SourceFailure`.

        An If-Range that is refused is sent no more, and the rest is asked for without it: the nodes of a server often
        have validators of their own for the same file, and whether the parts fit is judged by the digest.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        headers |= {"Accept": accept} if accept else {}
        key = Origin.key_of(url) if offset else None
        validator = origin.validator if key and origin is not None and origin.url_key == key else None
        if key and validator and key not in self._without_if_range:
            answer = self._client.get(url, {**headers, "If-Range": validator})
            if unchanged or answer.response.status_code not in {*WHOLE, *NO_PARTS}:
                return HttpBody(answer, url, size=size, recode=recode, timeout=self.timeout).checked(offset)
            answer.close()
            self._without_if_range.add(key)
        answer = self._client.get(url, headers)
        return HttpBody(answer, url, size=size, recode=recode, timeout=self.timeout).checked(offset)

    def headers(self, url: str, wanted: str) -> Mapping[str, str]:
        """The headers of the first answer that has the header ``wanted``; redirects are followed up to there.

        Of the file, nothing is read. Raises :class:`SourceFailure`.
        """
        answer = self._client.get(url, {}, until=wanted)
        with contextlib.closing(HttpBody(answer, url, size=-1, recode=False, timeout=self.timeout)) as body:
            if wanted not in answer.response.headers:
                body.checked(0)
                raise SourceFailure(f"sent no header {wanted}", Kind.PERMANENT)
            return dict(answer.response.headers)

    def close(self) -> None:
        """Close all idle connections."""
        self._client.close()


class HttpBody:
    """The body of an answer: the file's bytes from ``offset`` on.

    ``Content-Encoding: gzip`` has two readings: the server packed the file for the transfer, or the file itself is a
    ``.gz`` file. If the declared length is the file's size, the body is taken as it is. Otherwise it is unpacked.
    ``recode`` asks for the other one of the two. ``is_part`` says that more of the file comes after this body, as the
    server gives only so much at once; ``total`` is the size of the whole file, where a part tells it.
    """

    def __init__(self, answer: Answer, url: str, *, size: int, recode: bool, timeout: float) -> None:
        self._answer, self._url, self._size, self._timeout = answer, url, size, timeout
        self.status = answer.response.status_code
        self._headers = headers = answer.response.headers
        self.declared = declared_length(headers)
        self.is_delimited = self.declared is not None or "chunked" in headers.get("Transfer-Encoding", "").lower()
        self.is_encoded = headers.get("Content-Encoding", "identity").strip().lower() in _ENCODINGS
        self.is_decoded = self.is_encoded and (self.declared != size) != recode and self.status in WHOLE
        self.is_part = False
        self.offset = 0
        self.total: int | None = None

    @property
    def origin(self) -> Origin | None:
        """What is needed to continue later; None for a body that is unpacked, as its ranges are not the file's."""
        if self.is_decoded:
            return None
        etag = self._headers.get("ETag", "").strip()
        validator = etag if etag and not etag.startswith("W/") else self._headers.get("Last-Modified")
        return Origin(Origin.key_of(self._url), validator)

    @property
    def content_type(self) -> str:
        """The declared media type in lower case, without parameters."""
        return media_type(self._headers)

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies that came with the answer."""
        return {cookie.name: cookie.value or "" for cookie in self._answer.response.cookies}

    @property
    def final_url(self) -> str:
        """The URL after redirects."""
        return self._answer.response.url

    def checked(self, offset: int) -> HttpBody:
        """This body, if it answers a request from byte ``offset`` on. Else it is closed.

        Sets ``offset``. Raises :class:`SourceFailure`.
        """
        try:
            if self.status == 206:
                self._check_range(offset)
            elif self.status in NO_PARTS and offset:
                raise SourceFailure(f"the server gives no parts (HTTP {self.status})", Kind.RESTART)
            elif self.status not in WHOLE:
                raise self._status_failure()
        except BaseException:
            self.close()
            raise
        return self

    def _check_range(self, asked: int) -> None:
        """A part from ``asked`` on is what was wanted, one from 0 on will do, whoever asked for it."""
        given = self._headers.get("Content-Range", "")
        match = _RANGE.fullmatch(given)
        if match is None and not asked:
            return  # perhaps the whole file: its digest will tell
        is_right_size = not asked or (match is not None and match[3] in ("*", str(self._size)))
        if match is None or int(match[1]) not in (asked, 0) or not is_right_size:
            raise SourceFailure(f"asked for bytes from {asked}, the server sent {given!r}", Kind.RESTART)
        self.offset, end = int(match[1]), int(match[2]) + 1
        self.total = None if match[3] == "*" else int(match[3])
        self.is_part = self.offset < end < self._size

    def _status_failure(self) -> SourceFailure:
        text = f"HTTP {self.status} {self._answer.response.reason or ''}".rstrip()
        if advice := ADVICE.get(self.status):
            text += f": {advice}"
        route = self._answer.route
        if route.proxy and (route.forwards or self.status == 407):
            text += f" ({'' if self.status == 407 else 'through '}{route.proxy})"
        elif self.final_url != self._url and urlsplit(self.final_url).netloc != urlsplit(self._url).netloc:
            text += f" (from {route.place}, where it redirects to)"
        retry_after = parse_retry_after(self._headers.get("Retry-After"), self._headers.get("Date"))
        return of_status(self.status, text, retry_after)

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes, as they come. Raises :class:`SourceFailure` where they stop too soon or stall."""
        return self._unpacked() if self.is_decoded else self._raw()

    def _raw(self) -> Iterator[bytes]:
        window, received = time.monotonic(), 0
        while chunk := self._answer.read(CHUNK):
            received += len(chunk)
            # A read waits for one byte at least; a server that drips is only seen over a longer time.
            now = time.monotonic()
            if now - window >= self._timeout:
                if received < MIN_RATE * self._timeout:
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
        self._answer.close()
