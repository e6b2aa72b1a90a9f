"""Which model a path means, and which files belong to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mixnet_tools.conversion.survey.locate import locate, locate_below
from mixnet_tools.errors import ConversionError, FreezeError
from tests.support.systems import posix

ONNX = b"\x08\x08\x12\x07pytorch\x1a\x03"
GRAPH = b"\x0a\x10\x0a\x05image\x12\x07Identity"
SAVED_MODEL = b"\x08\x01\x12\x80\x01\x0a\x05"
IR = b'<?xml version="1.0"?>\n<net name="net" version="11">'
CHECKPOINT = {
    "net.ckpt.meta": b"\x0a\x02",
    "net.ckpt.index": b"",
    "net.ckpt.data-00000-of-00001": b"",
    "checkpoint": b'model_checkpoint_path: "net.ckpt"',
}

GRAPH_AND_WEIGHTS = ["net.ckpt.meta", "net.ckpt.data-00000-of-00001", "net.ckpt.index"]


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, contents in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(contents)


@pytest.mark.parametrize(
    ("files", "given", "kind", "names"),
    [
        ({"a.bin": ONNX}, "a.bin", "onnx", ["a.bin"]),
        ({"a.onnx": GRAPH}, "a.onnx", "frozen_graph", ["a.onnx"]),
        ({"s/saved_model.pb": SAVED_MODEL}, "s", "saved_model", ["s/saved_model.pb"]),
        ({"s/saved_model.pb": SAVED_MODEL, "s/note.txt": b""}, "s/saved_model.pb", "saved_model", ["s/saved_model.pb"]),
        ({"s/saved_model.pb": SAVED_MODEL}, ".", "saved_model", ["s/saved_model.pb"]),
        (CHECKPOINT, ".", "meta_graph", GRAPH_AND_WEIGHTS),
        *((CHECKPOINT, given, "meta_graph", GRAPH_AND_WEIGHTS) for given in CHECKPOINT),
        ({"a.xml": IR, "a.bin": b"\0" * 9}, "a.bin", "ir", ["a.xml", "a.bin"]),
        ({"a.xml": IR, "a.bin": b"\0" * 9, "readme": b"text"}, ".", "ir", ["a.xml", "a.bin"]),
        ({"odd: name.onnx": ONNX}, "odd: name.onnx", "onnx", ["model.onnx"]),
    ],
)
def test_a_model_is_found_with_its_files(
    files: dict[str, bytes], given: str, kind: str, names: list[str], tmp_path: Path
) -> None:
    write(tmp_path, files)
    found = locate(tmp_path / given)
    assert (found.kind, [file.name for file in found.files]) == (kind, names)


@pytest.mark.parametrize(
    ("files", "given", "words"),
    [
        ({"a.xml": IR}, "a.xml", "a.bin: no such file"),
        ({"a.onnx": ONNX, "b.pb": GRAPH}, ".", "holds 2 models: a.onnx, b.pb"),
        ({"readme": b"text"}, ".", "no model in this folder"),
        ({"net.ckpt.meta": b"\x0a"}, "net.ckpt.meta", "net.ckpt.data-00000-of-00001: no such file"),
        ({"net.index": b"..._CHECKPOINTABLE_OBJECT_GRAPH..."}, "net.index", "TensorFlow 2 without its graph"),
        ({"net.ir": IR}, "net.ir", "an OpenVINO IR already"),
        ({"saved_model.pb": GRAPH}, "saved_model.pb", "a folder whose saved_model.pb is a TensorFlow graph"),
    ],
)
def test_what_is_none_is_refused(files: dict[str, bytes], given: str, words: str, tmp_path: Path) -> None:
    write(tmp_path, files)
    with pytest.raises((FreezeError, ConversionError), match=words):
        locate(tmp_path / given)


def test_one_model_is_found_anywhere_in_what_an_archive_held(tmp_path: Path) -> None:
    write(tmp_path, {"package/data/net.onnx": ONNX, "package/setup.py": b"text", "package/empty": b""})
    archive = Path("net.zip")
    found = locate_below(tmp_path, archive)
    assert (found.kind, found.name) == ("onnx", "package/data/net.onnx")
    write(tmp_path, {"other/saved_model.pb": SAVED_MODEL, "other/inner/net.onnx": ONNX})
    with pytest.raises(FreezeError, match=r"net\.zip: holds 2 models"):
        locate_below(tmp_path, archive)
    assert locate_below(tmp_path, archive, "other").name == "other"
    with pytest.raises(FreezeError, match="expected a path inside"):
        locate_below(tmp_path, archive, "../net.onnx")
    (tmp_path / "package/data/net.onnx").unlink()
    write(tmp_path, {"package/a.xml": IR, "package/a.bin": b"\0" * 9})
    with pytest.raises(ConversionError, match="cannot be described inside an archive"):
        locate_below(tmp_path, archive, "package/a.xml")


def test_an_archive_without_a_model_says_what_it_has_instead(tmp_path: Path) -> None:
    write(tmp_path, {"__init__.py": b"", "readme.html": b"<html>"})
    with pytest.raises(FreezeError, match=r"net\.zip: no model in this archive"):
        locate_below(tmp_path, Path("net.zip"))
    write(tmp_path, {"net.h5": b"\x89HDF\r\n\x1a\n"})
    with pytest.raises(ConversionError, match=r"net\.h5: a Keras model in HDF5"):
        locate_below(tmp_path, Path("net.zip"))


@posix
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.onnx")
    with pytest.raises(FreezeError, match="expected a regular file"):
        locate(tmp_path / "net.onnx")
    with pytest.raises(FreezeError, match="no model in this folder"):
        locate(tmp_path)
