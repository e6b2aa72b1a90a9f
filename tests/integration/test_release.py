"""What a release is made of: the image's files build the package, workflows call what there is, forms can be read."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PYPROJECT = (ROOT / "pyproject.toml").read_text()
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def names_in_wheel(source: Path, target: Path) -> set[str]:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = target.glob("*.whl")
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
