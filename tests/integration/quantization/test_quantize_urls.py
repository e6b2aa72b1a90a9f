"""``mixnet-quantize`` with images behind a URL; and that no command prints the password of one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.ir.locate import ir_model
from tests.support.commands import Outcome, run, run_failing, run_ok
from tests.support.file_server import FileServer

NAME = "mixnet-nano"
QUICK = (
    "--no_optimize",
    "--depthwise",
    "int8",
    "--fast_bias_correction",
    "--range_estimator",
    "minmax",
    "--subset_size",
    "8",
)
SECRETS = ("alice", "s3cret")


@pytest.fixture(scope="module")
def place(nano: ModelDescriptor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``pictures`` without labels, ``measured`` without labels of its own, and these in ``labels.txt``."""
    folder = tmp_path_factory.mktemp("served")
    lines = (nano.directory / "validation/val.txt").read_text().splitlines()[:20]
    for part, chosen in (("pictures", lines[:10]), ("measured", lines)):
        (folder / part).mkdir()
        for line in chosen:
            shutil.copy(nano.directory / "validation" / line.split()[0], folder / part)
    (folder / "labels.txt").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[FileServer]:
    with FileServer(place) as found:
        yield found


def told(outcome: Outcome) -> str:
    return outcome.out + outcome.err


def test_images_behind_a_url_give_the_same_ir_and_no_password_is_shown(
    place: Path, server: FileServer, nano_dir: Path, tmp_path: Path
) -> None:
    login = server.url.replace("//", "//alice:s3cret@")
    common = ("--name", NAME, "-d", nano_dir, *QUICK)
    for root, output in ((str(place), "here"), (login, "there")):
        images = ("-s", f"{root}/pictures", "--eval_source", f"{root}/measured", "--annotations", f"{root}/labels.txt")
        outcome = run_ok("quantize", *common, *images, "-o", tmp_path / output, *(["--json"] if root == login else []))
    here, there = (ir_model(tmp_path / output, f"public/{NAME}", NAME, "FP16-INT8") for output in ("here", "there"))
    assert there.xml.read_bytes() == here.xml.read_bytes()
    assert there.bin.read_bytes() == here.bin.read_bytes()
    text = there.xml.with_name("quantization.json").read_text()
    report = json.loads(text)
    assert (report["calibration"]["source"], report["calibration"]["total"]) == (f"{server.url}/pictures", 10)
    assert report["rows"][-1]["comparison"]["images"] == 20
    assert report["rows"][-1]["comparison"]["held_out"] == 20, "what it was calibrated with lies in another folder"
    assert not [secret for secret in SECRETS if secret in text + told(outcome)]


def test_labelled_images_behind_a_url_are_measured_on_as_well(
    nano: ModelDescriptor, nano_dir: Path, tmp_path: Path
) -> None:
    with FileServer(nano.directory) as own:
        login = own.url.replace("//", "//alice:s3cret@")
        arguments = ("--name", NAME, "-d", nano_dir, "-o", tmp_path, *QUICK, "--num_images", "30")
        outcome = run_ok("quantize", *arguments, "-s", f"{login}/validation", "--json")
    (model,) = json.loads(outcome.out)["models"]
    assert model["calibration"]["total"] == 600
    assert model["rows"][-1]["comparison"]["images"] == 30
    assert not [secret for secret in SECRETS if secret in told(outcome)]


def test_failures_show_no_password(server: FileServer, nano_dir: Path, tmp_path: Path) -> None:
    login = server.url.replace("//", "//alice:s3cret@")
    out = ("-o", tmp_path)
    base = ("--name", NAME, "-d", nano_dir, *out)
    failed = [
        run_failing("quantize", *base, "-s", f"{login}/nowhere"),
        run_failing("quantize", *base, "-s", f"{login}/pictures"),
        run_failing("quantize", *base, "-s", f"{login}/pictures", "--eval_source", f"{login}/nowhere.tar", *QUICK),
        run_failing("quantize", *base, "-s", "nosuch://alice:s3cret@host/x", code=2),
        run_failing("quantize", *base, "-s", "http://alice:s3cret@[host/x", code=2),
        run_failing("check", *base[:4], "--launcher", "openvino", "--baseline", f"{login}/baseline.json"),
        run_failing("check", *base[:4], "--exclude", f"{login}/excluded.txt"),
        run_failing("download", "--name", NAME, *out, "--mirror", "ftp://alice:s3cret@host/x", code=2),
        told(run("quantize", *base, "-s", f"{login}/nowhere", "--debug")),
        told(run("quantize", "--all", "-d", nano_dir, *out, "-s", f"{login}/nowhere", "--json")),
    ]  # fmt: skip
    assert "no images" in failed[0]
    assert "too few images" in failed[1]
    for text in failed:
        assert not [secret for secret in SECRETS if secret in text], text
