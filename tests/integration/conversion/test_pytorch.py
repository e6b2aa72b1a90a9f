"""PyTorch models where PyTorch is not installed: what has to be said of them is said all the same."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.zoo.torch_zoo import TorchZoo


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is installed")
def test_without_pytorch_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    zoo = TorchZoo(tmp_path)
    (zoo.folder("net") / "net.pth").write_bytes(b"\x80\x02}.")
    zoo.add("net", ["--import-module=torchvision.models", "--model-name=resnet18", "--weights=$dl_dir/net.pth"])
    done = run("convert", "--name", "net", "--models_dir", zoo.models, "-d", zoo.downloads)
    assert done.code == 1
    assert "PyTorch, which cannot be imported" in done.err
    assert "pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu" in done.err
    assert "pip install 'mixnet-tools[pytorch]'" in done.err


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12", "a pointer of Git LFS"),
        (b"<!DOCTYPE html><html>", "a web page"),
    ],
)
def test_a_file_that_holds_no_weights_of_pytorch_is_named(contents: bytes, words: str, tmp_path: Path) -> None:
    zoo = TorchZoo(tmp_path)
    (zoo.folder("net") / "net.pth").write_bytes(contents)
    zoo.add("net", ["--import-module=torchvision.models", "--model-name=resnet18", "--weights=$dl_dir/net.pth"])
    done = run("convert", "--name", "net", "--models_dir", zoo.models, "-d", zoo.downloads)
    assert done.code == 1
    assert f"expected weights of PyTorch, and this is {words}" in done.err
