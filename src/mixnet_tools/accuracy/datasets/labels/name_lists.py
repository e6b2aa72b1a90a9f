"""Lists of class names beside packed files: of the Hugging Face hub, of TensorFlow Datasets, of CLIP's WebDatasets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mixnet_tools.accuracy.datasets.remote import read_optional
from mixnet_tools.errors import DatasetError
from mixnet_tools.files import bounded, strict_json
from mixnet_tools.files.location import Location

INFOS, CARD = "dataset_infos.json", "README.md"
PLAIN_LISTS = ("label.labels.txt", "classnames.txt")
"""Files with a name a line: of TensorFlow Datasets, and of CLIP's benchmark."""

MAX_BYTES = 16 << 20
"""The largest file that is read."""

_NAMES = re.compile(r"^( *)names:[ ]*\n((?:\1 +['\"]?\d+['\"]?: .*\n?)+)", re.MULTILINE)
_NAME = re.compile(r"^ +['\"]?(\d+)['\"]?: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class NameList:
    """The names of the classes by label, and the file that they stand in."""

    names: tuple[str, ...]
    file: Location


def find_name_list(file: Location, wanted: Sequence[str]) -> NameList | None:
    """The first of the files ``wanted`` beside ``file``, or in the folder above, which names classes.

    Raises :class:`DatasetError` where such a file cannot be read, or is larger than any such list.
    """
    folder = file.absolute().parent
    for place in filter(None, (folder, folder and folder.parent)):
        for name in wanted:
            text = _text(place / name)
            names = () if text is None else _names(place / name, text)
            if names:
                return NameList(names, place / name)
    return None


def _text(file: Location) -> str | None:
    """The contents of ``file``; None where it is not there."""
    if file.is_remote:
        data = read_optional(file, MAX_BYTES)
        # Some servers answer with a page whatever they are asked for.
        return None if data is None or data.lstrip()[:1] == b"<" else data.decode("utf-8-sig", "replace")
    try:
        return bounded.read_bytes(file.path, MAX_BYTES).decode("utf-8-sig", "replace") if file.path.is_file() else None
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror or error}") from error


def _names(file: Location, text: str) -> tuple[str, ...]:
    if file.name == INFOS:
        try:
            return label_names(strict_json.loads(text))
        except ValueError as error:
            raise DatasetError(f"{file}: no JSON: {error}") from error
    if file.name == CARD:
        return _card_names(text)
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def label_names(value: object) -> tuple[str, ...]:
    """The names of the feature ``label`` in ``value``, at any depth: what the hub writes as JSON.

    Nothing where there are none, or where two such features differ.
    """
    found = set(_class_labels(value))
    return found.pop() if len(found) == 1 else ()


def _class_labels(value: object) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return []
    found = []
    for key, inside in value.items():
        names = inside.get("names") if isinstance(inside, dict) else None
        if key == "label" and isinstance(names, list) and all(isinstance(name, str) for name in names):
            found.append(tuple(names))
        else:
            found += _class_labels(inside)
    return found


def _card_names(text: str) -> tuple[str, ...]:
    """The names in the front matter of a card: ``class_label: names: '0': tench``, a line each."""
    parts = text.split("---\n", 2)
    if len(parts) < 3 or parts[0].strip():
        return ()
    lists = {tuple(_NAME.findall(found[2])) for found in _NAMES.finditer(parts[1])}
    if len(lists) != 1:
        return ()
    numbered = lists.pop()
    if [int(number) for number, _ in numbered] != list(range(len(numbered))):
        return ()
    return tuple(_unquoted(name.strip()) for _, name in numbered)


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
