"""Every form of source model through conversion, compared with the framework that made it."""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.conversion.comparison_inputs import natural_images
from mixnet_tools.conversion.convert import ConvertedModel, convert
from mixnet_tools.conversion.options import ConversionOptions
from mixnet_tools.conversion.plan import ConversionPlan, Freezer, Weights
from mixnet_tools.conversion.source_check import SourceCheck
from mixnet_tools.conversion.sources import openvino_frontend
from mixnet_tools.conversion.sources.kinds import open_source
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import (
    ConversionError,
    FreezeError,
    MixnetToolsError,
    NextStep,
    ParityError,
    UnsupportedOption,
)
from mixnet_tools.inference.openvino import OpenVinoModel
from mixnet_tools.progress import Progress
from mixnet_tools.reference.process import ReferenceProcess
from mixnet_tools.values import IRModel
from tests.support import graphs
from tests.support.commands import run_failing, run_ok
from tests.support.graphs import ModelFolder
from tests.support.notes import Notes
from tests.support.standin import StandIn
from tests.support.tensorflow_import import import_tensorflow

FP32 = ConversionOptions(precisions=("FP32",))
WEIGHTS: tuple[Weights, ...] = ("raw", "ema")
SMALL: dict[str, Callable[[Path], ModelFolder]] = {
    "frozen": graphs.frozen_mobilenet,
    "pbtxt": lambda root: graphs.frozen_mobilenet(root, text=True),
    "keras": graphs.keras_saved_model,
    "tf1-saved-model": graphs.tf1_saved_model,
    "sharded": graphs.sharded_checkpoint,
    "old-checkpoint": lambda root: graphs.sharded_checkpoint(root, old_format=True),
    "onnx": graphs.onnx_network,
}

SOURCES: dict[str, Callable[[Path], ModelFolder]] = {
    **SMALL,
    "efficientnet": graphs.efficientnet,
}
FULL_SIZE = {"mixnet-s": "s"}


def converted(
    folder: ModelFolder, options: ConversionOptions = FP32, progress: Progress | None = None
) -> ConvertedModel:
    return convert(folder.descriptor, folder.root, folder.root, options, progress)


@pytest.fixture(scope="module")
def templates(
    tmp_path_factory: pytest.TempPathFactory, standin: Callable[[str], StandIn]
) -> Callable[[str], ModelFolder]:
    """Each source model, built when it is first asked for."""

    @functools.cache
    def built(name: str) -> ModelFolder:
        root = tmp_path_factory.mktemp(name)
        return graphs.unpacked(root, standin(FULL_SIZE[name]), 224) if name in FULL_SIZE else SOURCES[name](root)

    return built


@pytest.fixture
def source_model(templates: Callable[[str], ModelFolder], tmp_path: Path) -> Callable[[str], ModelFolder]:
    """A copy of a source model of its own for the test."""
    return lambda name: templates(name).copy_to(tmp_path)


def operations(ir: IRModel) -> Counter[str]:
    import openvino

    return Counter(operation.get_type_name() for operation in openvino.Core().read_model(ir.xml).get_ops())


@pytest.mark.parametrize("source", [*SOURCES, *FULL_SIZE])
def test_the_ir_computes_what_its_framework_computes(source: str, source_model: Callable[[str], ModelFolder]) -> None:
    result = converted(source_model(source), ConversionOptions())
    for made in result.irs:
        (parity,) = made.parity
        assert parity.passed
        if made.ir.precision == "FP32":
            assert parity.max_difference < 1e-3
            assert parity.top1_agreement == 1.0
        low, high = parity.output_range
        assert parity.conclusive
        assert high > low
        # Reversal and normalisation are part of the first layer, not operations of their own.
        assert not {"Gather", "Split", "Reverse"} & set(operations(made.ir))


