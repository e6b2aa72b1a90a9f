"""A place that cannot be written to is the same error in every stage that writes IRs."""

from __future__ import annotations

from pathlib import Path

import pytest

import mixnet_tools
from mixnet_tools.descriptors.model_yml import ModelDescriptor


def test_every_stage_of_the_python_api_says_that_it_cannot_write(
    nano: ModelDescriptor, nano_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file"
    with pytest.raises(mixnet_tools.OutputError, match=r"file/public/mixnet-nano/FP16: cannot be written to"):
        mixnet_tools.convert("mixnet-nano", download_dir=nano_dir, output_dir=place)
    with pytest.raises(mixnet_tools.OutputError, match=r"file/public/mixnet-nano/FP16-INT8: cannot be written to"):
        mixnet_tools.quantize("mixnet-nano", ir_dir=nano_dir, output_dir=place, source=nano.directory / "validation")
    source = nano_dir / "public/mixnet-nano/FP16/mixnet-nano.xml"
    with pytest.raises(mixnet_tools.OutputError, match=r"file: cannot be written to"):
        mixnet_tools.optimize_ir(source, place / "out.xml")
    assert place.is_file()
