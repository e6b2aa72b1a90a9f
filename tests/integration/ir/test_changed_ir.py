"""An IR that is not the one that was converted is told by every command that reads it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.support.commands import run_ok


def test_a_changed_ir_is_told_by_check_quantize_and_optimize(nano_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "public/mixnet-nano"
    for precision in ("FP32", "FP16"):
        shutil.copytree(nano_dir / "public/mixnet-nano" / precision, folder / precision)
    weights = folder / "FP16/mixnet-nano.bin"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    words = f"warning: openvino FP16: {weights} is not the file that conversion.json beside it tells of"

    done = run_ok("check", "--name", "mixnet-nano", "--ir_dir", tmp_path, "--launcher", "openvino", "-q", "--json",
                  "--num_images", "8")  # fmt: skip
    assert words in done.err
    (report,) = json.loads(done.out)["reports"]
    assert [(one["precision"], one["integrity"]) for one in report["results"]] == [
        ("FP32", "unchanged"),
        ("FP16", "changed"),
    ]
    assert words in "\n".join(report["notes"])

    done = run_ok("quantize", "--name", "mixnet-nano", "-d", tmp_path, "--no_verify", "--subset_size", "2", "--json",
                  "--fast_bias_correction")  # fmt: skip
    assert f"warning: {weights} is not the file" in done.err
    (quantized,) = json.loads(done.out)["models"]
    assert quantized["source_integrity"] == "changed"
    int8 = json.loads((folder / "FP16-INT8/quantization.json").read_text())
    assert int8["source_integrity"] == "changed"
    assert int8["ir"]["mixnet-nano.bin"]["size"] == (folder / "FP16-INT8/mixnet-nano.bin").stat().st_size

    xml = folder / "FP16-INT8/mixnet-nano.xml"
    optimize = ("optimize", xml, "-o", tmp_path / "out.xml", "--json")
    done = run_ok(*optimize)
    assert json.loads(done.out)["source_integrity"] == "unchanged"
    assert "warning" not in done.err
    xml.write_text(xml.read_text() + "\n")
    done = run_ok(*optimize)
    assert json.loads(done.out)["source_integrity"] == "changed"
    assert f"warning: {xml} is not the file that quantization.json beside it tells of" in done.err
