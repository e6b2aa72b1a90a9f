"""model_optimizer_args and input_info become a plan, or one error that names what cannot be executed."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from mixnet_tools.convert.arguments import ConversionPlan, parse_cut, plan_conversion
from mixnet_tools.descriptor import load_descriptor
from mixnet_tools.errors import UnsupportedOption
from tests.support.zoo_builder import descriptor_data, write_model

META = "--input_meta_graph=$dl_dir/net/model.ckpt.meta"


def plan(root: Path, **changes: Any) -> ConversionPlan:
    path = write_model(root, "net", descriptor_data(**changes))
    return plan_conversion(load_descriptor(path, PurePosixPath("public/net")), Path("/dl"))


def test_the_flagship_is_planned_as_the_model_optimizer_read_it(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    assert planned.meta_graph == Path("/dl/public/net/net/model.ckpt.meta")
    assert planned.checkpoint == Path("/dl/public/net/net/model.ckpt")
    assert planned.cut.placeholder == "IteratorGetNext/placeholder_out_port_0"
    assert planned.aliases == ("IteratorGetNext:0",)
    assert (planned.output, planned.input_shape, planned.layout) == ("logits", (1, 224, 224, 3), "NHWC")
    assert planned.reverse_input_channels


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IteratorGetNext:1", ("IteratorGetNext", "output", 1, "IteratorGetNext/placeholder_out_port_1")),
        ("0:sub", ("sub", "input", 0, "sub/placeholder_port_0")),
        ("a/b", ("a/b", "node", 0, "a/b")),
    ],
)
def test_notation_of_the_model_optimizer(text: str, expected: tuple[str, str, int, str]) -> None:
    cut = parse_cut(text)
    assert (cut.node, cut.side, cut.port, cut.placeholder) == expected


def test_arguments_go_before_input_info(tmp_path: Path) -> None:
    planned = plan(
        tmp_path,
        model_optimizer_args=[META, "--output=logits:0", "--input=0:sub", "--input_shape=[1,64,64,3]", "--layout=NHWC"],
    )
    assert (planned.cut.text, planned.input_shape, planned.output) == ("0:sub", (1, 64, 64, 3), "logits")
    assert not planned.reverse_input_channels


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"model_optimizer_args": [META, "--output=a", "--transformations_config=x"]},
            "--transformations_config is not",
        ),
        ({"model_optimizer_args": [META, "--output=a,b"]}, "expected one --output"),
        ({"model_optimizer_args": [META]}, "expected one --output"),
        ({"model_optimizer_args": ["--output=a"]}, "expected --input_meta_graph"),
        ({"model_optimizer_args": [META, META, "--output=a"]}, "--input_meta_graph is given twice"),
        ({"model_optimizer_args": [META, "--output"]}, "--output needs a value"),
        ({"model_optimizer_args": [META, "--output=a", "--reverse_input_channels=1"]}, "takes no value"),
        ({"input_info": [{"name": "x", "shape": [1, 224, 224, 3], "layout": "NCH"}]}, "does not fit the shape"),
        (
            {"input_info": [{"name": "x", "shape": [1, 224, 224, 1], "layout": "NHWC"}]},
            "needs a layout with 3 channels",
        ),
        ({"input_info": [{"name": "x", "shape": [-1, 224, 224, 3], "layout": "NHWC"}]}, "expected positive sizes"),
        ({"input_info": []}, "expected the input's name and shape"),
        ({"input_info": [{"name": "a"}, {"name": "b"}]}, "expected one input"),
        ({"framework": "onnx"}, "is from 'onnx'"),
        ({"framework": "dldt", "model_optimizer_args": None}, "is OpenVINO IR already"),
    ],
)
def test_what_is_not_executed_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        plan(tmp_path, **changes)
    assert words in str(caught.value)
    assert "public/net/model.yml" in str(caught.value)
