"""Unpacking: what may come out of an archive, and that nothing else ever does."""

from __future__ import annotations

import io
import os
import stat
import struct
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixnet_tools.downloading.archives.safety import Limits
from mixnet_tools.downloading.archives.unpack import unpack
from mixnet_tools.errors import ArchiveError
from tests.support.downloads import noise, tar_gz
from tests.support.systems import posix

TREE = {"net/checkpoint": b"first\n", "net/data/a.bin": noise(70_000), "empty": b""}
SMALL = Limits(entries=20, file_bytes=5_000_000, total_bytes=8_000_000, ratio=20, free_bytes=100_000)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make_zip(members: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] = lambda info: None) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as container:
        for name, body in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            change(info)
            container.writestr(info, body)
    return packed.getvalue()


def make_tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, body in members:
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return packed.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info


def unpacked(tmp_path: Path, packed: bytes, archive_format: str, limits: Limits | None = None) -> Path:
    archive, folder = tmp_path / "net.archive", tmp_path / "outer" / "folder"
    archive.write_bytes(packed)
    folder.mkdir(parents=True)
    unpack(archive, archive_format, folder, limits)
    return folder


@pytest.mark.parametrize(
    ("archive_format", "packed"),
    [
        ("zip", make_zip(TREE)),
        ("tar", tar_gz(TREE, "w")),
        ("gztar", tar_gz(TREE)),
        ("bztar", tar_gz(TREE, "w:bz2")),
        ("xztar", tar_gz(TREE, "w:xz")),
        ("gztar", tar_gz({"net/checkpoint": TREE["net/checkpoint"]})[:0] + tar_gz(TREE) + b"\0" * 512),
    ],
)
def test_each_format_unpacks_to_what_was_packed(tmp_path: Path, archive_format: str, packed: bytes) -> None:
    assert tree(unpacked(tmp_path, packed, archive_format)) == TREE


def test_zstd_unpacks_where_python_has_it_and_says_so_where_not(tmp_path: Path) -> None:
    if sys.version_info < (3, 14):
        with pytest.raises(ArchiveError, match="this Python has no zstd"):
            unpacked(tmp_path, b"\x28\xb5\x2f\xfd", "zst")
        return
    from compression import zstd  # type: ignore[import-not-found, unused-ignore]

    assert tree(unpacked(tmp_path, zstd.compress(tar_gz(TREE, "w")), "zst")) == TREE


def test_a_gzip_file_of_several_parts_is_one_file(tmp_path: Path) -> None:
    import gzip

    plain = tar_gz(TREE, "w")
    packed = gzip.compress(plain[:1000]) + gzip.compress(plain[1000:])
    assert tree(unpacked(tmp_path, packed, "gztar")) == TREE


@posix
def test_links_inside_the_folder_are_kept(tmp_path: Path) -> None:
    packed = make_tar(
        (member("net/model"), b"weights"),
        (member("net/sub/link", tarfile.SYMTYPE, "../model"), b""),
        (member("hard", tarfile.LNKTYPE, "net/model"), b""),
    )
    folder = unpacked(tmp_path, packed, "tar")
    assert os.readlink(folder / "net/sub/link") == "../model"
    assert (folder / "net/sub/link").read_bytes() == (folder / "hard").read_bytes() == b"weights"


@posix
def test_modes_are_plain_and_the_executable_bit_is_kept(tmp_path: Path) -> None:
    packed = make_tar((member("tool", mode=0o755), b"#!"), (member("data", mode=0o000), b"x"))
    folder = unpacked(tmp_path, packed, "tar")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((folder / "tool").stat().st_mode) == 0o777 & ~umask
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o666 & ~umask


def test_an_entry_that_comes_twice_is_the_later_one(tmp_path: Path) -> None:
    packed = make_tar((member("net/a"), b"old"), (member("net/", tarfile.DIRTYPE), b""), (member("./net/a"), b"new"))
    assert tree(unpacked(tmp_path, packed, "tar")) == {"net/a": b"new"}


