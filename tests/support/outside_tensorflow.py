"""TensorFlow models of kinds that people bring, each with what TensorFlow itself answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mixnet_tools.conversion.comparison_inputs import natural_images
from mixnet_tools.inference.base import Array
from tests.support.graphs import ModelFolder, image_input
from tests.support.outside import OutsideModel
from tests.support.tensorflow_import import import_tensorflow

SIDE = 24
PICTURES = [image[None] for image in natural_images(3, SIDE, SIDE, seed=3)]
LOGITS = "--output=logits"
META = "--input_meta_graph=$dl_dir/model.ckpt.meta"
FROZEN = "--input_model=$dl_dir/net.pb"
INFERENCE = "--freeze_placeholder_with_value=is_training->False"


class Weights:
    """Random weights, the same in each run."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(11)

    def __call__(self, *shape: int, scale: float = 0.4) -> Array:
        return self._rng.normal(0, scale, shape).astype(np.float32)


@contextmanager
def graph(*, version_2: bool = False) -> Iterator[tuple[Any, Any, Any, Weights]]:
    """TensorFlow, its interface of version 1, a session, and weights. ``version_2``: its variables and control flow."""
    tf = import_tensorflow()
    v1 = tf.compat.v1
    variables, control = v1.resource_variables_enabled(), v1.control_flow_v2_enabled()
    (v1.enable_resource_variables if version_2 else v1.disable_resource_variables)()
    (v1.enable_control_flow_v2 if version_2 else v1.disable_control_flow_v2)()
    try:
        with v1.Graph().as_default(), v1.Session() as session:
            yield tf, v1, session, Weights()
    finally:
        (v1.enable_resource_variables if variables else v1.disable_resource_variables)()
        (v1.enable_control_flow_v2 if control else v1.disable_control_flow_v2)()


def network(tf: Any, v1: Any, image: Any, weights: Weights) -> Any:
    """A convolution, a mean, and ten classes."""
    kernel = v1.get_variable("kernel", initializer=weights(3, 3, int(image.shape[-1]), 8))
    classes = v1.get_variable("classes", initializer=weights(8, 10))
    return tf.matmul(tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(image, kernel, 2, "SAME")), [1, 2]), classes)


def _image(tf: Any, v1: Any, batch: int | None = None) -> Any:
    return v1.placeholder(tf.float32, [batch, SIDE, SIDE, 3], name="image")


def _saved(
    root: Path, session: Any, v1: Any, output: Any, image: Any, *more: str, state: dict[Any, Any] | None = None
) -> OutsideModel:
    """A meta graph with its checkpoint, and its answers."""
    folder = ModelFolder(root, "outside", [META, LOGITS, *more], image_input("image", SIDE))
    session.run(v1.global_variables_initializer())
    v1.train.Saver().save(session, str(folder.files / "model.ckpt"))
    answers = [[session.run(output, {image: picture, **(state or {})})] for picture in PICTURES]
    return OutsideModel(folder, [{"image": picture} for picture in PICTURES], answers)


def _frozen(
    root: Path, session: Any, v1: Any, outputs: list[Any], image: Any, arguments: list[str], name: str
) -> OutsideModel:
    """A frozen graph, and its answers."""
    folder = ModelFolder(root, "outside", [FROZEN, *arguments], image_input(name, SIDE))
    session.run(v1.global_variables_initializer())
    names = [output.op.name for output in outputs]
    frozen = v1.graph_util.convert_variables_to_constants(session, session.graph_def, names)
    (folder.files / "net.pb").write_bytes(frozen.SerializeToString())
    kind = image.dtype.as_numpy_dtype
    answers = [session.run(outputs, {image: picture.astype(kind)}) for picture in PICTURES]
    feed = name.removesuffix(":0")
    key = f"{feed}/placeholder_out_port_0" if name.endswith(":0") else name
    return OutsideModel(folder, [{key: picture} for picture in PICTURES], answers)


def averages_by_the_saver(root: Path) -> OutsideModel:
    """An evaluation graph whose saver restores moving averages, beside a checkpoint in which they differ."""
    folder = ModelFolder(root, "outside", [META, LOGITS], image_input("image", SIDE))
    with graph() as (tf, v1, session, weights):
        network(tf, v1, _image(tf, v1), weights)
        average = tf.train.ExponentialMovingAverage(0.9).apply(v1.trainable_variables())
        session.run(v1.global_variables_initializer())
        session.run(average)
        for variable in v1.trainable_variables():
            session.run(variable.assign(variable * 1.7 + 0.1))
        v1.train.Saver().save(session, str(folder.files / "model.ckpt"), write_meta_graph=False)
    with graph() as (tf, v1, session, weights):
        image = _image(tf, v1)
        logits = tf.identity(network(tf, v1, image, weights), name="logits")
        saver = v1.train.Saver(tf.train.ExponentialMovingAverage(0.9).variables_to_restore())
        saver.restore(session, str(folder.files / "model.ckpt"))
        saver.export_meta_graph(str(folder.files / "model.ckpt.meta"))
        answers = [[session.run(logits, {image: picture})] for picture in PICTURES]
    return OutsideModel(folder, [{"image": picture} for picture in PICTURES], answers)


