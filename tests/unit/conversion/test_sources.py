"""The kinds of source model, as planning knows them; names of tensors, with and without the port."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mixnet_tools.conversion.plan import ConversionPlan, Source
from mixnet_tools.conversion.sources.base import SourceModel
from mixnet_tools.conversion.sources.kinds import KINDS, open_source
from mixnet_tools.errors import FreezeError, NextStep
from mixnet_tools.inference.openvino import listed, port_named
from mixnet_tools.reference.job import TorchModule

FILES = {
    "meta_graph": ("net.meta", ["net.meta", "net.data-00000-of-00001", "net.index"]),
    "frozen_graph": ("net.pb", ["net.pb"]),
    "saved_model": ("net", ["net/saved_model.pb"]),
    "onnx": ("net.onnx", ["net.onnx"]),
    "pytorch": ("net.pth", ["net.pth"]),
}


def opened(root: Path, kind: str) -> SourceModel:
    path = root / FILES[kind][0]
    module = TorchModule("torchvision.models", "resnet18", (), ("prob",), weights=str(path))
    return open_source(ConversionPlan("net", Source(kind, path), (), (), module=module, download_dir=root))


def test_an_option_of_a_framework_means_one_kind() -> None:
    pairs = [(kind.framework, kind.option) for kind in KINDS.values()]
    assert len(set(pairs)) == len(pairs)
    assert list(KINDS) == [kind.kind for kind in KINDS.values()] == list(FILES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_names_its_files_and_says_how_to_get_them(kind: str, tmp_path: Path) -> None:
    source = opened(tmp_path, kind)
    assert [str(path.relative_to(tmp_path)) for path in source.files()] == FILES[kind][1]
    for path in source.files():
        with pytest.raises(FreezeError, match="no such file") as caught:
            source.check_files()
        assert caught.value.hint == NextStep("download", "net", {"output_dir": tmp_path})
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(path.name.encode())
    source.check_files()


def test_a_v1_checkpoint_is_one_file(tmp_path: Path) -> None:
    for name in ("net.meta", "net"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in opened(tmp_path, "meta_graph").files()] == ["net.meta", "net"]


def test_an_onnx_model_cannot_be_frozen(tmp_path: Path) -> None:
    with pytest.raises(FreezeError, match="not a model of TensorFlow"):
        opened(tmp_path, "onnx").freeze()


class Port:
    """An input or output of an ``openvino.Model``, as far as names go."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)

    def get_names(self) -> set[str]:
        return self.names


def test_a_tensor_is_found_with_or_without_its_port() -> None:
    first, second, nameless = Port("image/placeholder", "image:0"), Port("mask"), Port()
    ports: list[Any] = [nameless, first, second]
    assert port_named(ports, "image") is port_named(ports, "image:0") is first
    assert port_named(ports, "mask:0") is second
    assert port_named(ports, "mask:1") is None
    assert listed(ports) == "image:0, mask"


def test_the_exact_name_goes_before_a_similar_one() -> None:
    ports: list[Any] = [Port("x:0"), Port("x")]
    assert port_named(ports, "x") is ports[1]