REFUSED_TARS = {
    "absolute": ([member("/etc/passwd")], "'/etc/passwd': is an absolute path"),
    "dot-dot": ([member("../evil")], "'../evil': leaves the folder by '..'"),
    "dot-dot inside": ([member("a/../../evil")], "'a/../../evil': leaves the folder by '..'"),
    "backslash": ([member("a\\..\\..\\evil")], "leaves the folder by '..'"),
    "drive": ([member("C:/evil")], "is an absolute path on Windows"),
    "share": ([member("\\\\server\\evil")], "is an absolute path on Windows"),
    "control characters": ([member("a\x1b[2Jb")], "has control characters in its name"),
    "turned letters": ([member("a\u202egpj.exe")], "has control characters in its name"),
    "another volume": ([member("net/data", b"M")], "'net/data': goes on from another volume"),
    "symlink out": ([member("link", tarfile.SYMTYPE, "../x")], "'link': is a link that leaves the folder"),
    "symlink absolute": ([member("link", tarfile.SYMTYPE, "/etc")], "'link': is a link that leaves the folder"),
    "symlink out by detour": ([member("a/l", tarfile.SYMTYPE, "b/../../..")], "'a/l': is a link that leaves"),
    "symlink to nothing": ([member("link", tarfile.SYMTYPE, "")], "'link': is a link that leaves the folder"),
    "through a symlink": (
        [member("real/x"), member("link", tarfile.SYMTYPE, "real"), member("link/x")],
        "'link/x': needs a folder where an earlier entry is a file or link",
    ),
    "through a file": ([member("a"), member("a/b")], "'a/b': needs a folder"),
    "over a folder": ([member("a/b"), member("a")], "'a': is a file where an earlier entry is a folder"),
    "hard link out": ([member("link", tarfile.LNKTYPE, "../x")], "'link': links to '../x'"),
    "hard link absolute": (
        [member("link", tarfile.LNKTYPE, "/etc/passwd")],
        "links to '/etc/passwd': is an absolute path",
    ),
    "hard link to nothing": ([member("link", tarfile.LNKTYPE, "later")], "'link': links to 'later', which is no"),
    "hard link to a symlink": (
        [member("x"), member("s", tarfile.SYMTYPE, "x"), member("link", tarfile.LNKTYPE, "s")],
        "'link': links to 's', which is no earlier file",
    ),
    "FIFO": ([member("pipe", tarfile.FIFOTYPE)], "'pipe': is a device, FIFO"),
    "device": ([member("null", tarfile.CHRTYPE)], "'null': is a device"),
    "block device": ([member("disk", tarfile.BLKTYPE)], "'disk': is a device"),
    "setuid": ([member("sudo", mode=0o4755)], "'sudo': has a setuid or setgid bit (mode 4755)"),
    "setgid": ([member("mail", mode=0o2755)], "'mail': has a setuid or setgid bit"),
    "nameless link": ([member("./", tarfile.SYMTYPE, "x")], "'./': has no name"),
    "too many": ([member(f"f{n}") for n in range(21)], "'f20': more than 20 entries"),
}


@posix
@pytest.mark.parametrize(("members", "words"), REFUSED_TARS.values(), ids=REFUSED_TARS.keys())
def test_an_unsafe_entry_is_refused_by_name(tmp_path: Path, members: list[tarfile.TarInfo], words: str) -> None:
    packed = make_tar(*((one, b"") for one in members))
    with pytest.raises(ArchiveError) as caught:
        unpacked(tmp_path, packed, "tar", SMALL)
    assert words in str(caught.value)
    assert "net.archive" in str(caught.value)
    assert tree(tmp_path).keys() - {"net.archive"} <= {f"outer/folder/{one.name}" for one in members}


