"""One holder at a time."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mixnet_tools.errors import OutputError
from mixnet_tools.files.lock import locked, try_lock


@pytest.fixture(params=["file", "folder"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "locked"
    if request.param == "folder":
        path.mkdir()
    return path


class Enough(Exception):
    """The test has waited long enough."""


def test_who_comes_second_waits_is_told_once_and_can_stop(path: Path) -> None:
    told, asked = list[str](), list[int]()

    def stop_when_told() -> None:
        asked.append(1)
        if told and len(asked) > 3:
            raise Enough

    second = locked(path, on_wait=lambda: told.append("waiting"), check_stop=stop_when_told)
    with locked(path), pytest.raises(Enough), second:
        pytest.fail("two hold the lock")
    assert told == ["waiting"]
    with locked(path, on_wait=lambda: pytest.fail("nobody holds it")):
        pass


def test_a_lock_is_free_when_its_holder_fails(path: Path) -> None:
    with pytest.raises(Enough), locked(path):
        raise Enough
    with locked(path, check_stop=lambda: pytest.fail("nobody holds it")):
        pass


def test_the_lock_of_an_open_file_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("a") as first, path.open("a") as second:
        assert try_lock(first.fileno(), path)
        assert not try_lock(second.fileno(), path)
        first.close()
        assert try_lock(second.fileno(), path)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_an_error_and_not_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", no_locks)
    with pytest.raises(OutputError, match="this file system has no file locks") as caught, locked(path):
        pytest.fail("nothing was locked")
    assert str(path) in str(caught.value)
    assert "`output_dir`" in (caught.value.hint or "")
