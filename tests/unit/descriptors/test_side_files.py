"""Files beside a descriptor, and the descriptor itself, where something else is in their place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from mixnet_tools.descriptors import card, labels, strict_yaml
from mixnet_tools.descriptors.card import CardFigures, read_card
from mixnet_tools.descriptors.file_entries import RegexReplace
from mixnet_tools.descriptors.labels import find_labels, read_labels
from mixnet_tools.descriptors.model_yml import load_descriptor
from mixnet_tools.descriptors.regular_expression import MAX_PATTERN
from mixnet_tools.errors import DescriptorError
from tests.support.systems import posix

READERS: dict[str, tuple[Callable[[Path], object], int]] = {
    "model.yml": (lambda path: load_descriptor(path, PurePosixPath("public/net")), strict_yaml.MAX_BYTES),
    "README.md": (lambda path: read_card(path.parent), card.MAX_BYTES),
    "labels.txt": (read_labels, labels.MAX_BYTES),
}


@posix
@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_device_in_the_place_of_a_file_is_refused_at_once(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "net" / name
    path.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(DescriptorError, match="is no regular file") as caught:
        READERS[name][0](path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_a_file_beyond_its_budget_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net" / name
    path.parent.mkdir()
    read, most = READERS[name]
    path.write_bytes(b"#" * (most + 1))
    with pytest.raises(DescriptorError, match=f"is larger than {most:,} bytes"):
        read(path)


@posix
def test_labels_that_are_a_pipe_are_no_labels(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "labels.txt")
    assert find_labels(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("| GFLOPs | 1.2.3 |", "GFLOPs: expected a number, got '1.2.3'"),
        ("| MParams | ... |", "MParams: expected a number"),
        ("| GFLOPs | " + "9" * 1000 + " |", "GFLOPs: expected a number, got '9{40}'"),
    ],
)
def test_a_figure_of_a_card_that_is_no_number_is_named(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"# Net\n{text}\n")
    with pytest.raises(DescriptorError, match=rf"README\.md: the model's card: {words}"):
        read_card(tmp_path)


def test_a_card_of_blanks_takes_no_time(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("|" + " " * 900_000 + "\n" + "|\n" * 50_000)
    assert read_card(tmp_path) == CardFigures(None, None)


@pytest.mark.parametrize("key", ["pattern", "replacement"])
def test_a_regular_expression_has_a_longest_length(key: str) -> None:
    step = {"$type": "regex_replace", "file": "a.py", "pattern": "a", "replacement": "b"}
    RegexReplace.model_validate(step | {key: "a" * MAX_PATTERN})
    with pytest.raises(ValueError, match="at most 2000 characters"):
        RegexReplace.model_validate(step | {key: "a" * (MAX_PATTERN + 1)})


def test_a_pattern_that_would_take_minutes_to_compile_is_not_compiled_while_it_is_read() -> None:
    step = {"$type": "regex_replace", "file": "a.py", "replacement": "b"}
    assert RegexReplace.model_validate(step | {"pattern": "(?si)" + "[\0-\U0010ffff]" * 390})
    with pytest.raises(ValueError, match="expected a regular expression"):
        RegexReplace.model_validate(step | {"pattern": "("})
