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

import yaml

from tests.support.commands import run_ok
from tests.support.documents import blocks
from tests.support.images import write_flat_set
from tests.support.own_models import write_onnx

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/ci.md"
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


def yaml_blocks() -> list[Any]:
    return [yaml.safe_load(block.text) for block in blocks(PAGE) if block.language == "yaml"]


def test_what_ci_md_says_leads_from_an_empty_repository_to_a_green_and_a_red_run(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    write_onnx(repository / "net.onnx", ["batch", 3, "height", "width"])
    (repository / "labels.txt").write_text("red\ngreen\nblue\nyellow\ncyan\nmagenta\n")
    write_flat_set(repository / "images", [*range(6)] * 4)
    for block in blocks(PAGE):
        if block.language == "sh":
            assert block.reason == "tests/integration/test_ci_action.py"
            for program, *words in block.commands():
                typed = words if program == "mixnet" else [program.removeprefix("mixnet-"), *words]
                run_ok(*typed, cwd=repository)
    shutil.rmtree(repository / "out")  # is not committed
    job = next(one for one in yaml_blocks() if isinstance(one, dict) and "jobs" in one)["jobs"]["accuracy"]
    inputs = {name.replace("-", "_"): value for name, value in job["steps"][-1]["with"].items()}

    green = run_check(tmp_path / "runner", repository, **inputs)
    assert green.returncode == 0, green.stderr
    results = tmp_path / "runner/accuracy"
    assert json.loads((results / "accuracy.json").read_text())["schema"]
    assert (results / "accuracy.html").stat().st_size > 10_000
    assert ElementTree.parse(results / "accuracy.xml").find(".//failure") is None
    assert "my-model" in (tmp_path / "runner/summary.md").read_text()
    said = (tmp_path / "runner/output").read_text().splitlines()
    assert said == ["exit-code=0", f"json={results / 'accuracy.json'}"]

    descriptor = repository / "zoo/public/my-model/model.yml"
    forgotten = re.sub(r".*--reverse_input_channels\n", "", descriptor.read_text())
    assert forgotten != descriptor.read_text()
    descriptor.write_text(forgotten)
    red = run_check(tmp_path / "runner", repository, **inputs)
    assert red.returncode == 3, red.stderr
    assert ElementTree.parse(results / "accuracy.xml").find(".//failure") is not None
    assert (tmp_path / "runner/output").read_text().splitlines()[-2] == "exit-code=3"


def test_other_ci_systems_set_variables_that_the_script_has() -> None:
    (gitlab,) = (one["accuracy"] for one in yaml_blocks() if isinstance(one, dict) and "accuracy" in one)
    (jenkins,) = (block.text for block in blocks(PAGE) if block.language == "groovy")
    set_by_jenkins = set(re.findall(r"^ +([A-Z_]+) = '", jenkins, re.MULTILINE))
    assert gitlab["variables"].keys() - {"CACHE_DIR"} == set_by_jenkins
    assert all(f"#   {name} " in SCRIPT.read_text() for name in gitlab["variables"])
    assert all("sh mixnet_tools/ci/check_accuracy.sh" in text for text in (gitlab["script"][-1], jenkins))


def test_the_inputs_that_ci_md_names_are_those_of_the_action_and_the_workflow() -> None:
    table = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert table == list(ACTION["inputs"])
    (called,) = (
        one["jobs"]["accuracy"] for one in yaml_blocks() if "uses" in str(one) and "tools-repository" in str(one)
    )
    inputs = WORKFLOW[True]["workflow_call"]["inputs"]
    assert set(called["with"]) <= set(inputs)
    assert {name for name, entry in inputs.items() if entry.get("required")} <= set(called["with"])


def test_what_is_missing_is_one_error_and_its_exit_code(tmp_path: Path) -> None:
    shutil.copytree(NANO, tmp_path / "my zoo/public/my-model")
    wrong = run_check(tmp_path / "runner", tmp_path, model="my-modle", models_dir="my zoo")
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
