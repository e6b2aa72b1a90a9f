"""Source models of every form that conversion takes, small and with random weights."""

from __future__ import annotations

import copy
import functools
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml

from mixnet_tools.conversion.comparison_inputs import natural_images
from mixnet_tools.descriptors.model_yml import ModelDescriptor, load_descriptor
from tests.support.standin import StandIn, build_archive, build_mixnet_archive
from tests.support.tensorflow_import import import_tensorflow
from tests.support.zoo_builder import descriptor_data, write_model
from training.mixnet import BlockArgs, MixNetSpec

MEAN, SCALE = (123.68, 116.78, 103.94), (58.395, 57.12, 57.375)

EFFICIENTNET_B0 = MixNetSpec(
    "efficientnet-b0",
    32,
    (
        BlockArgs((3,), 1, 1, 1, 1, 32, 16, 0.25),
        BlockArgs((3,), 1, 1, 2, 6, 16, 24, 0.25, 2),
        BlockArgs((5,), 1, 1, 2, 6, 24, 40, 0.25, 2),
        BlockArgs((3,), 1, 1, 2, 6, 40, 80, 0.25, 3),
        BlockArgs((5,), 1, 1, 1, 6, 80, 112, 0.25, 3),
        BlockArgs((5,), 1, 1, 2, 6, 112, 192, 0.25, 4),
        BlockArgs((3,), 1, 1, 1, 6, 192, 320, 0.25, 1),
    ),
    head=1280,
    resolution=128,
)
"""An EfficientNet-B0 in the form of Cloud TPU's published checkpoints (Tan & Le 2019, table 1), at a smaller input."""


class ModelFolder:
    """A descriptor and the model's files, as mixnet-download would have left them below ``root``."""

    def __init__(
        self, root: Path, name: str, arguments: list[str], inputs: list[dict[str, Any]], **changes: Any
    ) -> None:
        self.root, self.name = root, name
        data = descriptor_data(
            files=[], postprocessing=None, model_optimizer_args=arguments, input_info=inputs, **changes
        )
        self.models = root / "models"
        self.path = write_model(self.models, name, data)
        self.files = root / "public" / name
        self.files.mkdir(parents=True, exist_ok=True)

    @property
    def descriptor(self) -> ModelDescriptor:
        """The descriptor as it stands on disk now."""
        return load_descriptor(self.path, PurePosixPath("public") / self.name)

    def copy_to(self, root: Path) -> ModelFolder:
        """The same model in another place, to be damaged there."""
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        copied = copy.copy(self)
        copied.root, copied.models = root, root / "models"
        copied.path, copied.files = root / self.path.relative_to(self.root), root / self.files.relative_to(self.root)
        return copied

    def change(self, **changes: Any) -> None:
        """Rewrite keys of the descriptor."""
        self.path.write_text(yaml.safe_dump({**yaml.safe_load(self.path.read_text()), **changes}))


def image_input(name: str, side: int, layout: str = "NHWC") -> list[dict[str, Any]]:
    """input_info of one image."""
    shape = [1, side, side, 3] if layout == "NHWC" else [1, 3, side, side]
    return [{"name": name, "shape": shape, "layout": layout}]


def mixnet(root: Path, variant: str) -> ModelFolder:
    """A full-size MixNet checkpoint behind an iterator, cut at the iterator's output."""
    return unpacked(root, build_mixnet_archive(root / "archive.tar.gz", variant), 224)


def unpacked(root: Path, archive: StandIn, side: int) -> ModelFolder:
    """A MixNet checkpoint that was published as ``archive``, cut at its iterator's output."""
    folder = _checkpoint_folder(root, archive.name, "IteratorGetNext:0", side)
    _unpack(archive.path, folder.files)
    return folder


def efficientnet(root: Path) -> ModelFolder:
    """An EfficientNet-B0 checkpoint, cut at an operation's input as its descriptor in Open Model Zoo has it."""
    folder = _checkpoint_folder(root, EFFICIENTNET_B0.name, "0:sub", EFFICIENTNET_B0.resolution)
    archive = build_archive(root / "archive.tar.gz", EFFICIENTNET_B0)
    _unpack(archive.path, folder.files)
    return folder