def test_unsafe_zip_entries_are_refused_by_name(tmp_path: Path) -> None:
    def as_fifo(info: zipfile.ZipInfo) -> None:
        info.external_attr = (stat.S_IFIFO | 0o644) << 16

    def as_link(info: zipfile.ZipInfo) -> None:
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    def as_setuid(info: zipfile.ZipInfo) -> None:
        info.external_attr = (stat.S_IFREG | 0o4755) << 16

    cases = [
        (make_zip({"../evil": b""}), "'../evil': leaves the folder by '..'"),
        (make_zip({"/evil": b""}), "'/evil': is an absolute path"),
        (make_zip({"pipe": b""}, as_fifo), "'pipe': is a device"),
        (make_zip({"link": b"../../etc"}, as_link), "'link': is a link that leaves"),
        (make_zip({"link": b"x" * 5000}, as_link), "'link': is a link with a target of more"),
        (make_zip({"sudo": b""}, as_setuid), "'sudo': has a setuid"),
    ]
    for number, (packed, words) in enumerate(cases):
        case = tmp_path / str(number)
        case.mkdir()
        with pytest.raises(ArchiveError) as caught:
            unpacked(case, packed, "zip")
        assert words in str(caught.value)


@posix
def test_a_zip_link_inside_the_folder_is_a_link(tmp_path: Path) -> None:
    def as_link(info: zipfile.ZipInfo) -> None:
        if info.filename == "link":
            info.external_attr = (stat.S_IFLNK | 0o777) << 16

    folder = unpacked(tmp_path, make_zip({"a": b"x", "link": b"a"}, as_link), "zip")
    assert os.readlink(folder / "link") == "a"


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    packed = bytearray(make_zip({"a": b"x"}))
    packed[6] |= 1  # the flag in the local header ...
    packed[packed.index(b"PK\x01\x02") + 8] |= 1  # ... and in the directory
    with pytest.raises(ArchiveError, match="'a': is encrypted"):
        unpacked(tmp_path, bytes(packed), "zip")


@pytest.mark.parametrize(("archive_format", "mode"), [("gztar", "w:gz"), ("bztar", "w:bz2"), ("xztar", "w:xz")])
def test_a_bomb_is_defused(tmp_path: Path, archive_format: str, mode: str) -> None:
    packed = tar_gz({"first": noise(1000), "zeros": bytes(4_000_000)}, mode)
    with pytest.raises(ArchiveError, match="more than 20 times the archive's own size"):
        unpacked(tmp_path, packed, archive_format, SMALL)
    assert sum(map(len, tree(tmp_path / "outer").values())) < 1_000_000


def test_a_zip_bomb_is_defused_whatever_its_directory_says(tmp_path: Path) -> None:
    packed = bytearray(make_zip({"zeros": bytes(4_000_000)}))
    with pytest.raises(ArchiveError, match=r"'zeros': .*more than 20 times"):
        unpacked(tmp_path, bytes(packed), "zip", SMALL)
    directory = packed.index(b"PK\x01\x02")
    packed[directory + 24 : directory + 28] = struct.pack("<L", 10)  # "unpacks to 10 bytes"
    (tmp_path / "lying").mkdir()
    with pytest.raises(ArchiveError):
        unpacked(tmp_path / "lying", bytes(packed), "zip", SMALL)


def test_files_and_sums_over_the_limit_are_refused(tmp_path: Path) -> None:
    big = make_tar((member("big"), bytes(5_000_001)))
    with pytest.raises(ArchiveError, match=r"'big': is larger than 5\.0 MB"):
        unpacked(tmp_path / "a", *_placed(tmp_path / "a", big), SMALL)
    several = make_tar(*((member(f"f{n}"), bytes(4_000_000)) for n in range(3)))
    with pytest.raises(ArchiveError, match=r"'f1': with it, more than 8\.0 MB"):
        unpacked(tmp_path / "b", *_placed(tmp_path / "b", several), SMALL)


def _placed(folder: Path, packed: bytes) -> tuple[bytes, str]:
    folder.mkdir()
    return packed, "tar"


def test_a_damaged_header_is_not_the_end(tmp_path: Path) -> None:
    packed = bytearray(make_tar((member("a"), b"x"), (member("b"), b"y")))
    packed[1024 + 148] ^= 1  # the second header's checksum
    with pytest.raises(ArchiveError, match="has no header where one is expected, behind the entry 'a'"):
        unpacked(tmp_path, bytes(packed), "tar")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("before", [(), ((member("a"), b"x"),)])
