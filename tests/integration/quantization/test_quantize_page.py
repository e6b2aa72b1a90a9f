"""``mixnet-quantize --html``: the page on a quantization, true to its figures, and read by a browser."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mixnet_tools.ir.locate import ir_model
from mixnet_tools.quantization.layer_differences import layer_differences
from mixnet_tools.quantization.source import read_source
from mixnet_tools.values import CalibrationSet
from tests.support.browser import PHONE, visit
from tests.support.commands import run_failing, run_ok
from tests.support.images import pattern

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAME = "mixnet-nano"
QUICK = ("--no_optimize", "--subset_size", "16", "--fast_bias_correction", "--num_images", "60")


@dataclass(frozen=True)
class Made:
    """The page, and the report that it shows."""

    page: Path
    report: dict[str, Any]


@pytest.fixture(scope="module")
def made(nano_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("page")
    page = folder / "int8.html"
    done = run_ok("quantize", "--name", NAME, "-d", nano_dir, "-o", folder, "--json", "-q", *QUICK, "--html", page)
    return Made(page, json.loads(done.out)["models"][0])


def test_the_page_shows_the_figures_of_the_report(made: Made) -> None:
    text = re.sub(r"\s+", " ", made.page.read_text())
    last = made.report["rows"][-1]["comparison"]
    for part in (
        f"<dd>{100 * last['top1'] / last['images']:.2f} %",
        f"{last['difference']:+.2f} ({last['interval'][0]:+.2f} to {last['interval'][1]:+.2f})",
        f"<dd>{made.report['layers']['quantized']}<small>{len(made.report['layers']['in_float'])} left in float",
        "NNCF&#39;s pattern: squeeze and excitation",
        "mixnet quantize --name mixnet-nano",
        "In the order of the computation",
        f"Trial {made.report['chosen'] + 1} was taken: ",
        made.report["calibration"]["fingerprint"],
    ):
        assert part in text, part
    assert text.count("<svg") == 4
    assert "<script" not in text
    assert not re.findall(r"(?:https?:)?//[a-z0-9.]+\.[a-z]+", text)


def test_the_layers_differ_more_the_less_exact_they_are(made: Made, nano_dir: Path) -> None:
    differences = made.report["layer_differences"]
    names = [one["name"] for one in differences]
    assert len(names) == len(set(names)) == made.report["layers"]["quantized"] + len(made.report["layers"]["in_float"])
    floats = {one["name"] for one in made.report["layers"]["in_float"]}
    assert {one["name"] for one in differences if not one["quantized"]} == floats
    assert all(0 < one["difference"] < 1 for one in differences)
    images = pattern(64, 64)[None]
    calibration = CalibrationSet(images, ("a",), "x", 1, "omz", (), "")
    fp32, fp16 = (ir_model(nano_dir, f"public/{NAME}", NAME, precision) for precision in ("FP32", "FP16"))
    half = layer_differences(read_source(fp32), fp16, calibration)
    assert {one.name for one in half} == set(names)
    assert max(one.difference for one in half) < min(one["difference"] for one in differences[5:])
    assert {one.difference for one in layer_differences(read_source(fp32), fp32, calibration)} == {0.0}


def test_classes_of_flipped_images_add_up(made: Made) -> None:
    for row in made.report["rows"]:
        found = row["comparison"]
        for key in ("gained", "lost"):
            assert sum(one[key] for one in found["by_class"]) == found[key]


def test_a_browser_shows_it_on_a_phone_in_the_dark(made: Made, browser: Browser) -> None:
    with visit(browser, made.page.as_uri(), width=PHONE, dark=True) as seen:
        assert seen.sideways() == 0
        charts = seen.page.locator("svg.chart")
        for index in range(charts.count()):
            mark = charts.nth(index).locator(".mark").last
            mark.locator("> :nth-child(3)").hover(force=True)
            readout = mark.locator(".readout")
            assert readout.evaluate("one => getComputedStyle(one).opacity") == "1"
            place = readout.bounding_box()
            assert place is not None
            assert place["x"] >= 0
        seen.page.get_by_text("layers left in float", exact=False).last.click()
        assert seen.page.locator("details table").is_visible()
    assert (seen.problems, seen.requests) == ([], [])


def test_a_page_that_cannot_be_written_is_known_before_anything_is_done(nano_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    page = tmp_path / "file/page.html"
    told = run_failing("quantize", "--name", NAME, "-d", nano_dir, "-o", tmp_path / "o", "--html", page, code=2)
    assert f"{page}: cannot be written" in told
    assert not (tmp_path / "o").exists()
