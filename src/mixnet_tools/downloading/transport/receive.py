"""Takes one answer of a source into a partial file: hashes every byte, and judges the end.

An answer may lie about its length, be cut, be packed, or be something else altogether. What counts is whether the bytes
are those that the descriptor names. :mod:`mixnet_tools.downloading.fetch` chooses sources and tries again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from mixnet_tools.downloading.transport.partial_file import Origin, PartialFile
from mixnet_tools.network.failure import Kind, SourceFailure

_PAGE = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype html|html)", re.IGNORECASE | re.DOTALL
)

_TELLING = 1 << 16
"""Bytes. An answer that differs from what is there and has no more is a message of the server, not the file."""


class Body(Protocol):
    """An open answer: the file's bytes from ``offset`` on.

    ``declared`` is the length in bytes that it promises, or None. ``is_delimited`` says whether its end can be told
    from a broken connection, ``is_encoded`` whether the bytes may be packed, ``is_part`` that the rest of the file has
    to be asked for after its end.
    """

    offset: int
    declared: int | None
    is_delimited: bool
    is_encoded: bool
    is_part: bool

    @property
    def origin(self) -> Origin | None:
        """What is needed to continue the partial file later, or None if that is not possible."""

    def chunks(self) -> Iterator[bytes]:
        """The bytes, as they come."""

    def close(self) -> None:
        """Close what is open."""


@dataclass(frozen=True)
class Listener:
    """``check_stop`` is called before each chunk, and may raise; ``on_bytes`` after it, with the bytes so far."""

    check_stop: Callable[[], None]
    on_bytes: Callable[[int], None]


def receive(body: Body, partial: PartialFile, name: str, recode: bool, listener: Listener) -> None:
    """Append ``body``, the rest of the file ``name``, to ``partial`` until the file is complete and right.

    A body from the beginning of the file is compared with what is there already, which stays as far as it is the same.
    ``recode`` says that the body's Content-Encoding is already read in the other way. Raises :class:`SourceFailure`,
    and what ``listener`` raises.
    """
    if body.offset == 0 and partial.position == 0:
        partial.restart(body.origin)
    chunks = _with_position(body.chunks(), partial)
    seen = body.offset
    for given in chunks:
        chunk = given
        # Before the write, not after: a run that was stopped gives up its lock, and the partial file may be another's.
        listener.check_stop()
        if seen == 0 and is_page(chunk) and not name.endswith((".html", ".htm")):
            raise SourceFailure("sent an HTML page instead of the file (a login or error page?)", Kind.PERMANENT)
        new = chunk
        if seen < partial.position:
            known = partial.same_bytes(seen, chunk)
            if known < min(len(chunk), partial.position - seen):
                chunk = _more_of_what_differs(body, chunk, chunks, partial)
                partial.cut_back(seen + known, body.origin)
            new = chunk[known:]
        seen += len(chunk)
        if seen > partial.size:
            raise _wrong(body, partial, recode, f"more than {partial.size} bytes")
        if not new:
            continue
        if body.origin is None:
            partial.origin = None  # what was unpacked on its way cannot be continued by a range
        partial.write(new)
        listener.on_bytes(partial.position)
        if partial.is_complete_and_right:
            _expect_end(body, chunks, partial, recode)
            return
    if seen < partial.position and body.is_delimited:
        # What is there may still be right: it is longer than this.
        raise SourceFailure(f"sent another file: {seen} bytes", Kind.PERMANENT, integrity=True)
    _judge_end(body, partial, recode)


def _more_of_what_differs(body: Body, chunk: bytes, chunks: Iterator[bytes], partial: PartialFile) -> bytes:
    """``chunk``, which is not what is there, with what follows it, if that may still be the file.

    An error that a server sends as if it were the file is short. What is there is not given up for it.
    """
    while len(chunk) < min(_TELLING, partial.size):
        more = next(chunks, b"")
        if not more:
            kind = Kind.PERMANENT if body.is_delimited else Kind.TRANSIENT
            raise SourceFailure(f"sent another file: {len(chunk)} bytes", kind, integrity=body.is_delimited)
        chunk += more
    return chunk


def _with_position(chunks: Iterator[bytes], partial: PartialFile) -> Iterator[bytes]:
    """The same chunks; a failure that can pass also says how many bytes had come."""
    try:
        yield from chunks
    except SourceFailure as failure:
        if failure.kind is not Kind.TRANSIENT:
            raise
        text = f"{failure}, after {partial.position} of {partial.size} bytes"
        raise SourceFailure(text, Kind.TRANSIENT, retry_after=failure.retry_after) from None


def _expect_end(body: Body, chunks: Iterator[bytes], partial: PartialFile, recode: bool) -> None:
    """Make sure that nothing follows the bytes, which are all there and right: else they begin another file."""
    if body.declared is not None and body.offset + body.declared == partial.size and not body.is_encoded:
        return  # nothing more can come, and waiting for nothing may take a timeout
    try:
        more = next(chunks, b"")
    except SourceFailure:
        return
    if more:
        raise _wrong(body, partial, recode, f"more than {partial.size} bytes")


def _judge_end(body: Body, partial: PartialFile, recode: bool) -> None:
    """Raise the failure for a body that ended before the file was right: it was cut short, or has the wrong bytes."""
    if partial.position == partial.size:
        if not partial.is_complete_and_right:
            raise _wrong(body, partial, recode, f"{partial.size} bytes, {partial.algorithm} {partial.digest}")
        return
    if body.is_part:
        raise SourceFailure(f"sent only a part, up to {partial.position} of {partial.size} bytes", Kind.MORE)
    if body.is_delimited and body.offset == 0:
        # The body says that it is complete, so asking again would bring the same.
        raise _wrong(body, partial, recode, f"{partial.position} bytes, {partial.algorithm} {partial.digest}")
    raise SourceFailure(f"was cut off, after {partial.position} of {partial.size} bytes", Kind.TRANSIENT)


def _wrong(body: Body, partial: PartialFile, recode: bool, got: str) -> SourceFailure:
    """Throw away bytes that are not the file's, and return the failure."""
    resumed, encoded = body.offset > 0, body.is_encoded and not recode
    partial.restart(None)
    # Bytes from two answers prove nothing about the second; nor do bytes that may have been unpacked by mistake.
    kind = Kind.RESTART if resumed else Kind.RECODE if encoded else Kind.PERMANENT
    return SourceFailure(f"sent another file: {got}", kind, integrity=True)


def is_page(chunk: bytes) -> bool:
    """Whether a file that begins with ``chunk`` is an HTML page.

    >>> is_page(b"\\xef\\xbb\\xbf <!-- sorry --> <HTML>"), is_page(b"html")
    (True, False)
    """
    return _PAGE.match(chunk[:2048]) is not None
