"""Data sets behind URLs: every form over a real HTTP server, here and from the workers of a cluster."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixnet_tools.accuracy.datasets import remote
from mixnet_tools.accuracy.datasets.dataset import ImageDataset
from mixnet_tools.accuracy.datasets.image_bytes import open_image
from mixnet_tools.errors import DatasetError, MissingDependency, MixnetToolsError, UsageError
from mixnet_tools.files.location import Location
from tests.support import forms
from tests.support.cluster import without_runs
from tests.support.commands import run_failing, run_ok
from tests.support.file_server import FileServer
from tests.support.http_server import Answer, FaultyServer
from tests.support.images import write_class_folders
from tests.support.waiting import wait_for

BUNDLED = Path(__file__).parents[3] / "models/public/mixnet-nano/validation"
COUNT = 45


@pytest.fixture(scope="module")
def encoded() -> list[tuple[bytes, int]]:
    lines = (BUNDLED / "val.txt").read_text().splitlines()[:COUNT]
    return [((BUNDLED / name).read_bytes(), int(label)) for name, label in (line.split() for line in lines)]


@pytest.fixture(scope="module")
def place(encoded: list[tuple[bytes, int]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images in every form."""
    folder = tmp_path_factory.mktemp("forms")
    flat = forms.write_flat(folder / "flat", encoded)
    (flat / "odd #1 %41.JPEG").write_bytes(encoded[0][0])
    with (flat / "val.txt").open("a") as stream:
        stream.write(f"odd #1 %41.JPEG {encoded[0][1]}\n")
    forms.write_webdataset(folder / "wds", encoded)
    forms.write_parquet(folder / "parquet", encoded)
    forms.write_imagenet_tar(folder / "tar", encoded, 30)
    write_class_folders(folder / "classes", [index % 3 for index in range(9)], ["ant", "bee", "cat"])
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[FileServer]:
    with FileServer(place) as found:
        yield found


def contents(dataset: ImageDataset) -> list[tuple[str, int, bytes]]:
    found = []
    for image in dataset.images:
        source = open_image(image)
        found.append((image.name, image.label, source.read_bytes() if isinstance(source, Path) else source.getvalue()))
    return found


@pytest.mark.parametrize(
    "form", ["flat", "wds", "wds/set-000001.tar", "parquet", "classes", "tar/ILSVRC2012_img_val.tar"]
)
def test_every_form_is_what_it_is_in_a_folder(place: Path, server: FileServer, form: str) -> None:
    devkit = place / "tar/ILSVRC2012_devkit_t12.tar.gz" if form.startswith("tar/") else None
    here = forms.open_at(place / form, devkit)
    there = forms.open_at(f"{server.url}/{form}", devkit)
    assert contents(there) == contents(here)
    assert (there.form, there.fingerprint, there.class_names) == (here.form, here.fingerprint, here.class_names)
    assert str(there.source) == f"{server.url}/{form}"


def test_only_the_parts_that_are_needed_are_asked_for(place: Path, server: FileServer, tmp_path: Path) -> None:
    path = forms.write_tar(
        tmp_path / "big.tar",
        [("a.jpg", bytes(3_000_000)), ("a.cls", b"1"), ("b.jpg", b"x" * 2_000_000), ("b.cls", b"2")],
    )
    with FileServer(tmp_path) as own:
        dataset = forms.open_at(f"{own.url}/big.tar")
        asked = [one for method, _, one in own.requests if method == "GET" and one]
        sizes = [int(last) - int(first) for first, last in (one.removeprefix("bytes=").split("-") for one in asked)]
        assert [image.label for image in dataset.images] == [1, 2]
        assert sum(sizes) < 600_000 < path.stat().st_size
        own.requests.clear()
        source = open_image(dataset.images[1])
        assert not isinstance(source, Path)
        assert source.getvalue() == b"x" * 2_000_000
        assert len(own.requests) == 1


def test_a_failure_that_passes_is_tried_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "POLICY", replace(remote.POLICY, backoff=0.01))
    name = forms.name_of(3)
    with FileServer(place / "flat", failing={name: 2}) as own:
        dataset = forms.open_at(own.url)
        assert contents(dataset) == contents(forms.open_at(place / "flat"))
        own.failing[name] = 3
        with pytest.raises(DatasetError, match=rf"{name}: cannot be read: 503"):
            open_image(dataset.images[2])


