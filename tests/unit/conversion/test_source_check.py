"""What was hashed is what was read: files that change between the first and the last look at them are refused."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mixnet_tools.conversion.source_check import VERIFIED, SourceCheck, checking
from mixnet_tools.errors import ConversionError, IntegrityError
from mixnet_tools.reference.onnx_file import locations_in
from mixnet_tools.values import KnownFile, KnownFiles
from tests.support.systems import posix

GOOD = b"the bytes that were verified"


def known(folder: Path, body: bytes = GOOD, gap: str | None = None) -> KnownFiles:
    digest = f"sha384:{hashlib.sha384(body).hexdigest()}"
    return KnownFiles(folder, {"net.pb": KnownFile(len(body), digest, "descriptor")}, gap)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "net.pb").write_bytes(GOOD)
    return tmp_path / "net.pb"


def written_in_place(path: Path) -> None:
    before = path.stat()
    path.write_bytes(GOOD[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(GOOD)
    os.replace(other, path)


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [written_in_place, replaced, removed])
def test_a_change_after_the_hash_is_seen(path: Path, change: Callable[[Path], None]) -> None:
    os.utime(path, (0, 0))
    with checking([path], known(path.parent), path.parent, "again") as check:
        assert check.result().verification == VERIFIED
        check.require_unchanged()
        change(path)
        with pytest.raises(IntegrityError, match=r"net\.pb: changed while it was converted"):
            check.require_unchanged()


def test_a_wrong_file_explains_any_other_failure(path: Path) -> None:
    path.write_bytes(b"damaged")
    expected = known(path.parent)
    with (
        pytest.raises(IntegrityError, match="is not the file that was verified") as caught,
        checking([path], expected, path.parent, "again"),
    ):
        raise ConversionError("cannot be parsed")
    assert caught.value.hint == "again"
    path.write_bytes(GOOD)
    with (
        pytest.raises(ConversionError, match="cannot be parsed"),
        checking([path, path.with_name("missing")], expected, path.parent, "again"),
    ):
        raise ConversionError("cannot be parsed")


@posix
def test_links_are_followed_and_files_elsewhere_belong_to_the_zoo(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.pb"
    link.symlink_to("net.pb")
    with contextlib.closing(SourceCheck([link], known(tmp_path), tmp_path, "")) as check:
        (file,) = check.result().files
        assert (file.path, file.verified_by) == ("link.pb", "descriptor")
    folder = tmp_path / "model"
    folder.mkdir()
    with contextlib.closing(SourceCheck([path], known(folder), folder, "")) as check:
        assert check.result().verification == "not verified: not in the model's folder (../net.pb)"


def test_what_the_models_script_made_is_known_to_nobody_and_other_files_stay_refused(path: Path) -> None:
    made = path.with_name("made")
    made.mkdir()
    (made / "net.pb").write_bytes(b"prepared")
    (path.parent / "made.pb").write_bytes(b"somebody's")
    expected = known(path.parent)
    with contextlib.closing(SourceCheck([path, made / "net.pb"], expected, path.parent, "", made)) as check:
        assert check.result().verification == (
            "not verified: made on this machine, by the model's script (made/net.pb)"
        )
    with (
        contextlib.closing(SourceCheck([path.with_name("made.pb")], expected, path.parent, "", made)) as check,
        pytest.raises(IntegrityError, match="is not a file of the download"),
    ):
        check.result()


@posix
def test_a_link_to_another_file_does_not_pass_for_the_file(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere/other.pb"
    other.write_bytes(b"somebody's")
    path.unlink()
    path.symlink_to(other)
    with (
        contextlib.closing(SourceCheck([path], known(tmp_path), tmp_path, "")) as check,
        pytest.raises(IntegrityError, match="is not the file that was verified"),
    ):
        check.result()


@pytest.mark.parametrize("name", ["net.weights", "folder/w.bin", "x" * 127, "y" * 200, "z" * 20_000])
def test_external_data_is_found_without_the_package_onnx(name: str) -> None:
    from onnx import ModelProto, TensorProto

    model = ModelProto(doc_string="location", producer_name="lock")
    for place in (name, "other"):
        tensor = model.graph.initializer.add(name="w", data_location=TensorProto.EXTERNAL, data_type=1, dims=[1])
        tensor.external_data.add(key="location", value=place)
        tensor.external_data.add(key="offset", value="12")
    assert locations_in(model.SerializeToString()) == tuple(sorted({name, "other"}))
    assert locations_in(b"\n\x08location\x12") == locations_in(b"\n\x08location\x12\x02\xff\xfe") == ()
