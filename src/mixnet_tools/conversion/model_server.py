"""Writes a repository for OpenVINO Model Server."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.files import atomic
from mixnet_tools.ir.save import STAGING_PREFIX
from mixnet_tools.values import IRModel


def write_serving_repository(ir: IRModel, repository: Path) -> Path:
    """Copy ``ir`` to where OpenVINO Model Server looks for it: ``<repository>/<name>/1/<name>.xml``; returns the .xml.

    The folder of the version appears whole, and replaces one that was there. Raises :class:`OutputError` where it
    cannot be written.
    """
    with atomic.writing(repository):
        return _write(ir, repository)


def image_layout(plan: ConversionPlan) -> str | None:
    """The server's parameter ``layout`` with which it takes images as files (JPEG); None where it needs none.

    The server decodes files to NHWC. A model in NCHW must be said to be so.

    >>> from mixnet_tools.conversion.plan import InputPlan, Source, parse_cut
    >>> data, size = InputPlan(parse_cut("data"), (1, 3, 8, 8), "NCHW"), InputPlan(parse_cut("size"), (1, 2))
    >>> image_layout(ConversionPlan("net", Source("onnx", Path("net.onnx")), (data,), ()))
    'NHWC:NCHW'
    >>> image_layout(ConversionPlan("net", Source("onnx", Path("net.onnx")), (data, size), ()))
    '{"data": "NHWC:NCHW"}'
    """
    layouts = {entry.cut.placeholder: "NHWC:NCHW" for entry in plan.inputs if entry.layout == "NCHW"}
    if len(plan.inputs) == 1:
        return next(iter(layouts.values()), None)
    return json.dumps(layouts) if layouts else None


def _write(ir: IRModel, repository: Path) -> Path:
    model = repository / ir.name
    model.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=model))
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
