"""The original in its child process: through TensorFlow's C library and its package, ONNX Runtime, and under attack."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from tensorboard.compat.proto.graph_pb2 import GraphDef

from mixnet_tools.errors import EvaluationError
from mixnet_tools.reference.job import Job
from mixnet_tools.reference.process import ReferenceProcess, start

FLOAT, STRING = 1, 7


def doubling() -> GraphDef:
    """``logits = images + images``, for any shape."""
    graph = GraphDef()
    graph.versions.producer = 1087
    images = graph.node.add(name="images", op="Placeholder")
    images.attr["dtype"].type = FLOAT
    images.attr["shape"].shape.unknown_rank = True
    logits = graph.node.add(name="logits", op="AddV2", input=["images", "images"])
    logits.attr["T"].type = FLOAT
    return graph


def writing(path: Path) -> GraphDef:
    """The same, which writes ``path`` first."""
    graph = doubling()
    for name, text in (("path", os.fspath(path)), ("contents", "written")):
        node = graph.node.add(name=name, op="Const")
        node.attr["dtype"].type = STRING
        node.attr["value"].tensor.dtype = STRING
        node.attr["value"].tensor.tensor_shape.SetInParent()
        node.attr["value"].tensor.string_val.append(text.encode())
    graph.node.add(name="write", op="WriteFile", input=["path", "contents"])
    graph.node[1].input.append("^write")
    return graph


def job(**more: object) -> Job:
    return Job("net", "tensorflow", {"in": "images:0"}, {"out": "logits:0"}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("package", [False, True], ids=["C library", "Python package"])
def test_it_answers_by_name_and_says_what_it_is(package: bool) -> None:
    with start(job(), doubling().SerializeToString(), package=package) as process:
        said = process.ready()
        assert ("Python package" in said.software) is package
        assert any("RLIMIT_FSIZE" in line for line in said.restrictions)
        for shape in ((2, 3), (4, 5, 6), ()):  # each batch may have another size
            images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
            answers = process.run({"in": images})
            assert list(answers) == ["out"]
            np.testing.assert_array_equal(answers["out"], images + images)


def test_what_slips_through_the_check_writes_nothing(tmp_path: Path) -> None:
    """Nothing checks the operations here: the child's missing rights alone keep the file from being written."""
    with (
        start(job(), writing(tmp_path / "file").SerializeToString()) as process,
        pytest.raises(EvaluationError, match="cannot run the original"),
    ):
        process.run({"in": np.zeros(1, np.float32)})
    assert list(tmp_path.iterdir()) == [] or (tmp_path / "file").stat().st_size == 0


def test_without_the_child_it_would_have(tmp_path: Path) -> None:
    """So that the test above can fail: the same graph writes its file in a process with all rights."""
    from mixnet_tools.reference.tensorflow_library import Library, Session

    session = Session(Library(), writing(tmp_path / "file").SerializeToString(), None)
    session.run({"images:0": np.zeros(1, np.float32)}, ["logits:0"])
    assert (tmp_path / "file").read_text() == "written"


def test_a_wrong_shape_or_graph_is_told_and_the_next_batch_runs() -> None:
    graph = doubling()
    graph.node.add().CopyFrom(graph.node[0])
    graph.node[2].name = graph.node[1].input[1] = "more"
    two = Job("net", "tensorflow", {"in": "images:0", "more": "more:0"}, {"out": "logits:0"})
    three, four = np.ones(3, np.float32), np.ones(4, np.float32)
    with start(two, graph.SerializeToString()) as process:
        with pytest.raises(EvaluationError, match="TensorFlow cannot run the original: Incompatible shapes"):
            process.run({"in": three, "more": four})
        assert process.run({"more": three, "in": three})["out"].tolist() == [2, 2, 2]
    graph.node[1].op = "NoSuchOperation"
    with start(two, graph.SerializeToString()) as process, pytest.raises(EvaluationError, match="NoSuchOp"):
        process.ready()


def test_one_that_dies_is_told() -> None:
    with start(job(), doubling().SerializeToString()) as process:
        process.ready()
        os.kill(process.pid, signal.SIGABRT)
        with pytest.raises(EvaluationError, match="was ended by SIGABRT"):
            process.run({"in": np.zeros(3, np.float32)})


def test_too_little_memory_is_told() -> None:
    with (
        start(job(memory=1 << 20), doubling().SerializeToString()) as process,
        pytest.raises(EvaluationError, match="needs more memory"),
    ):
        process.run({"in": np.zeros(1 << 24, np.float32)})


def test_it_ends_with_its_owner() -> None:
    process = start(job(), doubling().SerializeToString())
    process.ready()
    pid = process.pid
    process.close()
    process.close()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    raise AssertionError("the child is still there")


def test_waiting_can_be_stopped() -> None:
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    with ReferenceProcess("tensorflow", check_stop=stop) as process:
        process.load(job(), doubling().SerializeToString())
        with pytest.raises(Stop):
            process.ready()
