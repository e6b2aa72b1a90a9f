"""An IR held against the reports beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixnet_tools.ir.digests import CONVERSION_REPORT, OPTIMIZATION_REPORT, QUANTIZATION_REPORT, check, described
from mixnet_tools.values import IRModel


@pytest.fixture
def ir(tmp_path: Path) -> IRModel:
    made = IRModel("net", "FP32", tmp_path / "net.xml", tmp_path / "net.bin")
    made.xml.write_bytes(b"<net/>")
    made.bin.write_bytes(b"weights")
    return made


def report(ir: IRModel, name: str) -> None:
    ir.xml.with_name(name).write_text(json.dumps({"schema": 1, "ir": described(ir)}))


@pytest.mark.parametrize("name", [CONVERSION_REPORT, QUANTIZATION_REPORT, OPTIMIZATION_REPORT.format(stem="net")])
@pytest.mark.parametrize("changed", ["net.xml", "net.bin"])
def test_a_change_is_seen_and_named(ir: IRModel, name: str, changed: str) -> None:
    report(ir, name)
    assert check(ir) == ("unchanged", None)
    path = ir.xml.with_name(changed)
    path.write_bytes(path.read_bytes()[::-1])
    integrity, warning = check(ir)
    assert integrity == "changed"
    assert warning
    assert warning.startswith(f"{path} is not the file that {name} beside it tells of")


@pytest.mark.parametrize(
    "text",
    [None, "", "[]", "{}", '{"ir": 1}', '{"ir": {"net.xml": 1}}', '{"ir": {"else.xml": {"digest": "x"}}}', "[" * 9999],
)
def test_a_report_that_says_nothing_of_the_ir_tells_nothing(ir: IRModel, text: str | None) -> None:
    if text is not None:
        ir.xml.with_name(CONVERSION_REPORT).write_text(text)
    assert check(ir) == ("unknown", None)


def test_of_two_reports_the_one_that_fits_counts(ir: IRModel) -> None:
    """An optimized IR may be written over the converted one, whose report stays."""
    report(ir, CONVERSION_REPORT)
    ir.bin.write_bytes(b"others")
    assert check(ir)[0] == "changed"
    report(ir, OPTIMIZATION_REPORT.format(stem="net"))
    assert check(ir) == ("unchanged", None)