def captured_by_a_branch(root: Path) -> OutsideModel:
    """A functional If whose branch reads a variable, and calls a function that reads another."""
    with graph(version_2=True) as (tf, v1, session, weights):
        image, training = _image(tf, v1, 1), v1.placeholder(tf.bool, [], name="is_training")
        logits = network(tf, v1, image, weights)
        matrix = v1.get_variable("matrix", initializer=weights(10, 10))
        bias = v1.get_variable("bias", initializer=weights(10))

        @tf.function  # type: ignore[untyped-decorator]
        def layer(x: Any) -> Any:
            return tf.nn.relu(tf.matmul(x, matrix))

        result = v1.cond(training, lambda: logits * 2, lambda: layer(logits) + bias)
        output = tf.add(result, 1.0, name="logits")
        return _saved(root, session, v1, output, image, INFERENCE, state={training: False})


def captured_by_a_loop(root: Path) -> OutsideModel:
    """A functional While whose body reads a variable."""
    with graph(version_2=True) as (tf, v1, session, weights):
        image = _image(tf, v1, 1)
        matrix = v1.get_variable("matrix", initializer=weights(10, 10, scale=0.2))
        _, result = tf.while_loop(
            lambda step, _: step < 3,
            lambda step, x: (step + 1, tf.nn.relu(tf.matmul(x, matrix)) + 0.1),
            [tf.constant(0), network(tf, v1, image, weights)],
        )
        return _saved(root, session, v1, tf.multiply(result, 2.0, name="logits"), image)


def captured_by_a_call(root: Path) -> OutsideModel:
    """A function that is called twice, and reads a variable."""
    with graph(version_2=True) as (tf, v1, session, weights):
        image = _image(tf, v1, 1)
        matrix = v1.get_variable("matrix", initializer=weights(10, 10))

        @tf.function  # type: ignore[untyped-decorator]
        def layer(x: Any) -> Any:
            return tf.nn.relu(tf.matmul(x, matrix))

        output = tf.multiply(layer(layer(network(tf, v1, image, weights))), 2.0, name="logits")
        return _saved(root, session, v1, output, image)


def _folded(root: Path, *, version_2: bool) -> OutsideModel:
    with graph(version_2=version_2) as (tf, v1, session, weights):
        image, training = _image(tf, v1), v1.placeholder(tf.bool, [], name="is_training")
        logits = network(tf, v1, image, weights)
        output = tf.identity(v1.cond(training, lambda: logits * 2 + 1, lambda: logits), name="logits")
        return _saved(root, session, v1, output, image, INFERENCE, state={training: False})


def folded_output(root: Path) -> OutsideModel:
    """The output is an Identity of a cond, both of which OpenVINO folds away."""
    return _folded(root, version_2=False)


def folded_functional_output(root: Path) -> OutsideModel:
    """The same with the control flow of TensorFlow 2."""
    return _folded(root, version_2=True)


def partitioned_variables(root: Path) -> OutsideModel:
    """Variables in three parts, which are slices of one value in the checkpoint."""
    with graph() as (tf, v1, session, _):
        image = _image(tf, v1)
        with v1.variable_scope("parts", partitioner=v1.fixed_size_partitioner(3)):
            kernel = v1.get_variable("kernel", [3, 3, 3, 8], initializer=v1.random_normal_initializer(seed=1))
            matrix = v1.get_variable("matrix", [8, 10], initializer=v1.random_normal_initializer(seed=2))
        features = tf.nn.relu(tf.nn.conv2d(image, tf.convert_to_tensor(kernel), 2, "SAME"))
        output = tf.matmul(tf.reduce_mean(features, [1, 2]), tf.convert_to_tensor(matrix), name="logits")
        return _saved(root, session, v1, output, image)


def pattern_in_the_path(root: Path) -> OutsideModel:
    """A checkpoint whose name has brackets, blanks, and letters beyond ASCII."""
    with graph() as (tf, v1, session, weights):
        image = _image(tf, v1)
        made = _saved(root, session, v1, tf.identity(network(tf, v1, image, weights), name="logits"), image)
    name = "modèle [1] *?.ckpt"
    for path in list(made.folder.files.glob("model.ckpt*")):
        path.rename(path.with_name(path.name.replace("model.ckpt", name)))
    made.folder.change(model_optimizer_args=[f"--input_meta_graph=$dl_dir/{name}.meta", LOGITS])
    return made


