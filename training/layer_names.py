"""The forms in which a MixNet graph is written: names of layers and variables, and the way to write swish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import tensorflow.compat.v1 as tf

from training.mixnet import MixNetSpec

Form = Literal["plain", "upstream", "upstream-2018"]
"""``plain`` is this project's own form.

``upstream`` has the names that the Cloud TPU project's builder gives, and swish as ``tf.nn.swish`` of TensorFlow 1.14
and newer: an IdentityN that carries a gradient of its own. ``upstream-2018`` has the same names, and swish as a call of
the library function ``swish_f32``, as TensorFlow 1.13 wrote it.
"""


class LayerNames:
    """Names layers and their variables as a form has them, while a graph is built in the current graph."""

    def __init__(self, spec: MixNetSpec, form: Form) -> None:
        self._root, self._model, self._form = spec.name, f"{spec.name}/mixnet_model", form
        self._scope = ""
        self._used: Counter[str] = Counter()
        # Upstream makes the blocks' layers first, and then those of the stem and the head.
        self._ends = {"stem": _block_convolutions(spec), "head": _block_convolutions(spec) + 1}

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Open a scope for the operations of several layers, such as ``blocks_0``."""
        outer, self._scope = self._scope, f"{self._scope}/{name}"
        with tf.name_scope(name if outer else f"{self._model}/{name}"):
            yield
        self._scope = outer

    @contextmanager
    def layer(self, kind: str) -> Iterator[str]:
        """Open the scope of the operations of a new layer. Yields the scope of its variables, from the graph's root."""
        root = self._model
        if kind == "batch_normalization" and self._form == "plain":
            kind = "tpu_batch_normalization"
        elif kind == "batch_normalization":
            root = self._root  # tf.layers ignores the scopes of Keras, which the other layers are made by
        name = _numbered(kind, self._number(kind))
        with tf.name_scope(name):
            yield f"{root}{self._scope}/{name}"

    def _number(self, kind: str) -> int:
        counted = kind
        if self._form == "plain" or kind == "batch_normalization":
            counted = f"{self._scope}/{kind}"
        elif kind == "conv2d" and self._scope[1:] in self._ends:
            return self._ends[self._scope[1:]]
        self._used[counted] += 1
        return self._used[counted] - 1


def _numbered(kind: str, number: int) -> str:
    return f"{kind}_{number}" if number else kind


def _block_convolutions(spec: MixNetSpec) -> int:
    """The convolutions in all blocks, those of squeeze-and-excitation too. Depthwise ones do not count."""
    return sum(
        (block.expand_groups if block.expand_ratio != 1 else 0) + block.project_groups + (2 if block.se_ratio else 0)
        for block in spec.blocks()
    )


def swish(x: tf.Tensor, form: Form) -> tf.Tensor:
    """``x * sigmoid(x)`` as ``form`` writes it."""
    if form == "plain":
        return x * tf.sigmoid(x)
    if form == "upstream":
        return tf.custom_gradient(_with_own_gradient)(x)
    from tensorflow.python.framework import function

    called = function.Defun(tf.float32, func_name="swish_f32", noinline=True)(lambda features: swish(features, "plain"))
    y = called(x)
    y.set_shape(x.shape)
    return y


def _with_own_gradient(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    gate = tf.sigmoid(x)
    return x * gate, lambda dy: dy * gate * (1.0 + x * (1.0 - gate))
