"""Checkpoints that TensorFlow wrote, read without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixnet_tools.conversion.graphs.checkpoint import read_checkpoint
from mixnet_tools.errors import FreezeError, NextStep
from tests.support.tensorflow_import import import_tensorflow

AGAIN = NextStep("download", "net", {"force": True})
KINDS = ("float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8", "bool")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with a variable of each type, a scalar, an empty one, and names that are no ASCII."""
    tf = import_tensorflow()
    folder = tmp_path_factory.mktemp("checkpoint")
    rng = np.random.default_rng(3)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for kind in KINDS:
            value = tf.cast(rng.integers(0, 2, (3, 5)), kind)
            tf.compat.v1.get_variable(f"scope/{kind}", initializer=value)
        tf.compat.v1.get_variable("scalar", initializer=np.float32(7))
        tf.compat.v1.get_variable("empty", initializer=np.zeros((0, 4), np.float32))
        for number in range(300):  # so that the table has more than one block
            tf.compat.v1.get_variable(f"many/{number:04d}_with_a_long_name", initializer=np.float32(number))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / "net ü.ckpt"))
    return folder / "net ü.ckpt"


def test_every_value_is_tensorflows(prefix: Path) -> None:
    tf: Any = import_tensorflow()
    reader = tf.train.load_checkpoint(str(prefix))
    ours = read_checkpoint(prefix, AGAIN)
    assert set(ours.entries) == set(reader.get_variable_to_dtype_map())
    assert len(ours.entries) == len(KINDS) + 302
    for name in ours.entries:
        expected = reader.get_tensor(name)
        found = ours.value(name)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), name
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("keep", [0, 10, 47, 500, -1])
def test_a_truncated_index_is_one_clear_error(prefix: Path, tmp_path: Path, keep: int) -> None:
    data = prefix.with_name(prefix.name + ".index").read_bytes()
    (tmp_path / "cut.index").write_bytes(data[:keep])
    with pytest.raises(FreezeError, match=r"cut.index: not the index of a TensorFlow checkpoint") as caught:
        read_checkpoint(tmp_path / "cut", AGAIN)
    assert caught.value.hint == AGAIN


def copied(prefix: Path, folder: Path) -> Path:
    """A copy of the checkpoint, called net."""
    for path in prefix.parent.iterdir():
        if prefix.name in path.name:
            (folder / path.name.replace(prefix.name, "net")).write_bytes(path.read_bytes())
    return folder / "net"


def test_truncated_data_is_one_clear_error(prefix: Path, tmp_path: Path) -> None:
    data = copied(prefix, tmp_path).with_name("net.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:40])
    with pytest.raises(
        FreezeError, match=r"net\.index: '.*': expected a shape, and bytes inside a data file"
    ) as caught:
        read_checkpoint(tmp_path / "net", AGAIN)
    assert caught.value.hint == AGAIN


def test_missing_names_are_named(prefix: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(copied(prefix, tmp_path), AGAIN)
    with pytest.raises(FreezeError, match=r"lacks the variable 'nothing' \(\d+ others are there\)") as missing:
        checkpoint.value("nothing")
    assert missing.value.hint == AGAIN
    with pytest.raises(FreezeError, match="the variable 'scalar' is partitioned"):
        checkpoint.value("scalar/part_0")
    (tmp_path / "net.data-00000-of-00001").unlink()
    with pytest.raises(FreezeError, match="cannot be read") as gone:
        checkpoint.value("scalar")
    assert gone.value.hint == AGAIN