def _half(root: Path, kind: str) -> OutsideModel:
    with graph() as (tf, v1, session, weights):
        image, dtype = _image(tf, v1), getattr(tf, kind)
        features, channels = tf.cast((image - 127.5) / 127.5, dtype), 3
        for layer in range(8):
            initial = tf.cast(weights(3, 3, channels, 16, scale=(2 / (9 * channels)) ** 0.5), dtype)
            kernel = v1.get_variable(f"kernel_{layer}", initializer=initial)
            features, channels = tf.nn.relu(tf.nn.conv2d(features, kernel, 1, "SAME")), 16
        classes = v1.get_variable("classes", initializer=tf.cast(weights(16, 10), dtype))
        logits = tf.matmul(tf.reduce_mean(features, [1, 2]), classes)
        return _saved(root, session, v1, tf.cast(logits, tf.float32, name="logits"), image)


def float16(root: Path) -> OutsideModel:
    """Weights and computation in float16, eight layers deep."""
    return _half(root, "float16")


def bfloat16(root: Path) -> OutsideModel:
    """The same in bfloat16."""
    return _half(root, "bfloat16")


def _cut_behind(root: Path, name: str, build: Callable[[Any, Any, Any], Any]) -> OutsideModel:
    """A frozen graph that decodes a JPEG and prepares it, cut behind the operation ``name``."""
    with graph() as (tf, v1, session, weights):
        decoded = tf.io.decode_jpeg(v1.placeholder(tf.string, [], name="jpeg"), channels=3)
        prepared = build(tf, v1, decoded)
        logits = network(tf, v1, (tf.cast(prepared, tf.float32) - 128.0) / 128.0, weights)
        output = tf.identity(logits, name="logits")
        return _frozen(root, session, v1, [output], prepared, [LOGITS], f"{name}:0")


def behind_a_resize(root: Path) -> OutsideModel:
    """Behind ResizeBilinear of bytes, whose result is float32."""
    return _cut_behind(
        root,
        "resize",
        lambda tf, v1, x: v1.image.resize_bilinear(tf.expand_dims(x, 0), [SIDE, SIDE], name="resize"),
    )


def behind_a_crop(root: Path) -> OutsideModel:
    """Behind CropAndResize of bytes, whose result is float32."""
    return _cut_behind(
        root,
        "crop",
        lambda tf, _, x: tf.image.crop_and_resize(
            tf.expand_dims(x, 0), [[0.0, 0.0, 1.0, 1.0]], [0], [SIDE, SIDE], name="crop"
        ),
    )


def behind_a_decoder(root: Path) -> OutsideModel:
    """Behind the decoder, whose result is bytes."""
    return _cut_behind(root, "batch", lambda tf, _, x: tf.expand_dims(x, 0, name="batch"))


def open_outputs(root: Path) -> OutsideModel:
    """Boxes that NonMaxSuppression chooses: how many depends on the image."""
    with graph() as (tf, v1, session, weights):
        image = _image(tf, v1, 1)
        grid = tf.reshape(tf.nn.conv2d(image / 255.0, weights(3, 3, 3, 5), 2, "SAME"), [-1, 5])
        boxes, scores = tf.sigmoid(grid[:, :4]), tf.sigmoid(grid[:, 4])
        chosen = tf.image.non_max_suppression(boxes, scores, 20, 0.3, 0.5)
        outputs = [tf.gather(boxes, chosen, name="boxes"), tf.gather(scores, chosen, name="scores")]
        return _frozen(root, session, v1, outputs, image, ["--output=boxes,scores"], "image")


def one_described_input(root: Path) -> OutsideModel:
    """Two images of one shape, of which the descriptor names the second."""
    with graph() as (tf, v1, session, weights):
        first, second = (v1.placeholder(tf.float32, [1, SIDE, SIDE, 3], name=name) for name in ("first", "second"))
        logits = tf.identity(network(tf, v1, first - 2 * second, weights), name="logits")
        made = _saved(root, session, v1, logits, second, state={first: PICTURES[0]})
    made.folder.change(input_info=image_input("second", SIDE))
    feeds = [{"second": picture, "first": PICTURES[0]} for picture in PICTURES]
    return OutsideModel(made.folder, feeds, made.answers)


