"""timm's preparations of images, and images of all kinds, for tests that hold ours against timm's own transform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml
from PIL import Image

from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import load_accuracy_config
from mixnet_tools.accuracy.preprocessing.decode import decode
from mixnet_tools.accuracy.preprocessing.pipeline import apply
from mixnet_tools.accuracy.preprocessing.plan import make_plan
from mixnet_tools.api.authoring.timm.preparation import Step, geometry
from tests.support.colour_model import accuracy_data
from tests.support.images import pattern, save, turned


@dataclass(frozen=True)
class Preparation:
    """What timm's pretrained_cfg says of an evaluation: ``sides`` are (height, width)."""

    sides: tuple[int, int] = (64, 64)
    crop_pct: float = 0.875
    crop_mode: str = "center"
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)

    @property
    def steps(self) -> list[Step]:
        """The steps of accuracy-check.yml."""
        return geometry(self.sides, self.crop_pct, self.crop_mode, self.interpolation, self.mean)


PREPARATIONS = {
    "mixnet": Preparation(),
    "bilinear": Preparation(interpolation="bilinear"),
    "whole": Preparation((96, 96), 1.0),
    "odd share": Preparation((80, 80), 0.904),
    "smaller than the crop": Preparation((112, 112), 1.15),
    "not square": Preparation((96, 64), 0.9),
    "not square, smaller": Preparation((48, 72), 1.15),
    "squash": Preparation((64, 64), 1.0, "squash"),
    "squash and crop": Preparation((64, 64), 0.9, "squash", "bilinear"),
    "squash, not square": Preparation((72, 48), 0.95, "squash"),
    "border": Preparation((64, 64), 1.0, "border"),
    "border and crop": Preparation((64, 64), 0.9, "border", mean=(0.5, 0.5, 0.5)),
    "border, not square": Preparation((64, 96), 0.95, "border"),
    "lanczos": Preparation(interpolation="lanczos"),
}
"""Each crop mode with shares below, at and above 1, and sides that are odd, equal and not equal."""


def _palette(path: Path) -> None:
    Image.fromarray(pattern(120, 90)).quantize(64).save(path)


def _clear(path: Path) -> None:
    rgba = np.dstack([pattern(70, 111), pattern(70, 111)[..., 0]])
    Image.fromarray(rgba, "RGBA").save(path)


LOSSLESS: dict[str, Callable[[Path], object]] = {
    "wide.png": lambda path: save(path, pattern(97, 131)),
    "high.png": lambda path: save(path, pattern(301, 140)),
    "square.png": lambda path: save(path, pattern(64, 64)),
    "tiny.png": lambda path: save(path, pattern(9, 13)),
    "strip.png": lambda path: save(path, pattern(12, 350)),
    "grey.png": lambda path: save(path, pattern(97, 131)[..., 0]),
    "turned.png": lambda path: save(path, pattern(97, 131), exif=turned(6)),
    "palette.png": _palette,
    "clear.png": _clear,
}
"""Images whose pixels no library decodes in its own way."""

JPEGS: dict[str, Callable[[Path], object]] = {
    "photo.jpg": lambda path: save(path, pattern(375, 500), quality=90),
    "high.jpg": lambda path: save(path, pattern(333, 250), quality=75),
    "progressive.jpg": lambda path: save(path, pattern(211, 333), progressive=True),
    "full colour.jpg": lambda path: save(path, pattern(131, 97), subsampling=0),
    "grey.jpg": lambda path: save(path, pattern(150, 201)[..., 0]),
    "turned.jpg": lambda path: save(path, pattern(140, 222), exif=turned(6)),
    "four inks.jpg": lambda path: Image.fromarray(pattern(90, 120)).convert("CMYK").save(path),
    "strip.jpg": lambda path: save(path, pattern(500, 20)),
}


def ours(path: Path, steps: list[Step]) -> npt.NDArray[np.uint8]:
    """What mixnet-check prepares of the image at ``path``: [height, width, 3], RGB, uint8."""
    data = accuracy_data(top1=None, top5=1.0)
    data["models"][1]["datasets"][0].update(reader="pillow_imread", preprocessing=steps)
    file = path.with_name("accuracy-check.yml")
    file.write_text(yaml.safe_dump(data))
    plan = make_plan(load_accuracy_config(file).measurement("openvino"))
    assert plan.order == "RGB"
    how = plan.operations
    found = apply(decode(path, orient=how.orient, colours=how.colours).image, how)
    assert found.dtype == np.uint8
    return found
