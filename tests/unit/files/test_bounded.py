"""Files within a budget."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mixnet_tools.files.bounded import read_bytes, read_given
from tests.support.systems import posix


def test_a_file_up_to_its_budget_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", 5) == read_given(tmp_path / "a", 5) == b"12345"
    for reader in (read_bytes, read_given):
        with pytest.raises(OSError, match="is larger than 4 bytes"):
            reader(tmp_path / "a", 4)


@posix
@pytest.mark.parametrize("kind", ["pipe", "folder", "/dev/zero", "link to a device"])
def test_what_is_no_regular_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = Path(kind) if kind.startswith("/") else tmp_path / "a"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match=r"is no regular file|Is a directory"):
        read_bytes(path, 100)


@posix
def test_a_pipe_that_the_user_names_is_read_within_its_budget(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"names")
    os.close(writing)
    assert read_given(Path(f"/dev/fd/{reading}"), 100) == b"names"
    os.close(reading)
    with pytest.raises(OSError, match="is larger than 100 bytes"):
        read_given(Path("/dev/zero"), 100)
