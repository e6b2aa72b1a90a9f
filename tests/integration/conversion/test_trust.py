"""A model is data: operations that do more than compute are refused. Weights are those that TensorFlow takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.conversion.convert import convert
from mixnet_tools.conversion.options import ConversionOptions
from mixnet_tools.conversion.sources.kinds import open_source
from mixnet_tools.errors import FreezeError, UnsafeModelError
from mixnet_tools.inference.openvino import OpenVinoModel
from tests.support import graphs
from tests.support.commands import run_failing, run_ok
from tests.support.graphs import ModelFolder, image_input
from tests.support.tensorflow_import import import_tensorflow

SIDE = 8
FP32 = ConversionOptions(precisions=("FP32",))


def command(folder: ModelFolder, *more: str) -> list[str | Path]:
    """The arguments that convert ``folder``."""
    return ["--name", folder.name, "--models_dir", folder.models, "-d", folder.root, *more]


def network(tf: Any, image: Any) -> Any:
    """Logits of 5 classes."""
    kernel = tf.compat.v1.get_variable("kernel", [3 * SIDE * SIDE, 5], initializer=tf.random_normal_initializer(seed=1))
    return tf.identity(tf.reshape(image, [-1, 3 * SIDE * SIDE]) @ kernel * 0.01, name="logits")


def saved_model(root: Path, evil: Path, where: str) -> ModelFolder:
    """A TF1 SavedModel that writes ``evil``: when it is initialized, restored, or asked for its answer."""
    tf = import_tensorflow()
    folder = ModelFolder(root, "net", ["--saved_model_dir=$dl_dir/saved"], image_input("images", SIDE))
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(tf.float32, [None, SIDE, SIDE, 3], name="images")
        writes = tf.io.write_file(str(evil), "written")
        with tf.control_dependencies([writes] if where == "answer" else []):
            logits = network(tf, image)
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def({"images": image}, {"logits": logits})
        saver = v1.train.Saver()
        builder = v1.saved_model.Builder(str(folder.files / "saved"))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": signature},
            main_op=tf.group(writes) if where == "initializer" else None,
            saver=saver,
        )
        builder.save()
    evil.unlink(missing_ok=True)  # building an "answer" has run nothing, but saving may
    return folder


@pytest.mark.parametrize("where", ["initializer", "answer"])
def test_a_saved_model_that_writes_is_refused_by_name_before_anything_runs(tmp_path: Path, where: str) -> None:
    evil = tmp_path / "evil.txt"
    folder = saved_model(tmp_path / "model", evil, where)
    for more in ([], ["--no_verify"], ["--freezer", "tensorflow"]):
        stderr = run_failing("convert", *command(folder, *more))
        assert "the operation WriteFile of the node 'WriteFile' touches files" in stderr
        assert "its initializer" in stderr if where == "initializer" else "the outputs" in stderr
    assert not evil.exists()
    assert not (folder.files / "FP32").exists()


def test_a_saved_model_is_frozen_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing checks the operations here: the missing rights of the process that loads it keep the file away."""
    evil = tmp_path / "evil.txt"
    folder = saved_model(tmp_path / "model", evil, "initializer")
    monkeypatch.setattr("mixnet_tools.conversion.sources.saved_model.refuse_unsafe", lambda *_: None)
    with pytest.raises(FreezeError, match="cannot load the SavedModel"):
        open_source(plan_conversion(folder.descriptor, folder.root)).freeze()
    assert not evil.exists() or evil.stat().st_size == 0


def test_no_graph_is_loaded_by_tensorflow_in_the_users_own_process(tmp_path: Path) -> None:
    folder = graphs.tf1_saved_model(tmp_path / "model")
    program = (
        "import sys\n"
        "from mixnet_tools.cli.main import run\n"
        "code = run('convert', sys.argv[1:], 'mixnet-convert')\n"
        "sys.exit(code or 'tensorflow' in sys.modules)"
    )
    words = command(folder, "-o", str(tmp_path), "--freezer", "tensorflow", "--keep_frozen", "--precisions", "FP32")
    subprocess.run([sys.executable, "-c", program, *map(str, words)], check=True)
    assert len(list(tmp_path.rglob("*.frozen.pb"))) == len(list(tmp_path.rglob("FP32/*.xml"))) == 1


@pytest.mark.parametrize("operation", ["SaveV2", "WriteFile", "PyFunc", "ReadFile"])
def test_a_frozen_graph_with_a_hidden_operation_in_a_function_is_refused(tmp_path: Path, operation: str) -> None:
    tf = import_tensorflow()
    folder = ModelFolder(
        tmp_path, "net", ["--input_model=$dl_dir/net.pb", "--output=logits"], image_input("images", SIDE)
    )

    mean = tf.function(lambda images: tf.reduce_mean(images, axis=(1, 2)))
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, [None, SIDE, SIDE, 3], name="images")
        tf.identity(mean(image), name="logits")
    message = graph.as_graph_def()
    hidden = message.library.function[0].node_def.add(name="hidden", op=operation)
    assert hidden.op == operation
    (folder.files / "net.pb").write_bytes(message.SerializeToString())
    for more in ([], ["--no_verify"]):
        stderr = run_failing("convert", *command(folder, *more))
        assert f"the operation {operation} of the node 'hidden' in the function" in stderr


