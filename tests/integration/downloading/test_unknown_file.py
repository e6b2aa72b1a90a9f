"""Files of which neither size nor digest is known are fetched whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mixnet_tools.downloading.transport.unknown_file import fetch_unknown
from mixnet_tools.errors import DownloadError, HttpStatusError, UsageError
from mixnet_tools.files.location import Location
from tests.support.downloads import noise
from tests.support.http_server import Answer, FaultyServer

BODY = noise(50_000)


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as started:
        yield started


def fetch(server: FaultyServer, folder: Path, *answers: Answer, most: int = 1 << 20, attempts: int = 2) -> Path:
    address = server.put("/a%20net.onnx", BODY, *answers)
    return fetch_unknown(Location.parse(address), folder, most=most, attempts=attempts, timeout=2.0)


@pytest.mark.parametrize(
    "answers",
    [
        (),
        (Answer(chunked=True),),
        (Answer(declared=-1),),
        (Answer(packed=True),),
        (Answer(status=503), Answer()),
        (Answer(cut_at=1000), Answer()),
        (Answer(most=20_000), Answer(most=20_000), Answer()),
    ],
    ids=["plain", "chunked", "no length", "packed for the transfer", "busy at first", "cut off at first", "in parts"],
)
def test_a_file_is_fetched_whole(answers: tuple[Answer, ...], server: FaultyServer, tmp_path: Path) -> None:
    path = fetch(server, tmp_path, *answers)
    assert (path.name, path.read_bytes()) == ("a net.onnx", BODY)


@pytest.mark.parametrize(
    ("answer", "most", "words"),
    [
        (Answer(cut_at=1000), 1 << 20, "a%20net.onnx: was cut off"),
        (Answer(), 40_000, "has more than 40,000 bytes"),
        (Answer(chunked=True), 40_000, "has more than 40,000 bytes"),
        (Answer(body=b"<!DOCTYPE html><html>"), 1 << 20, "an HTML page instead of a model"),
    ],
    ids=["cut off each time", "too large by its length", "too large by what comes", "a page"],
)
def test_what_is_no_whole_file_is_refused(
    answer: Answer, most: int, words: str, server: FaultyServer, tmp_path: Path
) -> None:
    with pytest.raises(DownloadError, match=words):
        fetch(server, tmp_path, answer, most=most, attempts=1)


def test_a_missing_file_and_another_scheme_are_told(server: FaultyServer, tmp_path: Path) -> None:
    with pytest.raises(HttpStatusError, match="HTTP 404"):
        fetch_unknown(Location.parse(f"{server.url}/nothing"), tmp_path)
    with pytest.raises(UsageError, match="expected an http:// or https:// address"):
        fetch_unknown(Location.parse("s3://bucket/net.onnx"), tmp_path)


def test_a_cut_file_is_continued_for_as_long_as_bytes_come(server: FaultyServer, tmp_path: Path) -> None:
    server.requests.clear()
    assert fetch(server, tmp_path, *[Answer(cut_at=15_000)] * 3, Answer()).read_bytes() == BODY
    asked = [one.headers.get("range") for one in server.requests]
    assert asked == [None, "bytes=15000-", "bytes=30000-", "bytes=45000-"]


@pytest.mark.parametrize("refused", [{"ranges": "refuse"}, {"etag": '"another"'}, {"status": 400}], ids=str)
def test_parts_that_may_be_of_another_file_are_not_put_together(
    refused: dict[str, object], server: FaultyServer, tmp_path: Path
) -> None:
    other = noise(50_000, "another file")
    answers = (Answer(body=other, cut_at=20_000), Answer(**refused), Answer())  # type: ignore[arg-type]
    assert fetch(server, tmp_path, *answers).read_bytes() == BODY


def test_a_file_that_is_begun_again_and_again_is_given_up(server: FaultyServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"was cut off .* attempts"):
        fetch(server, tmp_path, Answer(cut_at=20_000, ranges="ignore"))
