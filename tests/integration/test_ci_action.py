"""The action for other people's CI: its steps run here as a runner would run them, to a green and to a red end."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "ci/check_accuracy.sh"
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/check-accuracy.yml").read_text())
CHECK = next(step for step in ACTION["runs"]["steps"] if step.get("id") == "check")
NANO = ROOT / "models/public/mixnet-nano"


def run_check(runner: Path, repository: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The action's step ``check`` in a checkout of ``repository``, with what a runner of GitHub sets."""
    runner.mkdir(exist_ok=True)
    if not (runner / "mixnet_tools").exists():
        (runner / "mixnet_tools").symlink_to(Path(sys.executable).parents[1])
    given = {name: str(entry.get("default", "")) for name, entry in ACTION["inputs"].items()}
    given |= {name.replace("_", "-"): value for name, value in inputs.items()}

    def value(text: str) -> str:
        (name,) = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", text).groups()  # type: ignore[union-attr]
        return given[name]

    environment = {
        **os.environ,
        **{name: value(text) for name, text in CHECK["env"].items()},
        "RUNNER_TEMP": str(runner),
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_OUTPUT": str(runner / "output"),
        "GITHUB_STEP_SUMMARY": str(runner / "summary.md"),
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", CHECK["run"]],
        cwd=repository, env=environment, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of somebody else with a model and a baseline of its own."""
    folder = tmp_path / "repository"
    shutil.copytree(NANO, folder / "my zoo/public/my-model")
    return folder


def test_a_model_of_ones_own_is_green_with_its_baseline_and_red_when_it_got_worse(
    repository: Path, tmp_path: Path
) -> None:
    arguments = {
        "model": "my-model", "models_dir": "my zoo", "precisions": "FP16",
        "check_args": "--launcher openvino --num_images 200 --no_speed",
    }  # fmt: skip
    made = run_check(
        tmp_path / "runner",
        repository,
        **{**arguments, "baseline": "good.json", "check_args": f"{arguments['check_args']} --update_baseline"},
    )
    assert made.returncode == 0, made.stderr
    green = run_check(tmp_path / "runner", repository, **arguments, baseline="good.json")
    assert green.returncode == 0, green.stderr
    results = tmp_path / "runner/accuracy"
    assert json.loads((results / "accuracy.json").read_text())["schema"]
    assert (results / "accuracy.html").stat().st_size > 10_000
    assert ElementTree.parse(results / "accuracy.xml").find(".//failure") is None
    assert "my-model" in (tmp_path / "runner/summary.md").read_text()
    assert (tmp_path / "runner/output").read_text().splitlines()[-2:] == [
        "exit-code=0",
        f"json={results / 'accuracy.json'}",
    ]

    descriptor = repository / "my zoo/public/my-model/model.yml"  # as somebody who forgets it would write it
    descriptor.write_text(descriptor.read_text().replace("  - --reverse_input_channels\n", ""))
    red = run_check(tmp_path / "runner", repository, **arguments, baseline="good.json")
    assert red.returncode == 3, red.stderr
    assert ElementTree.parse(results / "accuracy.xml").find(".//failure") is not None
    assert "exit-code=3" in (tmp_path / "runner/output").read_text().splitlines()


def test_what_is_missing_is_one_error_and_its_exit_code(repository: Path, tmp_path: Path) -> None:
    wrong = run_check(tmp_path / "runner", repository, model="my-modle", models_dir="my zoo")
    assert wrong.returncode == 1
    assert "did you mean 'my-model'" in wrong.stderr
    assert "exit-code=1" in (tmp_path / "runner/output").read_text()
    environment = {"PATH": os.environ["PATH"]}
    nothing = subprocess.run(["sh", SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert nothing.returncode != 0
    assert "set MODEL to the name of the model" in nothing.stderr
    assert not (tmp_path / "accuracy").exists()


def test_every_input_is_documented_and_used() -> None:
    text = (ROOT / "action.yml").read_text()
    for name, entry in ACTION["inputs"].items():
        assert entry["description"].endswith((".", ")", '"true" or "false").'))
        assert f"inputs.{name}" in text.partition("runs:")[2]
    documentation = SCRIPT.read_text().partition("set -eu")[0]
    assert all(f"#   {name} " in documentation for name in CHECK["env"])


def test_the_workflow_for_others_hands_over_inputs_that_the_action_has() -> None:
    inputs = WORKFLOW[True]["workflow_call"]["inputs"]  # YAML 1.1 reads the key on as true
    (step,) = (step for step in WORKFLOW["jobs"]["accuracy"]["steps"] if step["uses"] == "./.mixnet_tools")
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert all(f"inputs.{name}" in text for name, text in step["with"].items())
    assert {*step["with"], "tools-repository", "tools-ref", "runs-on"} == set(inputs)
