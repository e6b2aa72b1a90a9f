"""The wheel carries the zoo and works where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unpacked wheel, as pip would lay it out."""
    dist, site = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("site")
    # Without isolation: the build backend is installed already, and tests fetch nothing.
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def mixnet(installed: Path, cwd: Path, *arguments: str) -> str:
    """A command of the unpacked wheel, run elsewhere."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "mixnet_tools.cli.main", *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = "import mixnet_tools.descriptors.zoo as z; print(z.embedded_root())"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", where], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(installed / "mixnet_tools/models")
    assert mixnet(installed, tmp_path, "info", "--print_all").split() == ["mixnet-l", "mixnet-nano"]
    mixnet(installed, tmp_path, "download", "--name", "mixnet-nano", "-o", "work")
    mixnet(installed, tmp_path, "convert", "--name", "mixnet-nano", "-d", "work", "--no_verify")
    printed = mixnet(installed, tmp_path, "check", "--name", "mixnet-nano", "-d", "work", "--launcher", "openvino")
    assert "91.83" in printed


def test_the_wheel_has_what_must_travel(installed: Path) -> None:
    package = installed / "mixnet_tools"
    pages = ("accuracy/reports/html_page.html.j2", "pages/base.html.j2", "pages/style.css", "web/static/page.js")
    data = (*pages, "models/public/mixnet-l/labels.txt")
    for name in ("py.typed", *data):
        assert (package / name).is_file()
    (info,) = installed.glob("*.dist-info")
    licences = {path.name for path in (info / "licenses").rglob("*") if path.is_file()}
    assert {"LICENSE", "APACHE-2.0-TF-TPU.txt"} <= licences
    scripts = (info / "entry_points.txt").read_text()
    for command in ("mixnet", "mixnet-download", "mixnet-convert", "mixnet-check", "mixnet-info"):
        assert f"{command} = mixnet_tools.cli.main:" in scripts
