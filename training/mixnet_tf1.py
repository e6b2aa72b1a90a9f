"""MixNet as a TensorFlow 1 graph, and its export as a checkpoint of the published form.

The Cloud TPU project publishes an *evaluation* graph that reads its images from a one-shot iterator, and stores every
variable twice: the raw value and its exponential moving average. Callers bring the weights: ``train_nano`` learns them,
``tests/support/standin.py`` draws them.
"""

from __future__ import annotations

import gzip
import math
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow.compat.v1 as tf

from training.layer_names import Form, LayerNames, swish
from training.mixnet import BlockArgs, MixNetSpec, se_channels, split_channels

Array = npt.NDArray[np.generic]
Values = Mapping[str, Array]

MEAN_RGB = (123.675, 116.28, 103.53)
STD_RGB = (58.395, 57.12, 57.375)
BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.99
EMA_SUFFIX = "/ExponentialMovingAverage"
LOGITS = "logits"
POOLED = "pooled"  # the graph collection with the input of the classifier, float32 [?, head]
CHECKPOINT_FILES = ("checkpoint", "model.ckpt.data-00000-of-00001", "model.ckpt.index", "model.ckpt.meta")


def _kernel(name: str, shape: Sequence[int], fan: int) -> tf.Variable:
    """A resource variable (``VarHandleOp`` + ``ReadVariableOp``), drawn from N(0, 2/fan)."""
    initializer = tf.random_normal_initializer(stddev=math.sqrt(2.0 / fan))
    return tf.get_variable(name, shape, tf.float32, initializer, use_resource=True)


def _bias(name: str, size: int) -> tf.Variable:
    return tf.get_variable(name, [size], tf.float32, tf.zeros_initializer(), use_resource=True)


class _Layers:
    """The layers of a MixNet, added to the current graph with the names and the swish of ``form``."""

    def __init__(self, spec: MixNetSpec, form: Form, training: bool) -> None:
        self.names, self._form, self._training = LayerNames(spec, form), form, training

    def conv(self, x: tf.Tensor, channels: int, size: int, stride: int, bias: bool = False) -> tf.Tensor:
        """A dense convolution: [?, H, W, in] -> [?, ceil(H/stride), ceil(W/stride), channels]."""
        fan_out = size * size * channels
        with self.names.layer("conv2d") as variables:
            kernel = _kernel(f"{variables}/kernel", [size, size, int(x.shape[3]), channels], fan_out)
            x = tf.nn.conv2d(x, kernel, strides=[1, stride, stride, 1], padding="SAME", name="Conv2D")
            return tf.nn.bias_add(x, _bias(f"{variables}/bias", channels), name="BiasAdd") if bias else x

    def _grouped_conv(self, x: tf.Tensor, channels: int, groups: int) -> tf.Tensor:
        """A 1x1 convolution in ``groups`` groups: split -> one convolution each -> concat."""
        if groups == 1:
            return self.conv(x, channels, 1, 1)
        inputs = tf.split(x, split_channels(int(x.shape[3]), groups), axis=3)
        outputs = split_channels(channels, groups)
        return tf.concat([self.conv(i, o, 1, 1) for i, o in zip(inputs, outputs, strict=True)], axis=3)

    def _mix_conv(self, x: tf.Tensor, kernels: Sequence[int], stride: int) -> tf.Tensor:
        """MixConv: channels split over depthwise convolutions of several sizes, then joined again."""
        sizes = split_channels(int(x.shape[3]), len(kernels))
        inputs = tf.split(x, sizes, axis=3) if len(kernels) > 1 else [x]
        parts = []
        for part, channels, size in zip(inputs, sizes, kernels, strict=True):
            with self.names.layer("depthwise_conv2d") as variables:
                kernel = _kernel(f"{variables}/depthwise_kernel", [size, size, channels, 1], size * size)
                strides = [1, stride, stride, 1]
                parts.append(tf.nn.depthwise_conv2d_native(part, kernel, strides, "SAME", name="depthwise"))
        return tf.concat(parts, axis=3) if len(parts) > 1 else parts[0]

    def batch_norm(self, x: tf.Tensor) -> tf.Tensor:
        """Batch normalization with reference variables (``VariableV2``), as the TPU code's own layer had.

        In training it uses the batch's statistics, and the operations in ``UPDATE_OPS`` update the moving ones.
        """
        size = [int(x.shape[3])]
        with self.names.layer("batch_normalization") as variables:

            def variable(name: str, value: float, trainable: bool) -> tf.Variable:
                path, initializer = f"{variables}/{name}", tf.constant_initializer(value)
                return tf.get_variable(path, size, tf.float32, initializer, trainable=trainable, use_resource=False)

            gamma, beta = variable("gamma", 1.0, True), variable("beta", 0.0, True)
            mean, var = variable("moving_mean", 0.0, False), variable("moving_variance", 1.0, False)
            if not self._training:
                y, _, _ = tf.nn.fused_batch_norm(
                    x, gamma, beta, mean, var, epsilon=BATCH_NORM_EPSILON, is_training=False
                )
                return y
            y, batch_mean, batch_var = tf.nn.fused_batch_norm(x, gamma, beta, epsilon=BATCH_NORM_EPSILON)
            for moving, batch in ((mean, batch_mean), (var, batch_var)):
                step = (moving - batch) * (1.0 - BATCH_NORM_MOMENTUM)
                tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.assign_sub(moving, step))
                tf.add_to_collection(f"batch/{moving.op.name}", batch)
            return y

    def _activation(self, x: tf.Tensor, is_swish: bool) -> tf.Tensor:
        return swish(x, self._form) if is_swish else tf.nn.relu(x)

    def _squeeze_excite(self, x: tf.Tensor, channels: int) -> tf.Tensor:
        with self.names.scope("se"):
            y = tf.reduce_mean(x, axis=[1, 2], keepdims=True)
            y = self._activation(self.conv(y, channels, 1, 1, bias=True), True)
            return tf.sigmoid(self.conv(y, int(x.shape[3]), 1, 1, bias=True)) * x

    def block(self, x: tf.Tensor, block: BlockArgs) -> tf.Tensor:
        """An inverted residual block."""
        is_swish, shortcut = block.se_ratio is not None, x
        if block.expand_ratio != 1:
            x = self._grouped_conv(x, block.in_channels * block.expand_ratio, block.expand_groups)
            x = self._activation(self.batch_norm(x), is_swish)
        x = self._mix_conv(x, block.kernels, block.stride)
        x = self._activation(self.batch_norm(x), is_swish)
        if squeezed := se_channels(block):
            x = self._squeeze_excite(x, squeezed)
        x = self.batch_norm(self._grouped_conv(x, block.out_channels, block.project_groups))
        x = x + shortcut if block.stride == 1 and block.in_channels == block.out_channels else x
        return x if self._form == "plain" else tf.identity(x)


