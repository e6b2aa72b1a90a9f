"""``mixnet-quantize --split``: of which images a folder of several splits calibrates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.ir.locate import ir_model
from tests.support.commands import run_failing, run_ok

NAME = "mixnet-nano"
QUICK = ("--fast_bias_correction", "--range_estimator", "minmax", "--subset_size", "6")


@pytest.fixture(scope="module")
def splits(nano: ModelDescriptor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of the model in ``train`` (9) and ``val`` (8), with the labels of the latter in ``val/val.txt``."""
    folder = tmp_path_factory.mktemp("splits")
    lines = (nano.directory / "validation/val.txt").read_text().splitlines()
    for split, chosen in (("train", lines[:9]), ("val", lines[9:17])):
        (folder / split).mkdir()
        for line in chosen:
            shutil.copy(nano.directory / "validation" / line.split()[0], folder / split)
    (folder / "val/val.txt").write_text("\n".join(lines[9:17]))
    return folder


def test_the_split_that_is_asked_for_calibrates(splits: Path, nano_dir: Path, tmp_path: Path) -> None:
    common = ("--name", NAME, "-d", nano_dir, *QUICK, "--no_verify", "-s")
    taken = {}
    for label, options in (("train", ("--split", "train")), ("default", ())):
        output = tmp_path / label
        done = run_ok("quantize", *common, splits, *options, "-o", output)
        ir = ir_model(output, f"public/{NAME}", NAME, "FP16-INT8")
        report = json.loads(ir.xml.with_name("quantization.json").read_text())
        taken[label] = (report["calibration"]["total"], report["calibration"]["fingerprint"])
        assert ("models have seen these images" in " ".join(done.err.split())) == (label == "train"), done.err
    assert (taken["train"][0], taken["default"][0]) == (9, 8)
    assert taken["train"][1] != taken["default"][1]


def test_a_split_that_is_not_there_is_refused_with_those_that_are(splits: Path, nano_dir: Path, tmp_path: Path) -> None:
    told = run_failing(
        "quantize", "--name", NAME, "-d", nano_dir, "-s", splits, "--split", "test", "-o", tmp_path / "o"
    )
    assert "has no split 'test': there are train, validation" in told
    assert "--split takes the name of a split" in told
    assert not (tmp_path / "o").exists()
