"""The bytes that were verified are the bytes that are converted: what is changed after the download is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import run, run_failing, run_ok
from tests.support.downloads import file_entry, noise
from tests.support.graphs import ModelFolder, image_input
from tests.support.zoo_builder import descriptor_data, write_model

SIDE = 8


def flip(path: Path, place: int = -1000) -> None:
    """Change one byte of ``path``, and leave its size and its time as they are."""
    known, data = path.stat(), bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))


@pytest.fixture
def downloads(nano_dir: Path, tmp_path: Path) -> Path:
    """A copy of mixnet-nano's download, to be damaged."""
    shutil.copytree(nano_dir, tmp_path / "downloads", ignore=shutil.ignore_patterns("FP32", "FP16"))
    return tmp_path / "downloads"


def nano_files(downloads: Path) -> Path:
    return downloads / "public/mixnet-nano/mixnet-nano"


@pytest.mark.parametrize("more", [[], ["--no_verify"], ["--freezer", "tensorflow"]], ids=["proof", "no proof", "tf"])
def test_a_byte_of_an_unpacked_file_that_was_flipped_is_refused(downloads: Path, more: list[str]) -> None:
    path = nano_files(downloads) / "model.ckpt.data-00000-of-00001"
    flip(path)
    told = run_failing("convert", "--name", "mixnet-nano", "-d", downloads, *more)
    assert f"{path}: is not the file that was verified" in told
    size = path.stat().st_size
    assert f"expected {size} bytes, sha256:" in told
    assert f"got      {size} bytes, sha256:" in told
    assert f"download --name mixnet-nano --output_dir {downloads} --force" in told
    assert not list(downloads.rglob("*.xml"))


def test_the_original_that_is_measured_is_the_one_that_was_verified(downloads: Path) -> None:
    path = nano_files(downloads) / "model.ckpt.data-00000-of-00001"
    flip(path)
    told = run_failing("check", "--name", "mixnet-nano", "-d", downloads, "--launcher", "tf", "--num_images", "4")
    assert f"{path}: is not the file that was verified" in told


def test_a_file_too_damaged_to_be_read_is_told_by_its_digest(downloads: Path) -> None:
    for name in ("model.ckpt.index", "model.ckpt.meta"):
        path = nano_files(downloads) / name
        kept = path.read_bytes()
        path.write_bytes(bytes(len(kept)))
        told = run_failing("convert", "--name", "mixnet-nano", "-d", downloads)
        assert f"{path}: is not the file that was verified" in told
        path.write_bytes(kept)


def test_a_file_that_the_download_did_not_bring_is_refused(downloads: Path) -> None:
    path = nano_files(downloads) / "model.ckpt.data-00001-of-00002"
    path.write_bytes(b"a shard of somebody's")
    told = run_failing("convert", "--name", "mixnet-nano", "-d", downloads, "--no_verify")
    assert f"{path}: is not a file of the download" in told


def test_the_report_lists_every_file_and_the_irs_own(nano_dir: Path) -> None:
    folder = nano_dir / "public/mixnet-nano"
    report = json.loads((folder / "FP16/conversion.json").read_text())
    source = report["source"]
    assert source["verification"] == "verified"
    assert [one["path"] for one in source["files"]] == [
        "mixnet-nano/model.ckpt.meta",
        "mixnet-nano/model.ckpt.data-00000-of-00001",
        "mixnet-nano/model.ckpt.index",
    ]
    manifest = json.loads((folder / ".mixnet-download/manifest.json").read_text())
    for one in source["files"]:
        known = manifest["outputs"][one["path"]]
        assert (one["size"], one["digest"], one["verified_by"]) == (known["size"], known["checksum"], "archive")
    assert {name: one["size"] for name, one in report["ir"].items()} == {
        name: (folder / "FP16" / name).stat().st_size for name in ("mixnet-nano.xml", "mixnet-nano.bin")
    }


def test_files_that_came_another_way_are_converted_and_called_not_verified(downloads: Path, tmp_path: Path) -> None:
    """As omz_downloader leaves a folder: neither an archive nor a manifest."""
    shutil.rmtree(downloads / "public/mixnet-nano/.mixnet-download")
    (downloads / "public/mixnet-nano/mixnet-nano.tar.gz").unlink()
    command: list[str | Path] = ["--name", "mixnet-nano", "-d", downloads, "--no_verify", "--precisions", "FP32"]
    done = run_ok("convert", *command, "-q", "--json", "-o", tmp_path / "ir")
    words = "not verified: no manifest (mixnet-nano/model.ckpt.meta, "
    assert f"warning: {words}" in done.err
    (told,) = json.loads(done.out)["models"]
    report = json.loads((tmp_path / "ir/public/mixnet-nano/FP32/conversion.json").read_text())
    assert told["source"]["verification"] == report["source"]["verification"]
    assert report["source"]["verification"].startswith(words)
    assert {one["verified_by"] for one in report["source"]["files"]} == {None}
    assert run_ok("convert", *command).err.count("warning: not verified: no manifest") == 1

    # Once it is taken over, what cannot be verified may at least not change.
    adopted = run_ok("download", "--adopt", "--name", "mixnet-nano", "-o", downloads)
    assert "not verified, as mixnet-nano.tar.gz is gone" in adopted.out
    assert "not verified: adopted as it was found, and unchanged since" in run_ok("convert", *command).err
    flip(nano_files(downloads) / "model.ckpt.data-00000-of-00001")
    assert "is not the file that was adopted" in run_failing("convert", *command)