def test_what_is_not_there_or_does_not_fit_is_named(place: Path, server: FileServer, tmp_path: Path) -> None:
    forms.write_tfrecords(tmp_path / "records", [(b"x", 1), (b"y", 2)], {"label": 0})
    with FileServer(tmp_path) as own, FileServer(place, ranges=False) as old:
        for url, message in (
            (f"{server.url}/nowhere", "no images here"),
            (f"{server.url}/nowhere/set.tar", "set.tar"),
            (f"{own.url}/records", "TFRecords are read from files only"),
            (f"{own.url}/records/validation-00000-of-00002", "TFRecords are read from files only"),
            (f"{server.url}/tar/ILSVRC2012_img_val.tar", "images without labels"),
        ):
            with pytest.raises(DatasetError, match=message):
                forms.open_at(url)
        listed = tmp_path / "val.txt"
        listed.write_text("gone.jpg 1\n")
        dataset = forms.open_at(f"{server.url}/flat", listed)
        with pytest.raises(DatasetError, match=r"/flat/gone\.jpg: no such file"):
            open_image(dataset.images[0])
        with pytest.raises(MixnetToolsError):
            contents(forms.open_at(f"{old.url}/wds/set-000001.tar"))
    with pytest.raises(DatasetError, match=r"127\.0\.0\.1:1/val\.txt"):
        forms.open_at("http://127.0.0.1:1")


def test_a_list_of_labels_has_a_budget(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "LIST_BYTES", 100)
    with pytest.raises(DatasetError, match=r"/flat/val\.txt: is larger than 100 bytes"):
        forms.open_at(f"{server.url}/flat")


def test_a_list_that_is_refused_is_missing_where_it_need_not_be_there(place: Path) -> None:
    with FileServer(place, refused="/classnames.txt") as own:
        assert contents(forms.open_at(f"{own.url}/wds")) == contents(forms.open_at(place / "wds"))
        assert sum(path.endswith("classnames.txt") for _, path, _ in own.requests) == 2, "here and above, once"
    with (
        FileServer(place, refused="/val.txt") as own,
        pytest.raises(DatasetError, match=r"val\.txt: cannot be read: 403"),
    ):
        forms.open_at(f"{own.url}/flat")


def test_what_serves_a_url_must_be_known_and_installed() -> None:
    with pytest.raises(UsageError, match="nosuch"):
        forms.open_at("nosuch://bucket/x")
    with pytest.raises(MissingDependency) as caught:
        forms.open_at("s3://bucket/x")
    assert caught.value.hint == "pip install s3fs"


def test_images_behind_a_url_are_measured_as_those_in_a_folder(
    place: Path, server: FileServer, nano_dir: Path, tmp_path: Path
) -> None:
    """By the workers of a cluster: the client asks for no image but the first one's size."""
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "--no_references"]
    here, there, far = (tmp_path / name for name in ("here.jsonl", "there.jsonl", "far.jsonl"))
    run_ok("check", *common, "-s", place / "flat", "--predictions", here)
    run_ok("check", *common, "-s", f"{server.url}/flat", "--predictions", there)
    done = run_ok(
        "check", *common, "-s", f"{server.url}/flat", "--predictions", far, "--cluster", "local:2", "--shard_size", "8"
    )
    assert without_runs(there.read_bytes()) == without_runs(far.read_bytes())
    assert _answers(there) == _answers(here)
    assert f"images of {server.url}/flat" in done.out
    assert "nosuch" in run_failing("check", *common, "-s", "nosuch://x", code=2)
    assert "pip install gcsfs" in run_failing("check", *common, "-s", "gs://bucket/x")


def _answers(predictions: Path) -> list[dict[str, Any]]:
    """The lines of a predictions file without their digests, which cover the header and so the place of the images."""
    found = [json.loads(line) for line in without_runs(predictions.read_bytes()).splitlines()[1:]]
    return [{key: value for key, value in line.items() if key != "digest"} for line in found]


def test_threads_read_at_the_same_time(place: Path, server: FileServer) -> None:
    dataset = forms.open_at(f"{server.url}/wds")
    found: list[int] = []

    def read() -> None:
        for image in dataset.images:
            source = open_image(image)
            assert not isinstance(source, Path)
            found.append(len(source.getvalue()))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for one in threads:
        one.start()
    deadline = time.monotonic() + 120
    for one in threads:
        one.join(timeout=max(0, deadline - time.monotonic()))
    assert len(found) == 8 * COUNT


SECRETS = ("alice", "s3cret", "abc%2F")


