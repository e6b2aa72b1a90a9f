"""Images per second of models, and what becomes of a report where they cannot be measured."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from mixnet_tools.accuracy.evaluation.speed import measure_speed
from mixnet_tools.accuracy.launchers.base import Array, RunnerInfo, Synchronous
from mixnet_tools.errors import EvaluationError


class Slow(Synchronous):
    """Takes so many seconds for a batch, whatever is in it."""

    def __init__(self, seconds: float, fails_after: int | None = None) -> None:
        self.info = RunnerInfo("openvino", "FP32", "none", 8, 8, 3, ())
        self.begun = self.waiting = self.most = 0
        self._seconds, self._fails_after = seconds, fails_after

    def start(self, batch: npt.NDArray[np.generic]) -> Callable[[], Array]:
        assert batch.shape[1:] == (8, 8, 3)
        assert batch.dtype == np.uint8
        self.begun += 1
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        if self.begun == self._fails_after:
            raise EvaluationError("the device is gone")

        def answer() -> Array:
            self.waiting -= 1
            time.sleep(self._seconds)
            return np.zeros((len(batch), 3), dtype=np.float32)

        return answer


def test_models_are_measured_in_turn_and_never_stand_idle() -> None:
    slow, quick = Slow(0.02), Slow(0.005)
    found = measure_speed([slow, quick], rounds=5, seconds=0.05)
    assert found[0].images_per_second < found[1].images_per_second
    for one in found:
        assert one.rounds == 5
        assert 0 < one.low <= one.images_per_second <= one.high
    assert (slow.waiting, quick.waiting) == (0, 0)  # every answer was read
    assert min(slow.most, quick.most) > 1


def test_a_model_that_fails_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="the device is gone"):
        measure_speed([Slow(0.0), Slow(0.0, fails_after=4)], rounds=3, seconds=0.01)
