"""Models of kinds that other people made: converted as their frameworks compute them, or refused by name."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixnet_tools.conversion.convert import ConvertedModel, convert
from mixnet_tools.conversion.options import ConversionOptions
from mixnet_tools.errors import FreezeError, ParityError
from mixnet_tools.inference.openvino import OpenVinoModel
from tests.support import model_optimizer, outside_onnx, outside_tensorflow
from tests.support.commands import run, run_failing, run_ok
from tests.support.graphs import ModelFolder, image_input
from tests.support.outside import OutsideModel
from tests.support.tensorflow_import import import_tensorflow

TENSORFLOW: tuple[Callable[[Path], OutsideModel], ...] = (
    outside_tensorflow.averages_by_the_saver,
    outside_tensorflow.captured_by_a_branch,
    outside_tensorflow.captured_by_a_loop,
    outside_tensorflow.captured_by_a_call,
    outside_tensorflow.folded_output,
    outside_tensorflow.folded_functional_output,
    outside_tensorflow.partitioned_variables,
    outside_tensorflow.pattern_in_the_path,
    outside_tensorflow.float16,
    outside_tensorflow.bfloat16,
    outside_tensorflow.behind_a_resize,
    outside_tensorflow.behind_a_crop,
    outside_tensorflow.behind_a_decoder,
    outside_tensorflow.open_outputs,
    outside_tensorflow.one_described_input,
    outside_tensorflow.keys_of_the_signature,
    outside_tensorflow.nodes_behind_the_signature,
    outside_tensorflow.tensors_behind_the_signature,
    outside_tensorflow.keys_that_are_nodes_too,
    outside_tensorflow.the_only_signature,
    outside_tensorflow.a_chosen_signature,
    outside_tensorflow.for_training_and_serving,
    outside_tensorflow.without_tags,
    outside_tensorflow.chosen_tags,
    outside_tensorflow.layer_of_keras,
)
ONNX: tuple[Callable[[Path], OutsideModel], ...] = (
    outside_onnx.two_inputs,
    outside_onnx.one_of_two_outputs,
    outside_onnx.outputs_in_another_order,
    outside_onnx.inner_output,
    outside_onnx.inner_output_by_node,
    outside_onnx.inner_input,
    outside_onnx.masked_class,
    outside_onnx.half,
    outside_onnx.quantized,
    outside_onnx.weights_apart,
)
COARSE = {"float16": 2e-2, "half": 2e-2, "bfloat16": 0.1, "quantized": 0.1}
"""Allowed difference in units of the outputs' variation, where the original itself is not exact."""


def converted(made: OutsideModel, *precisions: str) -> ConvertedModel:
    folder = made.folder
    return convert(folder.descriptor, folder.root, folder.root, ConversionOptions(precisions=precisions or ("FP32",)))


@pytest.mark.parametrize("kind", [*TENSORFLOW, *ONNX], ids=lambda kind: kind.__name__)
def test_the_ir_gives_the_frameworks_answers(kind: Callable[[Path], OutsideModel], tmp_path: Path) -> None:
    made = kind(tmp_path)
    ir = converted(made).irs[0]
    assert ir.parity
    model = OpenVinoModel(ir.ir.xml)
    exact = COARSE.get(kind.__name__, 1e-3)
    for feed, answers in zip(made.feeds, made.answers, strict=True):
        given = model.infer(feed)
        assert len(given) == len(answers)
        for name, right in zip(model.outputs, answers, strict=True):
            assert given[name].shape == right.shape
            masked = np.abs(right.astype(np.float64)) > 1e6
            unmasked = right[~masked].astype(np.float64)
            assert np.abs(given[name][~masked] - unmasked).max() <= exact * unmasked.std()
            np.testing.assert_allclose(given[name][masked], right[masked], rtol=1e-6)


def test_the_report_says_how_exact_the_original_is(tmp_path: Path) -> None:
    ir = converted(outside_onnx.half(tmp_path)).irs[0].ir
    reference = json.loads((ir.xml.parent / "conversion.json").read_text())["reference"]
    assert "compute in float16" in reference["exactness"]


def test_one_precision_does_not_stop_the_other(tmp_path: Path) -> None:
    made = outside_onnx.masked_class(tmp_path)
    result = converted(made, "FP32", "FP16")
    assert [one.ir.precision for one in result.irs] == ["FP32"]
    assert result.irs[0].parity[0].masked == 1
    ((precision, error),) = result.refused
    assert precision == "FP16"
    assert "float16 cannot hold -1e+09 of the constant 'mask'" in str(error)
    assert not (result.irs[0].ir.xml.parents[1] / "FP16").exists()
    with pytest.raises(ParityError, match="'mask'"):
        converted(made, "FP16")


def test_the_command_writes_what_it_can_and_ends_in_1(tmp_path: Path) -> None:
    made = outside_onnx.masked_class(tmp_path)
    root = str(made.folder.root)
    models = str(made.folder.models)
    done = run("convert", "--models_dir", models, "-d", root, "--name", "outside", "--json")
    assert done.code == 1
    printed = json.loads(done.out)
    assert [ir["precision"] for ir in printed["models"][0]["irs"]] == ["FP32"]
    assert [(one["name"], one["precision"]) for one in printed["failed"]] == [("outside", "FP16")]
    assert "outside: FP16 was not written: " in done.err
    assert "--precisions FP32" in done.err


