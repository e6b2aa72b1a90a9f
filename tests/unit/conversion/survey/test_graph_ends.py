"""Where inference begins and ends in a graph that says neither."""

from __future__ import annotations

import pytest
from tensorboard.compat.proto.graph_pb2 import GraphDef

from mixnet_tools.conversion.survey.graph_ends import find_ends
from mixnet_tools.errors import FreezeError

FLOAT, BOOL = 1, 10


def graph(*nodes: tuple[str, str, list[str]]) -> GraphDef:
    """A graph of (name, operation, inputs)."""
    made = GraphDef()
    made.versions.producer = 1000
    for name, operation, inputs in nodes:
        node = made.node.add(name=name, op=operation, input=inputs)
        if operation == "Placeholder":
            node.attr["dtype"].type = FLOAT
            for size in (-1, 8, 8, 3):
                node.attr["shape"].shape.dim.add(size=size)
    return made


def scalar(made: GraphDef, name: str, kind: int) -> None:
    """Make the Placeholder ``name`` a scalar."""
    node = next(node for node in made.node if node.name == name)
    node.attr["dtype"].type = kind
    del node.attr["shape"].shape.dim[:]


def test_placeholders_and_what_nothing_reads_are_the_ends() -> None:
    ends = find_ends(graph(("image", "Placeholder", []), ("k", "Const", []), ("net/out", "MatMul", ["image", "k"])))
    assert [(port.name, port.shape, port.element_type) for port in ends.inputs] == [("image", (-1, 8, 8, 3), "f32")]
    assert (ends.outputs, ends.constants, ends.notes) == (("net/out",), (), ())


def test_an_iterator_is_cut_at_its_output_that_the_answer_needs() -> None:
    made = graph(
        ("next", "IteratorGetNext", ["iterator"]),
        ("iterator", "OneShotIterator", []),
        ("logits", "Identity", ["next"]),
        ("loss", "SparseSoftmaxCrossEntropyWithLogits", ["logits", "next:1"]),
        ("save/restore_all", "NoOp", ["^save/Assign"]),
        ("save/Assign", "Assign", []),
    )
    node = made.node[0]
    node.attr["output_types"].list.type.extend([FLOAT, 3])
    for size in (-1, 8, 8, 3):
        if not node.attr["output_shapes"].list.shape:
            node.attr["output_shapes"].list.shape.add()
        node.attr["output_shapes"].list.shape[0].dim.add(size=size)
    ends = find_ends(made, outputs=("logits",))
    assert [(port.name, port.shape) for port in ends.inputs] == [("next:0", (-1, 8, 8, 3))]


def test_of_several_ends_the_one_with_the_name_of_an_answer_is_chosen_and_said() -> None:
    made = graph(
        ("image", "Placeholder", []),
        ("net/logits", "Identity", ["image"]),
        ("softmax", "Softmax", ["net/logits"]),
        ("squeezed", "Squeeze", ["softmax"]),
        ("regularizer", "L2Loss", ["image"]),
        ("accuracy", "ScalarSummary", ["image"]),
        ("gradients/x", "Mul", ["image"]),
        ("average", "VariableV2", []),
        ("average/read", "Identity", ["average"]),
    )
    ends = find_ends(made)
    assert ends.outputs == ("net/logits",)
    assert ends.notes == ("chosen by its name; nothing reads squeezed, regularizer",)


def test_scalars_get_the_value_that_inference_needs() -> None:
    made = graph(
        ("image", "Placeholder", []),
        ("is_training", "Placeholder", []),
        ("keep_prob", "Placeholder", []),
        ("out", "Mul", ["image", "keep_prob", "^is_training"]),
    )
    scalar(made, "is_training", BOOL)
    scalar(made, "keep_prob", FLOAT)
    ends = find_ends(made)
    assert [port.name for port in ends.inputs] == ["image"]
    assert [(one.node, one.value) for one in ends.constants] == [("is_training", "False"), ("keep_prob", "1.0")]


def test_a_placeholder_with_a_default_counts_only_where_nothing_else_feeds_the_graph() -> None:
    middle = ("features", "PlaceholderWithDefault", ["net"])
    made = graph(("image", "Placeholder", []), ("net", "Relu", ["image"]), middle, ("out", "Relu", ["features"]))
    assert [port.name for port in find_ends(made).inputs] == ["image"]
    made = graph(("net", "Const", []), middle, ("out", "Relu", ["features"]))
    assert [port.name for port in find_ends(made).inputs] == ["features"]


def test_old_graphs_write_an_unknown_shape_as_a_scalars() -> None:
    made = graph(("image", "Placeholder", []), ("out", "Identity", ["image"]))
    scalar(made, "image", FLOAT)
    made.versions.producer = 21
    ends = find_ends(made)
    assert [(port.name, port.shape) for port in ends.inputs] == [("image", None)]
    assert ends.constants == ()


def test_what_is_given_is_taken() -> None:
    made = graph(("image", "Placeholder", []), ("a", "Relu", ["image"]), ("b", "Relu", ["a"]))
    ends = find_ends(made, ["0:b"], ["b"])
    assert [port.name for port in ends.inputs] == ["0:b"]
    assert ends.outputs == ("b",)


def test_further_savers_are_no_answers() -> None:
    saver = ("save_3/control", "Identity", ["save_3/Const"])
    ends = find_ends(graph(("image", "Placeholder", []), ("out", "Relu", ["image"]), saver))
    assert (ends.outputs, ends.notes) == (("out",), ())


def test_a_graph_that_only_saves_has_no_answer() -> None:
    with pytest.raises(FreezeError, match="nothing in the graph looks like an answer"):
        find_ends(graph(("save/Const", "Const", []), ("save/SaveV2", "SaveV2", ["save/Const"])))
