"""What all commands have in common: usage, exit codes, selection, speed of starting."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import run, run_failing, run_ok
from tests.support.zoo_builder import write_model

COMMANDS = ("download", "convert", "check", "info")
HEAVY = ("tensorflow", "openvino", "numpy", "PIL", "requests")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_its_options(command: str) -> None:
    outcome = run_ok(command, "--help")
    assert f"usage: mixnet {command}" in outcome.out
    assert "--name" in outcome.out
    assert "--models_dir" in outcome.out
    undocumented = [
        line for line in outcome.out.splitlines() if line.startswith("  -") and line.strip().count(" ") == 0
    ]
    for line in undocumented:
        following = outcome.out.split(line, 1)[1].lstrip("\n").splitlines()[0]
        assert following.startswith("        "), f"{line.strip()} has no help text"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_print_all_import_nothing_heavy(command: str) -> None:
    program = (
        "import sys\n"
        "from mixnet_tools.cli.main import run\n"
        "try:\n"
        f"    run({command!r}, sys.argv[1:], 'mixnet')\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    for option in ("--help", "--print_all"):
        done = subprocess.run([sys.executable, "-c", program, option], capture_output=True, text=True, check=True)
        assert done.stderr.strip() == "[]"
        assert "mixnet-nano" in done.stdout or option == "--help"


def test_the_commands_under_their_own_names_are_the_same_code() -> None:
    scripts = Path(sys.executable).parent
    for command in COMMANDS:
        done = subprocess.run(
            [scripts / f"mixnet-{command}", "--print_all"], capture_output=True, text=True, check=True
        )
        assert done.stdout == run_ok(command, "--print_all").out
    version = subprocess.run([scripts / "mixnet", "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("mixnet_tools ")


def test_usage_without_or_with_an_unknown_command() -> None:
    assert "say which command" in _mixnet([], 2)
    assert "did you mean 'convert'?" in _mixnet(["convrt"], 2)
    assert "convert downloaded models" in _mixnet(["--help"], 0)


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_usage_exits_with_2(command: str) -> None:
    assert "say which models" in run_failing(command, code=2)
    assert "only one of" in run_failing(command, "--name", "x", "--all", code=2)
    assert "unrecognized arguments: --nmae" in run_failing(command, "--nmae", "x", code=2)
    assert "--name is empty" in run_failing(command, "--name", ",", code=2)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_model_offers_the_nearest(command: str) -> None:
    error = run_failing(command, "--name", "mixnet-nanno")
    assert "did you mean 'mixnet-nano'" in error


def test_kebab_case_options_are_the_same_options(tmp_path: Path) -> None:
    write_model(tmp_path, "net")
    snake = run_ok("convert", "--all", "--models_dir", tmp_path, "--dry_run", "--download_dir=x")
    kebab = run_ok("convert", "--all", "--models-dir", tmp_path, "--dry-run", "--download-dir=x")
    assert kebab == snake


def test_print_all_of_a_large_zoo_checks_every_descriptor(tmp_path: Path) -> None:
    for number in range(264):
        write_model(tmp_path, f"net-{number:03}")
    names = run_ok("info", "--print_all", "--models_dir", tmp_path).out.split()
    assert names == [f"net-{number:03}" for number in range(264)]
    write_model(tmp_path, "net-007", "framework: [")
    outcome = run("info", "--print_all", "--models_dir", tmp_path)
    assert outcome.code == 1
    assert outcome.out.split() == names
    assert "net-007/model.yml: not valid YAML" in outcome.err


def test_info_is_omz_json_when_not_on_a_terminal() -> None:
    infos = json.loads(run_ok("info", "--all").out)
    (nano,) = [info for info in infos if info["name"] == "mixnet-nano"]
    assert {
        "name", "composite_model_name", "description", "framework", "license_url", "accuracy_config", "model_config",
        "precisions", "subdirectory", "task_type", "input_info", "model_stages",
    } <= set(nano)  # fmt: skip
    assert nano["precisions"] == ["FP16", "FP32"]
    assert nano["input_info"] == [{"name": "IteratorGetNext:0", "shape": [1, 64, 64, 3], "layout": "NHWC"}]
    assert nano["ir"] == {}


def test_info_has_a_readable_table() -> None:
    table = run_ok("info", "--name", "mixnet-l", "--table").out
    assert "7.300 M parameters, 0.565 G multiply-adds" in table
    assert "54.3 MB" in table


def test_a_closed_pipe_is_no_traceback() -> None:
    program = f"{sys.executable} -m mixnet_tools.cli.main info --all --json | head -c 10"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_conversion_leaves_nothing(
    nano_dir: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mixnet_tools.cli.main", "convert", "--name", "mixnet-nano", "-d", str(nano_dir),
         "-o", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stderr is not None
    assert any("computing the original" in line for line in process.stderr)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def _mixnet(arguments: list[str], code: int) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mixnet_tools.cli.main", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr
