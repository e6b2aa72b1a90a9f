"""The names of a model's classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixnet_tools.descriptors.labels import as_token, find_labels, read_labels, short_label
from mixnet_tools.errors import DescriptorError


def test_a_name_a_line_without_empty_lines(tmp_path: Path) -> None:
    assert find_labels(tmp_path) is None
    (tmp_path / "labels.txt").write_text("tench, Tinca tinca\n\n great  white\tshark \r\nhen\n", encoding="utf-8")
    path = find_labels(tmp_path)
    assert path == tmp_path / "labels.txt"
    labels = read_labels(path)
    assert labels == ("tench, Tinca tinca", "great white shark", "hen")
    assert [as_token(label) for label in labels] == ["tench,_Tinca_tinca", "great_white_shark", "hen"]
    assert [short_label(label) for label in labels] == ["tench", "great white shark", "hen"]


def test_labels_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(b"t\xe9nch\n")
    with pytest.raises(DescriptorError, match=r"labels\.txt: cannot read the labels"):
        read_labels(tmp_path / "labels.txt")