def random_operation(root: Path) -> OutsideModel:
    """A dropout that was left in the graph."""
    with graph() as (tf, v1, session, weights):
        image = _image(tf, v1)
        dropped = v1.nn.dropout(network(tf, v1, image, weights), rate=0.5)
        return _saved(root, session, v1, tf.identity(dropped, name="logits"), image)


def _saved_model(
    root: Path,
    names: tuple[str, str],
    signatures: dict[str, tuple[str, str]],
    tags: list[list[str]],
    *more: str,
) -> OutsideModel:
    """A SavedModel of TensorFlow 1 whose graphs have ``tags``; the descriptor calls its input and output ``names``.

    ``signatures`` are the names of input and output by key. The graph's own are ``image`` and ``probabilities``.
    """
    arguments = ["--saved_model_dir=$dl_dir/saved", f"--output={names[1]}", *more]
    folder = ModelFolder(root, "outside", arguments, image_input(names[0], SIDE))
    with graph() as (tf, v1, session, weights):
        image = _image(tf, v1)
        output = tf.nn.softmax(network(tf, v1, image / 255.0, weights), name="probabilities")
        session.run(v1.global_variables_initializer())
        define = v1.saved_model.predict_signature_def
        defined = {key: define({given: image}, {taken: output}) for key, (given, taken) in signatures.items()}
        builder = v1.saved_model.Builder(str(folder.files / "saved"))
        builder.add_meta_graph_and_variables(session, tags[0], signature_def_map=defined)
        for further in tags[1:]:
            builder.add_meta_graph(further, signature_def_map=defined)
        builder.save()
        answers = [[session.run(output, {image: picture})] for picture in PICTURES]
    name = names[0].removesuffix(":0")
    feed = f"{name}/placeholder_out_port_0" if names[0].endswith(":0") else name
    return OutsideModel(folder, [{feed: picture} for picture in PICTURES], answers)


_SERVING = {"serving_default": ("inputs", "scores")}


def keys_of_the_signature(root: Path) -> OutsideModel:
    """The descriptor names the signature's keys."""
    return _saved_model(root, ("inputs", "scores"), _SERVING, [["serve"]])


def nodes_behind_the_signature(root: Path) -> OutsideModel:
    """The descriptor names the nodes."""
    return _saved_model(root, ("image", "probabilities"), _SERVING, [["serve"]])


def tensors_behind_the_signature(root: Path) -> OutsideModel:
    """The descriptor names the tensors."""
    return _saved_model(root, ("image:0", "probabilities:0"), _SERVING, [["serve"]])


def keys_that_are_nodes_too(root: Path) -> OutsideModel:
    """The signature's keys are also the names of the nodes."""
    names = ("image", "probabilities")
    return _saved_model(root, names, {"serving_default": names}, [["serve"]])


def the_only_signature(root: Path) -> OutsideModel:
    """The only signature has another name than readers expect."""
    return _saved_model(root, ("x", "y"), {"predict": ("x", "y")}, [["serve"]])


def a_chosen_signature(root: Path) -> OutsideModel:
    """The descriptor chooses one of two signatures."""
    signatures = {"first": ("inputs", "scores"), "second": ("x", "y")}
    return _saved_model(root, ("x", "y"), signatures, [["serve"]], "--saved_model_signature=second")


def for_training_and_serving(root: Path) -> OutsideModel:
    """Two graphs, of which one is for serving."""
    return _saved_model(root, ("inputs", "scores"), _SERVING, [["train"], ["serve"]])


def without_tags(root: Path) -> OutsideModel:
    """Graphs as modules of TF-Hub have them: one without tags, one for training."""
    return _saved_model(root, ("inputs", "scores"), {"default": ("inputs", "scores")}, [[], ["train"]])


def chosen_tags(root: Path) -> OutsideModel:
    """The descriptor chooses one of two graphs for serving."""
    return _saved_model(
        root, ("inputs", "scores"), _SERVING, [["serve", "gpu"], ["serve"]], "--saved_model_tags=gpu,serve"
    )


def layer_of_keras(root: Path) -> OutsideModel:
    """An export of Keras, whose output the descriptor calls as its layer."""
    arguments = ["--saved_model_dir=$dl_dir/saved", "--output=predictions"]
    folder = ModelFolder(root, "outside", arguments, image_input("image", SIDE))
    tf = import_tensorflow()
    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(2)
    image = layers.Input((SIDE, SIDE, 3), name="image")
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, strides=2, activation="relu")(image / 255.0))
    network = tf.keras.Model(image, layers.Dense(10, name="predictions")(features))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' own, of NumPy
        network.export(str(folder.files / "saved"), verbose=False)
        answers = [[network(picture).numpy()] for picture in PICTURES]
    return OutsideModel(folder, [{"image": picture} for picture in PICTURES], answers)
