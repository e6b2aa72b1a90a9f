"""The HTML report: whole by itself, true to its figures, and read in a browser on a phone, in the dark, by a mouse."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from mixnet_tools.accuracy.gate import baseline as baselines
from mixnet_tools.api.evaluation_task import EvaluationRequest, ImageChoice, evaluate_task, find_task
from mixnet_tools.api.model_files import ModelChoice
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.errors import EvaluationError
from tests.support.browser import DESKTOP, PHONE, visit
from tests.support.commands import run_failing, run_ok

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BASELINE = Path(__file__).parents[3] / "models/public/mixnet-nano/baseline.json"
LOST, GAINED = "val_0000.jpg", "val_0477.jpg"


@dataclass(frozen=True)
class Made:
    """A page, and what the command that made it said."""

    page: Path
    report: dict[str, Any]
    stderr: str


@pytest.fixture(scope="module")
def made(nano_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The report on two IRs, one image of which was lost since the baseline, and one gained."""
    folder = tmp_path_factory.mktemp("page")
    document = json.loads(BASELINE.read_text())
    accepted, answers = document["images"][LOST]
    assert set(answers) <= set(accepted)
    document["images"][GAINED][1] = document["images"][GAINED][0] * len(answers)  # it was right
    document["images"][LOST][1] = [(one + 1) % 30 for one in answers]  # it was wrong
    document["digest"] = baselines._digest(document)
    (folder / "baseline.json").write_text(json.dumps(document))
    done = run_ok(
        *("check", "--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "-q", "--json"),
        *("--baseline", folder / "baseline.json"),
        *("--html", folder / "report.html", "--plot", folder / "chart.png"),
    )
    return Made(folder / "report.html", json.loads(done.out)["reports"][0], done.err)


@pytest.fixture(scope="module")
def page(made: Made) -> Path:
    return made.page


class Reader(HTMLParser):
    """Every tag and every address of a page, and what is needed to judge its structure."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")]


@pytest.fixture(scope="module")
def read(page: Path) -> Reader:
    reader = Reader()
    reader.feed(page.read_text())
    return reader


def test_the_page_needs_nothing_from_outside(page: Path, read: Reader) -> None:
    assert "script" not in read.tags
    assert read.tags.count("svg") == 5
    assert read.tags.count("img") == 24 + 2 * 2  # surest mistakes, and the flips of two IRs
    assert all(address.startswith(("data:", "#")) for address in read.addresses)
    text = page.read_text()
    assert "Content-Security-Policy" in text
    assert "default-src 'none'" in text
    assert "@import" not in text
    assert not re.findall(r"(?:https?:)?//[a-z0-9.]+\.[a-z]+", re.sub(r"base64,[^\"]+", "", text))
    assert len(text) < 200_000


def test_the_structure_is_one_that_screen_readers_follow(read: Reader) -> None:
    levels = [int(tag[1]) for tag in read.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper <= level + 1 for level, deeper in itertools.pairwise(levels))
    found = {
        "tables with captions": read.tags.count("caption") == read.tags.count("table"),
        "scopes": all(attrs.get("scope") for tag, attrs in read.attributes if tag == "th"),
        "charts": all(attrs.get("role") == "img" for tag, attrs in read.attributes if tag == "svg"),
        "alternatives": all("alt" in attrs for tag, attrs in read.attributes if tag == "img"),
        "language": ("html", {"lang": "en"}) in read.attributes,
        "skip link": ("a", {"class": "skip", "href": "#main"}) in read.attributes,
    }
    assert [what for what, right in found.items() if not right] == []
    names = [attrs["id"] for _, attrs in read.attributes if "id" in attrs]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    pointed = [name for _, attrs in read.attributes for name in (attrs.get("aria-labelledby") or "").split()]
    assert set(pointed) <= set(names)


def test_the_page_says_what_the_command_says(page: Path, made: Made) -> None:
    text = re.sub(r"\s+", " ", page.read_text())
    (run,) = made.report["runs"]
    for part in (
        "91.83 %",
        "89.37 to 93.77",
        "mixnet-nano: passed (full set, tolerance 0.2 points, and the baseline)",
        "Surest mistakes",
        "Worst confusions",
        "Reliability",
        "cyan_star",
        "Where the time went",
        "fingerprint",
        "None: no class has so few right answers",
        '<td class="nowrap">f32, CPU</td>',
        run["machine"]["processor"],
        run["started"].replace("T", " ").replace("Z", " UTC"),
        "mixnet check --name mixnet-nano",
        f"--html {page} --plot",
    ):
        assert part in text, part


def test_speeds_stand_in_the_report(made: Made) -> None:
    for result in made.report["results"]:
        speed = result["speed"]
        assert 0 < speed["low"] <= speed["images_per_second"] <= speed["high"]


def test_a_speed_that_cannot_be_measured_costs_no_figure(
    nano: ModelDescriptor, nano_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise EvaluationError("the device is gone")

    monkeypatch.setattr("mixnet_tools.api.evaluation_task.measure_speed", fail)
    models = ModelChoice(nano_dir, launcher=("openvino",), precisions=("FP16",))
    done = evaluate_task(find_task(nano, EvaluationRequest(ImageChoice(num_images=20), models)), speed=True)
    (result,) = done.report.results
    assert (result.top1.total, result.speed) == (20, None)
    assert "images/s could not be measured: the device is gone" in done.report.notes


def test_a_chart_alone_has_speeds_where_they_were_measured(made: Made, nano_dir: Path, tmp_path: Path) -> None:
    common = ("check", "--name", "mixnet-nano", "-d", nano_dir, "--launcher", "openvino", "--num_images", "60", "-q")
    parts = [tmp_path / f"{number}.jsonl" for number in (1, 2)]
    for number, part in enumerate(parts, 1):
        run_ok(*common, "--shard", f"{number}/2", "--predictions", part, "--no_speed", "--plot", tmp_path / "part.png")
    run_ok("check", "merge", *parts, "--plot", tmp_path / "merged.svg", "-q")
    with Image.open(made.page.with_name("chart.png")) as whole, Image.open(tmp_path / "part.png") as part_alone:
        assert whole.size[0] > part_alone.size[0]
    texts = list(ElementTree.fromstring((tmp_path / "merged.svg").read_bytes()).itertext())
    assert "openvino FP16" in texts
    assert "images/s here, with quartiles" not in texts  # shards do not tell
    told = run_failing(*common, "--plot", tmp_path / "chart.gif", code=2)
    assert "expected a name that ends with .png or .svg" in told


def test_what_flipped_is_shown_with_both_answers(page: Path) -> None:
    text = re.sub(r"\s+", " ", page.read_text())
    assert text.count("1 of 600 images lost, 1 gained</h4>") == 2
    cards = re.findall(r"<li><img[^>]+><dl>(.*?)</dl><span class=\"soft\">([^<]+)</span></li>", text)
    flipped = [(facts, name) for facts, name in cards if "<dt>was</dt>" in facts]
    assert [name for _, name in flipped] == [GAINED, LOST] * 2
    facts = flipped[1][0]
    was, now = re.findall(r'<dt>(?:was|now)</dt><dd class="(bad|good)">([^<]+)</dd>', facts)
    assert (was[0], now[0]) == ("bad", "good")
    right = re.findall("<dt>is</dt><dd[^>]*>([^<]+)", facts)[0]
    assert re.fullmatch(rf"{right}, [0-9.]+ %", now[1])
    assert was[1] not in now[1]


def test_quiet_is_quiet(made: Made) -> None:
    assert made.stderr == ""


def test_a_browser_renders_it_without_a_complaint_or_a_request(page: Path, browser: Browser, tmp_path: Path) -> None:
    with visit(browser, page.as_uri()) as seen:
        assert seen.page.locator("h1").inner_text() == "Accuracy of mixnet-nano"
        seen.page.screenshot(path=tmp_path / "shot.png", full_page=True)
    assert (seen.problems, seen.requests) == ([], [])
    with Image.open(tmp_path / "shot.png") as image:
        colours = image.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 5000  # pictures and charts, not a blank or an error page


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_pointing_at_a_mark_shows_its_values(page: Path, browser: Browser, width: int) -> None:
    with visit(browser, page.as_uri(), width=width) as seen:
        charts = seen.page.locator("svg.chart")
        assert charts.count() == 5
        for index in range(5):
            mark = charts.nth(index).locator(".mark").last
            readout = mark.locator(".readout")
            assert readout.evaluate("one => getComputedStyle(one).opacity") == "0"
            mark.locator("> :nth-child(3)").hover(force=True)  # numbers stand on some marks
            assert readout.evaluate("one => getComputedStyle(one).opacity") == "1"
            assert any(letter.isdigit() for letter in readout.text_content() or "")
            place, frame = readout.bounding_box(), charts.nth(index).bounding_box()
            assert place is not None
            assert frame is not None
            assert place["x"] >= 0
            assert place["x"] + place["width"] <= frame["x"] + frame["width"] + 1


def test_nothing_is_off_the_side_of_a_phone(page: Path, browser: Browser) -> None:
    with visit(browser, page.as_uri(), width=PHONE) as seen:
        assert seen.sideways() == 0
        regions = seen.page.locator(".scroll")
        scrolled = [regions.nth(index) for index in range(regions.count())]
        assert any(one.evaluate("one => one.scrollWidth > one.clientWidth") for one in scrolled)  # wide tables scroll
        sizes = "texts => texts.map(text => parseFloat(getComputedStyle(text).fontSize))"
        assert min(seen.page.locator("svg text").evaluate_all(sizes)) >= 11


def test_dark_mode_is_dark_and_light_mode_light(page: Path, browser: Browser) -> None:
    brightness = {}
    for dark in (False, True):
        with visit(browser, page.as_uri(), dark=dark) as seen:
            ground, ink = (
                seen.page.locator("section").first.evaluate(f"one => getComputedStyle(one).{what}")
                for what in ("backgroundColor", "color")
            )
        brightness[dark] = [sum(map(int, re.findall(r"\d+", colour)[:3])) / 3 for colour in (ground, ink)]
    assert brightness[False][0] > 200 > 60 > brightness[False][1]
    assert brightness[True][0] < 60 < 200 < brightness[True][1]


def test_the_skip_link_comes_first_and_leads_to_the_results(page: Path, browser: Browser) -> None:
    from playwright.sync_api import expect

    with visit(browser, page.as_uri()) as seen:
        seen.page.keyboard.press("Tab")
        focused = seen.page.locator(":focus")
        expect(focused).to_have_text("Skip to the results")
        expect(focused).to_be_in_viewport(ratio=1)
        seen.page.keyboard.press("Enter")
        expect(seen.page).to_have_url(re.compile(r"#main$"))  # not at once: the browser's process changes it


def test_the_browser_would_see_a_fault(browser: Browser, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(
        "<!doctype html><script>undefinedFunction()</script><img src='http://127.0.0.1:1234/outside.png' alt=''>"
        "<p style='width: 900px'>wide</p>"
    )
    with visit(browser, broken.as_uri(), width=PHONE) as seen:
        assert seen.sideways() > 400
    assert "undefinedFunction is not defined" in seen.problems
    assert seen.requests == ["http://127.0.0.1:1234/outside.png"]
