"""Whatever an archive calls its entries, what passes is a plain path inside the folder."""

from __future__ import annotations

import stat
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.downloading.archives.safety import Entry, EntryChecker, EntryKind
from mixnet_tools.errors import ArchiveError


@given(st.text(min_size=1, max_size=20), st.sampled_from(list(EntryKind)), st.integers(0, 0o7777), st.text(max_size=20))
def test_what_passes_is_a_plain_path_inside(name: str, kind: EntryKind, mode: int, link: str) -> None:
    try:
        path = EntryChecker("net.tar", 100).check(Entry(name, kind, mode, 0, link))
    except ArchiveError as error:
        assert repr(name) in str(error)  # noqa: PT017
        return
    assert kind is not EntryKind.OTHER
    assert not mode & stat.S_ISUID
    assert not path.startswith("/")
    assert ".." not in path.split("/")
    assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in path)