def test_credentials_are_sent_and_never_shown(place: Path, server: FileServer, nano_dir: Path, tmp_path: Path) -> None:
    login = f"http://alice:s3cret@{server.url.removeprefix('http://')}"
    dataset = forms.open_at(f"{login}/flat", f"{login}/flat/val.txt")
    assert dataset.images[0].where.startswith(f"{server.url}/flat/")
    common: list[str | Path] = ["--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "--no_references"]
    page, records = tmp_path / "page.html", tmp_path / "records.jsonl"
    done = run_ok("check", *common, "-s", f"{login}/flat", "--json", "--html", page, "--predictions", records)
    failed = [
        run_failing("check", *common, "-s", f"{login}/nowhere"),
        run_failing("check", *common, "-s", f"{login}/nowhere/x.tar"),
        run_failing("check", *common, "-s", f"{login}/flat", "--annotations", f"{login}/gone.txt"),
        run_failing("check", *common, "-s", f"{login}/nowhere?sig=abc%2F"),
        run_failing("check", *common, "-s", "nosuch://alice:s3cret@host/x", code=2),
    ]
    for text in (done.out, done.err, page.read_text(), records.read_text(), *failed):
        assert not [secret for secret in SECRETS if secret in text]
    assert f"{server.url}/flat" in records.read_text()


def test_credentials_reach_the_server_that_asks_for_them(encoded: list[tuple[bytes, int]]) -> None:
    with FaultyServer() as own:
        own.put("/val.txt", b"a.jpg 1\n")
        own.put("/a.jpg", encoded[0][0])
        (image,) = forms.open_at(own.url.replace("//", "//alice:p%40ss@")).images
        open_image(image)
        expected = "Basic " + base64.b64encode(b"alice:p@ss").decode()
        assert {one.headers.get("authorization") for one in own.requests} == {expected}


@pytest.mark.parametrize("packed", ["wds/set-000001.tar", "parquet"])
def test_a_presigned_url_is_that_of_its_file(place: Path, server: FileServer, packed: str) -> None:
    file = place / packed
    file = next(file.glob("*.parquet")) if file.is_dir() else file
    url = f"{server.url}/{file.relative_to(place)}?X-Amz-Signature=abc%2F&X-Amz-Date=1"
    server.requests.clear()
    there = forms.open_at(url)
    assert contents(there) == contents(forms.open_at(file))
    assert {path.partition("?")[2] for _, path, _ in server.requests} == {"X-Amz-Signature=abc/&X-Amz-Date=1"}
    assert "abc" not in str(there.source) + "".join(image.where for image in there.images)


def test_a_folder_has_no_query(server: FileServer) -> None:
    with pytest.raises(DatasetError, match="a URL with a query") as caught:
        forms.open_at(f"{server.url}/flat?sig=abc")
    assert "abc" not in str(caught.value)


def test_a_refusal_shows_no_signature() -> None:
    with FaultyServer() as own:
        url = own.put("/set.tar", b"", Answer(status=403))
        with pytest.raises(DatasetError, match="403") as caught:
            remote.read(Location.parse(f"{url}?sig=abc"))
    assert "abc" not in str(caught.value)


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "SILENCE", 1.0)  # enough to connect and to ask, on a busy machine as well
    monkeypatch.setattr(remote, "POLICY", replace(remote.POLICY, backoff=0.01))
    with FaultyServer() as own:
        url = own.put("/val.txt", b"a.jpg 1\n" * 1000, Answer(stall_at=100))
        begun = time.monotonic()
        with pytest.raises(DatasetError, match=r"val\.txt: cannot be read: the server does not answer"):
            forms.open_at(own.url)
        wait_for(lambda: len(own.paths()) >= remote.TRIES, "the server to see the last request")
        assert own.paths() == ["/val.txt"] * remote.TRIES, url
    assert time.monotonic() - begun < 45  # one try would take 60 s, were it not given up


def test_a_run_that_waits_for_a_silent_server_ends_at_once_when_interrupted(
    encoded: list[tuple[bytes, int]], nano_dir: Path
) -> None:
    with FaultyServer() as own:
        own.put("/val.txt", b"".join(b"%d.jpg 1\n" % number for number in range(100)))
        for number in range(100):
            own.put(f"/{number}.jpg", encoded[0][0], Answer(stall_at=10))
        arguments = ["--name", "mixnet-nano", "-d", str(nano_dir), "--launcher", "openvino", "-s", own.url]
        process = subprocess.Popen(
            [sys.executable, "-m", "mixnet_tools.cli.main", "check", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ},
        )
        try:
            wait_for(
                lambda: process.poll() is not None or any(path.endswith(".jpg") for path in own.paths()),
                "the images to be asked for",
            )
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
        finally:
            process.kill()
        assert time.monotonic() - begun < 25  # the silence is given up after 30 s
    assert process.returncode == 130, told
    assert "interrupted" in told
    assert "Traceback" not in told
