"""``mixnet new``: models that nothing describes yet. What it writes must be in order, and convert."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

from mixnet_tools.errors import MixnetToolsError
from tests.fuzz.containers import table_changes, zip_changes
from tests.fuzz.mutation import protobuf_changes, xml_changes
from tests.fuzz.target import Files, Finding, Place, Target, command
from tests.fuzz.targets import models

_FOLDER = "files/public/net/"
_MODELS = (".pb", ".pbtxt", ".meta", ".onnx", ".xml", ".zip")
_LABELS = {"labels.txt": b"red\ngreen\nblue\nyellow\ncyan\n"}


@cache
def _seeds() -> tuple[Files, ...]:
    """A model of each kind that is taken, in a folder of its own, and names of its classes."""
    described = (
        *models._frozen(), *models._frozen_text(), *models._checkpoint(), *models._saved_model(), *models._onnx(),
    )  # fmt: skip
    found = [
        {name.removeprefix(_FOLDER): data for name, data in files.items() if name.startswith(_FOLDER)}
        for files in described
    ]
    found += [dict(files) for files in models._ir()]
    found += [{"net.zip": _zip(files)} for files in found[-5:-3]]  # those of ONNX
    return tuple({**{f"model/{name}": data for name, data in files.items()}, **_LABELS} for files in found)


def _zip(files: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(f"net/{name}", (2020, 1, 1, 0, 0, 0)), data)
    return stream.getvalue()


def _new(place: Place) -> None:
    folder, zoo, work = place.given / "model", place.out / "zoo", place.out / "work"
    command(
        "new", "own", next((path for path in sorted(folder.iterdir()) if path.suffix in _MODELS), folder),
        "--models_dir", zoo, "--labels", place.given / "labels.txt", "--license", "MIT", "--preset", "torch", "-q",
    )  # fmt: skip
    written = zoo / "public/own/model.yml"
    if not written.is_file():
        raise Finding("exit code 0, and no model.yml")
    own = ("--name", "own", "--models_dir", zoo, "-q")
    _follow(written, "info", "--lint", zoo)
    _follow(written, "download", *own, "-o", work)
    if "framework: dldt" not in written.read_text(encoding="utf-8"):
        _follow(written, "convert", *own, "-d", work, "--precisions", "FP32", "--no_verify")


def _follow(written: Path, name: str, *arguments: str | Path) -> None:
    """A command that must take what was written."""
    try:
        code, out = command(name, *arguments)
    except (MixnetToolsError, OSError) as error:
        raise Finding(f"mixnet {name} refuses what was written", f"{error}\n{written.read_text()}") from error
    if code:
        raise Finding(f"mixnet {name} refuses what was written", f"{out}\n{written.read_text()}")


TARGETS = (
    Target(
        "new model",
        _seeds,
        {
            "model/*.pb": protobuf_changes,
            "model/*.pbtxt": None,
            "model/*.meta": protobuf_changes,
            "model/*.index": table_changes,
            "model/*.data*": None,
            "model/*.onnx": protobuf_changes,
            "model/*.bin": None,
            "model/*.xml": xml_changes,
            "model/*.zip": zip_changes,
            "labels.txt": None,
        },
        _new,
        examples=15,
        memory=1 << 30,
    ),
)