def frozen_mobilenet(root: Path, *, text: bool = False) -> ModelFolder:
    """A MobileNetV2 frozen graph that leaves normalisation to mean_values and scale_values."""
    tf = import_tensorflow()
    suffix = "pbtxt" if text else "pb"
    folder = ModelFolder(
        root,
        "mobilenet-v2",
        [
            f"--input_model=$dl_dir/net.{suffix}",
            "--output=MobilenetV2/Predictions/Reshape_1",
            "--reverse_input_channels",
            "--mean_values=input[127.5,127.5,127.5]",
            "--scale_values=input[127.5]",
        ],
        image_input("input", 96),
    )
    frozen = _mobilenet()
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, [None, 96, 96, 3], name="input")
        (probabilities,) = tf.graph_util.import_graph_def(
            frozen.as_graph_def(), {frozen.inputs: image}, [frozen.outputs], name="MobilenetV2"
        )
        tf.reshape(probabilities, [-1, 1000], name="MobilenetV2/Predictions/Reshape_1")
    tf.io.write_graph(graph.as_graph_def(), str(folder.files), f"net.{suffix}", as_text=text)
    return folder


@functools.cache
def _mobilenet() -> _Frozen:
    """The network of :func:`frozen_mobilenet`, which takes Keras seconds to build."""
    tf = import_tensorflow()
    tf.keras.utils.set_random_seed(5)
    network = tf.keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, weights=None)
    _enliven(tf, network)
    return _frozen_keras(tf, network)


def keras_saved_model(root: Path) -> ModelFolder:
    """A Keras network exported as SavedModel, with mean and scale in the descriptor."""
    tf = import_tensorflow()
    mean, scale = (",".join(map(str, values)) for values in (MEAN, SCALE))
    folder = ModelFolder(
        root,
        "keras-net",
        [
            "--saved_model_dir=$conv_dir/net.savedmodel",
            "--reverse_input_channels",
            f"--mean_values=input_1[{mean}]",
            f"--scale_values=input_1[{scale}]",
        ],
        image_input("input_1", 64),
    )
    tf.keras.utils.set_random_seed(6)
    image = tf.keras.Input((64, 64, 3), name="input_1")
    network = tf.keras.applications.MobileNetV3Small(
        input_tensor=image, weights=None, include_preprocessing=False, classes=50
    )
    _enliven(tf, network, named_input=True)
    network.export(str(folder.files / "net.savedmodel"), verbose=False)
    return folder


def tf1_saved_model(root: Path) -> ModelFolder:
    """A SavedModel with a signature, as TensorFlow 1 wrote them."""
    v1 = import_tensorflow().compat.v1
    folder = ModelFolder(
        root,
        "tf1-net",
        ["--saved_model_dir=$dl_dir/saved", "--output=scores", "--reverse_input_channels"],
        image_input("image", 16),
    )
    with v1.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(v1.float32, [None, 16, 16, 3], name="image")
        scores = _tiny_network(v1, image)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(folder.files / "saved"), {"image": image}, {"scores": scores})
    return folder


def sharded_checkpoint(root: Path, *, old_format: bool = False) -> ModelFolder:
    """A checkpoint in several data files, or in the one file of TensorFlow 0.x's format."""
    v1 = import_tensorflow().compat.v1
    folder = _checkpoint_folder(root, "sharded-net", "image", 16, output="scores", inside="")
    version = v1.train.SaverDef.V1 if old_format else v1.train.SaverDef.V2
    config = v1.ConfigProto(device_count={"CPU": 2})
    with v1.Graph().as_default() as graph, v1.Session(graph=graph, config=config) as session:
        with v1.device("/cpu:0"):
            image = v1.placeholder(v1.float32, [None, 16, 16, 3], name="image")
            features = _tiny_layer(v1, image, "first", 8)
        with v1.device("/cpu:1"):
            v1.identity(v1.reduce_mean(_tiny_layer(v1, features, "second", 10), [1, 2]), name="scores")
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(sharded=not old_format, write_version=version)
        saver.save(session, str(folder.files / "model.ckpt"))
    return folder


