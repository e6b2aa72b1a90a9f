"""Which operations of a graph run, and which of them are refused: before any framework sees the file."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tensorboard.compat.proto.graph_pb2 import GraphDef

from mixnet_tools.errors import UnsafeModelError
from mixnet_tools.reference.reachable import Purpose, reached_part, refuse_unsafe


def graph(
    *nodes: tuple[str, str, Sequence[str]], functions: dict[str, list[tuple[str, str, Sequence[str]]]] | None = None
) -> GraphDef:
    """Nodes as (name, operation, inputs); functions by name, with an argument ``file``."""
    made = GraphDef()
    for name, op, inputs in nodes:
        made.node.add(name=name, op=op, input=inputs)
    for name, body in (functions or {}).items():
        function = made.library.function.add()
        function.signature.name = name
        function.signature.input_arg.add(name="file", type=7)
        for inner, op, inputs in body:
            function.node_def.add(name=inner, op=op, input=inputs)
    return made


ANSWER = Purpose("fetching the outputs", tensors=("logits:0",), fed=frozenset({"images:0"}))
NET = [("images", "Placeholder", []), ("logits", "Relu", ["images"])]


def test_computation_passes() -> None:
    refuse_unsafe(graph(*NET), [ANSWER], "net.pb")


@pytest.mark.parametrize(
    ("op", "why"),
    [
        ("WriteFile", "touches files"),
        ("SaveV2", "touches files"),
        ("PyFunc", "runs Python"),
        ("PyFuncStateless", "runs Python"),
        ("ReadFile", "touches files"),
        ("MatchingFiles", "touches files"),
        ("ImmutableConst", "touches files"),
        ("DecodeProtoV2", "touches files"),
        ("DebugIdentity", "touches files"),
        ("SnapshotDataset", "touches files"),
        ("RpcCall", "connects to other machines"),
        ("Abort", "ends the process"),
        ("TPUExecute", "runs on another device"),
        ("SomebodysCustomOp", "is not among the operations"),
        ("InitializeTableFromTextFileV2", "reads another file than the model's own"),
        ("RestoreV2", "reads another file than the model's own"),
    ],
)
@pytest.mark.parametrize("way", ["data", "control", "function", "initializer", "attribute"])
def test_whatever_does_more_than_compute_is_refused_by_name_however_it_is_reached(op: str, why: str, way: str) -> None:
    purposes = [ANSWER]
    if way == "data":
        made = graph(("images", "Placeholder", []), ("evil", op, ["images"]), ("logits", "Relu", ["evil"]))
    elif way == "control":
        made = graph(("images", "Placeholder", []), ("evil", op, []), ("logits", "Relu", ["images", "^evil"]))
    elif way == "function":
        made = graph(
            ("images", "Placeholder", []),
            ("logits", "outer", ["images"]),
            functions={"outer": [("call", "inner", [])], "inner": [("evil", op, [])]},
        )
    elif way == "attribute":
        made = graph(
            ("images", "Placeholder", []), ("logits", "If", ["images"]), functions={"branch": [("evil", op, [])]}
        )
        made.node[1].attr["else_branch"].func.name = "branch"
    else:
        made = graph(*NET, ("evil", op, []), ("init", "NoOp", ["^evil"]))
        purposes = [ANSWER, Purpose("its initializer", operations=("init",))]
    with pytest.raises(UnsafeModelError, match=rf"^net.pb: the operation {op} of the node 'evil'.*{why}"):
        refuse_unsafe(made, purposes, "net.pb")


def test_functions_that_a_list_of_branches_names_are_looked_into() -> None:
    made = graph(
        ("images", "Placeholder", []), ("logits", "Case", ["images"]), functions={"b": [("evil", "PyFunc", [])]}
    )
    made.node[1].attr["branches"].list.func.add(name="b")
    with pytest.raises(UnsafeModelError, match="in the function 'b'"):
        refuse_unsafe(made, [ANSWER], "net.pb")


def test_what_is_never_run_is_not_refused() -> None:
    """A published graph holds its input pipeline, summaries and the writing half of its saver."""
    made = graph(
        ("pipeline", "OneShotIterator", []),
        ("images", "IteratorGetNext", ["pipeline"]),
        ("logits", "Relu", ["images"]),
        ("summary", "WriteSummary", ["logits"]),
        ("save", "SaveV2", ["logits"]),
        functions={"read": [("file", "ReadFile", [])]},
    )
    refuse_unsafe(made, [ANSWER], "net.pb")
    kept = reached_part(made, [ANSWER])
    assert [(node.name, node.op) for node in kept.node] == [("images", "Placeholder"), ("logits", "Relu")]
    assert not kept.library.function


def test_an_operation_that_is_fed_runs_all_the_same_where_something_waits_for_it() -> None:
    """TensorFlow moves a control edge to the feed of a Placeholder only."""
    made = graph(("images", "ReadFile", []), ("logits", "Relu", ["images", "^images"]))
    with pytest.raises(UnsafeModelError, match="ReadFile"):
        refuse_unsafe(made, [ANSWER], "net.pb")


def test_another_output_of_a_fed_operation_runs_it() -> None:
    made = graph(("images", "IteratorGetNext", []), ("logits", "Add", ["images", "images:1"]))
    with pytest.raises(UnsafeModelError, match="IteratorGetNext"):
        refuse_unsafe(made, [ANSWER], "net.pb")


RESTORE = Purpose("its saver", operations=("restore",), fed=frozenset({"file:0"}), files=frozenset({"file:0"}))


def test_a_saver_may_read_the_checkpoint_that_it_is_given() -> None:
    made = graph(
        ("default", "Const", []),
        ("file", "PlaceholderWithDefault", ["default"]),
        ("same", "Identity", ["file"]),
        ("read", "RestoreV2", ["same", "names", "slices"]),
        ("names", "Const", []),
        ("slices", "Const", []),
        ("variable", "VarHandleOp", []),
        ("assign", "AssignVariableOp", ["variable", "read"]),
        ("restore", "NoOp", ["^assign"]),
    )
    refuse_unsafe(made, [RESTORE], "net.meta")
    made.node[3].input[0] = "other"
    made.node.add(name="other", op="Const")
    with pytest.raises(UnsafeModelError, match="reads another file than the model's own"):
        refuse_unsafe(made, [RESTORE], "net.meta")


@pytest.mark.parametrize(("source", "allowed"), [("file", True), ("other", False)])
def test_the_same_in_a_function_that_restores(source: str, allowed: bool) -> None:
    made = graph(
        ("file", "Placeholder", []),
        ("other", "Const", []),
        ("restore", "StatefulPartitionedCall", [source]),
        functions={
            "body": [
                ("read", "RestoreV2", ["file", "names:output:0", "slices:output:0"]),
                ("names", "Const", []),
                ("slices", "Const", []),
            ]
        },
    )
    made.node[2].attr["f"].func.name = "body"
    if allowed:
        refuse_unsafe(made, [RESTORE], "net.pb")
        return
    with pytest.raises(UnsafeModelError, match="RestoreV2 of the node 'read' in the function 'body'"):
        refuse_unsafe(made, [RESTORE], "net.pb")


def test_a_saver_may_not_write() -> None:
    made = graph(("file", "Placeholder", []), ("write", "SaveV2", ["file"]), ("restore", "NoOp", ["^write"]))
    with pytest.raises(UnsafeModelError, match=r"SaveV2.*touches files; its saver would run it"):
        refuse_unsafe(made, [RESTORE], "net.meta")


def test_functions_that_call_each_other_end() -> None:
    made = graph(
        ("images", "Placeholder", []),
        ("logits", "one", ["images"]),
        functions={"one": [("call", "two", [])], "two": [("call", "one", [])]},
    )
    refuse_unsafe(made, [ANSWER], "net.pb")
