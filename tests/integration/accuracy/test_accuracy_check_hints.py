"""accuracy_check's command line typed at mixnet-check: wrong usage, with the command that measures the same."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.support.downloads import run_command
from tests.support.zoo_builder import write_model


def hint(*arguments: str | Path) -> str:
    outcome = run_command("check", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    message, advice = outcome.err.splitlines()
    assert "of accuracy_check, and mixnet check has others" in message
    return advice.removeprefix("  try: ")


def test_the_hint_is_the_same_measurement_in_our_words(tmp_path: Path) -> None:
    config = write_model(tmp_path / "zoo", "my-net").with_name("accuracy-check.yml")
    (tmp_path / "data/ILSVRC2012_img_val").mkdir(parents=True)
    advice = hint(
        "-c", config, "-m", tmp_path / "ir/public/my-net/FP16", "-s", tmp_path / "data", "-d", "definitions.yml",
        "-a", "annotations", "-td", "CPU", "GPU", "-ss", "500",
    )  # fmt: skip
    assert shlex.split(advice) == [
        "mixnet", "check", "--name", "my-net", "--models_dir", str(tmp_path / "zoo"), "--ir_dir", str(tmp_path / "ir"),
        "--launcher", "openvino", "--precisions", "FP16", "-s", str(tmp_path / "data/ILSVRC2012_img_val"),
        "--devices", "CPU,GPU", "--num_images", "500",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ("-m ir/public/mixnet-nano/FP32", "--name mixnet-nano --ir_dir ir --launcher openvino --precisions FP32"),
        ("-c copies/accuracy-check.yml -m ir/public/mixnet-nano/FP32",
         "--name mixnet-nano --ir_dir ir --launcher openvino --precisions FP32"),
        ("-c copies/accuracy-check.yml", "--name copies"),
        ("-c models/public/mixnet-nano/accuracy-check.yml -tf tf", "--name mixnet-nano --launcher tf"),
        ("--models mixnet-nano/FP32/x.xml", "--name mixnet-nano --ir_dir DIR --launcher openvino --precisions FP32 "
         "(the IR has to be in DIR/public/mixnet-nano/<precision>)"),
        ("-c config.yml -s images", "--name NAME -s images (NAME is in the list of --print_all)"),
        ("-e ext -td=CPU", "--name NAME --device CPU (NAME is in the list of --print_all)"),
        ("--definitions x.yml", "--name NAME (NAME is in the list of --print_all)"),
        ("--target-devices CPU --subsample_size 10%", "--name NAME --device CPU (NAME is in the list of --print_all)"),
    ],
)  # fmt: skip
def test_what_is_known_of_the_model_is_in_the_hint(arguments: str, advice: str) -> None:
    assert hint(*arguments.split()) == f"mixnet check {advice}"


def test_the_command_of_the_hint_runs(nano_dir: Path) -> None:
    advice = hint("-m", nano_dir / "public/mixnet-nano/FP16", "-td", "CPU", "-ss", "8")
    program, command, *arguments = shlex.split(advice)
    assert (program, command) == ("mixnet", "check")
    outcome = run_command(command, *arguments, "--no_references")
    assert outcome.code == 0, outcome.err


def test_help_says_nothing_of_them() -> None:
    shown = run_command("check", "--help").out
    assert "target_devices" not in shown
    assert "--config" not in shown
