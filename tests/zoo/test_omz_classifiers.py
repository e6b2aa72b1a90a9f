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
    assert done.code == 0, done.err + done.out
    (model,) = json.loads(done.out)["models"]
    assert [one["precision"] for one in model["irs"]] == ["FP32", "FP16"]
    proofs = [one["parity"][0] for one in model["irs"]]
    assert proofs[0]["top1_agreement"] == 1
    # A model whose answers hardly depend on the image is one that any limit would pass.
    assert all(proof["max_difference"] < 0.25 * proof["variation"] for proof in proofs)
