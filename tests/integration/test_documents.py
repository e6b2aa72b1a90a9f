"""Blocks of documents with the marker ``<!-- run -->``, typed in a folder that has what they name.

``<!-- run: exit code 3 -->`` expects that code. What a console shows below a command must be among what is printed, but
for the figures.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mixnet_tools.descriptors.model_yml import ModelDescriptor
from tests.integration.test_captures import without_figures
from tests.support.commands import run, run_ok
from tests.support.documents import PAGES, Block, blocks

ROOT = Path(__file__).parents[2]
RUN = {page: found for page in PAGES if (found := [one for one in blocks(page) if one.kind == "run"])}
TUTORIAL = ROOT / "docs/tutorial.md"
OF_THE_SHELL = ("mkdir", "cp", "sed")
LEFT_OUT = "..."
"""A line that stands for output which is not shown."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, nano_dir: Path, nano: ModelDescriptor) -> Path:
    """A folder with zoos, a downloaded and converted model under two names, and files of earlier runs."""
    folder = tmp_path_factory.mktemp("documents")
    shutil.copytree(nano_dir / "public", folder / "public", ignore=shutil.ignore_patterns("FP32"))
    (folder / "public/my-model").symlink_to("mixnet-nano")
    for name in ("models-out", "work"):
        (folder / name).symlink_to(".")
    shutil.copy(nano.directory / "validation/val_0048.jpg", folder / "photo.jpg")
    (folder / "models").symlink_to(ROOT / "models")
    shutil.copytree(nano.directory, folder / "my_zoo/public/my-model", ignore=shutil.ignore_patterns("validation"))
    run_ok("check", "--name", "mixnet-nano", "--num_images", "50", "--predictions", "run.jsonl", cwd=folder)
    for day in ("yesterday", "today"):
        shutil.copy(folder / "run.jsonl", folder / f"{day}.jsonl")
    return folder


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a fresh checkout, as far as the tutorial needs it."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "models").symlink_to(ROOT / "models")
    return folder


def type_in(block: Block, place: Path) -> None:
    expected = re.fullmatch(r"exit code (\d+)", block.reason)
    printed = ""
    for program, *arguments in block.commands():
        if program in OF_THE_SHELL:
            subprocess.run([program, *arguments], cwd=place, check=True)
            continue
        command = [program.removeprefix("mixnet-"), *arguments] if program != "mixnet" else arguments
        assert program.startswith("mixnet"), f"{block}: {program} is not run here; name the test that runs it"
        outcome = run(*command, cwd=place)
        assert "Traceback" not in outcome.err
        assert outcome.code == (int(expected[1]) if expected else 0), f"{block}: {outcome.out}{outcome.err}"
        printed += without_figures(outcome.out + outcome.err)
    if block.language == "console":
        shown = [line for line in block.text.splitlines() if line != LEFT_OUT and not line.startswith("$ ")]
        for line in without_figures("\n".join([*shown, ""])).splitlines():
            assert line in printed, f"{block}: {line}"


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_commands_run(page: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    place: Path = request.getfixturevalue("checkout" if page == TUTORIAL else "place")
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # as activated
    for block in RUN[page]:
        if block.language == "python":
            exec(compile(block.text, str(block), "exec"), {})
        else:
            type_in(block, place)
