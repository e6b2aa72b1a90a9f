"""The options of omz_quantizer that scripts give to mixnet-quantize, by dry runs: what would be read and written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import Outcome
from tests.support.downloads import run_command
from tests.support.zoo_builder import descriptor_data, write_model


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo of two models, IRs of one of them, and ImageNet's images as omz_quantizer wants them."""
    root = tmp_path_factory.mktemp("place")
    for name in ("net-a", "net-b"):
        write_model(root / "zoo", name, descriptor_data())
    for precision in ("FP16", "FP32"):
        folder = root / f"ir/public/net-a/{precision}"
        folder.mkdir(parents=True)
        (folder / "net-a.xml").touch()
        (folder / "net-a.bin").touch()
    (root / "data/ILSVRC2012_img_val").mkdir(parents=True)
    return root


def quantize(place: Path, *arguments: str | Path, name: str = "net-a") -> Outcome:
    options = ("--models_dir", place / "zoo", "--model_dir", place / "ir", "--dry_run")
    return run_command("quantize", "--name", name, *options, *arguments)


def test_a_dry_run_says_what_would_be_read_and_written(place: Path) -> None:
    before = sorted(place.rglob("*"))
    outcome = quantize(place, "--dataset_dir", place / "data", "-o", place / "out", "--target_device", "gpu", "--json")
    assert outcome.code == 0, outcome.err
    assert sorted(place.rglob("*")) == before
    document = json.loads(outcome.out)
    (model,) = document.pop("models")
    assert document == {"schema": 1, "dry_run": True, "refused": []}
    assert "for GPU" in model.pop("settings")
    folder = place / "out/public/net-a/FP16-INT8"
    assert model == {
        "model": "net-a",
        "source": str(place / "ir/public/net-a/FP16/net-a.xml"),
        "images": str(place / "data/ILSVRC2012_img_val"),
        "subset_size": 300,
        "files": [str(folder / "net-a.xml"), str(folder / "net-a.bin")],
    }
    table = quantize(place, "--dataset_dir", place / "data", "--source_precision", "FP32").out
    assert str(place / "ir/public/net-a/FP32/net-a.xml") in table


def test_a_dataset_folder_in_another_layout_is_the_images_themselves(place: Path) -> None:
    images = place / "data/ILSVRC2012_img_val"
    (model,) = json.loads(quantize(place, "--dataset_dir", images, "--json").out)["models"]
    assert model["images"] == str(images)


def test_a_model_without_an_ir_is_named_and_the_other_planned(place: Path) -> None:
    outcome = quantize(place, "--dataset_dir", place / "data", "--json", name="net-*")
    assert outcome.code == 1
    document = json.loads(outcome.out)
    assert [model["model"] for model in document["models"]] == ["net-a"]
    (refused,) = document["refused"]
    assert "net-b has no such IR" in refused
    hint = f"mixnet convert --name net-b --download_dir {place / 'ir'} --models_dir {place / 'zoo'}"
    assert refused.endswith(f"(try: {hint})")


@pytest.mark.parametrize(
    ("precisions", "models", "words"),
    [
        ("FP16-INT8,FP32-INT8", 1, "FP32-INT8: left out, mixnet quantize makes FP16-INT8"),
        ("FP32-INT8", 0, "net-a: skipped: mixnet quantize makes FP16-INT8, not FP32-INT8"),
    ],
)
def test_precisions_that_are_not_made_are_left_out(place: Path, precisions: str, models: int, words: str) -> None:
    outcome = quantize(place, "--dataset_dir", place / "data", "--precisions", precisions, "--json")
    assert outcome.code == 0, outcome.err
    assert len(json.loads(outcome.out)["models"]) == models
    assert words in outcome.err


def test_what_has_no_effect_is_accepted_and_explained(place: Path) -> None:
    outcome = quantize(place, "--dataset_dir", place / "data", "-p", "python3", "--pot", "/opt/pot")
    assert outcome.code == 0
    assert "--pot and --python have no effect: the Post-Training Optimization Toolkit is not needed" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-s", "x", "--dataset_dir", "y"), "only one of --source and --dataset_dir"),
        (("--precisions", "FP16"), "expected FP16-INT8 or FP32-INT8"),
        (("--target_device", "TPU"), "invalid choice: 'TPU'"),
    ],
)
def test_wrong_usage(place: Path, arguments: tuple[str, ...], words: str) -> None:
    outcome = quantize(place, *arguments)
    assert outcome.code == 2
    assert words in outcome.err
