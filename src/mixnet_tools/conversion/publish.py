"""How an IR gets onto the disk: saved into a staging folder, proved there, and moved into place whole."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixnet_tools.values import IRModel

HALF_PRECISIONS = ("FP16",)
REPORT_FILE = "conversion.json"


@contextlib.contextmanager
def staged(model: Any, target: IRModel) -> Iterator[IRModel]:
    """``model`` (an ``openvino.Model``) saved in a staging folder beside ``target``'s place, while the block lasts."""
    import openvino

    folder = target.xml.parent
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=folder))
    try:
        xml = staging / target.xml.name
        openvino.save_model(model, xml, compress_to_fp16=target.precision in HALF_PRECISIONS)
        yield IRModel(target.name, target.precision, xml, xml.with_suffix(".bin"))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.rmdir()  # only where it is empty: nothing of ours stays behind a failure


def publish(staged_ir: IRModel, target: IRModel, report: dict[str, Any]) -> IRModel:
    """Move a staged IR into place, and ``report`` beside it.

    At no moment does an .xml stand beside a .bin or a report that is not its own.
    """
    staged_report = staged_ir.xml.with_name(REPORT_FILE)
    staged_report.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")
    folder = os.open(target.xml.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # two converters must not mix their files; closing unlocks
        target.xml.unlink(missing_ok=True)  # without its .xml a .bin is no IR
        os.replace(staged_ir.bin, target.bin)
        os.replace(staged_report, target.xml.with_name(REPORT_FILE))
        os.replace(staged_ir.xml, target.xml)
    finally:
        os.close(folder)
    return target


def write_serving_repository(ir: IRModel, repository: Path) -> Path:
    """Copy ``ir`` to where OpenVINO Model Server looks for it: ``<repository>/<name>/1/<name>.xml``; returns the .xml.

    The folder of the version appears whole, and replaces one that was there.
    """
    model = repository / ir.name
    model.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=model))
    version = model / "1"
    try:
        for path in (ir.bin, ir.xml):
            shutil.copy2(path, staging / path.name)
        staging.chmod(0o755)  # mkdtemp makes folders private, and the server runs as another user
        if version.exists():
            retired = Path(tempfile.mkdtemp(prefix=".retired-", dir=model))
            os.replace(version, retired / "1")
            os.replace(staging, version)
            shutil.rmtree(retired)
        else:
            os.replace(staging, version)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return version / ir.xml.name
