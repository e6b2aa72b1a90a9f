"""Full-size stand-ins for the published MixNet checkpoints: right in form, random in weights.

The real archives cannot be fetched by tests. A network with merely random weights would not replace
them: its activations die or explode, and every image gets the same answer, so that a forgotten channel
reversal goes unseen. The weights here are therefore adjusted once to a few synthetic images: the
moving statistics are those of the batch (slightly off, as a real model's are), and the classifier is
centred and scaled so that its logits spread over several units and differ from image to image.
"""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow.compat.v1 as tf

from training import mixnet, mixnet_tf1
from training.layer_names import Form

Array = npt.NDArray[np.float32]
_Results = dict[str, Array]

_ADJUSTING_IMAGES = 20
_LOGIT_SPREAD = 0.8  # of a logit over these images; two to four times that on unseen ones


@dataclass(frozen=True)
class StandIn:
    """A finished archive: where, how many bytes, SHA-384 in hex, and the model's (and folder's) name."""

    path: Path
    size: int
    sha384: str
    name: str


def synthetic_images(count: int, resolution: int, seed: int) -> Array:
    """Coloured clouds, smooth to very grainy: [count, R, R, 3] float32, RGB, 0..255."""
    rng = np.random.default_rng(seed)
    at = np.linspace(0.0, 1.0, resolution, dtype=np.float32)
    images = np.empty((count, resolution, resolution, 3), np.float32)
    for image in images:
        # A product of random cosine mixtures per axis is a cheap cloud of any size.
        waves = rng.uniform(0.5, 9.0, (2, 6, 1)) * 2 * np.pi
        rows, columns = np.cos(waves * at + rng.uniform(0, 2 * np.pi, (2, 6, 1))).astype(np.float32)
        grain = np.exp(rng.uniform(np.log(1.0), np.log(70.0)))
        clouds = np.einsum("kc,ky,kx->yxc", rng.normal(0, 1, (6, 3)).astype(np.float32), rows, columns)
        image[:] = rng.uniform(40, 215, 3) + 45 * clouds + rng.normal(0, grain, image.shape)
    return np.clip(images, 0.0, 255.0)