@pytest.mark.parametrize("source", SMALL)
def test_the_ir_is_the_one_of_openvinos_own_converter(
    source: str, source_model: Callable[[str], ModelFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our calls of the frontend give the same bytes as ``convert_model``, which is used where they are not there."""

    def missing(*_: object) -> None:
        raise ImportError

    folder, options = source_model(source), ConversionOptions(precisions=("FP32",), verify=False)
    made = []
    for _ in range(2):
        ir = converted(folder, options).irs[0].ir
        made.append((ir.bin.read_bytes(), ir.xml.read_text()))
        monkeypatch.setattr(openvino_frontend, "_by_frontend", missing)
    assert made[0] == made[1]


def test_the_reference_is_what_the_uncut_graph_computes(source_model: Callable[[str], ModelFolder]) -> None:
    """Independent of our surgery: the published graph as it is, restored by its own saver, fed at the iterator."""
    folder = source_model("efficientnet")
    ir = converted(folder).irs[0].ir
    side = graphs.EFFICIENTNET_B0.resolution
    rgb = natural_images(3, side, side, seed=8)
    v1 = import_tensorflow().compat.v1
    prefix = str(folder.files / "efficientnet-b0/model.ckpt")
    with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        v1.train.import_meta_graph(f"{prefix}.meta", clear_devices=True).restore(session, prefix)
        expected = session.run("logits:0", {"IteratorGetNext:0": rgb})
    found = OpenVinoModel(ir.xml).run(np.ascontiguousarray(rgb[..., ::-1]))
    assert np.abs(found - expected).max() < 1e-3
    assert np.ptp(expected, axis=0).max() > 1


@pytest.mark.parametrize("source", ["frozen", "sharded", "tf1-saved-model"])
def test_both_freezers_write_the_same_bytes(
    source: str, tmp_path: Path, source_model: Callable[[str], ModelFolder]
) -> None:
    folder = source_model(source)
    files = []
    for freezer in get_args(Freezer):
        options = ConversionOptions(precisions=("FP32", "FP16"), freezer=freezer, verify=False)
        result = convert(folder.descriptor, folder.root, tmp_path / freezer, options)
        files.append([path.read_bytes() for made in result.irs for path in (made.ir.xml, made.ir.bin)])
    assert files[0] == files[1]


def test_averages_are_another_model_and_the_report_says_so(
    nano: ModelDescriptor, nano_dir: Path, tmp_path: Path
) -> None:
    binaries: dict[tuple[Weights, Freezer], bytes] = {}
    for weights in WEIGHTS:
        for freezer in get_args(Freezer):
            options = ConversionOptions(precisions=("FP32",), weights=weights, freezer=freezer)
            result = convert(nano, nano_dir, tmp_path / weights / freezer, options)
            ir = result.irs[0].ir
            binaries[weights, freezer] = ir.bin.read_bytes()
            report = json.loads(ir.xml.with_name("conversion.json").read_text())["weights"]
            assert report["used"] == weights
            assert report["moving_averages"]["averaged"] == report["moving_averages"]["variables"] > 100
            assert report["moving_averages"]["different"] > 100
    assert binaries["raw", "openvino"] == binaries["raw", "tensorflow"]
    assert binaries["ema", "openvino"] == binaries["ema", "tensorflow"]
    assert binaries["raw", "openvino"] != binaries["ema", "openvino"]


def test_averages_where_there_are_none(source_model: Callable[[str], ModelFolder]) -> None:
    with pytest.raises(FreezeError, match="no moving averages"):
        converted(source_model("sharded"), ConversionOptions(weights="ema"))
    with pytest.raises(UnsupportedOption, match="only a TensorFlow checkpoint has moving averages"):
        converted(source_model("tf1-saved-model"), ConversionOptions(weights="ema"))


def test_converting_without_proof_imports_no_tensorflow(nano_dir: Path, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom mixnet_tools.cli.main import run\n"
        "code = run('convert', sys.argv[1:], 'mixnet-convert')\n"
        "print('tensorflow' in sys.modules)\nsys.exit(code)"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            "--name",
            "mixnet-nano",
            "-d",
            str(nano_dir),
            "-o",
            str(tmp_path),
            "--no_verify",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"
    assert "not compared" in done.stdout
    report = json.loads((tmp_path / "public/mixnet-nano/FP16/conversion.json").read_text())
    assert report["parity"] == []


def test_cutting_inside_is_said(
    nano: ModelDescriptor, nano_dir: Path, tmp_path: Path, source_model: Callable[[str], ModelFolder]
) -> None:
    notes = Notes()
    convert(nano, nano_dir, tmp_path / "ir", FP32, notes)
    assert any("cut inside the graph at IteratorGetNext:0 (IteratorGetNext)" in line for line in notes.lines)
    notes = Notes()
    converted(source_model("frozen"), progress=notes)
    assert not [line for line in notes.lines if "cut inside" in line]


def test_several_outputs_keep_their_order_and_names(source_model: Callable[[str], ModelFolder]) -> None:
    import openvino

    folder = source_model("sharded")
    arguments = ["--input_meta_graph=$dl_dir/model.ckpt.meta", "--reverse_input_channels"]
    for outputs in (["scores", "Relu"], ["Relu", "scores"]):
        folder.change(model_optimizer_args=[*arguments, f"--output={','.join(outputs)}"])
        result = converted(folder)
        assert [parity.output for parity in result.irs[0].parity] == outputs
        model = openvino.Core().read_model(result.irs[0].ir.xml)
        assert [sorted(port.get_names()) for port in model.outputs] == [[name, f"{name}:0"] for name in outputs]
        assert [port.get_any_name() for port in model.outputs] == outputs


def test_a_placeholder_is_frozen_with_its_value(tmp_path: Path) -> None:
    tf = import_tensorflow()
    folder = ModelFolder(
        tmp_path,
        "switched",
        ["--input_model=$dl_dir/net.pb", "--freeze_placeholder_with_value=training->False"],
        [{"name": "image", "shape": [1, 4, 4, 3], "layout": "NHWC"}],
    )
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, [None, 4, 4, 3], name="image")
        training = tf.compat.v1.placeholder(tf.bool, [], name="training")
        tf.where(training, image * 100, image * 2, name="result")
    tf.io.write_graph(graph.as_graph_def(), str(folder.files), "net.pb", as_text=False)
    result = converted(folder)
    ones = np.ones((1, 4, 4, 3), np.float32)
    np.testing.assert_array_equal(OpenVinoModel(result.irs[0].ir.xml).run(ones), 2 * ones)
    folder.change(model_optimizer_args=["--input_model=$dl_dir/net.pb"])
    with pytest.raises(FreezeError, match=r"still depends on training \(Placeholder\)"):
        converted(folder)


@pytest.mark.parametrize("mutation", ["mean and scale swapped", "scale lost", "reversal lost"])
@pytest.mark.parametrize("source", ["frozen", "keras", "onnx"])
def test_a_mutated_normalisation_fails_the_proof(
    source: str, mutation: str, source_model: Callable[[str], ModelFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The IR is right and the reference is fed wrongly: what the proof sees is the same as the other way round."""
    import dataclasses

    from mixnet_tools.conversion.comparison_inputs import Port, as_original

    folder = source_model(source)

    def mutated(array: Any, port: Port) -> Any:
        assert port.plan is not None
        plan = port.plan
        if mutation == "mean and scale swapped":
            scaled = original(array, dataclasses.replace(port, plan=dataclasses.replace(plan, mean=())))
            return original(scaled, dataclasses.replace(port, plan=dataclasses.replace(plan, scale=(), reverse=False)))
        lost: dict[str, Any] = {"scale": ()} if mutation == "scale lost" else {"reverse": False}
        return original(array, dataclasses.replace(port, plan=dataclasses.replace(plan, **lost)))

    original = as_original
    monkeypatch.setattr("mixnet_tools.conversion.parity.as_original", mutated)
    with pytest.raises(ParityError):
        converted(folder, ConversionOptions(precisions=("FP16",)))


@pytest.mark.parametrize(
    ("source", "damage", "words"),
    [
        ("frozen", lambda folder: (folder.files / "net.pb").unlink(), "net.pb: no such file"),
        ("frozen", lambda folder: (folder.files / "net.pb").write_bytes(b"\xff" * 50), "not a TensorFlow frozen graph"),
        ("pbtxt", lambda folder: (folder.files / "net.pbtxt").write_text("node {"), "not a TensorFlow frozen graph"),
        ("sharded", lambda folder: folder.change(input_info=graphs.image_input("images", 16)), "did you mean image"),
        ("keras", lambda folder: (folder.files / "net.savedmodel/saved_model.pb").unlink(), "saved_model.pb: no such"),
        (
            "keras",
            lambda folder: (folder.files / "net.savedmodel/saved_model.pb").write_bytes(b"x"),
            "not a TensorFlow SavedModel",
        ),
        ("tf1-saved-model", lambda folder: folder.change(input_info=graphs.image_input("i", 16)), "no input 'i'"),
        ("onnx", lambda folder: (folder.files / "net.onnx").unlink(), "net.onnx: no such file"),
        ("onnx", lambda folder: (folder.files / "net.onnx").write_bytes(b"x" * 9), "cannot be read as ONNX"),
        ("sharded", lambda folder: next(folder.files.glob("*.data-00001*")).unlink(), "model.ckpt"),
    ],
)
def test_damaged_sources_are_one_clear_error(
    source: str,
    damage: Callable[[ModelFolder], Any],
    words: str,
    source_model: Callable[[str], ModelFolder],
    tmp_path: Path,
) -> None:
    folder = source_model(source)
    damage(folder)
    with pytest.raises(MixnetToolsError) as caught:
        converted(folder)
    assert words in str(caught.value) + str(caught.value.hint)
    assert not list(tmp_path.rglob("*.xml"))


def test_a_shape_that_stays_open_is_refused(source_model: Callable[[str], ModelFolder]) -> None:
    folder = source_model("frozen")
    folder.change(
        input_info=[],
        model_optimizer_args=["--input_model=$dl_dir/net.pb", "--output=MobilenetV2/Predictions/Reshape_1"],
    )
    with pytest.raises(ConversionError, match="stays open"):
        converted(folder)


def test_labels_that_do_not_fit_are_refused(source_model: Callable[[str], ModelFolder]) -> None:
    folder = source_model("keras")
    (folder.path.parent / "labels.txt").write_text("one\ntwo\n")
    with pytest.raises(MixnetToolsError, match="2 labels, but the model has 50 classes"):
        converted(folder)


def test_what_the_descriptor_says_for_model_api_is_in_the_ir(source_model: Callable[[str], ModelFolder]) -> None:
    import openvino

    folder = source_model("keras")
    folder.change(model_info={"labels": ["two words", "b"], "resize_type": "standard", "confidence_threshold": 0.5})
    model = openvino.Core().read_model(converted(folder).irs[0].ir.xml)
    found = {key: value.astype(str) for key, value in model.get_rt_info(["model_info"]).astype(dict).items()}
    assert found["labels"] == "two_words b"
    assert (found["resize_type"], found["confidence_threshold"]) == ("standard", "0.5")
    assert found["model_type"] == "Classification"


def test_model_api_opens_the_ir_with_no_further_arguments(nano_dir: Path) -> None:
    from model_api.models import Model

    xml = nano_dir / "public/mixnet-nano/FP32/mixnet-nano.xml"
    model = Model.create_model(str(xml))
    images = np.ascontiguousarray(natural_images(60, 64, 64)[..., ::-1])
    logits = OpenVinoModel(xml).run(images)
    # The Model API computes in the type that the processor likes best, which may be bfloat16: so the image is taken
    # whose six best answers lie the furthest apart.
    gaps = np.diff(np.sort(logits, axis=1)[:, -6:], axis=1).min(axis=1)
    assert gaps.max() > 0.2
    chosen = int(gaps.argmax())
    result = model(images[chosen].astype(np.uint8))
    expected = np.argsort(-logits[chosen])[:5]
    assert [int(label.id) for label in result.top_labels] == expected.tolist()
    names = (Path(__file__).parents[3] / "models/public/mixnet-nano/labels.txt").read_text().split()
    assert [label.name for label in result.top_labels] == [names[index] for index in expected]


def test_a_model_server_repository_is_written_whole(nano_dir: Path, tmp_path: Path) -> None:
    import openvino

    for _ in range(2):  # the second run replaces the first
        run_ok("convert", "--name", "mixnet-nano", "-d", nano_dir, "-o", tmp_path / "ir", "--ovms", tmp_path / "repo")
    files = sorted(str(path.relative_to(tmp_path / "repo")) for path in (tmp_path / "repo").rglob("*"))
    version = "mixnet-nano/1"
    assert files == ["mixnet-nano", version, f"{version}/mixnet-nano.bin", f"{version}/mixnet-nano.xml"]
    model = openvino.Core().read_model(tmp_path / "repo" / version / "mixnet-nano.xml")
    assert model.input(0).get_node().get_layout() == openvino.Layout("NHWC")


def test_the_frozen_graph_is_left_where_asked_for(nano_dir: Path, tmp_path: Path) -> None:
    run_ok("convert", "--name", "mixnet-nano", "-d", nano_dir, "-o", tmp_path, "--keep_frozen", "--precisions", "FP32")
    graph = import_tensorflow().compat.v1.GraphDef()
    graph.ParseFromString((tmp_path / "public/mixnet-nano/mixnet-nano.frozen.pb").read_bytes())
    assert {"IteratorGetNext/placeholder_out_port_0", "logits"} <= {node.name for node in graph.node}
    assert not [node for node in graph.node if "Var" in node.op]


def test_options_that_do_not_fit_the_source_are_refused(
    tmp_path: Path, source_model: Callable[[str], ModelFolder]
) -> None:
    folder = source_model("onnx")
    error = run_failing(
        "convert", "--name", "onnx-net", "--models_dir", folder.models, "-d", tmp_path, "--freezer", "tensorflow"
    )
    assert "are for TensorFlow models" in error


@pytest.mark.parametrize("named", [True, False], ids=["named in the descriptor", "as the source has them"])
def test_both_sides_of_a_saved_model_are_fed_by_name(tmp_path: Path, named: bool) -> None:
    """TensorFlow lists inputs and outputs by their names, OpenVINO in the order of the signature."""
    v1 = import_tensorflow().compat.v1
    inputs = [{"name": name, "shape": [1, 4]} for name in ("picture", "bias")] if named else []
    arguments = ["--saved_model_dir=$dl_dir/saved", *(["--output=twice,above"] if named else [])]
    folder = ModelFolder(tmp_path, "two", arguments, inputs)
    with v1.Graph().as_default(), v1.Session() as session:
        picture, bias = (v1.placeholder(v1.float32, [1, 4], name=name) for name in "pb")
        scale = v1.get_variable("scale", initializer=[1.0, 2.0, 3.0, 4.0], use_resource=False)
        outputs = {"twice": picture * 2.0, "above": picture * scale - bias}
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(folder.files / "saved"), {"picture": picture, "bias": bias}, outputs)
    parity = converted(folder).irs[0].parity
    assert [result.output for result in parity] == (["twice", "above"] if named else ["above", "twice"])
    assert all(result.max_difference < 1e-5 and result.conclusive for result in parity)


def test_a_reference_is_fed_and_read_by_the_names_of_the_plan(nano: ModelDescriptor, nano_dir: Path) -> None:
    images = natural_images(1, 64, 64)
    with ReferenceProcess("tensorflow") as process:
        original = open_source(plan_conversion(nano, nano_dir)).reference(process)
        assert (original.inputs, original.outputs) == (("IteratorGetNext:0",), ("logits",))
        assert set(original.versions) == {"tensorflow"}
        logits = original.infer({"IteratorGetNext:0": images})["logits"]
    xml = nano_dir / "public/mixnet-nano/FP32/mixnet-nano.xml"
    found = OpenVinoModel(xml).infer({"IteratorGetNext:0": np.ascontiguousarray(images[..., ::-1])})
    assert np.abs(found["logits"] - logits).max() < 1e-3


def digest(plan: ConversionPlan) -> str:
    """The one digest of all files of the source."""
    with contextlib.closing(SourceCheck(open_source(plan).files(), None, plan.download_dir, "")) as check:
        return check.result().digest


@pytest.mark.parametrize("source", SMALL)
def test_every_file_of_a_source_counts_and_must_be_there(
    source: str, source_model: Callable[[str], ModelFolder]
) -> None:
    folder = source_model(source)
    plan = plan_conversion(folder.descriptor, folder.root)
    before, files = digest(plan), open_source(plan).files()
    assert files
    assert all(path.is_file() for path in files)
    for path in files:
        contents = path.read_bytes()
        path.write_bytes(contents + b"x")
        assert digest(plan) != before
        path.write_bytes(contents)
    assert digest(plan) == before
    path = plan.source.path
    (path if path.is_file() else path / "saved_model.pb").unlink()
    with pytest.raises(FreezeError, match="no such file") as caught:
        open_source(plan).read()
    assert isinstance(caught.value.hint, NextStep)
    assert (caught.value.hint.stage, caught.value.hint.fields) == ("download", {"output_dir": str(folder.root)})
