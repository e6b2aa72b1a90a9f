"""What the child process is given: address space by the size of the model, and TensorFlow's settings."""

from __future__ import annotations

import pytest
from tensorboard.compat.proto.config_pb2 import ConfigProto

from mixnet_tools.reference import sandbox, tensorflow_library

GIB = 1 << 30


@pytest.mark.parametrize(
    ("machine", "model", "expected"),
    [(64 * GIB, 0, 8 * GIB), (64 * GIB, GIB, 16 * GIB), (6 * GIB, GIB, 10 * GIB), (2 * GIB, 0, 6 * GIB)],
    ids=["small", "large", "large on a small machine", "small on a smaller one"],
)
def test_the_address_space_follows_the_model_and_the_machine(
    monkeypatch: pytest.MonkeyPatch, machine: int, model: int, expected: int
) -> None:
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": machine // 4096}
    monkeypatch.setattr("os.sysconf", sizes.__getitem__)
    assert sandbox.address_space(model) == expected


@pytest.mark.parametrize("threads", [None, 3, 1000])
@pytest.mark.parametrize("rewrite", [True, False])
def test_tensorflow_reads_its_settings_as_they_are_meant(threads: int | None, rewrite: bool) -> None:
    config = ConfigProto.FromString(tensorflow_library._config(threads, rewrite=rewrite))
    assert config.allow_soft_placement
    expected = min(threads or 0, 127)
    assert (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads) == (expected, expected)
    assert config.graph_options.rewrite_options.disable_meta_optimizer is not rewrite