def test_a_masked_class_does_not_blind_the_limit(tmp_path: Path) -> None:
    """The mask is right and another class is wrong: by less than rounding of the mask, and more than its own."""
    from mixnet_tools.conversion.parity import compare_outputs

    rng = np.random.default_rng(1)
    right = rng.normal(0, 3, (8, 10)).astype(np.float32)
    right[:, 7] += np.float32(-1e9)
    wrong = right.copy()
    wrong[3, 2] += 0.5
    assert compare_outputs(right, right, "FP32").conclusive
    assert not compare_outputs(right, wrong, "FP32").passed
    unmasked = compare_outputs(right[:, :7], wrong[:, :7], "FP32")
    assert compare_outputs(right, wrong, "FP32").limit == pytest.approx(unmasked.limit, rel=0.5)


def test_a_random_operation_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"draws random numbers, in dropout/.*RandomUniform") as caught:
        converted(outside_tensorflow.random_operation(tmp_path))
    assert "report" not in str(caught.value.hint)


def _keras(path: Path) -> None:
    layers = import_tensorflow().keras.layers
    network = import_tensorflow().keras.Sequential([layers.Input((8, 8, 3)), layers.Flatten(), layers.Dense(2)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' own, of NumPy
        network.save(path)


def _checkpoint_of_tensorflow_2(path: Path) -> None:
    tf = import_tensorflow()
    tf.train.Checkpoint(weight=tf.Variable([1.0])).write(str(path.with_suffix("")))


def _onnx(path: Path) -> None:
    build = outside_onnx.Builder()
    build.classifier("data")
    build.save(path, ["data"], ["logits"])


def _frozen(path: Path) -> None:
    tf = import_tensorflow()
    with tf.Graph().as_default() as graph:
        tf.compat.v1.placeholder(tf.float32, [1, 8, 8, 3], name="image")
    path.write_bytes(graph.as_graph_def().SerializeToString())


def _saved_model(path: Path) -> None:
    tf = import_tensorflow()
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    tf.saved_model.save(module, str(path.parent))


@pytest.mark.parametrize(
    ("make", "argument", "framework", "words", "advice"),
    [
        (_keras, "--input_model=$dl_dir/net.h5", "tf", "a Keras model in HDF5", ".export('saved_model')"),
        (_keras, "--input_model=$dl_dir/net.keras", "tf", "a Keras model (.keras)", ".export('saved_model')"),
        (
            _checkpoint_of_tensorflow_2,
            "--input_meta_graph=$dl_dir/net.ckpt.meta",
            "tf",
            "a checkpoint of TensorFlow 2 without its graph",
            "tf.saved_model.save",
        ),
        (_onnx, "--input_model=$dl_dir/net.pb", "tf", "an ONNX model", "set framework: onnx"),
        (_frozen, "--input_model=$dl_dir/net.onnx", "onnx", "a TensorFlow graph", "set framework: tf"),
        (_frozen, "--saved_model_dir=$dl_dir/saved_model.pb", "tf", "a TensorFlow graph", "--input_model=$dl_dir/"),
        (_saved_model, "--input_model=$dl_dir/saved_model.pb", "tf", "the graph of a SavedModel", "--saved_model_dir"),
    ],
    ids=["h5", "keras", "tf2-checkpoint", "onnx-called-pb", "pb-called-onnx", "frozen-for-saved", "saved-for-frozen"],
)
def test_a_model_of_another_format_is_recognized(
    make: Callable[[Path], None], argument: str, framework: str, words: str, advice: str, tmp_path: Path
) -> None:
    folder = ModelFolder(tmp_path, "outside", [argument], image_input("image", 8), framework=framework)
    make(folder.files / argument.rpartition("/")[2])
    with pytest.raises(FreezeError) as caught:
        convert(folder.descriptor, folder.root, folder.root)
    assert words in str(caught.value)
    assert advice in (caught.value.hint or "")
    assert "download" not in (caught.value.hint or "")


def test_signatures_are_listed_where_none_is_the_one(tmp_path: Path) -> None:
    folder = outside_tensorflow.a_chosen_signature(tmp_path).folder
    folder.change(model_optimizer_args=["--saved_model_dir=$dl_dir/saved", "--output=y"])
    with pytest.raises(FreezeError, match=r"several signatures.*available: first, second") as caught:
        convert(folder.descriptor, folder.root, folder.root)
    assert caught.value.hint == "choose one: `signature=first`"
    options = ConversionOptions(precisions=("FP32",), signature="second")
    assert convert(folder.descriptor, folder.root, folder.root, options).irs[0].parity
    with pytest.raises(FreezeError, match=r"no signature 'third'; available: first, second"):
        convert(folder.descriptor, folder.root, folder.root, replace(options, signature="third"))


def test_tags_are_listed_where_no_graph_has_them(tmp_path: Path) -> None:
    folder = outside_tensorflow.chosen_tags(tmp_path).folder
    root = str(folder.root)
    words = ["--models_dir", str(folder.models), "-d", root, "--name", "outside", "--precisions", "FP32", "--tags"]
    assert "the tags of its graphs are: gpu, serve; serve" in run_failing("convert", *words, "tpu")
    run_ok("convert", *words, "serve")


def test_a_frozen_signature_has_the_plans_names(tmp_path: Path) -> None:
    made = outside_tensorflow.tensors_behind_the_signature(tmp_path)
    folder = made.folder
    options = ConversionOptions(precisions=("FP32",), freezer="tensorflow")
    (ir,) = convert(folder.descriptor, folder.root, folder.root, options).irs
    given = OpenVinoModel(ir.ir.xml).infer(made.feeds[0])
    np.testing.assert_allclose(next(iter(given.values())), made.answers[0][0], rtol=1e-3)


def test_nothing_that_the_model_optimizer_converted_is_refused_without_a_reason() -> None:
    assert model_optimizer.kinds().keys() == model_optimizer.CONVERTS.keys()
    converted_here = {kind.__name__ for kind in (*TENSORFLOW, *ONNX)}
    refused = {name for name in model_optimizer.CONVERTS if name not in converted_here}
    assert refused == set(model_optimizer.REFUSED_BY_US)