def build_logits(
    images: tf.Tensor, spec: MixNetSpec, training: bool, dropout: float = 0.0, form: Form = "plain"
) -> tf.Tensor:
    """Add the network to the current graph: RGB [?, R, R, 3] float32 0..255 -> ``logits`` [?, classes].

    Every form makes the same variables in the same order.
    """
    x = tf.subtract(images, tf.constant(MEAN_RGB, tf.float32, [1, 1, 3]), name="sub")
    x = tf.realdiv(x, tf.constant(STD_RGB, tf.float32, [1, 1, 3]), name="truediv")
    layers = _Layers(spec, form, training)
    with layers.names.scope("stem"):
        x = tf.nn.relu(layers.batch_norm(layers.conv(x, spec.stem, 3, 2)))
    for index, block in enumerate(spec.blocks()):
        with layers.names.scope(f"blocks_{index}"):
            x = layers.block(x, block)
    with layers.names.scope("head"):
        x = tf.nn.relu(layers.batch_norm(layers.conv(x, spec.head, 1, 1)))
        x = tf.reduce_mean(x, axis=[1, 2])
        tf.add_to_collection(POOLED, x)
        if training and dropout:
            x = tf.nn.dropout(x, rate=dropout)
        with layers.names.layer("dense") as variables:
            kernel = _kernel(f"{variables}/kernel", [spec.head, spec.num_classes], spec.num_classes)
            x = tf.nn.bias_add(tf.matmul(x, kernel, name="MatMul"), _bias(f"{variables}/bias", spec.num_classes))
    return tf.identity(x, name=LOGITS)


