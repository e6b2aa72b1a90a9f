"""Make screenshots of a page by headless Chromium: for a phone and a desktop, in light and in dark.

    python -m scripts.screenshots PAGE.html FOLDER [--height N]

The files are FOLDER/PAGE-390-light.png, PAGE-390-dark.png, PAGE-1280-light.png and PAGE-1280-dark.png. They show the
whole page, or its first N pixels, in 256 colours. It needs Chromium and Playwright: see tests/support/browser.py.
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
    parser.add_argument("page", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--height", type=int, metavar="N", help="only the first N pixels (default: the whole page)")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    faults = []
    with running() as browser:
        for width in (PHONE, DESKTOP):
            for dark in (False, True):
                target = args.folder / f"{args.page.stem}-{width}-{'dark' if dark else 'light'}.png"
                size = {"width": width, "height": args.height or 900}
                with visit(browser, args.page.resolve().as_uri(), **size, dark=dark) as seen:
                    seen.page.screenshot(path=target, full_page=args.height is None)
                    faults += [*seen.problems, *seen.requests]
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
