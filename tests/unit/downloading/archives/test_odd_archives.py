"""Archives as people pack them: what is harmless is unpacked and told, what is dangerous or broken is called so."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mixnet_tools.downloading.archives.safety import Entry, EntryChecker, EntryKind
from mixnet_tools.downloading.archives.unpack import unpack
from mixnet_tools.errors import ArchiveError
from tests.support.downloads import noise, tar_gz

TREE = {"net/checkpoint": b"first\n", "net/a.bin": noise(9_000), "empty": b""}
PLAIN = tar_gz(TREE, "w")
BLOCK = tarfile.BLOCKSIZE


def zipped(members: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] = lambda info: None) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as container:
        for name, body in members.items():
            info = zipfile.ZipInfo(name)
            change(info)
            container.writestr(info, body)
    return packed.getvalue()


def tarred(
    *entries: tuple[str, bytes] | tarfile.TarInfo, form: int = tarfile.GNU_FORMAT, encoding: str = "utf-8"
) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form, encoding=encoding) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            tar.addfile(info, io.BytesIO(entry[1]))
    return packed.getvalue()


def of_type(kind: bytes, name: str, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def without_end_mark(packed: bytes) -> bytes:
    return packed[: len(packed.rstrip(b"\0")) + BLOCK - len(packed.rstrip(b"\0")) % BLOCK]


def unpacked(tmp_path: Path, packed: bytes, archive_format: str = "tar") -> tuple[dict[str, bytes], str]:
    """What came out, and the remarks."""
    archive, folder = tmp_path / "net.archive", tmp_path / "folder"
    archive.write_bytes(packed)
    folder.mkdir()
    remarks = unpack(archive, archive_format, folder)
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return files, "\n".join(remarks)


@pytest.mark.parametrize("told", ["zip", "tar", "gztar", "bztar", "xztar", "zst"])
@pytest.mark.parametrize(
    ("found", "pack"),
    [
        ("a zip archive", lambda: zipped(TREE)),
        ("a tar archive", lambda: PLAIN),
        ("a tar archive in gzip", lambda: gzip.compress(PLAIN)),
        ("a tar archive in bzip2", lambda: bz2.compress(PLAIN)),
        ("a tar archive in xz", lambda: lzma.compress(PLAIN)),
        ("a tar archive in lzma", lambda: lzma.compress(PLAIN, format=lzma.FORMAT_ALONE)),
    ],
)
def test_an_archive_is_what_its_bytes_say(tmp_path: Path, found: str, pack: Callable[[], bytes], told: str) -> None:
    right = {"zip": "a zip archive", "tar": "a tar archive", "gztar": "a tar archive in gzip"}
    right |= {"bztar": "a tar archive in bzip2", "xztar": "a tar archive in xz"}
    files, remarks = unpacked(tmp_path, pack(), told)
    assert files == TREE
    assert (remarks == "") == (right.get(told) == found)
    assert remarks == "" or f"is {found}, though its descriptor says {told}" in remarks


LABEL = of_type(b"V", "backup of Monday")
ODD = {
    "volume label": (tarred(LABEL, *TREE.items()), TREE, ""),
    "no end mark": (without_end_mark(PLAIN), TREE, "has no end mark"),
    "no padding": (tarred(("a", b"x" * 10))[: BLOCK + 10], {"a": b"x" * 10}, "has no end mark"),
    "one block of zeros": (without_end_mark(PLAIN) + bytes(BLOCK), TREE, ""),
    "another archive behind it": (PLAIN + tarred(("b", b"x")), TREE, "bytes behind its end mark were left out"),
    "two parts of gzip": (gzip.compress(PLAIN[:999]) + gzip.compress(PLAIN[999:]), TREE, ""),
    "garbage behind gzip": (
        gzip.compress(PLAIN) + b"\0\0signed by me",
        TREE,
        "behind the compressed data were left out",
    ),
    "garbage behind xz": (lzma.compress(PLAIN) + b"ok", TREE, "behind the compressed data were left out"),
    "gzip in gzip": (gzip.compress(gzip.compress(PLAIN)), TREE, "is compressed more than once"),
    "no-break space": (tarred(("net/a\u00a0b", b"x")), {"net/a\u00a0b": b"x"}, ""),
    "latin-1": (
        tarred(("caf\u00e9", b"x"), encoding="latin-1"),
        {"caf\u00e9": b"x"},
        "not UTF-8, read as Windows-1252: 'café'",
    ),
    "latin-1 in pax": (tarred(("caf\udce9", b"x"), form=tarfile.PAX_FORMAT), {"caf\u00e9": b"x"}, "not UTF-8"),
    "colons": (
        tarred(("a::b", b"x"), ("12:30.log", b"y")),
        {"a::b": b"x", "12:30.log": b"y"},
        "Windows cannot have: 'a::b', '12:30.log'",
    ),
    "devices": (
        tarred(("net/aux.txt", b"x"), ("NUL", b"y")),
        {"net/aux.txt": b"x", "NUL": b"y"},
        "Windows cannot have",
    ),
    "dots and blanks at ends": (tarred(("a.", b"x"), ("b ", b"y")), {"a.": b"x", "b ": b"y"}, "Windows cannot have"),
    "a backslash": (tarred(("a\\b", b"x")), {"a\\b": b"x"}, "Windows cannot have"),
    "case": (
        tarred(("Net/a", b"x"), ("net/a", b"y")),
        {"Net/a": b"x", "net/a": b"y"},
        "ignore case cannot tell apart: 'net'",
    ),
    "forms of letters": (
        tarred(("\u00e9", b"x"), ("e\u0301", b"y")),
        {"\u00e9": b"x", "e\u0301": b"y"},
        "cannot tell apart",
    ),
    "a list of a backup": (tarred(of_type(b"D", "net"), ("net/a", b"x")), {"net/a": b"x"}, ""),
    "an unknown kind": (tarred(of_type(b"Q", "a")), {"a": b""}, "of a kind that is not known, unpacked as files: 'a'"),
    "a hard link to itself": (tarred(("a", b"x"), of_type(tarfile.LNKTYPE, "a", "./a")), {"a": b"x"}, ""),
    "a global header": (tarred(of_type(tarfile.XGLTYPE, "pax_global_header"), ("a", b"x")), {"a": b"x"}, ""),
    "nothing": (tarred(), {}, "has no entries"),
    "zeros alone": (bytes(BLOCK), {}, "has no entries"),
}


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot have these names")
@pytest.mark.parametrize(("packed", "files", "remark"), ODD.values(), ids=ODD.keys())
def test_what_is_odd_and_harmless_is_unpacked_with_a_remark(
    tmp_path: Path, packed: bytes, files: dict[str, bytes], remark: str
) -> None:
    found, remarks = unpacked(
        tmp_path, packed, "gztar" if packed[:2] == b"\x1f\x8b" else "xztar" if packed[:1] == b"\xfd" else "tar"
    )
    assert found == files
    assert remark in remarks if remark else remarks == ""


def test_names_of_zips_are_read_as_they_were_meant(tmp_path: Path) -> None:
    def by_windows(info: zipfile.ZipInfo) -> None:
        info.create_system = 0

    def folder_without_a_slash(info: zipfile.ZipInfo) -> None:
        info.create_system = 0
        info.external_attr = 0x10 if info.filename == "net" else 0

    for number, (packed, names) in enumerate(
        [
            (zipped({"net\\a.bin": b"x"}, by_windows), {"net/a.bin"}),
            (zipped({"net": b"", "net/a": b"x"}, folder_without_a_slash), {"net/a"}),
            (b"#!/bin/sh\n" + zipped({"a": b"x"}), {"a"}),
            # UTF-8, without the flag that says so
            (zipped({"\u00e9": b"x"}).replace(b"\0\x08\0\0\0", b"\0\0\0\0\0"), {"\u00e9"}),
        ]
    ):
        case = tmp_path / str(number)
        case.mkdir()
        assert unpacked(case, packed, "zip")[0].keys() == names


BROKEN = {
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(600), "is a 7-Zip archive"),
    "compress": (b"\x1f\x9d" + noise(600), "is data of the program compress"),
    "one file in gzip": (gzip.compress(b"weights" * 100), "is gzip data of what is no archive of a known kind"),
    "a zip in gzip": (gzip.compress(zipped(TREE).ljust(1000)), "is gzip data of what is a zip archive"),
    "a cut zip": (zipped(TREE)[:-30], "is a zip archive that is cut short"),
    "nothing in gzip": (gzip.compress(b""), "is gzip data of what is empty"),
    "a cut gzip": (gzip.compress(PLAIN)[:-4], "is cut short"),
    "a wrong checksum": (gzip.compress(PLAIN)[:-8] + bytes(4) + gzip.compress(PLAIN)[-4:], "cannot be unpacked"),
    "nothing": (b"", "is empty"),
}


@pytest.mark.parametrize(("packed", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_what_cannot_be_unpacked_is_called_what_it_is(tmp_path: Path, packed: bytes, words: str) -> None:
    with pytest.raises(ArchiveError, match=words) as caught:
        unpacked(tmp_path, packed, "gztar")
    hint = str(caught.value.hint)
    assert "its digest is right" in hint
    assert "force" not in hint


def test_a_name_that_the_file_system_cannot_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="this file system cannot have the name") as caught:
        unpacked(tmp_path, tarred(("x" * 300, b"")))
    assert "output_dir" in str(caught.value.hint)


def test_a_folder_that_ignores_case_takes_no_two_spellings() -> None:
    checker = EntryChecker("net.tar", 100, ignores_case=True)
    checker.check(Entry("Net/a", EntryKind.FILE))
    with pytest.raises(ArchiveError, match="'net/b': is the same name as 'Net' on this file system"):
        checker.check(Entry("net/b", EntryKind.FILE))


def test_without_hard_links_the_file_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    files, _ = unpacked(tmp_path, tarred(("a", b"x" * 999), of_type(tarfile.LNKTYPE, "b", "a")))
    assert files == {"a": b"x" * 999, "b": b"x" * 999}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere names are not bytes")
def test_names_do_not_depend_on_the_locale(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tarred(("caf\u00e9", b"x"), encoding="latin-1"))
    (tmp_path / "out").mkdir()
    code = "import sys, pathlib; from mixnet_tools.downloading.archives.unpack import unpack; "
    code += "print(unpack(pathlib.Path('a.tar'), 'tar', pathlib.Path('out')))"
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "ArchiveError" in done.stderr
    assert "the locale's ascii lacks letters of it" in done.stderr
