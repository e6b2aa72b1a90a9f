"""IRs are saved whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mixnet_tools.errors import IRError, OutputError
from mixnet_tools.ir.read import read_ir
from mixnet_tools.ir.save import Publication, publish, require_place, staged
from mixnet_tools.values import IRModel

if TYPE_CHECKING:
    import openvino

REPORT = "report.json"


def model(value: float = 1.0) -> openvino.Model:
    import openvino
    from openvino import opset13 as ops

    image = ops.parameter([1, 3], np.float32)
    return openvino.Model([ops.add(image, ops.constant(np.full((1, 3), value, np.float32)))], [image], "net")


def target(folder: Path) -> IRModel:
    return IRModel("net", "FP32", folder / "net.xml", folder / "net.bin")


def save(place: IRModel, value: float = 1.0) -> None:
    with staged(model(value), place) as candidate:
        publish([Publication(candidate, place, {"value": value}, REPORT)])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_appear_together_and_replace_those_before(tmp_path: Path) -> None:
    place = target(tmp_path / "new")
    save(place)
    first = contents(tmp_path / "new")
    assert set(first) == {"net.xml", "net.bin", REPORT}
    save(place, 2.0)
    second = contents(tmp_path / "new")
    assert set(second) == set(first)
    assert second["net.bin"] != first["net.bin"]
    assert second[REPORT] != first[REPORT]


def test_a_failure_of_one_leaves_all_as_they_were(tmp_path: Path) -> None:
    places = [target(tmp_path / name) for name in ("a", "b")]
    for place in places:
        save(place)
    before = [contents(tmp_path / name) for name in ("a", "b")]
    with staged(model(3.0), places[0]) as first, staged(model(3.0), places[1]) as second:
        second.bin.unlink()  # so that moving the second IR fails, after the first was moved
        with pytest.raises(OutputError, match=r"b: cannot be written to: No such file"):
            publish(
                [
                    Publication(candidate, place, {}, REPORT)
                    for candidate, place in zip((first, second), places, strict=True)
                ]
            )
    assert [contents(tmp_path / name) for name in ("a", "b")] == before


def test_what_cannot_be_written_is_an_output_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/deep: cannot be written to: Not a directory"):
        require_place(target(tmp_path / "file/deep"), REPORT)
    with pytest.raises(OutputError, match=r"file: cannot be written to"), staged(model(), target(tmp_path / "file")):
        pass
    (tmp_path / "taken/net.bin").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"net\.bin: is a folder, where a file is to be written"):
        require_place(target(tmp_path / "taken"), REPORT)
    require_place(target(tmp_path / "deep/down"), REPORT)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "taken"}


def test_a_folder_without_locks_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OutputError, match="has no file locks"):
        require_place(target(tmp_path / "nfs/net"), REPORT)
    assert contents(tmp_path) == {}


def test_an_ir_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    save(target(tmp_path))
    assert read_ir(tmp_path / "net.xml").get_friendly_name() == "net"
    for name, message in [
        ("net.onnx", r"net\.onnx: expected an \.xml file, got \.onnx"),
        ("gone.xml", r"gone\.xml: no such file"),
    ]:
        with pytest.raises(IRError, match=message):
            read_ir(tmp_path / name)
    (tmp_path / "net.bin").unlink()
    with pytest.raises(IRError, match=r"net\.xml: cannot be read: .*bin file"):
        read_ir(tmp_path / "net.xml")
