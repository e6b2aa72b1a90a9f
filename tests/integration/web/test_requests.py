"""What the page's server answers to any program: to good requests, wrong ones, hostile ones, and many at once."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.accuracy.preprocessing.decode import MAX_PIXELS
from mixnet_tools.api.classification import OpenedClassifier
from mixnet_tools.web.guard import HEADERS
from mixnet_tools.web.limits import Limits
from tests.support.images import encoded, pattern, turned
from tests.support.page_server import PICTURE, PageServer, serving
from tests.support.waiting import wait_for


def picture(kind: str = "PNG", size: tuple[int, int] = (60, 80), **options: Any) -> bytes:
    """An image of (height, width) ``size``."""
    return encoded(kind, pattern(*size), **options)


def claims(width: int, height: int) -> bytes:
    """A PNG that says to have so many pixels, and has none."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def head_of_upload(server: PageServer, length: int) -> bytes:
    lines = (
        "POST /api/classify?name=a.png HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Content-Type: application/octet-stream",
        f"Content-Length: {length}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def read_to_end(connection: socket.socket) -> bytes:
    connection.settimeout(60)
    came = b""
    while part := connection.recv(65536):
        came += part
    return came


def test_what_is_loaded_is_told(page: PageServer) -> None:
    about: dict[str, Any] = page.ask("/api/about").json
    assert (about["name"], about["classes"], about["profile"]) == ("mixnet-nano", 30, "omz")
    assert [model["title"] for model in about["models"]] == ["original (tf)", "FP32", "FP16"]
    assert [profile["name"] for profile in about["profiles"]] == list(PROFILES)
    assert about["profiles"][0]["steps"][0] == "crop to 0.875 of each side (Pillow)"
    assert len(about["samples"]) == 6
    sample = page.ask(about["samples"][0]["picture"])
    assert (sample.status, sample.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(page.ask(about["samples"][0]["thumbnail"]).body)).format == "JPEG"


def test_all_models_answer_as_the_classifier_does(page: PageServer, opened: OpenedClassifier) -> None:
    sample = opened.samples[1]
    data = page.ask("/samples/1").body
    found: dict[str, Any] = page.classify(data, sample.name).json
    expected = opened.classifier.classify_one(sample)
    assert found["agreed"] is True
    for given, wanted in zip(found["answers"], expected.answers, strict=True):
        assert given["model"] == wanted.model
        assert given["milliseconds"] > 0
        assert [(one["index"], one["text"], one["score"]) for one in given["classes"]] == [
            (one.index, one.text, one.score) for one in wanted.classes
        ]


def test_what_each_profile_keeps_is_told(page: PageServer) -> None:
    kept: dict[str, Any] = page.classify(picture(size=(100, 200))).json["kept"]  # type: ignore[assignment]
    assert list(kept) == list(PROFILES)
    assert kept["omz"] | {"turned": None} == {
        "width": 200, "height": 100, "left": 12, "top": 6, "right": 187, "bottom": 93, "turned": None
    }  # fmt: skip
    timm = kept["timm"]
    assert timm["right"] - timm["left"] == pytest.approx(
        timm["bottom"] - timm["top"], abs=1.5
    )  # a square in the middle


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_picture_that_exif_turns_is_measured_as_each_profile_sees_it(page: PageServer, kind: str) -> None:
    data = picture(kind, (60, 160), exif=turned(6))
    found: dict[str, Any] = page.classify(data, f"a.{kind.lower()}").json
    for region in found["kept"].values():
        upright = region["turned"] or kind == "TIFF"  # Pillow turns TIFF whatever is asked
        assert (region["width"], region["height"]) == ((60, 160) if upright else (160, 60))
        assert 0 <= region["left"] < region["right"] <= region["width"]
        assert 0 <= region["top"] < region["bottom"] <= region["height"]
    assert {region["turned"] for region in found["kept"].values()} == {True, False}
    assert found["preview"] is (kind != "JPEG")


def test_every_answer_forbids_what_the_page_does_not_need(page: PageServer) -> None:
    answers = [page.ask(path) for path in ("/", "/static/page.js", "/api/about", "/samples/0", "/nothing")]
    answers += [page.ask("/", headers={"Host": "evil.example"}), page.classify(b"no picture"), page.ask("/", "DELETE")]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert not {"set-cookie", "server", "access-control-allow-origin"} & answer.headers.keys()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.5", ""])
def test_another_hosts_name_gets_nothing(page: PageServer, host: str) -> None:
    for path in ("/", "/api/about", "/samples/0"):
        answer = page.ask(path, headers={"Host": host})
        assert answer.status in (400, 403)
        assert b"mixnet-nano" not in answer.body
    assert page.classify(picture(), headers={"Host": host}).status in (400, 403)


def test_a_page_of_another_site_cannot_send_pictures(page: PageServer) -> None:
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": f"http://127.0.0.1:{page.port + 1}"},
    ):
        answer = page.classify(picture(), headers=headers)
        assert (answer.status, "answers" in answer.json) == (403, False)
    assert page.classify(picture(), headers={"Origin": page.address.rstrip("/")}).status == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", ""]
)
def test_a_form_of_another_site_cannot_either(page: PageServer, kind: str) -> None:
    assert page.classify(picture(), headers={"Content-Type": kind}).status == 415


