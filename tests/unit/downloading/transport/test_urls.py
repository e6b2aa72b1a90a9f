"""URLs that are put together."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.downloading.transport import urls


@given(st.lists(st.text(alphabet="ab#?%é &+", min_size=1, max_size=5), min_size=1, max_size=4).map("/".join))
def test_a_joined_url_keeps_every_character_of_the_path(relative: str) -> None:
    joined = urls.join("https://host/base/?key=1", relative)
    parts = urlsplit(joined)
    assert unquote(parts.path) == f"/base/{relative}"
    assert parts.query == "key=1"
