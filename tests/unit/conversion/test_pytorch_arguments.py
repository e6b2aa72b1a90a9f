"""conversion_to_onnx_args in Open Model Zoo's words become a module to make, or errors that name each argument."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.conversion.options import ConversionOptions, make_plan
from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.conversion.sources.pytorch_arguments import is_of_known_package, parse_module
from mixnet_tools.descriptors.model_yml import load_descriptor
from mixnet_tools.errors import UnsupportedOption
from mixnet_tools.reference.job import Job, TorchInput, TorchModule
from tests.support.zoo_builder import descriptor_data, write_model

RESNET = [
    "--model-name=resnet18", "--import-module=torchvision.models", "--weights=$dl_dir/net.pth",
    "--input-shape=1,3,224,224", "--input-names=data", "--output-names=prob", "--output-file=$conv_dir/net.onnx",
]  # fmt: skip
OPTIMIZER = [
    "--input_model=$conv_dir/net.onnx",
    "--mean_values=data[1,2,3]",
    "--reverse_input_channels",
    "--output=prob",
]
FOLDERS = {"$dl_dir": "/dl/net", "$config_dir": "/zoo/net"}


def planned(root: Path, arguments: list[str], **changes: Any) -> ConversionPlan:
    data: dict[str, Any] = {
        "framework": "pytorch",
        "conversion_to_onnx_args": arguments,
        "model_optimizer_args": OPTIMIZER,
        "input_info": [{"name": "data", "shape": [1, 3, 224, 224], "layout": "NCHW"}],
        **changes,
    }
    path = write_model(root, "net", descriptor_data(**data))
    return plan_conversion(load_descriptor(path, PurePosixPath("public/net")), Path("/dl"), Path("/out"))


def changed(name: str, *values: str) -> list[str]:
    """The arguments with others of the name ``name``."""
    kept = [one for one in RESNET if not one.startswith(f"--{name}=")]
    return [*kept, *(f"--{name}={value}" for value in values)]


def test_a_descriptor_of_open_model_zoo_is_planned(tmp_path: Path) -> None:
    plan = planned(tmp_path, RESNET)
    assert plan.source.kind == "pytorch"
    assert plan.source.path == Path("/dl/public/net/net.pth")
    (entry,) = plan.inputs
    assert (entry.cut.placeholder, entry.shape, entry.layout) == ("data", (1, 3, 224, 224), "NCHW")
    assert entry.reverse
    assert [cut.text for cut in plan.outputs] == ["prob"]
    assert plan.module == TorchModule(
        module="torchvision.models", function="resnet18", inputs=(TorchInput("data", (1, 3, 224, 224)),),
        outputs=("prob",), weights="/dl/public/net/net.pth",
    )  # fmt: skip


def test_names_and_shapes_are_the_modules_where_nothing_else_says_them(tmp_path: Path) -> None:
    plan = planned(
        tmp_path,
        ["--model-name=f", "--import-module=m", "--input-shapes=[1,151,8,8],[1,3]", "--input-names=a,b",
         "--output-names=x,y", "--inputs-dtype=long"],
        input_info=None, model_optimizer_args=[],
    )  # fmt: skip
    assert [(entry.cut.text, entry.shape) for entry in plan.inputs] == [("a", (1, 151, 8, 8)), ("b", (1, 3))]
    assert [cut.text for cut in plan.outputs] == ["x", "y"]
    assert plan.module is not None
    assert {one.dtype for one in plan.module.inputs} == {"int64"}


def test_parameters_are_literals_with_the_folders_filled_in() -> None:
    said = parse_module(
        [*RESNET, "--model-path=$dl_dir", "--model-path=$config_dir", "--model-param=a=[2, 4]", "--model-param=b=True",
         '--model-param=c=r"$dl_dir/x.pth"', "--model-param", "d={'k': ('$config_dir/y', None)}",
         "--conversion-param=dynamic_axes={'data': {0: 'n'}}", "--opset_version=12"],
        FOLDERS,
    )  # fmt: skip
    assert said.folders == ("/dl/net", "/zoo/net")
    assert said.parameters == (
        ("a", "[2, 4]"), ("b", "True"), ("c", "'/dl/net/x.pth'"), ("d", "{'k': ('/zoo/net/y', None)}"),
    )  # fmt: skip
    job = Job("net", "pytorch", {"data": "data"}, {"prob": "prob"}, module=said)
    assert Job.from_json(job.to_json()) == job


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (changed("model-name"), "--model-name is required"),
        (changed("input-shape"), "--input-shapes is required"),
        (changed("input-shape", "1,3,-1,224"), "expected positive sizes"),
        (changed("input-shape", "1,3,0,224"), "expected positive sizes"),
        (changed("input-shape", "[1,3],[2,3]"), "2 shapes for 1 names"),
        (changed("input-shape", "__import__('os')"), "expected positive sizes"),
        (changed("input-shape", "1,3,299,299"), "[1, 3, 299, 299] for 'data', and input_info has [1, 3, 224, 224]"),
        (changed("input-names", "image"), "'data' is converted, and is not among image"),
        (changed("output-names", "logits"), "'prob' is converted, and is not among logits"),
        (changed("output-names", "prob,prob"), "'prob' is named twice"),
        ([*RESNET, "--weights=x"], "--weights is given twice"),
        ([*RESNET, "--weights="], "--weights needs a value"),
        ([*RESNET, "--opset"], "--opset is not supported"),
        ([*RESNET, "--inputs-dtype=complex"], "expected one of bool"),
        ([*RESNET, "--model-param=x"], "expected name=value"),
        ([*RESNET, "--model-param=1=2"], "expected name=value"),
        ([*RESNET, "--model-param=a=1", "--model-param=a=2"], "'a' is given twice"),
        ([*RESNET, "--model-param=a=open('x', 'w')"], "which is not evaluated"),
        ([*RESNET, "--model-param=a=text"], "or 'text' with quotes"),
        ([*RESNET, "--model-param=a=" + "(" * 500], "which is not evaluated"),
        ([*RESNET, "--model-param=a=" + "-" * 100_000 + "1"], "which is not evaluated"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(tmp_path: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        planned(tmp_path, arguments)
    assert words in str(caught.value)
    assert "model.yml: conversion_to_onnx_args: " in str(caught.value)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        planned(tmp_path, ["--a=1", "--model-param=x"])
    assert len(str(caught.value).splitlines()) == 7


def test_a_model_of_another_framework_is_not_read_as_one_of_pytorch(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOption, match="does not fit the framework"):
        planned(tmp_path, RESNET, model_optimizer_args=["--saved_model_dir=$dl_dir"])
    with pytest.raises(UnsupportedOption, match="is not done for pytorch"):
        planned(tmp_path, RESNET, model_optimizer_args=["--freeze_placeholder_with_value=x->1"])


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("model-param", "x=1e999", "expected x=<a Python literal>"),
        ("model-path", ".", "--model-path: expected a folder at or below $dl_dir"),
        ("model-path", "/", "--model-path: expected a folder at or below"),
        ("model-path", "$dl_dir/../..", "--model-path: expected a folder at or below"),
        ("import-module", ".net", "--import-module: expected names with dots between them, got '.net'"),
        ("import-module", "a/net", "--import-module: expected names"),
    ],
)
def test_what_would_be_looked_for_elsewhere_is_refused(tmp_path: Path, option: str, value: str, words: str) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        planned(tmp_path, changed(option, value))
    assert words in str(caught.value)


def test_options_of_tensorflow_are_refused(tmp_path: Path) -> None:
    planned(tmp_path, RESNET)
    descriptor = load_descriptor(tmp_path / "public/net/model.yml", PurePosixPath("public/net"))
    for options in (ConversionOptions(weights="ema"), ConversionOptions(freezer="tensorflow")):
        with pytest.raises(UnsupportedOption):
            make_plan(descriptor, tmp_path, tmp_path, options)
    assert make_plan(descriptor, tmp_path, tmp_path, ConversionOptions()).weights == "raw"


def test_what_a_preparation_script_makes_stands_for_the_script(tmp_path: Path) -> None:
    arguments = changed("weights", f"{tmp_path}/made.pth")
    planned(tmp_path, arguments)
    (tmp_path / "public/net/pre-convert.py").write_text("print()")
    with pytest.raises(UnsupportedOption, match=r"needs its script pre-convert\.py"):
        planned(tmp_path, arguments)
    (tmp_path / "made.pth").write_bytes(b"")
    assert planned(tmp_path, arguments).source.path == tmp_path / "made.pth"


@pytest.mark.parametrize(
    ("module", "function", "known"),
    [
        ("torchvision.models", "resnet18", True),
        ("torchvision.models.detection", "ssd300_vgg16", True),
        ("timm", "create_model", True),
        ("timm.models.efficientnet", "tf_efficientnetv2_b0", True),
        ("timm", "list_models", False),
        ("torchvision.io", "write_file", False),
        ("torchvision", "models", False),
        ("os", "system", False),
    ],
)
def test_known_packages_make_models_and_nothing_else(module: str, function: str, known: bool) -> None:
    assert is_of_known_package(TorchModule(module, function, (), ())) is known
