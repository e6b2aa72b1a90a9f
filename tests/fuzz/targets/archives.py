"""Archives, and the download that unpacks what was verified."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from mixnet_tools.downloading.archives.unpack import unpack
from tests.fuzz.containers import packed, tar_changes, zip_changes
from tests.fuzz.mutation import Draw, json_changes
from tests.fuzz.target import Files, Finding, Place, Target, command
from tests.support.downloads import download, file_entry
from tests.support.zoo_builder import descriptor_data

_MEMBERS = {"net/model.ckpt": bytes(range(256)) * 4, "net/sub/checkpoint": b"model.ckpt\n", "README": b"read me\n"}
_FORMATS = {".tar": "tar", ".gz": "gztar", ".bz2": "bztar", ".xz": "xztar", ".zip": "zip"}
_PACKING: dict[str, Callable[[bytes], bytes]] = {
    ".gz": partial(gzip.compress, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
_MOST_BYTES = 80 << 20


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, body in _MEMBERS.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
        link = tarfile.TarInfo("net/latest")
        link.type, link.linkname = tarfile.SYMTYPE, "model.ckpt"
        archive.addfile(link)
    return stream.getvalue()


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in _MEMBERS.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), body)
    return stream.getvalue()


def _tars() -> list[Files]:
    return [{"a.tar": _tar()}]


def _packed() -> list[Files]:
    return [{f"a{suffix}": pack(_tar())} for suffix, pack in _PACKING.items()]


def _zips() -> list[Files]:
    return [{"a.zip": _zip()}]


def _unpack(place: Place) -> None:
    (archive,) = place.given.iterdir()
    folder = place.out / "unpacked"
    folder.mkdir()
    unpack(archive, _FORMATS[archive.suffix], folder)
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(root, name)
            status = os.lstat(path)
            total += status.st_blocks * 512
            if status.st_mode & (stat.S_ISUID | stat.S_ISGID) or not (
                stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)
            ):
                raise Finding("a file of a forbidden kind was unpacked", f"{path} {status.st_mode:o}")
            if os.path.islink(path) and not os.path.realpath(path).startswith(str(folder.resolve())):
                raise Finding("a link out of the folder was unpacked", f"{path} -> {os.readlink(path)}")
    if total > _MOST_BYTES:
        raise Finding("much more was unpacked than was packed", str(total))


def _zoo() -> dict[str, bytes]:
    body = _PACKING[".gz"](_tar())
    entry = file_entry("net.tar.gz", body, {"$type": "file", "path": "net.tar.gz"})
    return {
        "zoo/public/net/net.tar.gz": body,
        "zoo/public/net/model.yml": json.dumps(descriptor_data(files=[entry])).encode(),
    }


def _downloads() -> list[Files]:
    return [_zoo()]


def _download(place: Place) -> None:
    """The archive is not what the descriptor names: it must never be delivered, or unpacked."""
    changed = hashlib.sha384((place.given / "zoo/public/net/net.tar.gz").read_bytes()).hexdigest()
    promised = json.loads((place.given / "zoo/public/net/model.yml").read_bytes())["files"][0]["checksum"]
    try:
        command("download", "--models_dir", place.given / "zoo", "--all", "-o", place.out, "-q")
    finally:
        found = [path for path in (place.out / "public/net").rglob("*") if path.is_file()]
        loose = [str(path) for path in found if ".mixnet" not in str(path)]
        if changed != promised and loose:
            raise Finding("something of a wrong archive was delivered", " ".join(loose))
    if changed != promised:
        raise Finding("a wrong archive was accepted")


@cache
def _states() -> tuple[Files, ...]:
    """A model's folder as a download left it, and as one that was cut left it."""
    with tempfile.TemporaryDirectory() as name:
        folder, zoo = Path(name), _zoo()
        for file, body in zoo.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        assert download(folder / "zoo", folder / "done", "-q").code == 0
        done = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in (folder / "done").rglob("*")
            if path.is_file() and not path.is_symlink()
        }
    return ({**zoo, **done},)


def _continue(place: Place) -> None:
    """A second download: what it calls finished is right, whatever the state folder says."""
    shutil.copytree(place.given / "done", place.out / "done")
    command("download", "--models_dir", place.given / "zoo", "--all", "-o", place.out / "done", "-q", "--verify")
    for name, body in _MEMBERS.items():
        if (place.out / "done/public/net" / name).read_bytes() != body:
            raise Finding("a wrong file was called finished", name)


TARGETS = (
    Target("tar", _tars, {"*": tar_changes}, _unpack, examples=120),
    Target(
        "tar.gz, tar.bz2, tar.xz",
        _packed,
        {f"*{suffix}": partial(packed, suffix=suffix) for suffix in _PACKING},
        _unpack,
        examples=120,
    ),
    Target("zip", _zips, {"*": zip_changes}, _unpack, examples=120),
    Target("download", _downloads, {"*.tar.gz": None}, _download, examples=50),
    Target("state of a download", _states, {"done/*.json": json_changes, "done/*": None}, _continue, examples=50),
)
__all__ = ["TARGETS", "Draw", "json_changes"]
