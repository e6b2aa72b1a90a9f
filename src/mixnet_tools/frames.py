"""Frames of bytes over the standard streams of a child process, each behind its length.

Pipes are the same on every system. Other descriptors, and memory without a name, cannot be passed on to a child
everywhere.
"""

from __future__ import annotations

import contextlib
import os
import queue
import struct
import sys
import threading
from typing import IO

_LENGTH = struct.Struct("<Q")
_PIECE = 1 << 16


def write_frame(stream: IO[bytes], data: bytes) -> None:
    """Write ``data``, which :func:`read_frame` gives at the other end. Raises OSError where nobody reads any more."""
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes:
    """The next frame. Raises EOFError where the other end is closed, and MemoryError: the frame is over then too."""
    return _contents(stream, _length(stream))


def own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The streams to read frames from and to write them to, in the child. What libraries print goes nowhere then."""
    frames = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return sys.stdin.buffer, frames


class FrameReader:
    """Frames of a stream that can be waited for with a time limit, on every system: a thread waits for each length."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Read from ``stream``, which nobody else reads."""
        self._stream = stream
        self._lengths: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._next: int | None = None
        self._closed = False
        self._wanted = threading.Semaphore()
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def arrives(self, seconds: float) -> bool:
        """Wait until a frame begins or the other end is closed; False where neither happens within ``seconds``."""
        try:
            self._next = self._lengths.get(timeout=seconds)
        except queue.Empty:
            return False
        return True

    def read(self, most: int) -> bytes:
        """The frame that :meth:`arrives` has seen. Raises EOFError where there is none, ValueError where it has more
        than ``most`` bytes: nothing can be read any more then.
        """
        if self._next is None:
            raise EOFError
        if self._next > most:
            raise ValueError(f"{self._next} bytes, where {most} are the most")
        try:
            return _contents(self._stream, self._next)
        finally:
            self._wanted.release()

    def close(self) -> None:
        """Close the stream. Call it when the other end is closed."""
        self._closed = True
        self._wanted.release()
        self._thread.join()
        self._stream.close()

    def _wait(self) -> None:
        with contextlib.suppress(EOFError, OSError, ValueError):
            while self._wanted.acquire() and not self._closed:
                self._lengths.put(_length(self._stream))
        self._lengths.put(None)


def _length(stream: IO[bytes]) -> int:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    number: int = _LENGTH.unpack(head)[0]
    return number


def _contents(stream: IO[bytes], length: int) -> bytes:
    try:
        data = stream.read(length)
    except MemoryError:  # before the first byte was read
        while length and (piece := stream.read(min(length, _PIECE))):
            length -= len(piece)
        raise
    if len(data) < length:
        raise EOFError
    return data
