"""Inputs, outputs and types beyond one image in and one answer out, on graphs drawn for each test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixnet_tools.conversion.convert import ConvertedModel, convert
from mixnet_tools.conversion.options import ConversionOptions
from mixnet_tools.errors import ConversionError, EvaluationError, FreezeError, MixnetToolsError, UnsupportedOption
from mixnet_tools.inference.openvino import OpenVinoModel
from mixnet_tools.reference.process import ReferenceProcess
from tests.support import graphs
from tests.support.graphs import ModelFolder

FP32 = ConversionOptions(precisions=("FP32",))


def vector(name: str, *shape: int) -> dict[str, Any]:
    return {"name": name, "shape": list(shape)}


def converted(folder: ModelFolder) -> ConvertedModel:
    result = convert(folder.descriptor, folder.root, folder.root / "ir", FP32)
    assert all(parity.passed and parity.conclusive for parity in result.irs[0].parity)
    return result


def ports(result: ConvertedModel) -> tuple[list[str], list[str]]:
    """The first name of each input and output of the IR, in its order."""
    import openvino

    model = openvino.Core().read_model(result.irs[0].ir.xml)
    return [port.get_any_name() for port in model.inputs], [port.get_any_name() for port in model.outputs]


@pytest.mark.parametrize("order", [["a", "b"], ["b", "a"]])
@pytest.mark.parametrize("drawn_first", ["a", "b"])
def test_several_inputs_keep_the_descriptors_order(tmp_path: Path, order: list[str], drawn_first: str) -> None:
    def draw(v1: Any) -> None:
        names = sorted("ab", reverse=drawn_first == "b")
        given = {name: v1.placeholder(v1.float32, [None, 4], name=name) for name in names}
        v1.subtract(given["a"] * 2.0, given["b"] * given["b"], name="out")

    inputs = [vector(name, 1, 4) for name in order]
    result = converted(graphs.frozen_graph(tmp_path, draw, ["--output=out"], inputs))
    assert ports(result) == (order, ["out"])
    feeds = {"a": np.full((1, 4), 5, np.float32), "b": np.full((1, 4), 3, np.float32)}
    found = OpenVinoModel(result.irs[0].ir.xml).infer(feeds)
    np.testing.assert_array_equal(found["out"], np.full((1, 4), 1))


def outputs_graph(root: Path, *outputs: str) -> ModelFolder:
    def draw(v1: Any) -> None:
        given = v1.placeholder(v1.float32, [None, 6], name="given")
        v1.split(given * 2.0, 3, 1, name="split")
        v1.math.top_k(given, 3, name="best")
        above = v1.greater(given, 0.5, name="above")
        v1.cast(above, v1.float32, name="counted")
        v1.identity(v1.nn.softmax(given, name="soft"), name="twin")
        v1.group(given, name="nothing")

    return graphs.frozen_graph(root, draw, [f"--output={','.join(outputs)}"], [vector("given", 1, 6)])


@pytest.mark.parametrize(
    ("outputs", "names"),
    [
        (("split:1", "split:0"), ["split:1", "split"]),
        (("split:2",), ["split:2"]),
        (("best:1", "best"), ["best:1", "best"]),
        (("above", "counted"), ["above", "counted"]),
    ],
)
def test_outputs_by_port_and_of_any_type(tmp_path: Path, outputs: tuple[str, ...], names: list[str]) -> None:
    assert ports(converted(outputs_graph(tmp_path, *outputs)))[1] == names


@pytest.mark.parametrize(
    ("outputs", "error", "words"),
    [
        (("soft", "soft:0"), UnsupportedOption, "'soft' is named twice"),
        (("soft", "twin"), ConversionError, "are one and the same tensor"),
        (("nothing",), FreezeError, "is a NoOp"),
        (("split:3",), MixnetToolsError, "cannot convert"),
    ],
)
def test_outputs_that_cannot_be(
    tmp_path: Path, outputs: tuple[str, ...], error: type[MixnetToolsError], words: str
) -> None:
    folder = outputs_graph(tmp_path, *outputs)
    with pytest.raises(error, match=words):
        converted(folder)
    assert not list(tmp_path.rglob("*.xml"))


def test_an_input_named_twice_is_refused(tmp_path: Path) -> None:
    folder = outputs_graph(tmp_path, "split")
    folder.change(input_info=[vector("given", 1, 6)] * 2)
    with pytest.raises(UnsupportedOption, match="'given' is named twice"):
        converted(folder)


@pytest.mark.parametrize("element_type", ["", "{u8}"])
def test_batches_and_bytes_with_all_preprocessing(tmp_path: Path, element_type: str) -> None:
    def draw(v1: Any) -> None:
        image = v1.placeholder(v1.float32, [None, 8, 8, 3], name="image")
        v1.reduce_mean(v1.nn.relu(image * [1.0, 2.0, 4.0]), [1, 2], name="scores")

    inputs = [{"name": "image", "shape": [2, 8, 8, 3], "layout": "NHWC"}]
    arguments = ["--output=scores", f"--input=image{element_type}", "--mean_values=[1,2,3]", "--scale=3"]
    folder = graphs.frozen_graph(tmp_path, draw, [*arguments, "--reverse_input_channels"], inputs)
    result = converted(folder)
    bgr = np.zeros((2, 8, 8, 3), np.uint8 if element_type else np.float32)
    bgr[..., 0] = 33  # blue, the last of RGB
    found = OpenVinoModel(result.irs[0].ir.xml).infer({"image": bgr})
    np.testing.assert_allclose(found["scores"], [[0, 0, 4 * (33 - 3) / 3]] * 2, rtol=1e-6)


@pytest.mark.parametrize("loop", ["branch", "loop"])
def test_control_flow_of_tensorflow_1_is_kept(tmp_path: Path, loop: str) -> None:
    """Its constants know by control inputs alone in which branch they are; OpenVINO converts the loops."""
    from mixnet_tools.conversion.arguments import plan_conversion
    from mixnet_tools.conversion.sources.kinds import open_source

    def draw(v1: Any) -> None:
        v1.disable_control_flow_v2()
        given = v1.placeholder(v1.float32, [None, 4], name="given")
        if loop == "branch":
            factor = v1.cond(v1.reduce_sum(given) > 0, lambda: v1.constant(0.5), lambda: v1.constant(2.0))
            v1.multiply(given, factor, name="out")
        else:
            _, total = v1.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, x * 2.0), [v1.constant(0), given])
            v1.identity(total, name="out")

    folder = graphs.frozen_graph(tmp_path, draw, ["--output=out"], [vector("given", 1, 4)])
    ones = np.ones((1, 4), np.float32)
    with ReferenceProcess("tensorflow") as process:
        original = open_source(plan_conversion(folder.descriptor, folder.root)).reference(process)
        for given, expected in ((ones, 0.5 if loop == "branch" else 8.0), (-ones, -2.0 if loop == "branch" else -8.0)):
            np.testing.assert_array_equal(original.infer({"given": given})["out"], expected * ones)
    if loop == "loop":
        converted(folder)


def test_a_lookup_in_a_variable_becomes_one_in_a_constant(tmp_path: Path) -> None:
    from tests.support.tensorflow_import import import_tensorflow

    v1 = import_tensorflow().compat.v1
    arguments = ["--input_meta_graph=$dl_dir/model.ckpt.meta", "--output=out"]
    folder = ModelFolder(tmp_path, "lookup", arguments, [vector("given", 1, 5)])
    with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        table = v1.get_variable("table", initializer=np.arange(8, dtype=np.float32).reshape(4, 2), use_resource=True)
        given = v1.placeholder(v1.float32, [None, 5], name="given")
        rows = v1.nn.embedding_lookup(table, v1.cast(v1.nn.relu(v1.sign(given)), v1.int32))
        v1.reduce_sum(rows, 1, name="out")
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(folder.files / "model.ckpt"))
    result = converted(folder)
    found = OpenVinoModel(result.irs[0].ir.xml).run(np.array([[1, 1, -1, -1, -1]], np.float32))
    np.testing.assert_array_equal(found, [[4, 9]])


def test_onnx_names_may_hold_colons_and_batches_are_the_files_own(tmp_path: Path) -> None:
    import onnx

    folder = graphs.onnx_network(tmp_path)
    path = folder.files / "net.onnx"
    model = onnx.load(path)
    model.graph.input[0].name = model.graph.node[0].input[0] = "data:0"
    onnx.save(model, path)
    arguments = ["--input_model=$dl_dir/net.onnx", "--input=data:0", "--output=prob", "--reverse_input_channels"]
    folder.change(model_optimizer_args=arguments, input_info=graphs.image_input("data:0", 32, "NCHW"))
    assert ports(converted(folder)) == (["data:0"], ["prob"])
    folder.change(model_optimizer_args=[*arguments, "--input_shape=[2,3,32,32]"])
    with pytest.raises(EvaluationError, match="ONNX Runtime cannot run the original"):
        converted(folder)
    folder.change(model_optimizer_args=[argument.replace("prob", "prod") for argument in arguments])
    with pytest.raises(FreezeError, match=r"no output 'prod'; available: prob") as caught:
        converted(folder)
    assert caught.value.hint == "did you mean prob?"