def test_a_header_that_asks_for_gigabytes_is_refused(
    tmp_path: Path, kind: bytes, before: tuple[tuple[tarfile.TarInfo, bytes], ...]
) -> None:
    header = member("x", kind)  # tarfile keeps its contents in memory, and reads them at once or in pieces
    header.size = 1 << 33
    packed = make_tar(*before)[: 1024 * len(before)] + header.tobuf(tarfile.GNU_FORMAT) + bytes(3_000_000)
    with pytest.raises(ArchiveError, match="has a header of"):
        unpacked(tmp_path, packed, "tar")


@pytest.mark.parametrize(
    ("archive_format", "mode"), [("tar", "w"), ("gztar", "w:gz"), ("bztar", "w:bz2"), ("xztar", "w:xz")]
)
@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.6, 0.9])
def test_a_cut_archive_is_an_error(tmp_path: Path, archive_format: str, mode: str, fraction: float) -> None:
    packed = tar_gz({"a": noise(50_000), "b": noise(50_000, "b")}, mode)
    with pytest.raises(ArchiveError, match="cannot be unpacked: it "):
        unpacked(tmp_path, packed[: int(len(packed) * fraction)], archive_format)


@pytest.mark.parametrize("archive_format", ["zip", "tar", "gztar", "bztar", "xztar"])
def test_something_else_than_an_archive_is_an_error(tmp_path: Path, archive_format: str) -> None:
    with pytest.raises(ArchiveError, match="cannot be unpacked: it "):
        unpacked(tmp_path, noise(3000), archive_format)


NAMES = st.one_of(
    st.text(alphabet="aAbB./\\:é\u0301\0\n~ ", min_size=1, max_size=12),
    st.lists(st.sampled_from(["a", "A", "b", "..", ".", "", "c.txt", "ß", "SS"]), min_size=1, max_size=5).map("/".join),
)
KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
)


@given(st.lists(st.tuples(NAMES, KINDS, NAMES, st.binary(max_size=40)), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_no_archive_writes_outside_its_folder(entries: list[tuple[str, bytes, str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        outer = Path(scratch)
        (outer / "victim").write_bytes(b"untouched")
        folder = outer / "deep" / "folder"
        folder.mkdir(parents=True)
        packed = [
            (member(name, kind, link), body if kind == tarfile.REGTYPE else b"") for name, kind, link, body in entries
        ]
        (outer / "net.tar").write_bytes(make_tar(*packed))
        try:
            unpack(outer / "net.tar", "tar", folder)
        except ArchiveError as error:
            assert "net.tar" in str(error)  # noqa: PT017 - either outcome is fine, if it keeps inside
        assert {path.name for path in outer.iterdir()} == {"victim", "deep", "net.tar"}
        assert [path.name for path in (outer / "deep").iterdir()] == ["folder"]
        assert (outer / "victim").read_bytes() == b"untouched"
        root = os.path.realpath(folder)
        for path in folder.rglob("*"):
            assert os.path.realpath(path) == root or os.path.realpath(path).startswith(root + "/")
            assert path.is_symlink() or path.is_file() or path.is_dir()


@given(st.binary(max_size=600), st.sampled_from(["zip", "tar", "gztar", "bztar", "xztar"]))
@settings(max_examples=100, deadline=None)
def test_no_bytes_end_in_anything_but_files_or_a_clear_error(damage: bytes, archive_format: str) -> None:
    whole = (
        make_zip(TREE)
        if archive_format == "zip"
        else tar_gz({"a": b"x"}, {"tar": "w", "gztar": "w:gz", "bztar": "w:bz2", "xztar": "w:xz"}[archive_format])
    )
    position = len(damage) % (len(whole) - 1)
    with tempfile.TemporaryDirectory() as scratch:
        archive, folder = Path(scratch) / "net", Path(scratch) / "folder"
        folder.mkdir()
        archive.write_bytes(whole[:position] + damage + whole[position + len(damage) :])
        try:
            unpack(archive, archive_format, folder)
        except ArchiveError as error:
            assert str(archive) in str(error)  # noqa: PT017
