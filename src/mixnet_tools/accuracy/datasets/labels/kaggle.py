"""Kaggle's labels of ImageNet: LOC_val_solution.csv, with the WordNet id of the class before each box of an image."""

from __future__ import annotations

import csv
import io

from mixnet_tools.accuracy.datasets.folder import Folder
from mixnet_tools.accuracy.datasets.remote import LIST_BYTES, read_within
from mixnet_tools.descriptors.imagenet import WORDNET_ID
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

SOLUTION = "LOC_val_solution.csv"
_HEADER = ["ImageId", "PredictionString"]
_FAR = 5
"""Folders above the images in which the file is looked for: it lies beside ILSVRC/, they in ILSVRC/Data/CLS-LOC/val."""


def is_solution(file: Location) -> bool:
    """Whether ``file`` is called as Kaggle's are."""
    return file.name.startswith("LOC_") and file.name.endswith("_solution.csv")


def find_solution(folder: Folder) -> Location | None:
    """The file in ``folder`` or in one above it, on this machine; None where there is none."""
    if folder.location.is_remote:
        return None
    place = folder.location.path.resolve()
    found = (above / SOLUTION for above in (place, *list(place.parents)[:_FAR]))
    return next((Location(path) for path in found if path.is_file()), None)


def solution_labels(file: Location) -> dict[str, str]:
    """The WordNet id of each image that ``file`` names, by the image's name without suffix.

    Raises :class:`DatasetError` that names the line where the file is no such list.
    """
    try:
        rows = list(csv.reader(io.StringIO(read_within(file, LIST_BYTES).decode("utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not rows or rows[0] != _HEADER:
        raise DatasetError(
            f"{file}: expected the header {','.join(_HEADER)}, got {','.join(rows[0]) if rows else ''!r}"
        )
    found: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        boxes = row[1].split() if len(row) == 2 else []
        classes = set(boxes[::5])
        if len(classes) != 1 or not WORDNET_ID.fullmatch(boxes[0]):
            raise DatasetError(
                f"{file}: line {number}: expected an image and boxes of one class (n02119789 x y x y ...), got "
                f"{','.join(row)[:80]!r}"
            )
        if row[0] in found:
            raise DatasetError(f"{file}: line {number}: {row[0]!r} stands in it already")
        found[row[0]] = boxes[0]
    return found
