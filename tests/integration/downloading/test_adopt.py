"""mixnet-download --adopt: folders that another program filled are taken over as far as digests allow."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.archived_model import FINISHED, SCRIPT
from tests.support.downloads import add_model as add
from tests.support.downloads import delivered, download, download_failing, download_ok, file_entry, noise
from tests.support.http_server import FaultyServer


@pytest.fixture
def folder(out: Path) -> Path:
    """The model's folder as omz_downloader leaves it: unpacked and patched, no archive, no manifest."""
    folder = out / "public/net"
    shutil.rmtree(folder / ".mixnet-download")
    (folder / "net.tar.gz").unlink()
    (folder / "code/run.py.orig").write_bytes(SCRIPT)
    return folder


@pytest.fixture
def silent(server: FaultyServer) -> FaultyServer:
    """The server, which nobody may ask from here on."""
    server.requests.clear()
    return server


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_has_a_digest_is_verified_and_the_rest_recorded(
    zoo: Path, out: Path, folder: Path, silent: FaultyServer
) -> None:
    (folder / "FP32").mkdir()
    (folder / "FP32/net.xml").write_text("an IR of ours")
    before = tree(folder)
    done = download_ok(zoo, out, "--adopt")
    assert "verified: code/run.py\n" in done.out
    assert (
        "not verified, as net.tar.gz is gone; recorded as they are: net/checkpoint, net/model.ckpt, net/a/b" in done.out
    )
    assert "net: warning: 3 files are not verified" in done.err
    assert {name: body for name, body in tree(folder).items() if ".mixnet-download" not in name} == before
    again = download_ok(zoo, out)
    assert "up to date" in again.out
    assert "3 files are not verified, but unchanged since they were taken over" in again.out
    assert "has a manifest already" in download_ok(zoo, out, "--adopt").out
    assert not silent.requests
    # A later change is noticed, and made right from the source.
    (folder / "net/model.ckpt").write_bytes(noise(1_500_000, "another"))
    (folder / "FP32/net.xml").write_text("another IR of ours")
    repaired = download_ok(zoo, out)
    assert "net.tar.gz from" in repaired.out
    assert "not verified" not in download_ok(zoo, out).out
    assert (folder / "net/model.ckpt").read_bytes() == FINISHED["public/net/net/model.ckpt"]


def test_with_the_archive_everything_is_verified(zoo: Path, out: Path, silent: FaultyServer) -> None:
    folder = out / "public/net"
    shutil.rmtree(folder / ".mixnet-download")
    (folder / "code/run.py.orig").write_bytes(SCRIPT)
    (folder / "notes.txt").write_text("no part of the model")
    done = download_ok(zoo, out, "--adopt")
    assert "verified: net.tar.gz, code/run.py, net/checkpoint, net/model.ckpt, net/a/b" in done.out
    assert "not verified" not in done.out + done.err
    assert not (folder / ".mixnet-download/staging").exists()
    assert "up to date" in download_ok(zoo, out).out
    assert not silent.requests


@pytest.mark.parametrize(
    "wrong", ["the archive", "an unpacked file", "the original of a patched file", "a patched file"]
)
def test_a_wrong_file_is_named_and_nothing_is_changed(zoo: Path, out: Path, silent: FaultyServer, wrong: str) -> None:
    folder = out / "public/net"
    shutil.rmtree(folder / ".mixnet-download")
    (folder / "code/run.py.orig").write_bytes(SCRIPT)
    name = {
        "the archive": "net.tar.gz",
        "an unpacked file": "net/model.ckpt",
        "the original of a patched file": "code/run.py.orig",
        "a patched file": "code/run.py",
    }[wrong]
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    before = tree(folder)
    told = download_failing(zoo, out, "--adopt")
    assert f"{folder / name}: is not the file " in told
    assert f"expected {len(data)} bytes, sha" in told
    assert tree(folder) == before
    assert not (folder / ".mixnet-download").exists()
    assert not silent.requests


def test_files_with_digests_of_their_own_need_no_archive(zoo: Path, tmp_path: Path) -> None:
    bodies = {"a.bin": noise(1000, "a"), "b/c.bin": noise(1000, "b")}
    add(
        tmp_path / "plain",
        "plain",
        [file_entry(name, body, "https://mirror.invalid/x") for name, body in bodies.items()],
    )
    folder = tmp_path / "got/public/plain"
    (folder / "b").mkdir(parents=True)
    (folder / "a.bin").write_bytes(bodies["a.bin"])
    told = download_failing(tmp_path / "plain", tmp_path / "got", "--adopt")
    assert f"{folder / 'b/c.bin'}: no such file" in told
    (folder / "b/c.bin").write_bytes(bodies["b/c.bin"])
    assert "verified: a.bin, b/c.bin" in download_ok(tmp_path / "plain", tmp_path / "got", "--adopt").out
    assert "up to date" in download_ok(tmp_path / "plain", tmp_path / "got", "--offline").out
    assert delivered(folder) == bodies


def test_nothing_to_take_over_is_said(zoo: Path, tmp_path: Path, silent: FaultyServer) -> None:
    assert "no such folder to take over" in download_failing(zoo, tmp_path / "nowhere", "--adopt")
    (tmp_path / "empty/public/net").mkdir(parents=True)
    assert "has neither net.tar.gz nor files that came out of it" in download_failing(
        zoo, tmp_path / "empty", "--adopt"
    )
    assert download(zoo, tmp_path / "empty", "--adopt", "--force").code == 2
    assert not silent.requests