def add_ema_variables() -> dict[tf.Variable, tf.Variable]:
    """Add a variable for the moving average of each variable of the graph. Returns raw variable -> average."""
    averages = {}
    for raw in tf.global_variables():
        shape, resource = raw.shape.as_list(), raw.op.type == "VarHandleOp"
        averages[raw] = tf.get_variable(
            raw.op.name + EMA_SUFFIX,
            shape,
            tf.float32,
            tf.zeros_initializer(),
            trainable=False,
            use_resource=resource,
        )
    return averages


def _image_iterator(resolution: int) -> tf.Tensor:
    """Read images from files that the graph names, as the published graphs do: RGB float32 [?, R, R, 3], 0..255.

    A converter must cut this part off, so a checkpoint for its tests must have it.
    """

    def load(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.image.decode_jpeg(tf.read_file(path), channels=3)
        image = tf.cast(image[tf.newaxis], tf.float32)
        image = tf.raw_ops.ResizeBicubic(images=image, size=[resolution, resolution])[0]
        return tf.clip_by_value(image, 0.0, 255.0), label

    files = tf.data.Dataset.from_tensor_slices((["image.jpg"], np.zeros(1, np.int32)))
    batches = files.map(load).batch(1)
    images, _labels = tf.data.make_one_shot_iterator(batches).get_next()
    return images


def build_eval_graph(spec: MixNetSpec, form: Form = "plain") -> tf.Graph:
    """The evaluation graph of a published checkpoint: iterator -> network -> softmax -> squeeze.

    It holds raw and averaged variables and ``global_step``. The network reads the raw ones.
    """
    graph = tf.Graph()
    with graph.as_default():
        logits = build_logits(_image_iterator(spec.resolution), spec, training=False, form=form)
        tf.squeeze(tf.nn.softmax(logits))
        add_ema_variables()
        tf.get_variable(
            "global_step",
            [],
            tf.int64,
            tf.zeros_initializer(),
            trainable=False,
            use_resource=False,
            collections=[tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.GLOBAL_STEP],
        )
    return graph


def count_parameters(graph: tf.Graph) -> int:
    """Count the trainable parameters of ``graph``."""
    with graph.as_default():
        return sum(int(np.prod(variable.shape.as_list())) for variable in tf.trainable_variables())


def count_macs(graph: tf.Graph) -> int:
    """Count the multiply-adds of convolutions and matrix products for one image."""
    total = 0
    for op in graph.get_operations():
        if op.type in ("Conv2D", "DepthwiseConv2dNative"):
            height, width, channels, last = op.inputs[1].shape.as_list()
            depth = channels * last if op.type == "Conv2D" else channels
            total += int(np.prod(op.outputs[0].shape.as_list()[1:3])) * height * width * depth
        elif op.type == "MatMul":
            total += int(np.prod(op.inputs[1].shape.as_list()))
    return total


def export_checkpoint(spec: MixNetSpec, values: Values, parent: Path, graph: tf.Graph | None = None) -> Path:
    """Write ``parent/<spec.name>/`` with the four files of ``CHECKPOINT_FILES`` and return that folder.

    ``values`` maps each variable's name (without ``:0``) to its value; a missing name is a KeyError. ``graph`` is
    one of :func:`build_eval_graph` where it is not the plain one, or was built before: that takes seconds.
    """
    folder = parent / spec.name
    folder.mkdir(parents=True, exist_ok=True)
    graph = graph or build_eval_graph(spec)
    with graph.as_default(), tf.Session(graph=graph) as session:
        variables = tf.global_variables()
        feeds = {v.initializer.inputs[1]: values[v.op.name] for v in variables}
        session.run([v.initializer for v in variables], feeds)
        saver = tf.train.Saver(variables, save_relative_paths=True)
        saver.save(session, str(folder / "model.ckpt"), write_meta_graph=False)
        meta = saver.export_meta_graph()
    # Saver.save writes the same message, but with its maps in any order.
    (folder / "model.ckpt.meta").write_bytes(meta.SerializeToString(deterministic=True))
    return folder


def pack_archive(folder: Path, archive: Path, level: int = 9) -> None:
    """Pack a checkpoint folder as ``<folder>/...`` in a gzipped tar. The same files give the same bytes."""
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=level, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in CHECKPOINT_FILES:
            path = folder / name
            member = tarfile.TarInfo(f"{folder.name}/{name}")
            member.size = path.stat().st_size
            member.mode = 0o644
            with path.open("rb") as stream:
                tar.addfile(member, stream)
