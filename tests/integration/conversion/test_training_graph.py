"""The TF1 builder makes what the Cloud TPU project published, and the zoo's own model has that form."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import yaml
from PIL import Image

from mixnet_tools.conversion.convert import convert
from mixnet_tools.conversion.options import ConversionOptions
from mixnet_tools.inference.openvino import OpenVinoModel
from tests.support import graphs
from tests.support.standin import StandIn, build_mixnet_archive, in_form, synthetic_images, variable_names
from training import mixnet, mixnet_tf1, render, train_nano
from training.layer_names import Form

NANO = Path(__file__).parents[3] / "models" / "public" / "mixnet-nano"


def _ops(graph: tf.Graph) -> Counter[str]:
    return Counter(op.type for op in graph.get_operations())


@pytest.fixture(scope="module")
def graph_l() -> tf.Graph:
    return mixnet_tf1.build_eval_graph(mixnet.MIXNET_L)


@pytest.fixture(scope="module")
def nano_standin(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return build_mixnet_archive(tmp_path_factory.mktemp("standin") / "nano.tar.gz", "nano", resolution=64)


@pytest.fixture(scope="module")
def validation() -> tuple[train_nano.Images, train_nano.Labels]:
    return train_nano.read_validation_set(NANO / "validation")


def test_mixnet_l_has_the_published_size(graph_l: tf.Graph) -> None:
    assert mixnet_tf1.count_parameters(graph_l) == 7_329_252
    with graph_l.as_default():
        assert len(tf.trainable_variables()) == 305
        assert len(tf.global_variables()) == 843
    assert 0.55e9 < mixnet_tf1.count_macs(graph_l) < 0.57e9


@pytest.mark.parametrize(
    ("variant", "parameters", "gigamacs"), [("s", 4_134_606, 0.24), ("m", 5_014_382, 0.34), ("nano", 108_554, 0.005)]
)
def test_other_variants_have_sane_sizes(variant: str, parameters: int, gigamacs: float) -> None:
    graph = mixnet_tf1.build_eval_graph(mixnet.VARIANTS[variant])
    assert mixnet_tf1.count_parameters(graph) == parameters
    assert mixnet_tf1.count_macs(graph) / 1e9 == pytest.approx(gigamacs, rel=0.05)


def test_graph_has_the_published_names_and_shapes(graph_l: tf.Graph) -> None:
    assert graph_l.get_operation_by_name("OneShotIterator").type == "OneShotIterator"
    images, labels = graph_l.get_operation_by_name("IteratorGetNext").outputs
    assert images.dtype == tf.float32
    assert images.shape.as_list() == [None, 224, 224, 3]
    assert labels.shape.as_list() == [None]
    sub, truediv = (graph_l.get_operation_by_name(name) for name in ("sub", "truediv"))
    assert sub.inputs[0] is images
    assert truediv.inputs[0] is sub.outputs[0]
    logits = graph_l.get_operation_by_name("logits")
    assert logits.type == "Identity"
    assert logits.outputs[0].shape.as_list() == [None, 1000]
    assert [op.type for op in logits.outputs[0].consumers()] == ["Softmax"]


def test_graph_mixes_both_kinds_of_variables_behind_an_input_pipeline(graph_l: tf.Graph) -> None:
    types = _ops(graph_l)
    # Batch normalization (58 layers, four each) and its averages, and global_step, are reference variables.
    assert types["VariableV2"] == 2 * 4 * 58 + 1
    assert types["VarHandleOp"] == 843 - types["VariableV2"]
    assert types["FusedBatchNormV3"] == 58
    assert {"ReadVariableOp", "MapDataset", "BatchDatasetV2", "DepthwiseConv2dNative", "Softmax"} <= set(types)
    assert "FusedBatchNorm" not in types
    assert len(graph_l.as_graph_def().library.function) > 0


def test_the_upstream_form_has_the_names_of_the_cloud_tpu_projects_builder() -> None:
    plain, upstream = (variable_names(mixnet.MIXNET_L, form) for form in ("plain", "upstream"))
    assert len(plain) == len(set(upstream)) == 421
    assert plain[0] == "mixnet-l/mixnet_model/stem/conv2d/kernel"
    # Convolutions are numbered over the whole model, the blocks' first. Batch normalization is outside mixnet_model.
    assert upstream[:2] == ("mixnet-l/mixnet_model/stem/conv2d_94/kernel", "mixnet-l/stem/batch_normalization/gamma")
    assert upstream[-2] == "mixnet-l/mixnet_model/head/dense/kernel"
    assert {
        "mixnet-l/mixnet_model/blocks_0/conv2d/kernel",
        "mixnet-l/blocks_1/batch_normalization_2/moving_variance",
        "mixnet-l/mixnet_model/blocks_3/depthwise_conv2d_8/depthwise_kernel",
        "mixnet-l/mixnet_model/blocks_18/se/conv2d_91/bias",
        "mixnet-l/mixnet_model/head/conv2d_95/kernel",
        "mixnet-l/head/batch_normalization/beta",
    } <= set(upstream)


@pytest.mark.parametrize(("form", "operation"), [("upstream", "IdentityN"), ("upstream-2018", "swish_f32")])
def test_the_upstream_forms_hide_48_swishes(form: Form, operation: str) -> None:
    graph = mixnet_tf1.build_eval_graph(mixnet.MIXNET_L, form)
    assert _ops(graph)[operation] == 48
    assert ("swish_f32" in {f.signature.name for f in graph.as_graph_def().library.function}) == (
        operation == "swish_f32"
    )


def test_channels_split_evenly_and_the_first_takes_the_remainder() -> None:
    assert mixnet.split_channels(120, 4) == [30, 30, 30, 30]
    assert mixnet.split_channels(128, 3) == [44, 42, 42]


def test_blocks_repeat_with_stride_one() -> None:
    blocks = mixnet.MIXNET_L.blocks()
    assert len(blocks) == 19
    assert [block.out_channels for block in blocks[:4]] == [32, 40, 40, 56]
    assert all(block.stride == 1 for block in blocks if block.in_channels == block.out_channels)


def _members(archive: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(archive) as tar:
        return tar.getmembers()


def _variables(archive: Path, folder: Path) -> dict[str, np.ndarray]:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (checkpoint,) = folder.glob("*/model.ckpt.index")
    reader = tf.train.load_checkpoint(str(checkpoint.with_suffix("")))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_standin_is_a_published_style_archive(nano_standin: StandIn, tmp_path: Path) -> None:
    assert [m.name for m in _members(nano_standin.path)] == [f"mixnet-nano/{n}" for n in mixnet_tf1.CHECKPOINT_FILES]
    data = nano_standin.path.read_bytes()
    assert (nano_standin.size, nano_standin.sha384) == (len(data), hashlib.sha384(data).hexdigest())
    values = _variables(nano_standin.path, tmp_path)
    averages = {name for name in values if name.endswith(mixnet_tf1.EMA_SUFFIX)}
    raw = set(values) - averages - {"global_step"}
    assert {name + mixnet_tf1.EMA_SUFFIX for name in raw} == averages
    for name in raw:
        assert np.any(values[name] != 0), name
        assert np.abs(values[name] - values[name + mixnet_tf1.EMA_SUFFIX]).max() > 1e-3 * np.abs(values[name]).max(), (
            name
        )


def test_standin_is_the_same_for_the_same_seed(nano_standin: StandIn, tmp_path: Path) -> None:
    again = build_mixnet_archive(tmp_path / "again.tar.gz", "nano", resolution=64)
    first = _variables(nano_standin.path, tmp_path / "first")
    second = _variables(again.path, tmp_path / "second")
    for name, value in first.items():
        # Sums over a batch run in several threads, whose order is not fixed.
        np.testing.assert_allclose(value, second[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_standin_answers_depend_on_image_and_channel_order(nano_standin: StandIn, tmp_path: Path) -> None:
    with tarfile.open(nano_standin.path) as tar:
        tar.extractall(tmp_path, filter="data")
    prefix = str(tmp_path / "mixnet-nano" / "model.ckpt")
    images = synthetic_images(8, 64, seed=99)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(f"{prefix}.meta").restore(session, prefix)
        rgb, bgr = (session.run("logits:0", {"IteratorGetNext:0": x}) for x in (images, images[..., ::-1]))
    assert len(set(rgb.argmax(axis=1))) >= 4
    assert 0.5 < rgb.std() < 20
    assert np.abs(rgb - bgr).max(axis=1).min() > 0.1


def test_every_form_of_the_graph_converts_to_the_same_answers(nano_standin: StandIn, tmp_path: Path) -> None:
    forms: tuple[Form, ...] = ("upstream", "upstream-2018")
    spec = dataclasses.replace(mixnet.MIXNET_NANO, num_classes=1000)
    archives = [in_form(nano_standin, tmp_path / f"{form}.tar.gz", spec, form) for form in forms]
    answers = []
    for archive in (nano_standin, *archives):
        folder = graphs.unpacked(tmp_path / archive.path.stem, archive, 64)
        converted = convert(folder.descriptor, folder.root, folder.root, ConversionOptions(precisions=("FP32",)))
        (ir,) = converted.irs
        answers.append(OpenVinoModel(ir.ir.xml).run(synthetic_images(4, 64, seed=98)))
    assert np.ptp(answers[0], axis=0).max() > 0.5
    for other in answers[1:]:
        np.testing.assert_allclose(other, answers[0], rtol=0, atol=1e-4)


def test_training_gives_every_value_that_the_export_needs(tmp_path: Path) -> None:
    images, labels = train_nano.training_set(2 * train_nano.BATCH, seed=5)
    values = train_nano.train(images, labels, epochs=1, seed=5, threads=2)
    assert values["global_step"] == 2
    folder = mixnet_tf1.export_checkpoint(train_nano.SPEC, values, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == list(mixnet_tf1.CHECKPOINT_FILES)
    archives = [tmp_path / "first.tar.gz", tmp_path / "second.tar.gz"]
    for archive in archives:
        mixnet_tf1.pack_archive(folder, archive)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    moved = [name for name in values if name.endswith("moving_mean")]
    assert all(np.any(values[name] != 0) for name in moved)


def test_nano_descriptor_states_its_archive() -> None:
    descriptor = yaml.safe_load((NANO / "model.yml").read_text(encoding="utf-8"))
    (entry,) = descriptor["files"]
    data = (NANO / entry["name"]).read_bytes()
    assert entry["source"] == {"$type": "file", "path": "mixnet-nano.tar.gz"}
    assert entry["size"] == len(data)
    assert entry["checksum"] == hashlib.sha384(data).hexdigest()


def test_nano_archive_is_packed_reproducibly() -> None:
    members = _members(NANO / "mixnet-nano.tar.gz")
    assert [member.name for member in members] == [f"mixnet-nano/{name}" for name in mixnet_tf1.CHECKPOINT_FILES]
    assert all(member.isreg() and member.mtime == 0 and member.uid == 0 for member in members)


def test_nano_holds_trained_values_twice(tmp_path: Path) -> None:
    values = _variables(NANO / "mixnet-nano.tar.gz", tmp_path)
    raw = [name for name in values if name + mixnet_tf1.EMA_SUFFIX in values]
    assert 2 * len(raw) + 1 == len(values) == 387
    assert values["global_step"] > 1000
    assert all(np.any(values[name] != 0) for name in raw)
    assert sum(np.any(values[name] != values[name + mixnet_tf1.EMA_SUFFIX]) for name in raw) == len(raw)


def test_nano_fits_into_the_repository() -> None:
    jpegs = list((NANO / "validation").glob("*.jpg"))
    assert len(jpegs) >= 500
    assert sum(path.stat().st_size for path in [*jpegs, NANO / "mixnet-nano.tar.gz"]) <= 2_000_000
    assert (NANO / "labels.txt").read_text(encoding="utf-8").split() == list(render.CLASSES)


def test_nano_validation_pictures_are_the_rendered_ones() -> None:
    rows = [line.split() for line in (NANO / "validation" / "val.txt").read_text(encoding="utf-8").splitlines()]
    for index, (name, label) in list(enumerate(rows))[::60]:
        again = Image.open(io.BytesIO(render.to_jpeg(render.render(int(label), train_nano.SEED - 1 - index))))
        stored = Image.open(NANO / "validation" / name)
        assert stored.size == again.size
        # Another libjpeg may round differently.
        assert np.abs(np.asarray(stored, np.float32) - np.asarray(again, np.float32)).mean() < 2.0, name


def test_nano_reaches_the_accuracy_it_states(validation: tuple[train_nano.Images, train_nano.Labels]) -> None:
    config = yaml.safe_load((NANO / "accuracy-check.yml").read_text(encoding="utf-8"))
    measured = train_nano.evaluate(NANO / "mixnet-nano.tar.gz", *validation)
    for entry in config["models"]:
        metrics = {metric["top_k"]: metric["reference"] for metric in entry["datasets"][0]["metrics"]}
        assert measured == pytest.approx((metrics[1], metrics[5]), abs=0.002)
    assert 0.85 <= measured[0] <= 0.97
    assert measured[0] < measured[1]


def test_nano_loses_at_least_20_points_with_swapped_channels(
    validation: tuple[train_nano.Images, train_nano.Labels],
) -> None:
    images, labels = validation
    right, _ = train_nano.evaluate(NANO / "mixnet-nano.tar.gz", images, labels)
    swapped, _ = train_nano.evaluate(NANO / "mixnet-nano.tar.gz", images[..., ::-1], labels)
    assert right - swapped > 0.2
