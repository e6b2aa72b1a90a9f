"""Frames between the process that asks and the one that runs the original."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from itertools import repeat
from typing import IO

import pytest

from mixnet_tools.frames import FrameReader, read_frame, write_frame

Pipe = tuple[IO[bytes], IO[bytes]]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    with open(reading, "rb") as there, open(writing, "wb") as here:
        yield there, here


@pytest.mark.parametrize("size", [0, 1, 1 << 20], ids=["empty", "a byte", "more than a pipe holds"])
def test_frames_arrive_whole_and_in_order(pipe: Pipe, size: int) -> None:
    there, here = pipe
    frames = [b"first", b"\0\xff" * (size // 2) + b"x" * (size % 2), b"last"]
    writer = threading.Thread(target=lambda: deque(map(write_frame, repeat(here), frames)))
    writer.start()
    assert [read_frame(there) for _ in frames] == frames
    writer.join()


def test_a_reader_waits_for_a_while_and_knows_the_end(pipe: Pipe) -> None:
    there, here = pipe
    with closing(FrameReader(there)) as reader:
        assert not reader.arrives(0.01)
        for frame in (b"answer", b""):
            write_frame(here, frame)
            assert reader.arrives(60)
            assert reader.read(6) == frame
        here.close()
        assert reader.arrives(60)
        with pytest.raises(EOFError):
            reader.read(6)


def test_a_frame_that_is_too_long_is_not_read(pipe: Pipe) -> None:
    there, here = pipe
    with closing(FrameReader(there)) as reader:
        write_frame(here, b"too long")
        assert reader.arrives(60)
        with pytest.raises(ValueError, match="8 bytes, where 6 are the most"):
            reader.read(6)
        here.close()


@pytest.mark.parametrize("sent", [b"\x05", b"\x05" + bytes(7) + b"cut"], ids=["in its length", "in its contents"])
def test_a_frame_that_is_cut_is_the_end(pipe: Pipe, sent: bytes) -> None:
    there, here = pipe
    here.write(sent)
    here.close()
    with pytest.raises(EOFError):
        read_frame(there)


def test_what_does_not_fit_into_memory_is_skipped() -> None:
    class Full:
        """A stream that has no memory for the second frame."""

        def __init__(self, data: bytes) -> None:
            self.data, self.at = data, 0

        def read(self, count: int) -> bytes:
            if count > 100_000:
                raise MemoryError
            self.at += count
            return self.data[self.at - count : self.at]

    data = b"".join(len(frame).to_bytes(8, "little") + frame for frame in (bytes(100_001), b"next"))
    stream = Full(data)
    with pytest.raises(MemoryError):
        read_frame(stream)  # type: ignore[arg-type]
    assert read_frame(stream) == b"next"  # type: ignore[arg-type]
