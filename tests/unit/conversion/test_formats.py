"""Formats are recognized by their content, whatever the file is called."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from mixnet_tools.conversion.sources.formats import checkpoint_without_graph, recognize

NODE = b"\x0a\x10\x0a\x05image\x12\x07Identity"


@pytest.mark.parametrize(
    ("data", "kind", "name", "advice"),
    [
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 50, None, "a Keras model in HDF5", "keras.saving.load_model('net.bin'"),
        (b"\x1c\0\0\0TFL3" + b"\0" * 50, None, "TensorFlow Lite", "ovc net.bin"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", None, "a PyTorch file", "torch.onnx.export"),
        (b"\x80\x04\x95\x10\0\0\0\0\0\0\0}", None, "a Python pickle", "torch.onnx.export"),
        (b"\x40\0\0\0\0\0\0\0" + b'{"weight":{}}', None, "safetensors", "torch.onnx.export"),
        (b"\x08\x01\x12\x80\x01\x0a\x05", "saved_model", "the graph of a SavedModel", "--saved_model_dir"),
        (b"\x08\x08\x12\x07pytorch\x1a\x03", "onnx", "an ONNX model", "framework: onnx"),
        (b"\x08\x03:\x10", "onnx", "an ONNX model", "framework: onnx"),
        (NODE, "graph", "a TensorFlow graph", "--input_model=$dl_dir/net.bin"),
        (b"\x0a\xe4\x01\x0a\x05image", "graph", "a TensorFlow graph", "framework: tf"),
        (b'# a graph\nnode {\n  name: "image"\n', "graph", "as text", "--input_model"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12", None, "Git LFS", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", None, "a web page", "a source that answers with the file"),
        (b'<?xml version="1.0"?>\n<net name="net" version="11">', "ir", "an OpenVINO IR", "framework: dldt"),
        (b'name: "AlexNet"\nlayer {', None, "a Caffe model", "ONNX"),
        (b"\x1f\x8b\x08\0", None, "a compressed archive", "unpack_archive"),
        (b"a" * 257 + b"ustar\0" + b"0" * 300, None, "a tar archive", "unpack_archive"),
        (b"", None, "empty", "export the model"),
        (b"\0" * 100, None, "empty", "export the model"),
        (b"x" * 40 + b"W\xfb\x80\x8b$uG\xdb", None, "the index of a TensorFlow checkpoint", "--input_meta_graph"),
    ],
)
def test_a_format_is_known_by_its_bytes(data: bytes, kind: str | None, name: str, advice: str, tmp_path: Path) -> None:
    path = tmp_path / "net.bin"
    path.write_bytes(data)
    found = recognize(path)
    assert found is not None
    assert found.kind == kind
    assert name in found.name
    assert advice in found.advice
    if kind is None:
        assert "--" not in found.advice_without_descriptor
        assert "framework:" not in found.advice_without_descriptor


@pytest.mark.parametrize(
    ("members", "name"),
    [
        (("metadata.json", "config.json", "model.weights.h5"), "a Keras model (.keras)"),
        (("archive/data.pkl", "archive/data/0"), "a PyTorch file"),
        (("net/data.pkl", "net/code/net.py", "net/constants.pkl"), "a TorchScript archive, which is a program"),
        (("net/saved_model.pb",), "a zip archive with a SavedModel"),
        (("readme.txt",), "a zip archive"),
    ],
)
def test_what_is_in_a_zip_tells_its_format(members: tuple[str, ...], name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.pb", "w") as archive:
        for member in members:
            archive.writestr(member, b"")
    found = recognize(tmp_path / "net.pb")
    assert found is not None
    assert found.name == name


def test_what_is_no_known_format_is_left_to_who_reads_it(tmp_path: Path) -> None:
    (tmp_path / "net.pb").write_bytes(b"something else")
    assert recognize(tmp_path / "net.pb") is None
    assert recognize(tmp_path) is None


def test_a_saved_models_folder_is_known_and_one_that_only_looks_so(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01\x12\x80\x01\x0a\x05")
    folder = recognize(tmp_path)
    assert folder is not None
    assert (folder.kind, folder.name) == ("saved_model", "a SavedModel's folder")
    (tmp_path / "saved_model.pb").write_bytes(NODE)
    folder = recognize(tmp_path)
    assert folder is not None
    assert (folder.kind, folder.name) == ("graph", "a folder whose saved_model.pb is a TensorFlow graph")


def test_a_checkpoint_without_a_graph_is_told(tmp_path: Path) -> None:
    meta = tmp_path / "net.ckpt.meta"
    assert checkpoint_without_graph(meta) is None
    (tmp_path / "net.ckpt.index").write_bytes(b"...")
    assert checkpoint_without_graph(meta) is None
    (tmp_path / "net.ckpt.index").write_bytes(b"..._CHECKPOINTABLE_OBJECT_GRAPH...")
    found = checkpoint_without_graph(meta)
    assert found is not None
    assert "a checkpoint of TensorFlow 2 without its graph" in found.name
    assert "model.export('saved_model')" in found.advice
    meta.write_bytes(b"")
    assert checkpoint_without_graph(meta) is None
