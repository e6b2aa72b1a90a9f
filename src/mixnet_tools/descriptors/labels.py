"""Read the names of a model's classes: labels.txt beside model.yml, a name a line in the order of the classes."""

from __future__ import annotations

from pathlib import Path

from mixnet_tools.errors import DescriptorError
from mixnet_tools.files import bounded

LABELS_FILE = "labels.txt"
MAX_BYTES = 4 << 20
"""The largest file that is read. The 21,841 classes of the whole ImageNet have 0.7 MB."""


def find_labels(directory: Path) -> Path | None:
    """The labels.txt of the model in ``directory``, or None."""
    path = directory / LABELS_FILE
    return path if path.is_file() else None


def read_labels(path: Path) -> tuple[str, ...]:
    """The names in the file ``path``. Empty lines are left out, and several blanks in a name become one.

    Raises :class:`DescriptorError` where it cannot be read.
    """
    try:
        lines = bounded.read_bytes(path, MAX_BYTES).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DescriptorError(f"{path}: cannot read the labels: {getattr(error, 'strerror', None) or error}") from error
    return tuple(" ".join(line.split()) for line in lines if line.strip())


def as_token(label: str) -> str:
    """``label`` without blanks, as lists of labels with blanks between them need it.

    >>> as_token("great white shark")
    'great_white_shark'
    """
    return "_".join(label.split())


def short_label(label: str) -> str:
    """The first of the names that stand in ``label`` with commas between them.

    >>> short_label("great white shark, white shark")
    'great white shark'
    """
    return label.partition(",")[0].strip()