def _draw(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """A random start value for the trainable variable ``name``."""
    if name.endswith("/gamma"):
        value = rng.uniform(0.6, 1.4, shape)
    elif name.endswith(("/beta", "/bias")):
        value = rng.normal(0.0, 0.3, shape)
    else:
        fan_in = int(np.prod(shape[:2] if name.endswith("/depthwise_kernel") else shape[:-1]))
        value = rng.normal(0.0, np.sqrt(2.0 / fan_in), shape)
    if "/se/" in name:
        # Gates near 0.75 that move little: gates that can double in each of 16 blocks explode together.
        value = 0.5 * value + (1.0 if name.endswith("/se/conv2d_1/bias") else 0.0)
    return value.astype(np.float32)


def _measured(spec: mixnet.MixNetSpec, values: dict[str, Array], images: Array, rng: np.random.Generator) -> _Results:
    """Fill ``values`` with raw weights from ``rng``, and run the network on ``images`` and their own statistics.

    The result is these, under the names of the moving variables that would follow them.
    """
    with tf.Graph().as_default() as graph:
        feed = tf.placeholder(tf.float32, [None, *images.shape[1:]])
        mixnet_tf1.build_logits(feed, spec, training=True)
        for v in tf.trainable_variables():
            values[v.op.name] = _draw(v.op.name, tuple(v.shape.as_list()), rng)
        moving = [v.op.name for v in tf.global_variables() if v.op.name not in values]
        return _run(graph, values, {name: tf.get_collection(f"batch/{name}")[0] for name in moving}, feed, images)


def _features(graph: tf.Graph, values: dict[str, Array], images: Array) -> Array:
    """What the evaluation ``graph`` with ``values`` gives to its classifier: [images, head]."""
    (pooled,) = graph.get_collection(mixnet_tf1.POOLED)
    feed = graph.get_tensor_by_name("IteratorGetNext:0")
    return _run(graph, values, {"features": pooled}, feed, images)["features"]


def _run(graph: tf.Graph, values: dict[str, Array], wanted: Mapping[str, Any], feed: Any, images: Array) -> _Results:
    with graph.as_default(), tf.Session(graph=graph) as session:
        known = [v for v in tf.global_variables() if v.op.name in values]
        session.run([v.initializer for v in known], {v.initializer.inputs[1]: values[v.op.name] for v in known})
        results: _Results = session.run(wanted, {feed: images})
    return results


def _adjusted_values(spec: mixnet.MixNetSpec, graph: tf.Graph, seed: int) -> dict[str, Array]:
    """Raw weights and moving statistics by variable name; ``graph`` is the evaluation graph."""
    rng = np.random.default_rng(seed)
    images = synthetic_images(_ADJUSTING_IMAGES, spec.resolution, seed + 1)
    values: dict[str, Array] = {}
    measured = _measured(spec, values, images, rng)
    for name, value in measured.items():
        off = rng.normal(0.0, 0.05, value.shape)
        if name.endswith("/moving_mean"):
            spread = np.sqrt(measured[name.replace("moving_mean", "moving_variance")])
            values[name] = (value + off * spread).astype(np.float32)
        else:
            values[name] = (value * np.exp(off)).astype(np.float32)
    # Measured again with the moving statistics: their small errors add up to a large constant part.
    features = _features(graph, values, images)
    _scale_classifier(values, features, f"{spec.name}/mixnet_model/head/dense", rng)
    return values


def _scale_classifier(values: dict[str, Array], features: Array, dense: str, rng: np.random.Generator) -> None:
    """Make the logits depend on the image: ``features`` are [images, head] before the classifier."""
    kernel = values[f"{dense}/kernel"]
    centred = features - features.mean(axis=0)
    # A few directions (how grainy, how bright) hold most of a random network's variance and would give
    # nearly all images the same answer: damp them to the size of the others.
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    damping = np.median(sizes) / (np.median(sizes) + sizes)
    kernel -= directions.T @ ((1.0 - damping)[:, np.newaxis] * (directions @ kernel))
    kernel *= _LOGIT_SPREAD / (centred @ kernel).std()
    constant = rng.normal(0.0, _LOGIT_SPREAD / 2, kernel.shape[1])
    values[f"{dense}/bias"] = (constant - features.mean(axis=0) @ kernel).astype(np.float32)


def _with_averages(values: dict[str, Array], seed: int) -> dict[str, npt.NDArray[np.generic]]:
    """``values`` plus averages clearly unlike them (a tool that reads the wrong ones must be caught)."""
    rng = np.random.default_rng(seed + 2)
    everything: dict[str, npt.NDArray[np.generic]] = dict(values)
    for name, value in values.items():
        factor = rng.uniform(0.7, 1.3, value.shape).astype(np.float32)
        everything[name + mixnet_tf1.EMA_SUFFIX] = value * factor
    everything["global_step"] = np.asarray(218_949, np.int64)
    return everything


def build_mixnet_archive(
    path: Path, variant: str = "l", seed: int = 0, resolution: int = 224, num_classes: int = 1000
) -> StandIn:
    """Write a gzipped tar ``<name>/{checkpoint,model.ckpt.*}`` to ``path``: same arguments, same weights.

    ``variant`` is a key of ``mixnet.VARIANTS``; the folder's name is that of the published model.
    """
    return build_archive(path, replace(mixnet.VARIANTS[variant], resolution=resolution, num_classes=num_classes), seed)


def variable_names(spec: mixnet.MixNetSpec, form: Form) -> tuple[str, ...]:
    """The raw variables of a network, weights and moving statistics, in the order in which every form makes them."""
    with tf.Graph().as_default():
        mixnet_tf1.build_logits(tf.placeholder(tf.float32, [None, *[spec.resolution] * 2, 3]), spec, False, form=form)
        return tuple(variable.op.name for variable in tf.global_variables())


def raw_values(plain: StandIn, spec: mixnet.MixNetSpec) -> dict[str, Array]:
    """The raw variables of a stand-in in the form ``plain``, in the order of :func:`variable_names`."""
    values = _checkpoint_values(plain)
    return {name: values[name].astype(np.float32) for name in variable_names(spec, "plain")}


def in_form(plain: StandIn, path: Path, spec: mixnet.MixNetSpec, form: Form) -> StandIn:
    """The weights of ``plain``, a stand-in in the form of that name, published in another one at ``path``."""
    values = _checkpoint_values(plain)
    renamed = {"global_step": values["global_step"]}
    for before, after in zip(variable_names(spec, "plain"), variable_names(spec, form), strict=True):
        renamed |= {after + suffix: values[before + suffix] for suffix in ("", mixnet_tf1.EMA_SUFFIX)}
    return _packed(spec, renamed, path, mixnet_tf1.build_eval_graph(spec, form))


def _checkpoint_values(standin: StandIn) -> dict[str, npt.NDArray[np.generic]]:
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(standin.path) as archive:
            archive.extractall(scratch, filter="data")
        reader = tf.train.load_checkpoint(f"{scratch}/{standin.name}/model.ckpt")
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def _packed(
    spec: mixnet.MixNetSpec, values: dict[str, npt.NDArray[np.generic]], path: Path, graph: tf.Graph
) -> StandIn:
    with tempfile.TemporaryDirectory() as scratch:
        mixnet_tf1.pack_archive(mixnet_tf1.export_checkpoint(spec, values, Path(scratch), graph), path, level=1)
    return read_archive(path, spec.name)


def build_archive(path: Path, spec: mixnet.MixNetSpec, seed: int = 0) -> StandIn:
    """The same of any network that ``spec`` can describe, for example one of the EfficientNet family."""
    graph = mixnet_tf1.build_eval_graph(spec)
    return _packed(spec, _with_averages(_adjusted_values(spec, graph, seed), seed), path, graph)


def read_archive(path: Path, name: str) -> StandIn:
    """The archive of the model ``name`` that was written to ``path`` before."""
    digest = hashlib.sha384(path.read_bytes()).hexdigest()
    return StandIn(path=path, size=path.stat().st_size, sha384=digest, name=name)
