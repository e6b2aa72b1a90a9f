"""Images prepared by several threads: they come in the data set's order, a bounded number ahead."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixnet_tools.accuracy.evaluation.batch_loader import AHEAD, BATCH, batches
from mixnet_tools.accuracy.evaluation.timing import Clock
from mixnet_tools.accuracy.launchers.base import RunnerInfo
from mixnet_tools.accuracy.preprocessing import decode as decoding
from mixnet_tools.accuracy.preprocessing.plan import Operations
from tests.support.forms import open_at
from tests.support.images import plain, save

SIDE = 8
AS_THEY_ARE = Operations(orient=True, steps=())
INFO = RunnerInfo("openvino", "FP32", "CPU", SIDE, SIDE, 10, ())


def test_batches_come_in_order_whichever_thread_is_quicker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = AHEAD + 37
    for index in range(count):
        save(tmp_path / f"{index:03}.png", plain((index, index, index), SIDE, SIDE))
    (tmp_path / "val.txt").write_text("".join(f"{index:03}.png 0\n" for index in range(count)))
    slow = threading.Event()
    original = decoding.decode

    def uneven(path: Path, **options: Any) -> decoding.Decoded:
        if path.name == "000.png":
            slow.wait(timeout=20)  # the first image is the last to be ready
        elif path.name == f"{AHEAD - 1:03}.png":
            slow.set()
        return original(path, **options)

    monkeypatch.setattr(decoding, "decode", uneven)
    clock = Clock()
    found = list(batches(open_at(tmp_path).images, {AS_THEY_ARE: INFO}, 4, clock))
    assert slow.is_set()
    assert [len(batch.images) for batch in found] == [BATCH, BATCH, BATCH, 5]
    pixels = np.concatenate([batch.arrays[AS_THEY_ARE] for batch in found])
    assert pixels[:, 0, 0, 0].tolist() == list(range(count))
    assert clock.decode > 0
