"""With -q, a command that is done says nothing on stderr, whatever libraries and descriptors give reason to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import run_ok

ROOT = Path(__file__).parents[2]

NOISY = """
import logging, sys, warnings
from mixnet_tools.cli.main import run
run("info", sys.argv[1:], "mixnet info")
warnings.warn("a warning of Python")
logging.getLogger("matplotlib").warning("a folder is not writable")
logging.getLogger("matplotlib").error("an error")
"""


def test_what_libraries_log_without_being_asked() -> None:
    def said(*arguments: str) -> str:
        command = [sys.executable, "-c", NOISY, "--print_all", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stderr

    assert said("-q") == "an error\n"
    loud = said()
    assert "a warning of Python" in loud
    assert "a folder is not writable" in loud


@pytest.fixture
def odd_zoo(tmp_path: Path) -> Path:
    """A zoo whose descriptor has a key that nobody knows."""
    folder = tmp_path / "zoo/public/mixnet-nano"
    folder.mkdir(parents=True)
    for path in (ROOT / "models/public/mixnet-nano").iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "model.yml").unlink()
    text = (ROOT / "models/public/mixnet-nano/model.yml").read_text()
    (folder / "model.yml").write_text(text + "licence: unknown\n")
    return tmp_path / "zoo"


@pytest.mark.parametrize(
    "command",
    ["info --table", "download -o {new}", "convert -d {nano} --dry_run", "convert -d {nano} -o {new} --no_verify"],
)
def test_warnings_of_descriptors(odd_zoo: Path, nano_dir: Path, tmp_path: Path, command: str) -> None:
    program, *options = command.format(new=tmp_path / "new", nano=nano_dir).split()
    arguments = [program, "--name", "mixnet-nano", "--models_dir", str(odd_zoo), *options]
    assert "licence" in run_ok(*arguments).err
    assert run_ok(*arguments, "-q").err == ""


def test_notes_of_a_check_and_of_a_baseline(nano_dir: Path, tmp_path: Path) -> None:
    arguments = [
        *("check", "--name", "mixnet-nano", "-d", str(nano_dir), "--precisions", "FP32", "--launcher", "openvino"),
        *("--num_images", "20", "--baseline", str(tmp_path / "baseline.json"), "--update_baseline"),
    ]
    assert "holds the answers of this run now" in run_ok(*arguments).err
    quiet = run_ok(*arguments, "-q")
    assert quiet.err == ""
    assert "passed" in quiet.out


def test_programs_for_scripts(tmp_path: Path) -> None:
    assert "export PATH" in run_ok("omz-aliases", tmp_path).err
    assert run_ok("omz-aliases", tmp_path, "-q").err == ""
