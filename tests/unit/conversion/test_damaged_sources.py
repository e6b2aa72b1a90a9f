"""Source models as fuzzing found them: damaged inside, in places that a parser does not look at."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mixnet_tools.conversion.graphs.checkpoint import read_checkpoint
from mixnet_tools.conversion.graphs.saver import restored_names
from mixnet_tools.conversion.graphs.surgery import prune
from mixnet_tools.conversion.plan import ConversionPlan, Source
from mixnet_tools.conversion.sources.saved_model import SavedModelSource
from mixnet_tools.errors import EvaluationError, FreezeError, NextStep
from mixnet_tools.reference.reachable import Purpose, refuse_unsafe
from tests.fuzz.containers import table
from tests.fuzz.mutation import message_of

AGAIN = NextStep("download", "net", {"force": True})
FLOAT = 1


def entry(*shape: int, offset: int = 0, size: int = 24, shard: int = 0) -> bytes:
    """A BundleEntryProto."""
    dimensions = message_of([(2, 2, message_of([(1, 0, one % 2**64)])) for one in shape])
    places = [(3, 0, shard), (4, 0, offset % 2**64), (5, 0, size % 2**64)]
    return message_of([(1, 0, FLOAT), (2, 2, dimensions), *places])


def checkpoint(folder: Path, variables: dict[str, bytes], shards: int = 1, data: bytes = bytes(48)) -> Path:
    """A checkpoint whose index says whatever the caller wants; returns its prefix."""
    pairs = [(b"", message_of([(1, 0, shards)])), *((name.encode(), value) for name, value in variables.items())]
    (folder / "net.index").write_bytes(table(pairs))
    (folder / f"net.data-00000-of-{shards:05d}").write_bytes(data)
    return folder / "net"


@pytest.mark.parametrize(
    "damaged",
    [
        entry(2, 3, offset=32),
        entry(2, 3, offset=-8),
        entry(2, 3, size=-24),
        entry(2, 3, offset=2**62, size=2**62),
        entry(2, 3, shard=1),
        entry(2, -3),
    ],
)
def test_a_variable_outside_of_the_data_files_is_refused(tmp_path: Path, damaged: bytes) -> None:
    """OpenVINO's reader of checkpoints ends the process with SIGSEGV on some of these."""
    assert read_checkpoint(checkpoint(tmp_path, {"v": entry(2, 3)}), AGAIN).value("v").shape == (2, 3)
    with pytest.raises(FreezeError, match=r"net\.index: 'v': expected a shape, and bytes inside a data file"):
        read_checkpoint(checkpoint(tmp_path, {"v": damaged}), AGAIN)


def test_an_index_of_no_data_files_or_of_millions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FreezeError, match="expected 1 data file or more, got 0"):
        read_checkpoint(checkpoint(tmp_path, {"v": entry(2, 3)}, shards=0), AGAIN)
    with pytest.raises(FreezeError, match=r"net\.data-00001-of-2147483647: cannot be read"):
        read_checkpoint(checkpoint(tmp_path, {"v": entry(2, 3)}, shards=2**31 - 1), AGAIN)


def test_the_variables_of_a_saved_model_are_looked_at_before_openvino_reads_them(tmp_path: Path) -> None:
    from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef

    meta = MetaGraphDef()
    meta.meta_info_def.tags.append("serve")
    meta.graph_def.node.add(name="image", op="Placeholder").attr["dtype"].type = FLOAT
    meta.graph_def.node.add(name="out", op="Identity", input=["image"]).attr["T"].type = FLOAT
    meta.signature_def["serving_default"].inputs["x"].name = "image:0"
    meta.signature_def["serving_default"].outputs["y"].name = "out:0"
    (tmp_path / "saved_model.pb").write_bytes(message_of([(1, 0, 1), (2, 2, meta.SerializeToString())]))
    source = SavedModelSource(ConversionPlan("net", Source("saved_model", tmp_path), (), ()))
    assert source.read().model == "net"
    (tmp_path / "variables").mkdir()
    for path in (prefix := checkpoint(tmp_path, {"v": entry(2, 3)})).parent.glob("net.*"):
        path.rename(tmp_path / "variables" / path.name.replace(prefix.name, "variables"))
    source.read()
    index = tmp_path / "variables/variables.index"
    index.write_bytes(index.read_bytes()[:-9])
    with pytest.raises(FreezeError, match=r"variables\.index: not the index of a TensorFlow checkpoint"):
        source.read()


def test_an_average_of_another_shape_is_refused_and_one_that_is_no_number_counts_as_different(tmp_path: Path) -> None:
    average = "v/ExponentialMovingAverage"
    prefix = checkpoint(tmp_path, {"v": entry(2, 3), average: entry(3, 2)})
    with pytest.raises(FreezeError, match=r"the moving average of 'v' has the shape \[3, 2\], expected \[2, 3\]"):
        read_checkpoint(prefix, AGAIN).averages(["v"])
    data = np.full(12, np.nan, np.float32).tobytes()
    prefix = checkpoint(tmp_path, {"v": entry(2, 3), average: entry(2, 3, offset=24)}, data=data)
    found = read_checkpoint(prefix, AGAIN).averages(["v"])
    assert found.different == 1
    assert math.isnan(found.largest_difference)


def test_a_port_that_is_no_number_leads_to_no_node() -> None:
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    graph = GraphDef()
    graph.node.add(name="a", op="Const")
    graph.node.add(name="logits", op="Identity", input=["a:x"])
    with pytest.raises(FreezeError, match="a node reads 'a:x', which does not exist"):
        prune(graph, ["logits"])
    # The check of what runs goes on behind such a name: who loads the graph may read it in another way.
    graph.node[0].op = "ReadFile"
    with pytest.raises(Exception, match="the operation ReadFile of the node 'a'"):
        refuse_unsafe(graph, [Purpose("the outputs", tensors=("logits:0",))], "net.pb")


def test_a_saver_that_goes_in_a_circle_or_lacks_inputs_restores_nothing() -> None:
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    graph = GraphDef()
    graph.node.add(name="variable", op="VariableV2")
    graph.node.add(name="one", op="Identity", input=["two"])
    graph.node.add(name="two", op="Identity", input=["one"])
    graph.node.add(name="alone", op="Identity")
    graph.node.add(name="read", op="RestoreV2", input=["names"])
    for number, source in enumerate(["one", "alone", "read:x", "missing"]):
        graph.node.add(name=f"assign_{number}", op="Assign", input=["variable", source])
    graph.node.add(name="assign_nothing", op="Assign", input=["variable"])
    assignments = [f"^{node.name}" for node in graph.node if node.op == "Assign"]
    graph.node.add(name="restore", op="NoOp", input=assignments)
    assert restored_names(graph, "restore") == {}


@pytest.mark.parametrize("version", [0, -1, 9007199254740993])
def test_an_onnx_file_of_a_version_that_cannot_be_is_refused(tmp_path: Path, version: int) -> None:
    """OpenVINO goes through all versions up to the file's own: it took hours."""
    from onnx import helper

    from mixnet_tools.reference.onnx_file import read

    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", [], [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(EvaluationError, match=f"version {version} of a set of operations, which does not exist"):
        read(path)
