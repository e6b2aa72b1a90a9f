"""Answers that arrive in a partial file."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixnet_tools.downloading.context import Stopped
from mixnet_tools.downloading.transport.partial_file import Origin, PartialFile
from mixnet_tools.downloading.transport.receive import Listener, receive
from mixnet_tools.errors import DownloadError


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


PARTS = (b"abc" * 10_000, b"def" * 10_000, b"ghi" * 10_000)
SMALL = (b"abc", b"def", b"ghi")


def partial_of(folder: Path, parts: tuple[bytes, ...]) -> PartialFile:
    whole = b"".join(parts)
    return PartialFile(folder / "x.part", len(whole), f"sha256:{hashlib.sha256(whole).hexdigest()}")


def test_after_a_stop_nothing_more_is_written(tmp_path: Path) -> None:
    body, written = Body(*PARTS), list[int]()

    def stop_after_two() -> None:
        if len(written) == 2:
            raise Stopped

    with partial_of(tmp_path, PARTS) as partial:
        with pytest.raises(Stopped):
            receive(body, partial, "x", False, Listener(stop_after_two, written.append))
        assert (tmp_path / "x.part").read_bytes() == b"".join(PARTS[:2])
    with partial_of(tmp_path, PARTS) as partial:
        partial.resume(lambda: None)
        partial.write(PARTS[2])
        assert partial.is_complete_and_right
        partial.move_to(tmp_path / "new folder" / "x")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["x"]


@pytest.mark.parametrize(("error", "kept"), [(DownloadError("gave up"), True), (Stopped(), False)])
def test_a_small_file_is_on_the_disk_when_it_is_complete_or_given_up(
    tmp_path: Path, error: Exception, kept: bool
) -> None:
    with contextlib.suppress(type(error)), partial_of(tmp_path, SMALL) as partial:
        partial.resume(lambda: None)
        partial.restart(Origin("key", None))
        partial.write(SMALL[0])
        partial.write(SMALL[1])
        assert partial.same_bytes(1, b"bcd?") == 3
        assert not list(tmp_path.iterdir())
        raise error  # after a stop, the partial file may be another process's
    assert {path.name for path in tmp_path.iterdir()} == ({"x.part", "x.part.json"} if kept else set())
    with partial_of(tmp_path, SMALL) as partial:
        partial.resume(lambda: None)
        assert partial.position == (6 if kept else 0)
        partial.cut_back(partial.position // 2, Origin("key", None))
        for part in SMALL[1:] if kept else SMALL:
            partial.write(part)
        assert partial.is_complete_and_right
        partial.move_to(tmp_path / "x")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"abcdefghi")]
