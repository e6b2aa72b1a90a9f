"""Paths and URLs as values that show no secrets."""

from __future__ import annotations

import pickle
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.errors import UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.files.shown import redact, redact_within

SECRET = "http://alice:s3cret@host:8000/set/val.tar?X-Amz-Signature=abc%2F"


@pytest.mark.parametrize(
    ("text", "shown", "name"),
    [
        ("a/b", "a/b", "b"),
        ("/a b/c#d?e", "/a b/c#d?e", "c#d?e"),
        (SECRET, "http://host:8000/set/val.tar", "val.tar"),
        ("https://host", "https://host/", ""),
        ("https://host?sig=abc", "https://host/", ""),
        ("HTTP://Host/a%20b.tar#part", "http://Host/a%20b.tar", "a b.tar"),
        ("http://[::1]:8000/a", "http://[::1]:8000/a", "a"),
        ("s3://bucket/odd?#1.jpg", "s3://bucket/odd?#1.jpg", "odd?#1.jpg"),
        ("s3://bucket", "s3://bucket/", ""),
        ("sftp://alice:s3cret@host/a", "sftp://***@host/a", "a"),
        ("zip://in/side::http://alice:s3cret@host/x.zip", "zip://in/side::http://host/x.zip", "side"),
        ("file:///a/b%20c", "/a/b c", "b c"),
    ],
)
def test_a_location_is_shown_without_secrets(text: str, shown: str, name: str) -> None:
    location = Location.parse(text)
    assert (str(location), repr(location), f"{location}") == (shown, f"Location({shown!r})", shown)
    assert location.name == name
    assert not [secret for secret in ("alice", "s3cret", "abc") if secret in repr((location, location / "x"))]


@pytest.mark.parametrize(
    ("folder", "name", "url"),
    [
        ("http://host/a", "b/odd #1 %41.jpg", "http://host/a/b/odd%20%231%20%2541.jpg"),
        ("http://me:pw@host/a/?sig=x", "b.jpg", "http://me:pw@host/a/b.jpg?sig=x"),
        ("s3://bucket/a", "b/odd?#1.jpg", "s3://bucket/a/b/odd?#1.jpg"),
        ("zip://in::http://host/x.zip", "b.jpg", "zip://in/b.jpg::http://host/x.zip"),
    ],
)
def test_a_file_in_a_folder_behind_a_url(folder: str, name: str, url: str) -> None:
    file = Location.parse(folder) / name
    assert file.url == url
    assert file.name == name.rpartition("/")[2]


def test_paths_and_urls_do_not_pass_for_each_other() -> None:
    path, url = Location.parse("a/b"), Location.parse(SECRET)
    assert (path.is_remote, path.path, url.is_remote, url.url) == (False, Path("a/b"), True, SECRET)
    with pytest.raises(ValueError, match="no URL"):
        _ = path.url
    with pytest.raises(ValueError, match="no path on this machine") as caught:
        _ = url.path
    assert "s3cret" not in str(caught.value)
    assert Location.parse(Path("http://host/a")).path == Path("http:/host/a")  # a Path is a path
    assert (url.has_query, Location.parse("s3://bucket/a?b").has_query) == (True, False)
    assert (path.absolute().path, url.absolute()) == (Path("a/b").absolute(), url)


def test_locations_are_values() -> None:
    url = Location.parse(SECRET)
    assert {url, Location.parse(SECRET)} == {url}
    assert url != Location.parse(SECRET.replace("s3cret", "other"))
    assert pickle.loads(pickle.dumps(url)).url == SECRET
    assert Location.parse_optional(None) is None


def test_a_malformed_url_is_refused_without_its_text() -> None:
    with pytest.raises(UsageError, match="malformed URL") as caught:
        Location.parse("http://alice:s3cret@[host/a")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{SECRET}: no such file", "http://***@host:8000/set/val.tar?X-Amz-Signature=***: no such file"),
        ("see https://host/a?v=1, and http:/me:pw@host/b", "see https://host/a?v=1, and http:/***@host/b"),
        ("s3://key:pw@bucket/odd?#1.jpg", "s3://***@bucket/odd?#1.jpg"),
        ("http:/host/a?sig=abc: no such file", "http:/host/a?sig=***: no such file"),
        ("public/net/model.bin: 12 bytes; C:/a", "public/net/model.bin: 12 bytes; C:/a"),
    ],
)
def test_secrets_are_removed_from_any_text(text: str, expected: str) -> None:
    assert redact_within(text) == expected
    assert redact_within(expected) == expected


SECRETS = st.text(alphabet="abcXYZ019", min_size=6, max_size=12).map(lambda text: "s3" + text)


@given(SECRETS, SECRETS, SECRETS, SECRETS)
def test_no_secret_of_a_url_is_shown(user: str, password: str, token: str, fragment: str) -> None:
    url = f"https://{user}:{password}@host.example:8443/dir/net.bin?X-Amz-Signature={token}&id=7#{fragment}"
    for shown in (redact(url), redact_within(f"503, url='{url}'")):
        for secret in (user, password, token, fragment):
            assert secret not in shown
        assert "host.example:8443/dir/net.bin" in shown
    assert redact("https://host.example/a?justatoken") == "https://host.example/a?***"


@given(st.text(max_size=60))
def test_redacting_never_fails(text: str) -> None:
    assert isinstance(redact(f"http://{text}"), str)


@given(st.lists(st.text(alphabet="ab#?%é &+", min_size=1, max_size=5), min_size=1, max_size=4).map("/".join))
def test_a_joined_url_keeps_every_character_of_the_path(relative: str) -> None:
    parts = urlsplit((Location.parse("https://host/base/?key=1") / relative).url)
    assert unquote(parts.path) == f"/base/{relative}"
    assert parts.query == "key=1"
