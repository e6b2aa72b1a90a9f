"""The page in a real browser: pictures are dropped, pasted, chosen and picked, by mouse and by keyboard."""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.api.classification import Device, OpenedClassifier, open_model
from mixnet_tools.api.model_files import ModelChoice
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.progress import Progress
from mixnet_tools.web.limits import Limits
from tests.support.browser import DESKTOP, PHONE, Visit, visit
from tests.support.images import encoded, pattern, turned
from tests.support.page_server import PageServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

TRANSFER = """files => {
    const transfer = new DataTransfer();
    for (const [name, type, data] of files) {
        const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
    }
    return transfer;
}"""
"""What a browser makes of dragged files."""

PASTE = (
    "(target, files) => document.body.dispatchEvent("
    f"new ClipboardEvent('paste', {{ clipboardData: ({TRANSFER})(files), bubbles: true, cancelable: true }}))"
)


def picture(kind: str = "PNG", size: tuple[int, int] = (60, 80)) -> bytes:
    """An image of (height, width) ``size``."""
    return encoded(kind, pattern(*size))


def packed(*files: tuple[str, bytes]) -> list[list[str]]:
    return [[name, "image/png", base64.b64encode(data).decode()] for name, data in files]


def drop(page: Page, *files: tuple[str, bytes], on: str = "body") -> None:
    transfer = page.evaluate_handle(TRANSFER, packed(*files))
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event(on, event, {"dataTransfer": transfer})


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    payload = [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
    page.set_input_files("#files", payload)


def answered(page: Page, count: int) -> list[Locator]:
    """The cards, the newest first, once there are ``count`` and all are finished."""
    from playwright.sync_api import expect

    expect(page.locator(".result:not([aria-busy])")).to_have_count(count, timeout=60_000)
    cards: list[Locator] = page.locator(".result").all()
    return cards


@contextmanager
def opened_page(browser: Browser, server: PageServer, **options: Any) -> Iterator[Visit]:
    """The page, ready for pictures. It must complain about nothing, and ask nobody but its own server."""
    with visit(browser, server.address, **options) as seen:
        seen.page.wait_for_selector("#profiles input:checked + span")
        yield seen
        assert seen.problems == []
        assert [address for address in seen.requests if not address.startswith(server.address)] == []
        assert seen.page.context.cookies() == []


def test_pictures_are_dropped_and_all_models_answer_side_by_side(browser: Browser, page: PageServer) -> None:
    sample = page.ask("/samples/0").body
    with opened_page(browser, page) as seen:
        drop(seen.page, ("shape.jpg", sample), on="#results")
        (card,) = answered(seen.page, 1)
        assert card.get_by_role("heading", level=3).inner_text() == "shape.jpg"
        titles = [one.inner_text() for one in card.get_by_role("heading", level=4).all()]
        for title, wanted in zip(titles, ("original (tf)", "FP32", "FP16"), strict=True):
            assert re.fullmatch(re.escape(wanted) + r"\s*[0-9.]+\sms", title)
        lists = card.get_by_role("list").all()
        assert [len(one.get_by_role("listitem").all()) for one in lists] == [5, 5, 5]
        first = page.classify(sample).json["answers"][0]["classes"][0]  # type: ignore[index]
        assert lists[0].get_by_role("listitem").first.inner_text().split() == [
            first["text"], f"{100 * first['score']:.1f}", "%"
        ]  # fmt: skip
        assert card.get_by_text("All 3 models agree").is_visible()
        widths = [one.evaluate("one => one.offsetWidth") for one in lists[0].locator(".fill").all()]
        assert widths == sorted(widths, reverse=True)
        assert widths[0] > 10 * widths[-1]


def test_a_pasted_picture_is_classified(browser: Browser, page: PageServer) -> None:
    with opened_page(browser, page) as seen:
        seen.page.eval_on_selector("body", PASTE, packed(("pasted.png", picture())))
        (card,) = answered(seen.page, 1)
        assert card.get_by_role("heading", level=3).inner_text() == "pasted.png"
        seen.page.eval_on_selector("body", PASTE, [])
        assert seen.page.locator("#status").inner_text() == "There is no picture in the clipboard."


def test_a_sample_is_picked_by_a_click(browser: Browser, page: PageServer) -> None:
    with opened_page(browser, page) as seen:
        samples = seen.page.get_by_role("button", name="Classify sample")
        assert samples.count() == 6
        samples.nth(2).click()
        (card,) = answered(seen.page, 1)
        assert seen.page.get_by_role("button", name=card.get_by_role("heading", level=3).inner_text()).count() == 1


def test_the_keyboard_alone_does_everything(browser: Browser, page: PageServer) -> None:
    with opened_page(browser, page) as seen:
        keyboard = seen.page.keyboard
        reached = []
        for _ in range(14):
            keyboard.press("Tab")
            reached.append(seen.page.evaluate("document.activeElement.id || document.activeElement.className"))
            outline = seen.page.evaluate(
                "(() => { const e = document.activeElement; const s = e.type === 'radio' ? e.nextElementSibling : e;"
                "return getComputedStyle(s).outlineStyle + getComputedStyle(s).outlineWidth; })()"
            )
            assert outline == "solid3px" or reached[-1] == ""
        assert reached[:9] == ["skip", "theme", "drop", *["sample"] * 6]
        assert "sideways" in reached
        seen.page.on("filechooser", lambda _: None)  # from now on the browser hands choosers over
        for key in ("Space", "Enter"):
            seen.page.focus("#drop")
            with seen.page.expect_file_chooser() as chooser:
                keyboard.press(key)
            chooser.value.set_files([{"name": f"{key}.png", "mimeType": "image/png", "buffer": picture()}])
        answered(seen.page, 2)
        seen.page.get_by_role("button", name="Classify sample").first.focus()
        keyboard.press("Enter")
        answered(seen.page, 3)
        seen.page.locator("#profiles input:checked").focus()
        keyboard.press("ArrowRight")
        assert seen.page.locator("#profiles input:checked").input_value() == PROFILES[1]
        seen.page.focus("#clear")
        keyboard.press("Enter")
        assert seen.page.locator(".result").count() == 0
        assert seen.page.evaluate("document.activeElement.id") == "drop"


def shaded(card: Locator) -> list[float]:
    """left, top, right, bottom of what is kept, as shares of the picture."""
    svg = card.locator("svg").bounding_box()
    edge = card.locator(".edge")
    image = card.locator("img").bounding_box()
    assert svg == image
    x, y, width, height = (float(edge.get_attribute(name) or "nan") for name in ("x", "y", "width", "height"))
    _, _, whole_width, whole_height = map(float, (card.locator("svg").get_attribute("viewBox") or "").split())
    return [x / whole_width, y / whole_height, (x + width) / whole_width, (y + height) / whole_height]


def test_what_each_profile_cuts_away_is_shown(browser: Browser, page: PageServer) -> None:
    data = picture(size=(300, 451))
    kept: dict[str, Any] = page.classify(data).json["kept"]  # type: ignore[assignment]
    with opened_page(browser, page) as seen:
        choose(seen.page, ("photo.png", data))
        (card,) = answered(seen.page, 1)
        assert seen.page.get_by_label("omz (in use)").is_checked()
        shown = set()
        for profile in PROFILES:
            seen.page.get_by_role("radio", name=profile).check()
            region = kept[profile]
            wanted = [region["left"] / 451, region["top"] / 300, region["right"] / 451, region["bottom"] / 300]
            assert shaded(card) == pytest.approx(wanted, abs=1e-6)
            shown.add(tuple(wanted))
            caption = card.locator("figcaption").inner_text()
            assert re.match("451 . 300 pixels[.] ", caption)
            assert ("The models saw" in caption) is (profile == "omz")
            assert seen.page.locator("#steps li").count() >= 2
        assert len(shown) == 3  # both tpu profiles crop alike


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_picture_is_turned_as_the_models_saw_it(browser: Browser, page: PageServer, kind: str) -> None:
    """Red lies on the left of the stored pixels. Turned, as its EXIF data asks, it lies at the top."""
    pixels = np.full((60, 160, 3), (20, 20, 230), np.uint8)
    pixels[:, :80] = (230, 20, 20)
    data = encoded(kind, pixels, exif=turned(6))
    kept: dict[str, Any] = page.classify(data).json["kept"]  # type: ignore[assignment]
    with opened_page(browser, page) as seen:
        choose(seen.page, ("turned.jpg", data))
        (card,) = answered(seen.page, 1)
        for profile in ("omz", "timm"):
            seen.page.get_by_role("radio", name=profile).check()
            upright = kept[profile]["width"] == 60
            assert upright is (kept[profile]["turned"] or kind == "TIFF")  # Pillow turns TIFF whatever is asked
            turn = str(kept[profile]["turned"]).lower()
            card.locator(f".frame[data-turned={turn}]").wait_for()  # a preview may be on its way
            box = card.locator(".frame").bounding_box()
            assert box is not None
            assert box["width"] / box["height"] == pytest.approx(60 / 160 if upright else 160 / 60, rel=0.02)
            taken = Image.open(io.BytesIO(card.locator(".frame").screenshot())).convert("RGB")
            across, down = taken.size
            end = taken.getpixel((across // 2, int(0.8 * down)) if upright else (int(0.8 * across), down // 2))
            start = taken.getpixel((across // 2, int(0.2 * down)) if upright else (int(0.2 * across), down // 2))
            assert isinstance(start, tuple)
            assert isinstance(end, tuple)
            assert start[0] > 2 * start[2], f"{profile}: red comes first"
            assert end[2] > 2 * end[0], f"{profile}: blue comes last"


def test_what_the_browser_cannot_show_the_server_makes(browser: Browser, page: PageServer) -> None:
    with opened_page(browser, page) as seen:
        choose(seen.page, ("scan.tif", picture("TIFF")), ("old.ppm", picture("PPM")))
        for card in answered(seen.page, 2):
            image = card.get_by_role("img", name="The picture")
            assert image.evaluate("async one => { await one.decode(); return one.naturalWidth; }") == 80


def test_bad_files_are_named_and_the_others_classified(browser: Browser, page: PageServer) -> None:
    hostile = "<img src=x onerror=alert(1)>.png"
    with opened_page(browser, page) as seen:
        dialogs: list[str] = []
        seen.page.on("dialog", lambda one: dialogs.append(one.message) or one.dismiss())  # type: ignore[func-returns-value]
        drop(seen.page, (hostile, b"<script>alert(2)</script>"), ("good.png", picture()), ("empty.png", b""))
        empty, good, bad = answered(seen.page, 3)
        assert bad.get_by_role("heading", level=3).inner_text() == hostile
        assert bad.get_by_text("Cannot be decoded as an image: no known format").is_visible()
        assert empty.get_by_text("The file is empty.").is_visible()
        assert good.get_by_text("models agree").is_visible()
        assert bad.locator("img").count() == 0
        log = seen.page.get_by_role("log").inner_text()
        assert hostile in log
        assert "good.png: " in log
        assert dialogs == []


def test_what_is_no_file_is_told_apart(browser: Browser, page: PageServer) -> None:
    with opened_page(browser, page) as seen:
        transfer = seen.page.evaluate_handle(
            "() => { const one = new DataTransfer(); one.setData('text/uri-list', 'http://a.example/'); return one; }"
        )
        seen.page.dispatch_event("body", "drop", {"dataTransfer": transfer})
        assert "That was no file." in seen.page.locator("#status").inner_text()
        assert seen.page.url == page.address


def test_too_many_and_too_large_ones_are_told(browser: Browser, opened: OpenedClassifier) -> None:
    with serving(opened, Limits(bytes=1 << 20, files=3)) as server, opened_page(browser, server) as seen:
        assert seen.page.get_by_text("Up to 3 at a time, 1 MB each.").is_visible()
        choose(seen.page, ("large.png", bytes((1 << 20) + 1)), *((f"{one}.png", picture()) for one in range(4)))
        cards = answered(seen.page, 3)
        assert "At most 3 pictures are taken at a time: 2 left out." in seen.page.get_by_role("log").inner_text()
        assert cards[-1].get_by_text("The file is too large: at most 1 MB are taken.").is_visible()


def test_twenty_in_one_drop_are_all_classified_though_another_page_takes_the_place(
    browser: Browser, opened: OpenedClassifier
) -> None:
    with (
        serving(opened, Limits(at_once=1)) as server,
        opened_page(browser, server) as one,
        opened_page(browser, server) as other,
    ):
        for seen, count in ((one, 20), (other, 3)):
            drop(seen.page, *((f"{number}.png", picture()) for number in range(count)))
        for seen, count in ((one, 20), (other, 3)):
            answered(seen.page, count)
            assert seen.page.locator(".failed").count() == 0
            # The browser notes each answer of 503 on its console; the page tries again.
            seen.problems[:] = [text for text in seen.problems if "503" not in text]


def test_models_that_differ_are_named(browser: Browser, nano: ModelDescriptor, nano_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(nano_dir / "public/mixnet-nano/FP32", tmp_path / "public/mixnet-nano/FP32")
    favour_class(29, nano_dir / "public/mixnet-nano/FP16/mixnet-nano.xml", tmp_path / "public/mixnet-nano/FP16")
    choice = ModelChoice(tmp_path, tmp_path, ("openvino",), ("FP32", "FP16"))
    opened = open_model(nano, choice, Device(), Progress(), one_by_one=True)
    with serving(opened) as server, opened_page(browser, server) as seen:
        seen.page.get_by_role("button", name="Classify sample").first.click()
        (card,) = answered(seen.page, 1)
        assert card.get_by_text("≠ FP16 says blue_star").is_visible()
        assert card.get_by_text("another answer").count() == 1
        assert "1 of 2 models differs." in seen.page.get_by_role("log").inner_text()
        cells = seen.page.locator("#models tbody tr").last.get_by_role("cell").all_inner_texts()
        assert cells[2] == "0 of 1"


def favour_class(index: int, xml: Path, folder: Path) -> None:
    """Write the IR ``xml`` to ``folder`` with a model that always answers the class ``index``."""
    import openvino

    model = openvino.Core().read_model(xml)
    end = model.get_result()
    bias = np.zeros((1, 30), np.float32)
    bias[0, index] = 100
    answer = openvino.opset13.add(end.input_value(0), openvino.opset13.constant(bias))
    changed = openvino.Model([answer.output(0)], model.get_parameters(), model.friendly_name)
    openvino.save_model(changed, folder / xml.name)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_nothing_is_wider_than_the_window(browser: Browser, page: PageServer, width: int, dark: bool) -> None:
    long_name = "a-name-without-any-blank-" * 8 + ".png"
    with opened_page(browser, page, width=width, dark=dark) as seen:
        choose(
            seen.page,
            (long_name, picture(size=(300, 451))),
            ("tall.png", picture(size=(600, 40))),
            ("bad" + long_name, b"x"),
        )
        answered(seen.page, 3)
        assert seen.sideways() == 0
        ground = seen.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground))) < 380) is dark
        button = seen.page.get_by_role("button", name="Use light colours" if dark else "Use dark colours")
        button.click()
        after = seen.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", after))) < 380) is not dark


def test_a_screen_reader_finds_its_way(browser: Browser, page: PageServer) -> None:
    with opened_page(browser, page) as seen:
        seen.page.get_by_role("button", name="Classify sample").first.click()
        (card,) = answered(seen.page, 1)
        for role in ("banner", "main", "complementary", "contentinfo"):
            assert seen.page.get_by_role(role).count() == 1
        levels = [int(one.evaluate("one => one.tagName[1]")) for one in seen.page.get_by_role("heading").all()]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels)), levels
        assert seen.page.get_by_role("group", name="Show the crop of profile").get_by_role("radio").count() == 4
        assert seen.page.get_by_role("table", name="Models").get_by_role("columnheader").count() == 4
        assert card.get_by_role("group").count() == 3
        assert seen.page.get_by_role("log").get_attribute("aria-live") in (None, "polite")  # a log is polite by itself
        for button in seen.page.get_by_role("button").all():
            assert button.evaluate("one => (one.ariaLabel || one.innerText || one.querySelector('img').alt).trim()")
        for image in seen.page.locator("img").all():
            assert image.get_attribute("alt") is not None
        assert seen.page.evaluate("document.documentElement.lang") == "en"


def test_a_server_that_was_stopped_is_said(browser: Browser, opened: OpenedClassifier) -> None:
    with serving(opened) as server, visit(browser, server.address) as seen:
        seen.page.wait_for_selector(".sample")
        page = seen.page
        page.route("**/api/classify*", lambda route: route.abort("connectionrefused"))
        choose(page, ("late.png", picture()))
        (card,) = answered(page, 1)
        assert card.get_by_text("The server cannot be reached. Was it stopped?").is_visible()


def test_on_a_phone_the_answers_come_into_view(browser: Browser, page: PageServer) -> None:
    with opened_page(browser, page, width=PHONE, height=844) as seen:
        seen.page.get_by_role("button", name="Classify sample").first.click()
        (card,) = answered(seen.page, 1)
        box = card.bounding_box()
        assert box is not None
        assert 0 <= box["y"] < 400
