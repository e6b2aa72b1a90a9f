"""Writes the digests of what timm's own transform makes of images: tests/unit/.../timm_golden.json.

Run from the repository's root, with timm and torchvision: ``python -m tests.zoo.make_timm_golden``.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import timm
import torchvision

from tests.support.timm_preparation import LOSSLESS, PREPARATIONS
from tests.zoo.timm_transform import theirs

GOLDEN = Path(__file__).parents[1] / "unit" / "accuracy" / "preprocessing" / "timm_golden.json"


def main() -> None:
    """Write the file."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for image, write in LOSSLESS.items():
            path = Path(scratch) / image
            write(path)
            for name, preparation in PREPARATIONS.items():
                pixels = np.ascontiguousarray(theirs(path, preparation))
                rows.append([image, name, hashlib.sha256(pixels.tobytes()).hexdigest()])
    made = f"by tests/zoo/make_timm_golden.py with timm {timm.__version__}, torchvision {torchvision.__version__}"
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    GOLDEN.write_text(f'{{\n "made": {json.dumps(made)},\n "rows": [\n  {lines}\n ]\n}}\n')


if __name__ == "__main__":
    main()