def onnx_network(root: Path) -> ModelFolder:
    """A small convolutional ONNX model (NCHW) with mean, scale and reversal in the descriptor."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(3)

    def weights(name: str, *shape: int) -> Any:
        return numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["data", "k1", "b1"], ["c1"], kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("GlobalAveragePool", ["r1"], ["g1"]),
        helper.make_node("Flatten", ["g1"], ["features"]),
        helper.make_node("Gemm", ["features", "k2", "b2"], ["prob"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("prob", TensorProto.FLOAT, [1, 20])],
        [weights("k1", 12, 3, 3, 3), weights("b1", 12), weights("k2", 20, 12), weights("b2", 20)],
    )
    folder = ModelFolder(
        root,
        "onnx-net",
        [
            "--input_model=$dl_dir/net.onnx",
            "--input=data",
            "--output=prob",
            "--input_shape=[1,3,32,32]",
            "--reverse_input_channels",
            "--mean_values=data[123.675,116.28,103.53]",
            "--scale_values=data[58.395,57.12,57.375]",
        ],
        image_input("data", 32, "NCHW"),
        framework="onnx",
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder.files / "net.onnx"
    )
    return folder


def frozen_graph(
    root: Path, build: Callable[[Any], Any], arguments: list[str], inputs: list[dict[str, Any]]
) -> ModelFolder:
    """A frozen graph that ``build(tensorflow.compat.v1)`` draws, with whatever arguments and inputs."""
    v1 = import_tensorflow().compat.v1
    folder = ModelFolder(root, "drawn", ["--input_model=$dl_dir/net.pb", *arguments], inputs)
    with v1.Graph().as_default() as graph:
        build(v1)
    v1.io.write_graph(graph.as_graph_def(), str(folder.files), "net.pb", as_text=False)
    return folder


class _Frozen:
    """A Keras model as constants: its GraphDef, and the names of its one input and output."""

    def __init__(self, function: Any) -> None:
        self.as_graph_def = function.graph.as_graph_def
        self.inputs, self.outputs = function.inputs[0].name, function.outputs[0].name


def _frozen_keras(tf: Any, network: Any) -> _Frozen:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    spec = tf.TensorSpec(network.inputs[0].shape, tf.float32)
    function = tf.function(lambda image: network(image, training=False)).get_concrete_function(spec)
    return _Frozen(convert_variables_to_constants_v2(function))


def _enliven(tf: Any, network: Any, *, named_input: bool = False) -> None:
    """Make a randomly initialised Keras network tell images apart.

    Its moving statistics become those of a batch of images, so that no layer dies out or explodes, and its classifier
    is enlarged.
    """
    side = int(network.inputs[0].shape[1])
    images = (natural_images(8, side, side) - 127.5) / 60
    for layer in network.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network([images] if named_input else images, training=True)
    for layer in reversed(network.layers):
        if layer.weights:
            layer.set_weights([8 * weight for weight in layer.get_weights()])
            return


def _tiny_layer(v1: Any, image: Any, name: str, channels: int) -> Any:
    shape = [3, 3, int(image.shape[3]), channels]
    kernel = v1.get_variable(name, shape, initializer=v1.random_normal_initializer(0, 0.1, seed=4), use_resource=False)
    return v1.nn.relu(v1.nn.conv2d(image, kernel, strides=[1, 2, 2, 1], padding="SAME"))


def _tiny_network(v1: Any, image: Any) -> Any:
    return v1.reduce_mean(_tiny_layer(v1, _tiny_layer(v1, image, "first", 8), "second", 10), [1, 2])


def _checkpoint_folder(
    root: Path, name: str, cut: str, side: int, output: str = "logits", inside: str | None = None
) -> ModelFolder:
    place = f"{name}/" if inside is None else inside
    arguments = [f"--input_meta_graph=$dl_dir/{place}model.ckpt.meta", f"--output={output}", "--reverse_input_channels"]
    return ModelFolder(root, name, arguments, image_input(cut, side))


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
