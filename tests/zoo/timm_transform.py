"""timm's own preparation of images for an evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import timm.data
from PIL import Image

from tests.support.timm_preparation import Preparation


def theirs(path: Path, preparation: Preparation) -> npt.NDArray[np.uint8]:
    """What timm makes of the image at ``path``, before it normalizes: [height, width, 3], RGB, uint8."""
    transform = timm.data.create_transform(
        (3, *preparation.sides),
        is_training=False,
        interpolation=preparation.interpolation,
        mean=preparation.mean,
        crop_pct=preparation.crop_pct,
        crop_mode=preparation.crop_mode,
        normalize=False,
    )
    with Image.open(path) as image:
        found: npt.NDArray[np.uint8] = transform(image.convert("RGB")).numpy().transpose(1, 2, 0)
    return found
