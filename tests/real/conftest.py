"""The packages, the zoo of descriptors that name their files, and labelled pictures."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_TEXT_LINES = {
    10: (0, 95, 195),
    48: (0, 100, 200),
    65: (0, 100, 200),
    82: (0, 100, 200),
    101: (0, 100, 200),
    119: (0, 84),
}
"""Where text is in scikit-image's page.png: the upper edge of each line, and left edges in it, in pixels."""


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of packages.txt as the index has them. REAL_PACKAGES names one that stays."""
    folder = Path(os.environ.get("REAL_PACKAGES") or tmp_path_factory.mktemp("packages")).resolve()
    if not (folder / "complete").is_file():
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        words = [*pip, "--dest", str(folder), "--requirement", str(HERE / "packages.txt")]
        subprocess.run(words, check=True, timeout=280)
        (folder / "complete").touch()
    return folder


@pytest.fixture(scope="session")
def zoo(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of tests/real/models, with the places of the packages' files filled in."""
    folder = tmp_path_factory.mktemp("zoo")
    archive = folder / "saved_model.tar.gz"
    with zipfile.ZipFile(next(packages.glob("catsordogs-*.whl"))) as wheel:
        keras_file = wheel.extract("catsordogs/model.h5", folder)
    export = [sys.executable, str(HERE / "export_cats.py"), keras_file, str(folder / "saved_model")]
    subprocess.run(export, check=True, timeout=280, capture_output=True)
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "saved_model", "saved_model")
    checksum = hashlib.sha384(archive.read_bytes()).hexdigest()
    for source in (HERE / "models").rglob("*.yml"):
        target = folder / source.relative_to(HERE)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text().replace("@SIZE@", str(archive.stat().st_size)).replace("@CHECKSUM@", checksum)
        place = folder if "@SIZE@" in source.read_text() else packages
        target.write_text(text.replace("@PACKAGES@", str(place)))
    return folder / "models"


@pytest.fixture(scope="session")
def photos(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Foolbox's 20 photos of ImageNet and four of scikit-image: all of them are safe for work, class 0."""
    folder = tmp_path_factory.mktemp("photos")
    wanted = {"chelsea.png", "astronaut.png", "coffee.png", "rocket.jpg"}
    for package in (*packages.glob("foolbox-*.whl"), *packages.glob("scikit_image-*.whl")):
        with zipfile.ZipFile(package) as wheel:
            for member in wheel.namelist():
                name = member.rpartition("/")[2]
                if name in wanted or (name.startswith("imagenet_") and name.endswith(".jpg")):
                    (folder / name).write_bytes(wheel.read(member))
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 24, names
    (folder / "val.txt").write_text("".join(f"{name} 0\n" for name in names))
    return folder


@pytest.fixture(scope="session")
def cat(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chelsea alone, who is a cat: class 0 of cats-or-dogs."""
    folder = tmp_path_factory.mktemp("cat")
    (folder / "chelsea.png").write_bytes((photos / "chelsea.png").read_bytes())
    (folder / "val.txt").write_text("chelsea.png 0\n")
    return folder


@pytest.fixture(scope="session")
def text_lines(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of the lines of a photographed page, upright (class 0) and upside down (class 1)."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("lines")
    with zipfile.ZipFile(next(packages.glob("scikit_image-*.whl"))) as wheel:
        page = Image.open(wheel.extract("skimage/data/page.png", folder)).convert("RGB")
    lines = []
    for top, lefts in _TEXT_LINES.items():
        height = 24 if top == 10 else 21  # the title's letters are larger
        for left in lefts:
            part = page.crop((left, top, left + 4 * height, top + height))
            for label, picture in enumerate((part, part.transpose(Image.Transpose.ROTATE_180))):
                name = f"line_{top}_{left}_{label}.png"
                picture.save(folder / name)
                lines.append(f"{name} {label}\n")
    (folder / "val.txt").write_text("".join(lines))
    return folder