def averaging_checkpoint(root: Path) -> tuple[ModelFolder, Any]:
    """A meta graph whose own saver restores the moving average; with TensorFlow's answers to an image."""
    tf = import_tensorflow()
    folder = ModelFolder(
        root, "net", ["--input_meta_graph=$dl_dir/net.meta", "--output=logits"], image_input("images", SIDE)
    )
    v1, prefix = tf.compat.v1, folder.files / "net"
    with tf.Graph().as_default(), v1.Session() as session:
        network(tf, v1.placeholder(tf.float32, [None, SIDE, SIDE, 3], name="images"))
        averages = tf.train.ExponentialMovingAverage(0.5)
        update = averages.apply(v1.trainable_variables())
        session.run(v1.global_variables_initializer())
        session.run(v1.trainable_variables()[0].assign(-v1.trainable_variables()[0]))
        session.run(update)
        v1.train.Saver().save(session, str(prefix), write_meta_graph=False)
    with tf.Graph().as_default(), v1.Session() as session:
        network(tf, v1.placeholder(tf.float32, [None, SIDE, SIDE, 3], name="images"))
        saver = v1.train.Saver(tf.train.ExponentialMovingAverage(0.5).variables_to_restore(v1.trainable_variables()))
        saver.export_meta_graph(str(prefix) + ".meta")
        saver.restore(session, str(prefix))
        image = np.random.default_rng(0).uniform(0, 255, (1, SIDE, SIDE, 3)).astype(np.float32)
        return folder, (image, session.run("logits:0", {"images:0": image}))


def test_the_files_own_saver_decides_and_the_report_says_so(tmp_path: Path) -> None:
    folder, (image, expected) = averaging_checkpoint(tmp_path)
    result = convert(folder.descriptor, tmp_path, tmp_path / "own", FP32)
    found = OpenVinoModel(result.irs[0].ir.xml).run(image)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert result.plan.weights == "ema"
    report = json.loads(result.irs[0].ir.xml.with_name("conversion.json").read_text())
    assert report["weights"]["used"] == "ema"
    assert report["weights"]["reason"] == "the graph's own saver restores these"
    assert report["reference"]["software"].startswith("TensorFlow 2.")
    assert "moving averages" in run_ok("convert", *command(folder, "-o", str(tmp_path / "cli"))).out
    raw = convert(folder.descriptor, tmp_path, tmp_path / "raw", ConversionOptions(("FP32",), weights="raw"))
    assert np.abs(OpenVinoModel(raw.irs[0].ir.xml).run(image) - expected).max() > 0.1 * np.abs(expected).max()


def test_a_graph_without_a_saver_gets_its_weights_by_their_names(tmp_path: Path) -> None:
    from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef

    folder, _ = averaging_checkpoint(tmp_path)
    path = folder.files / "net.meta"
    meta = MetaGraphDef.FromString(path.read_bytes())
    meta.ClearField("saver_def")
    path.write_bytes(meta.SerializeToString())
    result = convert(folder.descriptor, tmp_path, tmp_path / "out", FP32)
    assert result.plan.weights == "raw"
    assert result.irs[0].parity[0].top1_agreement == 1


def test_contrib_operations_that_nothing_runs_do_not_hinder(tmp_path: Path) -> None:
    """The library does not know them, and refuses the whole graph: then only what runs is imported."""
    from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef

    folder, _ = averaging_checkpoint(tmp_path)
    path = folder.files / "net.meta"
    meta = MetaGraphDef.FromString(path.read_bytes())
    meta.graph_def.node.add(name="contrib", op="SomeContribOperation", input=["logits"])
    path.write_bytes(meta.SerializeToString())
    assert convert(folder.descriptor, tmp_path, tmp_path / "out", FP32).irs[0].parity[0].top1_agreement == 1


def test_the_proof_needs_no_python_package_of_tensorflow(nano_dir: Path, tmp_path: Path) -> None:
    """A package whose Python side cannot be imported, with the real libraries in it."""
    spec = find_spec("tensorflow")
    assert spec is not None
    assert spec.submodule_search_locations
    real = Path(spec.submodule_search_locations[0])
    fake = tmp_path / "path" / "tensorflow"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("raise ImportError('not to be imported')")
    for library in real.glob("libtensorflow*.so*"):
        (fake / library.name).symlink_to(library)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mixnet_tools.cli.main",
            "convert",
            "--name",
            "mixnet-nano",
            "-d",
            nano_dir,
            "-o",
            tmp_path / "ir",
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(fake.parent), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "ir/public/mixnet-nano/FP32/conversion.json").read_text())
    assert report["reference"]["software"].endswith("its C library")
    assert report["parity"][0]["top1_agreement"] == 1


def test_an_onnx_file_of_somebodys_domain_or_with_data_elsewhere_is_refused(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    from mixnet_tools.reference.onnx_file import read

    def save(domain: str, location: str | None) -> Path:
        node = helper.make_node("Add", ["x", "w"], ["y"], domain=domain)
        weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
        if location:
            weight.ClearField("float_data")
            weight.data_location = TensorProto.EXTERNAL
            weight.external_data.add(key="location", value=location)
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            [node], "net", [value("x", TensorProto.FLOAT, [1])], [value("y", TensorProto.FLOAT, [1])], [weight]
        )
        path = tmp_path / "net.onnx"
        path.write_bytes(helper.make_model(graph).SerializeToString())
        return path

    assert isinstance(read(save("", None)), onnx.ModelProto)
    assert isinstance(read(save("", "weights.bin")), onnx.ModelProto)
    with pytest.raises(UnsafeModelError, match=r"the operation Add .* is of the domain 'com\.evil'"):
        read(save("com.evil", None))
    for place in ("../weights.bin", "/etc/passwd", "a/../../b"):
        with pytest.raises(UnsafeModelError, match="expected a file in the model's own folder"):
            read(save("", place))
