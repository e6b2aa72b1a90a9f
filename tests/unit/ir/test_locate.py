"""Finding the IRs of a model below a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import IRError, NextStep
from mixnet_tools.ir.locate import IR_PRECISIONS, existing_irs, ir_at, ir_model, irs_of, require_irs


def write(folder: Path, precision: str, *suffixes: str) -> None:
    place = folder / "public/mixnet-nano" / precision
    place.mkdir(parents=True)
    for suffix in suffixes or (".xml", ".bin"):
        (place / f"mixnet-nano{suffix}").touch()


def test_where_an_ir_would_be(nano: ModelDescriptor) -> None:
    (ir,) = irs_of(nano, Path("work"), ["FP16"])
    assert ir == ir_model(Path("work"), "public/mixnet-nano", "mixnet-nano", "FP16")
    assert (ir.xml, ir.bin) == tuple(
        Path("work/public/mixnet-nano/FP16") / name for name in ("mixnet-nano.xml", "mixnet-nano.bin")
    )
    assert [ir.precision for ir in irs_of(nano, Path("work"))] == list(IR_PRECISIONS)


def test_those_that_are_there(nano: ModelDescriptor, tmp_path: Path) -> None:
    for precision in ("INT8", "FP16"):
        write(tmp_path, precision)
    write(tmp_path, "FP32", ".xml")  # an .xml without its .bin is none
    assert existing_irs(nano, tmp_path) == irs_of(nano, tmp_path, ["FP16", "INT8"])
    assert require_irs(nano, tmp_path) == existing_irs(nano, tmp_path)
    assert require_irs(nano, tmp_path, ["INT8"]) == irs_of(nano, tmp_path, ["INT8"])
    assert existing_irs(nano, tmp_path / "elsewhere") == ()


def test_one_that_is_missing_is_named(nano: ModelDescriptor, tmp_path: Path) -> None:
    write(tmp_path, "FP16")
    with pytest.raises(IRError, match=r"FP32/mixnet-nano\.xml: mixnet-nano has no such IR \(nor 1 further files\)"):
        require_irs(nano, tmp_path, ["FP16", "FP32"])
    write(tmp_path, "FP32", ".xml")
    with pytest.raises(IRError, match=r"FP32/mixnet-nano\.bin: mixnet-nano has no such IR$"):
        require_irs(nano, tmp_path, ["FP32"])
    with pytest.raises(IRError, match=r"FP32/mixnet-nano\.xml: mixnet-nano has no such IR \(nor 9 further files\)"):
        require_irs(nano, tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("precision", "folder", "downloads", "stage", "fields"),
    [
        ("FP16", "", None, "convert", {}),
        ("FP32", "work", None, "convert", {"download_dir": "work", "precision": "FP32"}),
        ("FP16", "irs", "work", "convert", {"download_dir": "work", "output_dir": "irs"}),
        ("FP16", "irs", "", "convert", {"output_dir": "irs"}),
        ("FP16-INT8", "irs", "work", "quantize", {"ir_dir": "irs"}),
    ],
)
def test_the_hint_is_the_stage_that_makes_it(
    nano: ModelDescriptor, precision: str, folder: str, downloads: str | None, stage: str, fields: dict[str, str]
) -> None:
    place = None if downloads is None else Path(downloads)
    with pytest.raises(IRError) as caught:
        require_irs(nano, Path(folder), [precision], download_dir=place)
    hint = caught.value.hint
    assert isinstance(hint, NextStep)
    assert (hint.stage, hint.model, hint.fields) == (stage, "mixnet-nano", fields)


def test_no_stage_makes_other_precisions(nano: ModelDescriptor, tmp_path: Path) -> None:
    with pytest.raises(IRError) as caught:
        require_irs(nano, tmp_path, ["INT8"])
    assert caught.value.hint == "mixnet_tools makes FP32, FP16 and FP16-INT8; an IR of INT8 comes from elsewhere"


def test_an_ir_anywhere(tmp_path: Path) -> None:
    write(tmp_path, "FP16")
    xml = tmp_path / "public/mixnet-nano/FP16/mixnet-nano.xml"
    assert ir_at(xml) == ir_model(tmp_path, "public/mixnet-nano", "mixnet-nano", "FP16")
    for suffix in (".xml", ".bin"):
        (tmp_path / f"mine{suffix}").touch()
    assert (ir_at(tmp_path / "mine.xml").name, ir_at(tmp_path / "mine.xml").precision) == ("mine", "")
    (tmp_path / "mine.bin").unlink()
    with pytest.raises(IRError, match=r"mine\.bin: no such file"):
        ir_at(tmp_path / "mine.xml")
