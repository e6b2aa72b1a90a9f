"""Make screenshots of a page by headless Chromium: for a phone and a desktop, in light and in dark.

    python -m scripts.screenshots PAGE.html FOLDER [--height N]
    python -m scripts.screenshots http://127.0.0.1:8765/ FOLDER --name classify --click .sample --file photo.jpg

The files are FOLDER/PAGE-390-light.png, PAGE-390-dark.png, PAGE-1280-light.png and PAGE-1280-dark.png. They show the
whole page, or its first N pixels, in 256 colours. On a page that a server of this machine brings (mixnet-classify
--web), something is clicked and files are chosen first, in this order. It needs Chromium and Playwright: see
tests/support/browser.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image

from tests.support.browser import DESKTOP, PHONE, running, visit


def main() -> int:
    """Make the screenshots; the exit code is 1 where the page complains, asks for something, or scrolls sideways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", help="a file, or a URL")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", help="how the files are called (default: as the page)")
    parser.add_argument("--height", type=int, metavar="N", help="only the first N pixels (default: the whole page)")
    parser.add_argument("--click", action="append", default=[], metavar="SELECTOR", help="click the first of these")
    parser.add_argument("--file", action="append", default=[], metavar="FILE", help="choose this file")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    served = args.page.startswith("http://")
    address = args.page if served else Path(args.page).resolve().as_uri()
    name = args.name or Path(args.page).stem
    faults = []
    with running() as browser:
        for width in (PHONE, DESKTOP):
            for dark in (False, True):
                target = args.folder / f"{name}-{width}-{'dark' if dark else 'light'}.png"
                size = {"width": width, "height": args.height or 900}
                with visit(browser, address, **size, dark=dark) as seen:
                    for selector in args.click:
                        seen.page.locator(selector).first.click()
                    for file in args.file:
                        seen.page.set_input_files("input[type=file]", file)
                    seen.page.wait_for_load_state("networkidle")
                    seen.page.locator("[aria-busy]").first.wait_for(state="detached")
                    seen.page.screenshot(path=target, full_page=args.height is None)
                    faults += seen.problems
                    faults += [one for one in seen.requests if not (served and one.startswith(address))]
                    if seen.sideways():
                        faults.append(f"{seen.sideways()} pixels are off the side at {width} pixels")
                with Image.open(target) as image:
                    smaller = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
                smaller.save(target, optimize=True)
                print(target)
    print("\n".join(faults), end="\n" if faults else "", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
