"""The options of omz_converter that scripts give: what they do, and what is said where they do nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixnet_tools.threads import processors
from tests.support.commands import Outcome
from tests.support.downloads import download_ok, file_entry, run_command
from tests.support.zoo_builder import descriptor_data, write_model

ARGUMENTS = ["--input_meta_graph=$dl_dir/net/model.ckpt.meta", "--output=logits", "--scale=3"]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("zoo")
    write_model(root, "net", descriptor_data(model_optimizer_args=ARGUMENTS))
    return root


def convert(zoo: Path, *arguments: str | Path) -> Outcome:
    return run_command("convert", "--all", "--models_dir", zoo, *arguments)


def planned_input(zoo: Path, *arguments: str) -> str:
    outcome = convert(zoo, "--dry_run", "--json", *arguments)
    assert outcome.code == 0, outcome.err
    (model,) = json.loads(outcome.out)["models"]
    return str(model["inputs"][0])


def test_arguments_of_the_model_optimizer_are_added_and_take_the_place_of_the_descriptors(zoo: Path) -> None:
    plain = "IteratorGetNext:0 [1, 224, 224, 3] NHWC"
    assert planned_input(zoo) == f"{plain}: divided by [3.0]"
    apart = ("--add_mo_arg=--reverse_input_channels", "--add_mo_arg", "--mean_values=[1,2,3]")
    with pytest.raises(AssertionError, match="expected one argument"):  # argparse takes it for an option, OMZ's as well
        planned_input(zoo, *apart)
    added = ("--add_mo_arg=--reverse_input_channels", "--add-mo-arg=--mean_values=[1,2,3]")
    assert planned_input(zoo, *added) == f"{plain}: BGR to RGB, then minus [1.0, 2.0, 3.0], then divided by [3.0]"
    assert planned_input(zoo, "--add_mo_arg=--scale=2") == f"{plain}: divided by [2.0]"
    in_two = ("--add_mo_arg=--scale", "--add_mo_arg=2", "--add_mo_arg=--input_shape=[1,8,8,3]")
    assert planned_input(zoo, *in_two) == "IteratorGetNext:0 [1, 8, 8, 3] NHWC: divided by [2.0]"


@pytest.mark.parametrize(
    ("added", "words"),
    [
        (["--sclae=2"], "--sclae is not supported"),
        (["--scale=2", "--scale=3"], "--scale is given twice"),
        (["--scale=x"], "--scale: expected numbers"),
        (["2"], "2 is not supported"),
    ],
)
def test_a_wrong_argument_is_refused_and_the_option_named(zoo: Path, added: list[str], words: str) -> None:
    outcome = convert(zoo, "--dry_run", *(f"--add_mo_arg={one}" for one in added))
    assert outcome.code == 1
    assert f"net/model.yml: model_optimizer_args with --add_mo_arg: {words}" in outcome.err


def test_what_has_no_effect_is_accepted_and_explained_once(zoo: Path) -> None:
    with_all = convert(zoo, "--dry_run", "--mo", "/opt/mo.py", "-p", "python3", "-j", "auto")
    without = convert(zoo, "--dry_run")
    assert (with_all.code, with_all.out) == (0, without.out)
    assert with_all.err.count("have no effect: the Model Optimizer is not needed") == 1
    assert without.err == ""


def test_precisions_that_conversion_does_not_make_are_left_out(zoo: Path) -> None:
    outcome = convert(zoo, "--precisions", "FP16-INT8,FP32-INT1", "--json")
    assert (outcome.code, json.loads(outcome.out)) == (0, {"schema": 1, "models": [], "failed": []})
    assert "net: skipped: mixnet convert makes FP32 and FP16, not FP16-INT8, FP32-INT1" in outcome.err
    outcome = convert(zoo, "--precisions", "FP16-INT8,FP16", "--json", "--dry_run")
    assert json.loads(outcome.out)["models"][0]["precisions"] == ["FP16"]
    assert "FP16-INT8: left out" in outcome.err


def test_quantized_models_have_the_precisions_that_conversion_makes(tmp_path: Path) -> None:
    write_model(tmp_path, "net", descriptor_data(quantized="INT8"))
    (shown,) = json.loads(run_command("info", "--all", "--models_dir", tmp_path).out)
    (planned,) = json.loads(convert(tmp_path, "--dry_run", "--json").out)["models"]
    assert sorted(planned["precisions"]) == shown["precisions"] == ["FP16", "FP32"]


@pytest.mark.parametrize("count", ["0", "-1", "automatic", ""])
def test_a_number_of_jobs_that_is_none_is_wrong_usage(zoo: Path, count: str) -> None:
    outcome = convert(zoo, f"-j{count}" if count else "-j=")
    assert outcome.code == 2
    assert "expected a whole number of at least 1" in outcome.err


def test_auto_is_the_processors_that_may_be_used() -> None:
    from mixnet_tools.cli.omz.options import job_count

    assert job_count("auto") == processors() >= 1


@pytest.mark.parametrize(("layout", "flag"), [("NCHW", "NHWC:NCHW"), ("NHWC", None)])
def test_the_model_server_is_told_the_layout_of_an_nchw_model(tmp_path: Path, layout: str, flag: str | None) -> None:
    from onnx import TensorProto, helper

    shape = [1, 3, 8, 8] if layout == "NCHW" else [1, 8, 8, 3]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("data", "out")]
    graph = helper.make_graph([helper.make_node("Relu", ["data"], ["out"])], "net", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    body = model.SerializeToString()
    (tmp_path / "net.onnx").write_bytes(body)
    info = [{"name": "data", "shape": shape, "layout": layout}]
    changes = {"files": [file_entry("net.onnx", body, (tmp_path / "net.onnx").as_uri())], "postprocessing": None}
    arguments = ["--input_model=$dl_dir/net.onnx"]
    write_model(
        tmp_path / "zoo",
        "net",
        descriptor_data(framework="onnx", input_info=info, model_optimizer_args=arguments, **changes),
    )
    download_ok(tmp_path / "zoo", tmp_path)
    places = ("-d", tmp_path, "--ovms", tmp_path / "repo", "--no_verify", "--precisions", "FP16")
    outcome = convert(tmp_path / "zoo", *places, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["models"][0]["ovms_layout"] == flag
    if flag:
        said = convert(tmp_path / "zoo", *places).out
        assert f"to take images as files, start it with --layout {flag}" in said
