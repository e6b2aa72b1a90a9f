"""Open Model Zoo's 22 PyTorch classifiers, by the real commands: see :mod:`tests.zoo.omz_classifiers`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.zoo.omz_classifiers import MIRROR, MODELS, names, prepare

MODELS_DIR = os.environ.get(MODELS)
NAMES = names(Path(MODELS_DIR)) if MODELS_DIR else []

SENSITIVE = ("levit-128s", "resnest-50-pytorch")
"""Models whose random weights amplify every rounding beyond the limits of the proof: see docs/zoo.md."""


@pytest.mark.skipif(not MODELS_DIR, reason=f"{MODELS} names no models folder of Open Model Zoo")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NAMES)
def test_a_classifier_with_random_weights_is_converted(name: str, tmp_path: Path) -> None:
    mirror = os.environ.get(MIRROR)
    missing = prepare(name, Path(MODELS_DIR or ""), Path(mirror) if mirror else None, tmp_path)
    if missing:
        pytest.skip(f"{MIRROR} has no {missing}")
    done = run(
        "convert",
        "--name",
        name,
        "--models_dir",
        tmp_path / "zoo",
        "-d",
        tmp_path / "dl",
        "--trust_code",
        name,
        "--json",
    )
    if name in SENSITIVE and done.code == 1:
        failed = [one["error"] for one in json.loads(done.out)["failed"]]
        assert failed
        assert all("does not compute what the original computes" in error for error in failed)
        return
    assert done.code == 0, done.err + done.out
    (model,) = json.loads(done.out)["models"]
    assert [one["precision"] for one in model["irs"]] == ["FP32", "FP16"]
    assert model["irs"][0]["parity"][0]["top1_agreement"] == 1
