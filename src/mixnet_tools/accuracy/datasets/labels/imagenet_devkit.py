"""ImageNet's own labels: ILSVRC2012_devkit_t12.tar.gz, and the numbers in the names of its validation images.

The devkit numbers classes from 1 in an order of its own. Models count from 0 in the order of sorted WordNet ids. The
devkit's meta.mat has number and id of each class. A mix-up of the two orders leaves an accuracy of about 0.1 %.
"""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from collections.abc import Callable

from mixnet_tools.accuracy.datasets.folder import Folder
from mixnet_tools.accuracy.datasets.image import validation_number
from mixnet_tools.accuracy.datasets.remote import open_in_blocks
from mixnet_tools.errors import DatasetError, MissingDependency
from mixnet_tools.files.location import Location

_TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
_META = "data/meta.mat"
_LONGEST = 16 << 20
"""Bytes of either file; ImageNet's own have 0.3 million."""


def is_devkit(file: Location) -> bool:
    """Whether ``file`` is called as the devkit is."""
    return "devkit" in file.name and file.name.endswith((".tar.gz", ".tgz", ".tar"))


def find_devkit(folder: Folder) -> Location | None:
    """The devkit in ``folder``, or None."""
    if not folder.location.is_remote:
        paths = sorted(folder.location.path.glob("ILSVRC2012_devkit*"))
        return next((Location(path) for path in paths if is_devkit(Location(path))), None)
    files = (folder.location / name for name in folder.tree.folders[""] if name.startswith("ILSVRC2012_devkit"))
    return next(filter(is_devkit, files), None)


def labels_by_number(devkit: Location) -> Callable[[str], int]:
    """The function from the name of one of ImageNet's validation images to its label.

    It raises :class:`DatasetError` for any other name. For errors of the devkit see :func:`devkit_labels`.
    """
    labels = devkit_labels(devkit)

    def label_of(name: str) -> int:
        number = validation_number(name)
        if number is None or not 1 <= number <= len(labels):
            raise DatasetError(
                f"{devkit}: knows nothing of {name}: expected names such as ILSVRC2012_val_00000001.JPEG"
            )
        return labels[number - 1]

    return label_of


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
        # SciPy reads streams, whatever its stubs say.
        synsets = loadmat(io.BytesIO(meta), squeeze_me=True)["synsets"]  # type: ignore[arg-type]
        leaves = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets if int(row["num_children"]) == 0}
        ids = [int(line) for line in truth.decode("ascii").split()]
        order = {wnid: label for label, wnid in enumerate(sorted(leaves.values()))}
        return tuple(order[leaves[number]] for number in ids)
    except Exception as error:  # SciPy has errors of its own for files that are none of MATLAB's
        raise DatasetError(f"{file}: {_META} and {_TRUTH} do not fit each other: {error!r}") from error


def _read(file: Location) -> tuple[bytes, bytes]:
    wanted = {_TRUTH: b"", _META: b""}
    try:
        with open_in_blocks(file) as stream, tarfile.open(fileobj=stream) as archive:
            for member in archive:
                key = next((name for name in wanted if member.name.endswith(name)), None)
                inside = archive.extractfile(member) if key and member.isreg() else None
                if key and inside:
                    wanted[key] = inside.read(_LONGEST + 1)
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, zlib.error, lzma.LZMAError) as error:
        raise DatasetError(f"{file}: cannot be read: {error}", hint="fetch the devkit again") from error
    large = next((name for name, data in wanted.items() if len(data) > _LONGEST), None)
    if large is not None:
        raise DatasetError(f"{file}: {large} has more than {_LONGEST} bytes: expected ILSVRC2012_devkit_t12.tar.gz")
    missing = [name for name, data in wanted.items() if not data]
    if missing:
        raise DatasetError(f"{file}: holds no {missing[0]}: expected ILSVRC2012_devkit_t12.tar.gz")
    return wanted[_TRUTH], wanted[_META]
