"""Reads the names of a model's classes from labels.txt beside its model.yml."""

from __future__ import annotations

from pathlib import Path

from mixnet_tools.errors import DescriptorError

LABELS_FILE = "labels.txt"


def read_labels(directory: Path) -> tuple[str, ...] | None:
    """The names of the classes, in the order of their indices; None where the folder of the model has no such file.

    A line is a name. Blanks in it become underscores, because OpenVINO's Model API separates names by blanks. Raises
    :class:`DescriptorError` where the file cannot be read.
    """
    path = directory / LABELS_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DescriptorError(f"{path}: cannot read the labels: {error}") from error
    return tuple("_".join(line.split()) for line in lines if line.strip())
