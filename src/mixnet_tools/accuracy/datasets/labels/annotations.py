"""Read annotation files: ``relative/name.jpg label`` lines, as Open Model Zoo and Caffe have them.

Tiny ImageNet has boxes behind the label, with tabs between: ``val_0.JPEG n03444034 0 32 44 62``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

from mixnet_tools.accuracy.datasets.remote import LIST_BYTES, read_within
from mixnet_tools.descriptors.imagenet import WORDNET_ID
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

ANNOTATION_FILE = "val.txt"
"""The name under which a file of labels is looked for."""
BOXED_FILE = "{}_annotations.txt"
"""The same of Tiny ImageNet's, by the split."""
BESIDE_BOXED = "images"
"""The folder beside it in which its images lie."""

_SPELLED_OTHERWISE = re.compile(r"(?:^|/)\.?/|/\.?$|^$")
_BOXED = 6
"""The columns of a line with a box: a name, a label, and four numbers."""

_SHOWN = 5
"""How many wrong lines an error names."""


def annotation_lines(file: Location) -> Iterator[tuple[int, str, str]]:
    """(line number, name, label) of each line that is not empty. The label is what follows the last blank, or the first
    tab where a box follows it.

    Raises :class:`DatasetError` where ``file`` cannot be read.
    """
    try:
        lines = read_within(file, LIST_BYTES).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{file}: cannot read the annotations: {reason}") from error
    for number, line in enumerate(lines, 1):
        parts = _with_box(line) or line.rsplit(maxsplit=1)
        if parts:
            # Names are compared as text: ./a.jpg and a//b.jpg in one spelling. Most are in it already.
            name = parts[0].strip()
            plain = name if not _SPELLED_OTHERWISE.search(name) else PurePosixPath(name).as_posix()
            yield number, plain, parts[1] if len(parts) == 2 else ""


def _with_box(line: str) -> list[str]:
    """Name and label of a line that has a box behind them; nothing for other lines."""
    columns = [column.strip() for column in line.split("\t")]
    boxed = len(columns) == _BOXED and all(column.isascii() and column.isdigit() for column in columns[2:])
    return columns[:2] if boxed else []


def listed_labels(
    source: Location, annotations: Location, first_label: int, may_have: Callable[[str], bool]
) -> dict[str, int | str]:
    """The label (from 0) of each image that ``annotations`` names, in its order. A WordNet id is a label as well.

    ``may_have`` is False for a name that ``source`` does not have. Raises :class:`DatasetError` that names each line
    that cannot be read, that names an image for the second time, or that names a missing image.
    """
    problems: list[str] = []
    labels: dict[str, int | str] = {}
    seen: dict[str, int] = {}
    for number, name, label in annotation_lines(annotations):
        where = f"{annotations}: line {number}"
        by_name = bool(WORDNET_ID.fullmatch(label))
        if not by_name and (not re.fullmatch(r"[0-9]{1,9}", label) or int(label) < first_label):
            problems.append(
                f"{where}: expected 'relative/name.jpg label' with a label of {first_label} or more, got "
                f"'{name} {label}'"
            )
        elif name.startswith("/") or ".." in name.split("/"):
            problems.append(f"{where}: expected a path inside {source}, got {name!r}")
        elif name in seen:
            problems.append(f"{where}: {name!r} stands in line {seen[name]} already")
        elif not may_have(name):
            problems.append(f"{where}: {name!r}: no such image in {source}")
        else:
            labels[name] = label if by_name else int(label) - first_label
        seen.setdefault(name, number)
    if problems:
        more = f"\nand {len(problems) - _SHOWN} more problems like these" if len(problems) > _SHOWN else ""
        raise DatasetError(
            "\n".join(problems[:_SHOWN]) + more,
            hint="give the folder that the names start from as `source`, and the file as `annotations`",
        )
    if not labels:
        raise DatasetError(f"{annotations}: names no images; expected 'relative/name.jpg label' lines")
    return labels


def label_numbers(labels: Mapping[str, int | str]) -> tuple[dict[str, int], tuple[str, ...]]:
    """``labels`` as numbers, and the names that the numbers stand for: none where all are numbers already.

    Raises :class:`DatasetError` where some are numbers and some are names.
    """
    names = sorted({label for label in labels.values() if isinstance(label, str)})
    if not names:
        return {image: int(label) for image, label in labels.items()}, ()
    number = next((image for image, label in labels.items() if not isinstance(label, str)), None)
    if number is not None:
        raise DatasetError(f"some labels are numbers ({number}: {labels[number]}), some are WordNet ids ({names[0]})")
    place: dict[int | str, int] = {name: index for index, name in enumerate(names)}
    return {image: place[label] for image, label in labels.items()}, tuple(names)
