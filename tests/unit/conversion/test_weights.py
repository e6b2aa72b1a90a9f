"""Which values of a checkpoint the variables get."""

from __future__ import annotations

import pytest
from tensorboard.compat.proto.graph_pb2 import GraphDef

from mixnet_tools.conversion.graphs.saver import add_saver, restored_names
from mixnet_tools.conversion.graphs.weights import choose_weights
from mixnet_tools.errors import FreezeError

OWN = {"node": "weights", "bias": "bias"}
AVERAGE = "weights/ExponentialMovingAverage"
FLOAT, STRING = 1, 7


@pytest.mark.parametrize(
    ("wanted", "restored", "available", "used", "names"),
    [
        (None, {}, set(), "raw", OWN),
        (None, {"node": "weights", "bias": "bias"}, {AVERAGE}, "raw", OWN),
        (None, {"node": AVERAGE, "bias": "bias"}, {AVERAGE}, "ema", {"node": AVERAGE, "bias": "bias"}),
        (None, {"node": "elsewhere"}, {AVERAGE}, "saver", {"node": "elsewhere", "bias": "bias"}),
        ("raw", {"node": AVERAGE}, {AVERAGE}, "raw", OWN),
        ("ema", {}, {AVERAGE, "weights", "bias"}, "ema", {"node": AVERAGE, "bias": "bias"}),
    ],
)
def test_the_savers_weights_unless_others_are_asked_for(
    wanted: object, restored: dict[str, str], available: set[str], used: str, names: dict[str, str]
) -> None:
    choice = choose_weights(wanted, OWN, restored, available)  # type: ignore[arg-type]
    assert (choice.used, dict(choice.names)) == (used, names)
    assert choice.reason


def test_averages_that_are_not_there_are_an_error() -> None:
    with pytest.raises(FreezeError, match="no moving averages"):
        choose_weights("ema", OWN, {}, {"weights", "bias"})


def graph() -> GraphDef:
    """A variable of each kind."""
    made = GraphDef()
    for name, op in (("reference", "VariableV2"), ("resource", "VarHandleOp")):
        made.node.add(name=name, op=op).attr["dtype"].type = FLOAT
    return made


def test_a_saver_that_is_added_restores_what_it_was_told() -> None:
    names = {"reference": "a/ExponentialMovingAverage", "resource": "b"}
    made, saver = add_saver(graph(), names)
    assert restored_names(made, saver.operation) == names
    assert len(graph().node) == 2, "the graph given is left alone"
    assert saver.filename_tensor.endswith(":0")
    again, other = add_saver(made, {"reference": "a"})
    assert other.operation != saver.operation
    assert restored_names(again, other.operation) == {"reference": "a"}


def test_what_a_saver_maps_is_found_behind_identities_and_shards() -> None:
    made, saver = add_saver(graph(), {"reference": "x", "resource": "y"})
    assign = next(node for node in made.node if node.op == "AssignVariableOp")
    made.node.add(name="same", op="Identity", input=[assign.input[1]])
    assign.input[1] = "same"
    made.node.add(name="all", op="NoOp", input=[f"^{saver.operation}"])
    assert restored_names(made, "all") == {"reference": "x", "resource": "y"}
    assert restored_names(made, "no such operation") == {}


def test_a_slice_of_a_variable_is_told_from_the_whole() -> None:
    made, saver = add_saver(graph(), {"reference": "x", "resource": "y"})
    slices = next(node for node in made.node if node.name.endswith("/slices"))
    slices.attr["value"].tensor.string_val[1] = b"4 3 0,2:-"
    names = {"reference": "x", "resource": "y @ 4 3 0,2;-"}
    assert restored_names(made, saver.operation) == names
    again, saver = add_saver(graph(), names)
    assert restored_names(again, saver.operation) == names
