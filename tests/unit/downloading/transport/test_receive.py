"""Answers that arrive in a partial file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixnet_tools.downloading.context import Stopped
from mixnet_tools.downloading.transport.partial_file import Origin, PartialFile
from mixnet_tools.downloading.transport.receive import Listener, receive


class Body:
    """An answer with the given chunks."""

    offset = 0
    is_delimited = True
    is_encoded = False
    is_part = False

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks
        self.declared: int | None = sum(map(len, chunks))
        self.origin = Origin("key", None)

    def chunks(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        """Nothing is open."""


def test_after_a_stop_nothing_more_is_written(tmp_path: Path) -> None:
    body, written = Body(b"abc", b"def", b"ghi"), list[int]()

    def stop_after_two() -> None:
        if len(written) == 2:
            raise Stopped

    with PartialFile(tmp_path / "x.part", 9, f"sha256:{hashlib.sha256(b'abcdefghi').hexdigest()}") as partial:
        with pytest.raises(Stopped):
            receive(body, partial, "x", False, Listener(stop_after_two, written.append))
        assert (tmp_path / "x.part").read_bytes() == b"abcdef"
    with PartialFile(tmp_path / "x.part", 9, f"sha256:{hashlib.sha256(b'abcdefghi').hexdigest()}") as partial:
        partial.resume(lambda: None)
        partial.write(b"ghi")
        assert partial.is_complete_and_right
        partial.move_to(tmp_path / "new folder" / "x")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["x"]
