"""Models and errors on their way between client and workers."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixnet_tools import errors
from mixnet_tools.accuracy.cluster.transfer import load, pack_ir
from mixnet_tools.errors import EvaluationError, HttpStatusError, MixnetToolsError, UnknownModelError
from tests.support.colour_model import write_ir


def every_error() -> list[type[MixnetToolsError]]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MixnetToolsError)]
    assert len(kinds) > 15
    return kinds


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_errors_travel_with_all_that_they_say(kind: type[MixnetToolsError]) -> None:
    more: dict[str, Any] = {"status": 404} if kind is HttpStatusError else {}
    error = kind("what", hint="try", **more)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert (str(back), back.hint, vars(back)) == ("what", "try", vars(error))
    without = pickle.loads(pickle.dumps(UnknownModelError("x")))
    assert without.hint == UnknownModelError.default_hint


def test_a_model_is_the_same_on_both_ends_or_refused(tmp_path: Path) -> None:
    ir = write_ir(tmp_path / "here")
    assert pack_ir(ir, "GPU.1").info.device == "GPU.1"  # a device that only workers need to have
    transfer = pickle.loads(pickle.dumps(pack_ir(ir, "CPU")))
    shutil.rmtree(tmp_path / "here")  # a worker does not see the client's files
    loaded = load(transfer, 1).info
    assert replace(loaded, would_choose=None) == transfer.info  # what OpenVINO would choose is not the same everywhere
    (xml, weights) = transfer.files
    changed = replace(transfer, files=(xml, (weights[0], weights[1] + b"x")))
    with pytest.raises(EvaluationError, match="was changed while the evaluation began"):
        load(changed, 1)
