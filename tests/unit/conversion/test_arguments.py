"""model_optimizer_args and input_info become a plan, or one error that names what cannot be executed."""

from __future__ import annotations

import itertools
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.conversion.plan import Constant, ConversionPlan, parse_cut
from mixnet_tools.descriptors.model_yml import load_descriptor
from mixnet_tools.errors import UnsupportedOption
from tests.support.zoo_builder import descriptor_data, write_model

META = "--input_meta_graph=$dl_dir/net/model.ckpt.meta"
FROZEN = "--input_model=$dl_dir/net.pb"


def plan(root: Path, **changes: Any) -> ConversionPlan:
    path = write_model(root, "net", descriptor_data(**changes))
    return plan_conversion(load_descriptor(path, PurePosixPath("public/net")), Path("/dl"), Path("/out"))


def image_plan(root: Path, *arguments: str, layout: str = "NHWC", name: str = "input") -> ConversionPlan:
    shape = [1, 224, 224, 3] if layout == "NHWC" else [1, 3, 224, 224]
    info = [{"name": name, "shape": shape, "layout": layout}]
    return plan(root, input_info=info, model_optimizer_args=[FROZEN, *arguments])


def test_the_flagship_is_planned_as_the_model_optimizer_read_it(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    assert planned.source.kind == "meta_graph"
    assert planned.source.path == Path("/dl/public/net/net/model.ckpt.meta")
    assert planned.download_dir == Path("/dl")
    (entry,) = planned.inputs
    assert entry.cut.placeholder == "IteratorGetNext/placeholder_out_port_0"
    assert entry.aliases == ("IteratorGetNext:0",)
    assert (entry.shape, entry.layout, entry.reverse) == ((1, 224, 224, 3), "NHWC", True)
    assert [cut.tensor for cut in planned.outputs] == ["logits:0"]


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


@pytest.mark.parametrize(
    ("argument", "kind", "path"),
    [
        ("--input_meta=$dl_dir/a.meta", "meta_graph", "/dl/public/net/a.meta"),
        (FROZEN, "frozen_graph", "/dl/public/net/net.pb"),
        ("--saved_model_dir=$conv_dir/sm", "saved_model", "/out/public/net/sm"),
    ],
)
def test_sources_and_variables(tmp_path: Path, argument: str, kind: str, path: str) -> None:
    source = plan(tmp_path, model_optimizer_args=[argument, "--output=a"]).source
    assert (source.kind, str(source.path)) == (kind, path)
    onnx = plan(tmp_path, framework="onnx", model_optimizer_args=["--input_model=$config_dir/a.onnx"]).source
    assert (onnx.kind, onnx.path) == ("onnx", tmp_path / "public/net/a.onnx")


def test_arguments_go_before_input_info(tmp_path: Path) -> None:
    arguments = [META, "--output=logits:0,probs", "--input=0:sub{f32}", "--input_shape=[1,64,64,3]", "--layout=nhwc"]
    planned = plan(tmp_path, model_optimizer_args=arguments)
    (entry,) = planned.inputs
    assert (entry.cut.text, entry.shape, entry.layout, entry.element_type) == ("0:sub", (1, 64, 64, 3), "NHWC", "f32")
    assert not entry.reverse
    assert [cut.tensor for cut in planned.outputs] == ["logits:0", "probs:0"]


@pytest.mark.parametrize("name", ["input", "", "input:0"])
def test_mean_and_scale_of_one_input(tmp_path: Path, name: str) -> None:
    (entry,) = image_plan(
        tmp_path,
        f"--mean_values={name}[123.68,116.78,103.94]",
        f"--scale_values={name}(58.8)",
        name="input:0" if name == "input:0" else "input",
    ).inputs
    assert (entry.mean, entry.scale) == ((123.68, 116.78, 103.94), (58.8,))


def test_scale_is_for_inputs_without_scale_values(tmp_path: Path) -> None:
    assert image_plan(tmp_path, "--scale=255").inputs[0].scale == (255.0,)
    assert image_plan(tmp_path, "--scale=255", "--scale_values=[2]").inputs[0].scale == (2.0,)


def test_several_inputs_get_each_its_own(tmp_path: Path) -> None:
    planned = plan(
        tmp_path,
        input_info=[],
        model_optimizer_args=[
            FROZEN, "--input=info[1 3],data[1 3 20 30],train->False", "--layout=data(NCHW),info(NC)",
            "--mean_values=data[1,2,3]", "--reverse_input_channels", "--freeze_placeholder_with_value=keep->1.0",
        ],
    )  # fmt: skip
    info, data = planned.inputs
    assert (info.shape, info.layout, info.mean, info.reverse) == ((1, 3), "NC", (), False)
    assert (data.shape, data.layout, data.mean, data.reverse) == ((1, 3, 20, 30), "NCHW", (1.0, 2.0, 3.0), True)
    assert planned.constants == (Constant("train", "False"), Constant("keep", "1.0"))


def test_reversal_is_for_images_only(tmp_path: Path) -> None:
    inputs = [
        {"name": "vector", "shape": [1, 3], "layout": "NC"},
        {"name": "image", "shape": [1, 8, 8, 3], "layout": "NHWC"},
    ]
    planned = plan(tmp_path, input_info=inputs, model_optimizer_args=[FROZEN, "--reverse_input_channels"])
    assert [entry.reverse for entry in planned.inputs] == [False, True]


def test_a_grey_image_has_no_order_of_channels_and_one_mean(tmp_path: Path) -> None:
    grey = [{"name": "image", "shape": [1, 8, 8, 1], "layout": "NHWC"}]
    (planned,) = plan(tmp_path, input_info=grey, model_optimizer_args=[FROZEN, "--mean_values=[127.5]"]).inputs
    assert planned.mean == (127.5,)
    for argument, words in (
        ("--reverse_input_channels", r"needs an image input \(shape, layout, 3 channels\); got image.*8, 8, 1"),
        ("--mean_values=[1,2,3]", "3 values for 'image', which has 1 channels"),
    ):
        with pytest.raises(UnsupportedOption, match=words):
            plan(tmp_path, input_info=grey, model_optimizer_args=[FROZEN, argument])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([META, "--output=a", "--transformations_config=x"], "--transformations_config is not supported"),
        ([META, "--tensorflow_object_detection_api_pipeline_config=x"], "pipeline_config is not supported"),
        (["--output=a"], "expected one of --input_meta_graph"),
        ([META, FROZEN], "got 2 of them"),
        ([META, META], "--input_meta_graph is given twice"),
        ([META, "--output"], "--output needs a value"),
        ([META, "--reverse_input_channels=1"], "takes no value"),
        (["--input_meta_graph=model.pb"], "expected a .meta file"),
        (["--input_model=a.onnx"], "does not fit the framework"),
        ([META, "--output=0:a"], "expected node or node:port"),
        ([META, "--input_shape=[1,2],[3]"], "2 shapes for 1 inputs"),
        ([META, "--input_shape=[1,-1,2,3]"], "open sizes are not converted"),
        ([META, "--input=a[1,2"], "a bracket is not closed"),
        ([META, "--input=a{f13}"], "expected a type of"),
        ([META, "--layout=NHWC->NCHW"], "changing a layout"),
        ([META, "--mean_values=[1,2]"], "2 values for 'IteratorGetNext:0', which has 3 channels"),
        ([META, "--mean_values=other[1,2,3]"], "no input is called 'other'"),
        ([META, "--mean_values=[1,x,3]"], "expected numbers"),
        ([META, "--scale_values=[0]"], "cannot divide by 0"),
        ([META, "--scale=1,2"], "expected one number"),
        ([META, "--freeze_placeholder_with_value=a"], "expected name->value"),
        (["--saved_model_dir=x", "--freeze_placeholder_with_value=a->1"], "is not done for saved_model"),
        ([META, "output=a"], "output is not supported"),
    ],
)
def test_what_is_not_executed_is_refused_by_name(tmp_path: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        plan(tmp_path, model_optimizer_args=arguments)
    assert words in str(caught.value)
    assert "public/net/model.yml" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input_info": [{"name": "x", "shape": [1, 224, 224, 3], "layout": "NCH"}]}, "does not fit the shape"),
        ({"input_info": [{"name": "x", "shape": [1, 224, 224, 1], "layout": "NHWC"}]}, "3 channels); got x"),
        ({"input_info": [{"name": "x", "shape": [1, 3, 224, 224], "layout": "NHWC"}]}, "3 channels); got x"),
        ({"input_info": [{"name": "x", "shape": [-1, 224, 224, 3], "layout": "NHWC"}]}, "expected positive sizes"),
        ({"input_info": []}, "got no input_info"),
        ({"framework": "dldt", "model_optimizer_args": None}, "is OpenVINO IR already"),
        ({"framework": "pytorch", "conversion_to_onnx_args": ["--x"]}, "conversion_to_onnx_args: --x is not supported"),
    ],
)
def test_descriptors_that_cannot_be_executed_are_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        plan(tmp_path, **changes)
    assert words in str(caught.value)


