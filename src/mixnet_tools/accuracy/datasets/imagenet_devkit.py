"""ImageNet's own labels: ILSVRC2012_devkit_t12.tar.gz, and the numbers in the names of its validation images.

The devkit numbers classes from 1 in an order of its own; models count from 0 in the order of sorted WordNet ids. Its
meta.mat has both for each class. Taking one for the other leaves an accuracy of about 0.1 %.
"""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path
from typing import Any

from mixnet_tools.accuracy.datasets.remote import open_in_blocks
from mixnet_tools.errors import DatasetError, MissingDependency
from mixnet_tools.files.location import Location

_TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
_META = "data/meta.mat"
_NUMBER = re.compile(r"(?:^|[_/])val_(\d{8})(?=[._])")


def is_devkit(file: Location | Path) -> bool:
    """Whether ``file`` is called as the devkit is."""
    return "devkit" in file.name and file.name.endswith((".tar.gz", ".tgz", ".tar"))


def find_devkit(beside: Path) -> Path | None:
    """The devkit in the folder of ``beside``, or None."""
    return next((path for path in sorted(beside.resolve().parent.glob("ILSVRC2012_devkit*")) if is_devkit(path)), None)


def validation_number(name: str) -> int | None:
    """The number, from 1, in the name of one of ImageNet's validation images.

    >>> validation_number("n01440764/ILSVRC2012_val_00000293.JPEG"), validation_number("cat.jpg")
    (293, None)
    """
    match = _NUMBER.search(name)
    return int(match[1]) if match else None


def devkit_labels(file: Location) -> tuple[int, ...]:
    """The label, from 0 in the order of sorted WordNet ids, of validation image number 1, 2, ...

    Raises :class:`DatasetError` where ``file`` is no devkit, :class:`MissingDependency` where SciPy, which reads
    meta.mat, is not installed.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise MissingDependency(
            f"{file}: ImageNet's devkit is read with SciPy, which is not installed",
            hint="pip install 'mixnet-tools[datasets]'",
        ) from error
    truth, meta = _read(file)
    try:
        meta_stream: Any = io.BytesIO(meta)  # SciPy reads streams, whatever its stubs say
        synsets: Any = loadmat(meta_stream, squeeze_me=True)["synsets"]
        leaves = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets if int(row["num_children"]) == 0}
        ids = [int(line) for line in truth.decode("ascii").split()]
        order = {wnid: label for label, wnid in enumerate(sorted(leaves.values()))}
        return tuple(order[leaves[number]] for number in ids)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DatasetError(f"{file}: {_META} and {_TRUTH} do not fit each other: {error!r}") from error


def _read(file: Location) -> tuple[bytes, bytes]:
    wanted = {_TRUTH: b"", _META: b""}
    try:
        with open_in_blocks(file) as stream, tarfile.open(fileobj=stream) as archive:
            for member in archive:
                key = next((name for name in wanted if member.name.endswith(name)), None)
                inside = archive.extractfile(member) if key else None
                if key and inside:
                    wanted[key] = inside.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DatasetError(f"{file}: cannot be read: {error}", hint="fetch the devkit again") from error
    missing = [name for name, data in wanted.items() if not data]
    if missing:
        raise DatasetError(f"{file}: holds no {missing[0]}: expected ILSVRC2012_devkit_t12.tar.gz")
    return wanted[_TRUTH], wanted[_META]
