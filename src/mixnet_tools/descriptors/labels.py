"""Read the names of a model's classes: labels.txt beside model.yml, a line for each class, in the order of the answer.

A line is a name, or several with commas between them, the usual one first. Before it may stand the class's WordNet id,
as in Open Model Zoo's ``imagenet_2012.txt``, or its number::

    tabby cat
    n02123045 tabby, tabby cat
    281 tabby cat

An id may stand alone: ImageNet's classes are known by it. Lines with and without an id may be mixed, as in files with a
line for the background. Numbers count only where every line has one, from 0: other digits belong to the name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.descriptors.imagenet import WORDNET_ID, imagenet_classes
from mixnet_tools.errors import DescriptorError
from mixnet_tools.files import bounded

LABELS_FILE = "labels.txt"
MAX_BYTES = 4 << 20
"""The largest file that is read. The 21,841 classes of the whole ImageNet have 0.7 MB."""

_AFTER_AN_ID = ":,;"
_NUMBERED = re.compile(r"([0-9]+)(?::\s*|\s+)(?=\S)")


@dataclass(frozen=True)
class ClassLabel:
    """A class: its ``text``, which is one name or several with commas between them, and its id where it is known.

    >>> label = ClassLabel("great white shark, white shark", "n01484850")
    >>> label.name, label.names
    ('great white shark', ('great white shark', 'white shark'))
    """

    text: str
    wordnet_id: str | None = None

    @property
    def name(self) -> str:
        """The usual name."""
        return short_label(self.text) or self.text

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return tuple(name for part in self.text.split(",") if (name := part.strip())) or (self.text,)


def find_labels(directory: Path) -> Path | None:
    """The labels.txt of the model in ``directory``, or None."""
    path = directory / LABELS_FILE
    return path if path.is_file() else None


def read_labels(path: Path) -> tuple[str, ...]:
    """The texts of :func:`read_classes`: the names of each class, without ids and numbers."""
    return tuple(label.text for label in read_classes(path))


def read_classes(path: Path) -> tuple[ClassLabel, ...]:
    """The classes in the file ``path``, which has one of the forms above.

    It is UTF-8, with any line ends, with or without a byte order mark. Empty lines are left out, and several blanks in
    a name become one. Raises :class:`DescriptorError` where it cannot be read, or names one WordNet id twice.
    """
    try:
        text = bounded.read_bytes(path, MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DescriptorError(f"{path}: cannot read the labels: {getattr(error, 'strerror', None) or error}") from error
    lines = [" ".join(line.split()) for line in re.split(r"\r\n|\r|\n", text)]
    labels = tuple(map(_parse, _without_numbers([line for line in lines if line])))
    counted = Counter(label.wordnet_id for label in labels if label.wordnet_id)
    if twice := [name for name, count in counted.items() if count > 1]:
        raise DescriptorError(f"{path}: the WordNet id {twice[0]} stands {counted[twice[0]]} times, expected once")
    return labels


def _without_numbers(lines: list[str]) -> list[str]:
    found = [_NUMBERED.match(line) for line in lines]
    if not all(match and int(match[1]) == place for place, match in enumerate(found)):
        return lines
    return [line[match.end() :] for line, match in zip(lines, found, strict=True) if match]


def _parse(line: str) -> ClassLabel:
    first, _, rest = line.partition(" ")
    wordnet_id = first.rstrip(_AFTER_AN_ID)
    if not WORDNET_ID.fullmatch(wordnet_id):
        return ClassLabel(line)
    return ClassLabel(rest or _known_names().get(wordnet_id, wordnet_id), wordnet_id)


def _known_names() -> dict[str, str]:
    return {one.wordnet_id: ", ".join(one.words) for one in imagenet_classes()}


def tokens(labels: Sequence[ClassLabel]) -> tuple[str, ...]:
    """A word without blanks for each label: its usual name, or all names where another class has the same usual one.

    >>> tokens([ClassLabel("great white shark, white shark"), ClassLabel("maillot"), ClassLabel("maillot, tank suit")])
    ('great_white_shark', 'maillot', 'maillot,_tank_suit')
    """
    usual = Counter(label.name for label in labels)
    return tuple(as_token(label.name if usual[label.name] == 1 else label.text) for label in labels)


def as_token(label: str) -> str:
    """``label`` without blanks, as lists of labels with blanks between them need it.

    >>> as_token("great white shark")
    'great_white_shark'
    """
    return "_".join(label.split())


def names_of_classes(labels: Sequence[str], classes: int, background: int) -> tuple[str, ...]:
    """A name for each of a model's ``classes``. ``labels`` may leave out the first ``background`` ones.

    Classes behind the last label are called by their numbers. Without labels, nothing is named.

    >>> names_of_classes(["cat", "dog"], 3, 1), names_of_classes(["none", "cat", "dog"], 3, 1)
    (('background', 'cat', 'dog'), ('none', 'cat', 'dog'))
    """
    if not labels:
        return ()
    named = [*["background"] * (0 if len(labels) == classes else background), *labels][:classes]
    return (*named, *(class_name(label) for label in range(len(named), classes)))


def class_name(label: int, names: Sequence[str] = ()) -> str:
    """The class ``label`` by its name where there is one.

    >>> class_name(1, ["cat", "dog"]), class_name(2, ["cat", "dog"])
    ('dog', 'class 2')
    """
    return names[label] if 0 <= label < len(names) else f"class {label}"


def short_label(label: str) -> str:
    """The first of the names that stand in ``label`` with commas between them.

    >>> short_label("great white shark, white shark")
    'great white shark'
    """
    return label.partition(",")[0].strip()
