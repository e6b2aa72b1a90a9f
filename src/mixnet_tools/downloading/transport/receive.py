"""One answer, taken into a part: every byte hashed, and the end judged.

The body may lie about its length, be cut, be packed, or be something else altogether; what counts is whether the bytes
are those that the descriptor names. Retrying and choosing places is :mod:`~mixnet_tools.downloading.fetch`'s subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from mixnet_tools.downloading.transport.partial_file import Origin, Part
from mixnet_tools.downloading.transport.retry import Kind, SourceFailure

_HTML_STARTS = (b"<!doctype html", b"<html")


class Body(Protocol):
    """An open answer: the file's bytes from ``offset`` on.

    ``declared`` is the length it promises, ``is_delimited`` whether its end can be told from a broken connection,
    ``is_encoded`` whether the bytes may be packed, ``origin`` what is needed to continue them later.
    """

    offset: int
    declared: int | None
    is_delimited: bool
    is_encoded: bool

    @property
    def origin(self) -> Origin | None:
        """What a part needs to be continued later, or None where it cannot be."""

    def chunks(self) -> Iterator[bytes]:
        """The bytes, as they come."""

    def close(self) -> None:
        """Let go of what is open."""


@dataclass(frozen=True)
class Listener:
    """Who is asked before each chunk is written (and may raise to stop), and told how many bytes are there after it."""

    check_stop: Callable[[], None]
    on_bytes: Callable[[int], None]


def receive(body: Body, part: Part, name: str, recode: bool, listener: Listener) -> None:
    """Take ``body``, the rest of the file called ``name``, into ``part`` until the file is complete and right.

    ``recode`` says that the body's encoding was already turned round once. Raises :class:`SourceFailure`, and what
    ``listener`` raises.
    """
    if body.offset == 0:
        part.restart(body.origin)
    chunks = _say_how_far(body.chunks(), part)
    for chunk in chunks:
        # Before the write, not after: once a run was stopped, its lock is given up and the part may be another's.
        listener.check_stop()
        if part.position == 0 and _is_html(chunk) and not name.endswith((".html", ".htm")):
            part.restart(None)
            raise SourceFailure("sent an HTML page instead of the file (a login or error page?)", Kind.PERMANENT)
        if part.position + len(chunk) > part.size:
            raise _wrong(body, part, recode, f"more than {part.size} bytes")
        part.write(chunk)
        listener.on_bytes(part.position)
        if part.is_complete_and_right:
            _expect_end(body, chunks, part, recode)
            return
    _judge_end(body, part, recode)


def _say_how_far(chunks: Iterator[bytes], part: Part) -> Iterator[bytes]:
    try:
        yield from chunks
    except SourceFailure as failure:
        if failure.kind is not Kind.TRANSIENT:
            raise
        text = f"{failure}, after {part.position} of {part.size} bytes"
        raise SourceFailure(text, Kind.TRANSIENT, retry_after=failure.retry_after) from None


def _expect_end(body: Body, chunks: Iterator[bytes], part: Part, recode: bool) -> None:
    """All bytes are there, and right; only a body that goes on makes them another file's beginning."""
    if body.declared is not None and body.offset + body.declared == part.size and not body.is_encoded:
        return  # nothing more can come, and waiting for nothing may take a timeout
    try:
        more = next(chunks, b"")
    except SourceFailure:
        return
    if more:
        raise _wrong(body, part, recode, f"more than {part.size} bytes")


def _judge_end(body: Body, part: Part, recode: bool) -> None:
    """The body ended, and the file is not right: cut short, or the wrong bytes?"""
    if part.position == part.size:
        if not part.is_complete_and_right:
            raise _wrong(body, part, recode, f"{part.size} bytes, {part.algorithm} {part.digest}")
        return
    if body.is_delimited and body.offset == 0:
        # Complete by its own account, so asking again would bring the same.
        raise _wrong(body, part, recode, f"{part.position} bytes, {part.algorithm} {part.digest}")
    raise SourceFailure(f"was cut off, after {part.position} of {part.size} bytes", Kind.TRANSIENT)


def _wrong(body: Body, part: Part, recode: bool, got: str) -> SourceFailure:
    """The failure for bytes that are not the file's, after they were thrown away."""
    resumed, encoded = body.offset > 0, body.is_encoded and not recode
    part.restart(None)
    # Bytes from two answers prove nothing about the second; nor do bytes that may have been unpacked by mistake.
    kind = Kind.RESTART if resumed else Kind.RECODE if encoded else Kind.PERMANENT
    return SourceFailure(f"sent another file: {got}", kind, integrity=True)


def _is_html(chunk: bytes) -> bool:
    return chunk[:512].lstrip()[:16].lower().startswith(_HTML_STARTS)
