"""Cutting, pruning and folding on graphs small enough to see whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mixnet_tools.conversion.graphs import surgery, variables
from mixnet_tools.conversion.plan import Constant, parse_cut
from mixnet_tools.errors import FreezeError
from tests.support.tensorflow_import import import_tensorflow

PLACEHOLDER = "source/placeholder_out_port_0"
STORED = {"scale": np.float32(3), "shift": np.float32(0.5)}


@pytest.fixture(scope="module")
def tf() -> Any:
    return import_tensorflow()


@pytest.fixture
def graph(tf: Any) -> Any:
    """source(0, 1) -> scaled by a variable -> shifted by a resource variable -> logits; and things to cut away."""
    v1 = tf.compat.v1
    with tf.Graph().as_default() as built:
        images, labels = v1.data.make_one_shot_iterator(
            tf.data.Dataset.from_tensors((np.ones((2, 3), np.float32), np.zeros(2, np.int32)))
        ).get_next(name="source")
        scale = v1.get_variable("scale", initializer=np.float32(2), use_resource=False)
        shift = v1.get_variable("shift", initializer=np.float32(1), use_resource=True)
        v1.get_variable("scale/ExponentialMovingAverage", initializer=np.float32(2), use_resource=False)
        training = v1.placeholder(tf.bool, [], name="training")
        default = v1.placeholder_with_default(np.float32(0), [], name="default")
        with tf.control_dependencies([v1.assert_equal(tf.size(labels), 2)]):
            scaled = tf.multiply(images, scale, name="scaled")
        tf.identity(scaled + shift, name="logits")
        tf.identity(tf.cast(labels, tf.float32), name="needs_labels")
        tf.where(training, scaled, scaled * 2 + default, name="switched")
    return built.as_graph_def()


def freeze(tf: Any, graph: Any, cut: str = "source:0", output: str = "logits") -> Any:
    with_placeholder = surgery.insert_placeholder(graph, parse_cut(cut), rank=2)
    pruned = surgery.prune(with_placeholder, [output])
    surgery.check_closed(pruned, [parse_cut(cut).placeholder])
    return variables.fold_variables(pruned, lambda name: tf.make_tensor_proto(STORED[name]))


def compute(tf: Any, frozen: Any, images: Any, placeholder: str = PLACEHOLDER, output: str = "logits") -> Any:
    with tf.Graph().as_default() as imported:
        tf.graph_util.import_graph_def(frozen, name="")
    with tf.compat.v1.Session(graph=imported) as session:
        return session.run(f"{output}:0", {f"{placeholder}:0": images})


def test_a_frozen_graph_computes_with_the_checkpoints_values(tf: Any, graph: Any) -> None:
    result = compute(tf, freeze(tf, graph), np.ones((4, 2), np.float32))
    np.testing.assert_array_equal(result, np.full((4, 2), 3.5))


def test_input_pipeline_variables_and_asserts_are_gone(tf: Any, graph: Any) -> None:
    frozen = freeze(tf, graph)
    operations = {node.op for node in frozen.node}
    assert operations <= {"Placeholder", "Const", "Identity", "Mul", "AddV2"}
    assert not frozen.library.function
    assert not any(name.startswith("^") for node in frozen.node for name in node.input)


def test_the_given_graph_is_left_as_it_was(tf: Any, graph: Any) -> None:
    before = graph.SerializeToString(deterministic=True)
    freeze(tf, graph)
    surgery.fold_placeholder(graph, Constant("training", "False"))
    assert graph.SerializeToString(deterministic=True) == before


def test_a_cut_before_a_nodes_input(tf: Any, graph: Any) -> None:
    frozen = freeze(tf, graph, cut="0:scaled")
    assert [node.name for node in frozen.node if node.op == "Placeholder"] == ["scaled/placeholder_port_0"]


def test_a_bare_name_inside_the_graph_stands_for_its_output(tf: Any, graph: Any) -> None:
    result = compute(tf, freeze(tf, graph, cut="scaled"), np.ones((1, 2), np.float32), placeholder="scaled")
    np.testing.assert_array_equal(result, np.full((1, 2), 1.5))


def test_the_placeholder_has_the_tensors_type(graph: Any) -> None:
    cut = surgery.insert_placeholder(graph, parse_cut("source:1"), rank=1)
    (placeholder,) = [node for node in cut.node if node.name == "source/placeholder_out_port_1"]
    assert placeholder.attr["dtype"].type == surgery.DT_INT32


@pytest.mark.parametrize(("value", "factor"), [("True", 3), ("false", 6)])
def test_a_placeholder_becomes_a_constant(tf: Any, graph: Any, value: str, factor: int) -> None:
    folded = surgery.fold_placeholder(graph, Constant("training", value))
    result = compute(tf, freeze(tf, folded, output="switched"), np.ones((1, 2), np.float32), output="switched")
    np.testing.assert_array_equal(result, np.full((1, 2), factor))


@pytest.mark.parametrize(
    ("constant", "words"),
    [
        (Constant("training", "maybe"), "takes a bool, got 'maybe'"),
        (Constant("scaled", "1"), "is a Mul, not a Placeholder"),
        (Constant("trainin", "1"), "no node 'trainin'"),
    ],
)
def test_a_constant_that_does_not_fit(graph: Any, constant: Constant, words: str) -> None:
    with pytest.raises(FreezeError) as caught:
        surgery.fold_placeholder(graph, constant)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("cut", "output", "words"),
    [
        ("sourse:0", "logits", "no node 'sourse'"),
        ("source:7", "logits", "nothing in the graph reads output 7"),
        ("5:scaled", "logits", "has no input 5"),
        ("source:0", "logit", "no node 'logit' for the model's output"),
        ("source:0", "needs_labels", "still depends on"),
        ("source:1", "logits", "still depends on"),
        ("source:0", "switched", "still depends on training (Placeholder)"),
    ],
)
def test_a_cut_or_output_that_does_not_fit_is_one_clear_error(
    tf: Any, graph: Any, cut: str, output: str, words: str
) -> None:
    with pytest.raises(FreezeError) as caught:
        freeze(tf, graph, cut, output)
    assert words in str(caught.value)


def test_an_output_that_does_not_use_the_input_is_refused(tf: Any, graph: Any) -> None:
    constant = graph.node.add()
    constant.name, constant.op = "alone", "Const"
    with pytest.raises(FreezeError, match="does not depend on the input"):
        freeze(tf, graph, output="alone")


def test_averages_are_read_in_place_of_raw_values(tf: Any, graph: Any) -> None:
    stored = {**STORED, "scale/ExponentialMovingAverage": np.float32(10)}
    pruned = surgery.prune(surgery.insert_placeholder(graph, parse_cut("source:0"), 2), ["logits"])
    averaged = variables.rename_variables(pruned, {"scale": "scale/ExponentialMovingAverage"})
    assert variables.variable_names(averaged) == {"scale/ExponentialMovingAverage", "shift"}
    frozen = variables.fold_variables(averaged, lambda name: tf.make_tensor_proto(stored[name]))
    np.testing.assert_array_equal(compute(tf, frozen, np.ones((1, 1), np.float32)), [[10.5]])