def test_asking_first_allows_no_other_site(page: PageServer) -> None:
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = page.ask("/api/classify", "OPTIONS", headers=asked)
    assert answer.status in (403, 405)
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2f..%2fapp.py", "//etc/passwd", "/static//etc/passwd",
     "/samples/../api", "/samples/99", "/samples/-1", "/samples/0/../../x", "/static/page.js/..", "/static/",
     "/index.html", "/static/%00", "/samples/99999999999999999999", "/docs", "/openapi.json"],
)  # fmt: skip
def test_there_is_nothing_but_the_pages_own_files(page: PageServer, path: str) -> None:
    answer = page.ask(path)
    assert (answer.status, answer.problem) == (404, "There is nothing at this address.")


BAD = {
    "text": b"no picture",
    "cut": picture()[:200],
    "cut JPEG": picture("JPEG", (400, 400))[:3000],
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nquit\n",
    "floats": encoded("TIFF", np.zeros((9, 9), np.float32)),
    "one pixel": picture("PNG", (1, 1)),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_named_in_words_without_paths(page: PageServer, what: str) -> None:
    answer = page.classify(BAD[what], "<img src=x onerror=alert(1)>.png")
    assert answer.status == 200
    assert answer.problem.startswith("<img src=x onerror=alert(1)>.png: ")
    assert answer.headers["content-type"] == "application/json"  # with nosniff: no browser takes it for HTML
    assert not any(word in answer.problem for word in ("Traceback", "/home", "/tmp", "site-packages", "BytesIO", ".py"))
    assert page.told == []


def test_a_name_that_steers_is_escaped(page: PageServer) -> None:
    answer = page.classify(b"no picture", "a\x1b[2J\u202egnp.exe\n\x00" + "x" * 5000)
    assert answer.problem.startswith("a\\x1b[2J\\u202egnp.exe\\n\\x00xxx")
    assert len(answer.problem) < 400


def test_too_many_bytes_are_refused_by_what_is_announced_and_by_what_comes(opened: OpenedClassifier) -> None:
    with serving(opened, Limits(bytes=2 << 20, drop_seconds=0.3)) as server:
        answer = server.classify(bytes((2 << 20) + 1))
        assert (answer.status, answer.problem) == (413, "The file is too large: at most 2 MB are taken.")
        blocks = iter([bytes(1 << 20)] * 3)
        endless = server.ask("/api/classify", "POST", blocks, PICTURE)  # type: ignore[arg-type]  # no length is announced
        assert (endless.status, endless.problem) == (413, "The file is too large: at most 2 MB are taken.")
        with socket.create_connection(("127.0.0.1", server.port)) as liar:
            liar.sendall(head_of_upload(server, 10**15))
            assert b" 413 " in read_to_end(liar).splitlines()[0]
        assert server.classify(picture()).status == 200


def test_too_many_pixels_are_refused_before_they_are_read(page: PageServer) -> None:
    answer = page.classify(claims(50_000, 50_000))
    assert f"more pixels than the {MAX_PIXELS:,} that are read" in answer.problem


def test_an_upload_that_never_comes_is_given_up(opened: OpenedClassifier) -> None:
    with serving(opened, Limits(body_seconds=0.5, at_once=1)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.sendall(head_of_upload(server, 1000) + b"only this")
            came = read_to_end(slow)
        assert b" 408 " in came.splitlines()[0]
        assert b"not here after 0.5 seconds" in came
        assert server.classify(picture()).status == 200  # its place is free again


def test_a_connection_that_asks_for_nothing_is_closed(opened: OpenedClassifier) -> None:
    with serving(opened, Limits(head_seconds=0.5)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as silent:
            assert read_to_end(silent) == b""
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.sendall(b"GET / HT")
            assert read_to_end(slow) == b""
        with socket.create_connection(("127.0.0.1", server.port)) as second:
            whole = b"GET /samples/0/thumbnail HTTP/1.1\r\nHost: localhost\r\n\r\n"
            second.sendall(whole + b"GET / HT")
            assert b"200 OK" in read_to_end(second)


def test_of_many_at_once_the_ones_too_many_are_told_so_and_all_are_answered(opened: OpenedClassifier) -> None:
    with serving(opened, Limits(at_once=4)) as server, ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: server.classify(picture()), range(50)))
        counts = Counter(answer.status for answer in answers)
        assert set(counts) <= {200, 503}
        assert counts[200] >= 4
        for answer in answers:
            if answer.status == 503:
                assert answer.problem == "Too many pictures at once. Try this one again in a moment."
                assert answer.headers["retry-after"] == "1"
        assert server.classify(picture()).status == 200


def test_who_holds_the_only_place_keeps_others_out_until_gone(opened: OpenedClassifier) -> None:
    with serving(opened, Limits(at_once=1)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as holder:
            holder.sendall(head_of_upload(server, 1000) + b"a")
            wait_for(lambda: server.classify(picture()).status == 503, "the upload to take its place")
        wait_for(lambda: server.classify(picture()).status == 200, "the place to be free")


def test_an_upload_is_in_no_file(opened: OpenedClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def files() -> set[str]:
        found = set()
        for number in os.listdir("/proc/self/fd"):
            try:
                name = os.readlink(f"/proc/self/fd/{number}")
            except OSError:  # the listing itself
                continue
            if name.startswith("/") and not name.startswith(("/dev/", "/proc/")):
                found.add(name)
        return found

    data = picture("PNG", (700, 700))
    with serving(opened) as server:
        before = files()
        with socket.create_connection(("127.0.0.1", server.port)) as upload:
            half = len(data) // 2
            upload.sendall(head_of_upload(server, len(data)) + data[:half])
            assert server.classify(picture()).status == 200  # meanwhile
            assert files() <= before
            upload.sendall(data[half:])
            upload.settimeout(60)
            assert b" 200 " in upload.recv(100).splitlines()[0]
        assert files() <= before
    assert list(tmp_path.iterdir()) == []


def test_previews_are_made_of_pictures_and_bounded_likewise(page: PageServer) -> None:
    answer = page.ask("/api/preview?turned=1", "POST", picture("TIFF"), PICTURE)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    broken = page.ask("/api/preview?turned=1", "POST", b"no picture", PICTURE)
    assert (broken.status, broken.problem.split(":")[0]) == (422, "the picture")
    assert page.ask("/api/preview", "POST", b"", PICTURE).status == 400


def test_a_fault_is_told_to_the_terminal_and_not_to_the_page(
    opened: OpenedClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(opened) as server:

        def fails(*_: object, **__: object) -> None:
            raise RuntimeError("/secret/place")

        monkeypatch.setattr(opened.classifier, "classify_one", fails)
        answer = server.classify(picture())
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert json.loads(answer.body)["problem"].startswith("The models could not answer.")
    assert "RuntimeError: /secret/place" in server.told[0]