@pytest.fixture
def onnx_model(tmp_path: Path) -> tuple[Path, Path]:
    """A zoo with an ONNX model whose weights are in a file beside it, and its folder, as curl would have filled it."""
    import onnx
    from onnx import TensorProto, helper

    weights = noise(5 * 3 * SIDE * SIDE * 4, "weights")[: 5 * 3 * SIDE * SIDE * 4]
    kernel = helper.make_tensor("kernel", TensorProto.FLOAT, [3 * SIDE * SIDE, 5], bytes(len(weights)), raw=True)
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    kernel.external_data.add(key="location", value="net.weights")
    value = helper.make_tensor_value_info
    nodes = [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("MatMul", ["flat", "kernel"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "net",
        [value("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [value("y", TensorProto.FLOAT, [1, 5])],
        [kernel],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    assert isinstance(made, onnx.ModelProto)
    folder = tmp_path / "downloads/public/net"
    folder.mkdir(parents=True)
    bodies = {"net.onnx": made.SerializeToString(), "net.weights": bytes(len(weights))}
    files: list[Any] = []
    for name, body in bodies.items():
        (folder / name).write_bytes(body)
        files.append(file_entry(name, body, f"https://mirror.invalid/{name}"))
    data = descriptor_data(
        files=files,
        postprocessing=None,
        framework="onnx",
        model_optimizer_args=["--input_model=$dl_dir/net.onnx", "--output=y"],
        input_info=image_input("image", SIDE, "NCHW"),
    )
    write_model(tmp_path / "zoo", "net", data)
    return tmp_path / "zoo", folder


def test_plain_files_are_held_against_the_descriptor_without_a_manifest(onnx_model: tuple[Path, Path]) -> None:
    zoo, folder = onnx_model
    command: list[str | Path] = ["--name", "net", "--models_dir", zoo, "-d", folder.parents[1], "--no_verify"]
    assert "not verified" not in run_ok("convert", *command).err
    report = json.loads((folder / "FP32/conversion.json").read_text())
    assert report["source"]["verification"] == "verified"
    assert [(one["path"], one["verified_by"]) for one in report["source"]["files"]] == [
        ("net.onnx", "descriptor"),
        ("net.weights", "descriptor"),
    ]
    flip(folder / "net.weights", 0)
    told = run_failing("convert", *command)
    assert f"{folder / 'net.weights'}: is not the file that was verified" in told
    assert "sha384:" in told


def test_external_data_counts_without_the_package_onnx(onnx_model: tuple[Path, Path], tmp_path: Path) -> None:
    zoo, folder = onnx_model
    flip(folder / "net.weights", 0)
    (tmp_path / "path").mkdir()
    (tmp_path / "path/onnx.py").write_text("raise ImportError('not to be imported')")
    places = os.pathsep.join([str(tmp_path / "path"), os.environ.get("PYTHONPATH", "")])
    command: list[str | Path] = ["--name", "net", "--models_dir", zoo, "-d", folder.parents[1], "--no_verify"]
    done = run("convert", *command, env={"PYTHONPATH": places})
    assert done.code == 1, done.err
    assert f"{folder / 'net.weights'}: is not the file that was verified" in done.err


def test_verified_files_that_cannot_be_read_are_not_to_be_fetched_again(tmp_path: Path) -> None:
    """The descriptor asks for the wrong file: it has the digest that it must have, and is no graph."""
    folder = ModelFolder(tmp_path, "outside", ["--input_model=$dl_dir/net.pb"], image_input("image", 8))
    data = b"no graph at all"
    (folder.files / "net.pb").write_bytes(data)
    entry = {"name": "net.pb", "size": len(data), "checksum": hashlib.sha384(data).hexdigest()}
    folder.change(files=[{**entry, "source": "https://example.org/net.pb"}])
    root = str(folder.root)
    error = run_failing("convert", "--models_dir", folder.models, "-d", root, "--name", "outside")
    assert "not a TensorFlow frozen graph" in error
    assert "look whether it asks for the right ones" in error
    assert "download" not in error.partition("try:")[2]
