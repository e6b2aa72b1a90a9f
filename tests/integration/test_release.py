"""What a release is made of: the image's files build the package, workflows call what there is, forms can be read."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

from mixnet_tools import __version__

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PYPROJECT = (ROOT / "pyproject.toml").read_text()
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def step_of(workflow: str, job: str, name: str) -> str:
    """The shell text of the step called ``name``."""
    steps = yaml.safe_load((ROOT / f".github/workflows/{workflow}.yml").read_text())["jobs"][job]["steps"]
    (text,) = [step["run"] for step in steps if step.get("name") == name]
    return str(text)


def names_in_wheel(source: Path, target: Path) -> set[str]:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = target.glob(f"mixnet_tools-{__version__}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_files_that_the_image_copies_build_the_whole_package(tmp_path: Path) -> None:
    copied = re.findall(r"^COPY (?!--)(.+) (\S+)$", DOCKERFILE, re.MULTILINE)
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    context = tmp_path / "context"
    for sources, target in copied:
        for name in sources.split():
            assert any(fnmatch.fnmatch(name, pattern) for pattern in kept), f"{name} is not sent to the builder"
            place = context / target / name if target == "./" else context / target
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, place)
    assert names_in_wheel(context, tmp_path / "image") == names_in_wheel(ROOT, tmp_path / "checkout")


def test_the_image_runs_without_rights_and_installs_extras_that_exist() -> None:
    last = DOCKERFILE.rpartition("FROM ")[2]
    assert re.search(r"^USER (?!root)", last, re.MULTILINE)
    (extras,) = re.findall(r"^ARG EXTRAS=(.+)$", DOCKERFILE, re.MULTILINE)
    assert all(re.search(rf"^{extra} = \[", PYPROJECT, re.MULTILINE) for extra in extras.split(","))


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / ".ci/run"], ids=lambda path: path.name)
def test_targets_of_make_that_are_called_exist(path: Path) -> None:
    text = path.read_text()
    if path.suffix == ".yml":
        assert yaml.safe_load(text)["jobs"]
    called = re.findall(r"^\s*(?:- )?(?:run: |exec )make ([a-z -]+)", text, re.MULTILINE)
    for target in " ".join(called).split():
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"make {target}"


def test_forms_and_citation_are_read(tmp_path: Path) -> None:
    for form in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")):
        data = yaml.safe_load(form.read_text())
        if form.name != "config.yml":
            assert {"name", "description", "body"} <= set(data)
            assert all(part["attributes"]["label"] for part in data["body"])
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["license"] in PYPROJECT
    assert citation["version"] == __version__


def test_the_version_is_written_as_packages_write_it_and_has_a_section() -> None:
    assert str(Version(__version__)) == __version__  # else the tag would differ from the names of the packages
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", __version__]
    named = re.findall(r"`v(\d\S*)`", (ROOT / "docs/ci.md").read_text())
    assert named == [__version__]


@pytest.mark.parametrize(("tag", "fits"), [(f"v{__version__}", True), ("v0.1.0", False), (__version__, False)])
def test_a_tag_that_does_not_name_the_version_stops_a_release(tag: str, fits: bool) -> None:
    text = step_of("release", "build", "the tag names the version that is built")
    environment = {**os.environ, "GITHUB_REF_NAME": tag}
    done = subprocess.run(["bash", "-ec", text], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert (done.returncode == 0) is fits


@pytest.mark.parametrize(
    ("tag", "is_candidate"),
    [("v1.0.0rc1", True), ("v1.2.0b2", True), ("v2.0a1", True), ("v1.0.0", False), ("v1.0.0.post1", False)],
)
def test_a_candidate_is_marked_as_one(tmp_path: Path, tag: str, is_candidate: bool) -> None:
    assert Version(tag).is_prerelease is is_candidate
    told = tmp_path / "gh"
    told.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > told\n')
    told.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "GITHUB_REF_NAME": tag}
    text = step_of("release", "publish", "the release on GitHub")
    subprocess.run(["bash", "-ec", text], cwd=tmp_path, env=environment, check=True)
    words = (tmp_path / "told").read_text().split()
    assert words[:3] == ["release", "create", tag]
    assert ("--prerelease" in words) is is_candidate
    assert "dist/*" in words  # there is no such folder here, and nothing else was lost


def test_ci_tries_the_oldest_and_the_newest_python_on_every_system() -> None:
    declared = re.findall(r'^    "Programming Language :: Python :: (3\.\d+)",$', PYPROJECT, re.MULTILINE)
    (oldest,) = re.findall(r'^requires-python = ">=(3\.\d+)"$', PYPROJECT, re.MULTILINE)
    assert declared[0] == oldest
    assert declared == [f"3.{minor}" for minor in range(int(oldest[2:]), int(declared[-1][2:]) + 1)]
    jobs: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    systems = {"ubuntu-latest"}
    for job in jobs.values():
        pythons = job["strategy"]["matrix"]["python"]
        assert set(pythons) <= set(declared)
        assert {declared[0], declared[-1]} <= set(pythons)
        systems |= set(job["strategy"]["matrix"].get("os", []))
    assert systems == {"ubuntu-latest", "windows-latest", "macos-latest"}
    runs = " ".join(step.get("run", "") for step in jobs["platforms"]["steps"])
    assert "tests/unit" in runs
    assert "scripts/demo.sh" in runs
    assert not re.search(r"\bmake\b|\.venv", runs)  # Windows has neither make nor bin/