def test_a_preparation_script_is_not_run_in_silence(tmp_path: Path) -> None:
    script = write_model(tmp_path, "net").parent / "pre-convert.py"
    script.write_text("print()")
    made = "--saved_model_dir=$config_dir/made"
    with pytest.raises(UnsupportedOption, match=r"needs its script pre-convert\.py") as caught:
        plan(tmp_path, model_optimizer_args=[made])
    command = f"python {script} /dl/public/net /out/public/net"
    assert str(caught.value.hint) == f"read it, and run it yourself: {command}; it makes made"
    (script.parent / "made").mkdir()
    assert plan(tmp_path, model_optimizer_args=[made]).source.path == script.parent / "made"


def test_all_problems_of_the_arguments_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        plan(tmp_path, model_optimizer_args=[META, "--a=1", "--b=2"])
    assert len(str(caught.value).splitlines()) == 2


def test_a_zoo_of_hundreds_is_planned_or_refused_but_never_breaks(tmp_path: Path) -> None:
    """Every combination of sources and arguments that Open Model Zoo's descriptors use, and broken ones."""
    sources = [META, FROZEN, "--saved_model_dir=$conv_dir/sm", "--input_model=$conv_dir/x.onnx", "--input_model="]
    others = [
        "--output=a,b",
        "--mean_values=[1,2,3]",
        "--mean_values=x[1]",
        "--scale=255",
        "--scale_values=(1,2,3)",
        "--input=0:x[1 3 8 8]{f32},y->[1,2]",
        "--input_shape=[1,3,8,8]",
        "--layout=x(NCHW)",
        "--reverse_input_channels",
        "--freeze_placeholder_with_value=a->1,b->2",
        "--compress_to_fp16",
        "--transformations_config=$config_dir/t.json",
    ]
    inputs: list[list[dict[str, Any]]] = [
        [],
        [{"name": "x"}],
        [{"name": "0:x", "shape": [1, 3, 8, 8], "layout": "NCHW"}],
        [{"name": "x", "shape": [1, 8, 8, 3], "layout": "NHWC"}, {"name": "y", "shape": [1]}],
    ]
    planned, refused = 0, []
    for framework, source, info in itertools.product(("tf", "onnx"), sources, inputs):
        for pair in itertools.pairwise([*others, others[0]]):
            try:
                plan(tmp_path, framework=framework, input_info=info, model_optimizer_args=[source, *pair])
                planned += 1
            except UnsupportedOption as error:
                refused.append(str(error))
    assert planned + len(refused) == 480
    assert min(planned, len(refused)) > 50
    assert all("public/net/model.yml" in message for message in refused)
