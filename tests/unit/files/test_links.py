"""A file or folder under another path, with links and without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mixnet_tools.files.links import stand_in


@pytest.mark.parametrize("links", [True, False], ids=["with links", "without"])
def test_the_same_contents_stand_at_both_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:

        def refuse(*_: object, **__: object) -> None:
            raise OSError("A required privilege is not held by the client")

        monkeypatch.setattr(os, "symlink", refuse)
        monkeypatch.setattr(Path, "symlink_to", refuse)  # Python 3.10 keeps os.symlink for itself
    folder = tmp_path / "variables"
    (folder / "more").mkdir(parents=True)
    (folder / "more/file").write_bytes(b"weights")
    before = (folder / "more/file").stat()
    stand_in(tmp_path / "folder", folder)
    stand_in(tmp_path / "file", folder / "more/file")
    assert (tmp_path / "folder/more/file").read_bytes() == (tmp_path / "file").read_bytes() == b"weights"
    assert (folder / "more/file").stat() == before  # also its time of change: a conversion looks at that
