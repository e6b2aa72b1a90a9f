"""The files of a description appear together, or none of them does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mixnet_tools.api.authoring import place
from mixnet_tools.api.authoring.yaml_text import comment, scalar
from mixnet_tools.errors import DescriptorError, OutputError, UsageError
from tests.support.zoo_builder import write_model


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "-x", ".hidden", "a\nb", "ä", "x" * 101, "a\\b", "a,b"])
def test_a_name_is_a_plain_name_of_a_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the model's name"):
        place.place_of(name, tmp_path)


def test_a_name_that_the_zoo_has_in_another_folder_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path, "group/net")
    with pytest.raises(DescriptorError, match="has a model called 'net' already"):
        place.place_of("net", tmp_path)
    assert place.place_of("other", tmp_path) == tmp_path / "public/other"


def test_all_files_are_written_and_model_yml_is_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[str] = []
    replace = os.replace

    def watched(source: Path, target: Path) -> None:
        named.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    (tmp_path / "weights").write_bytes(b"weights")
    folder = tmp_path / "zoo/public/net"
    place.write_all({folder / "model.yml": b"m", folder / "FP16/net.bin": tmp_path / "weights", folder / "a.yml": b"a"})
    assert named[-1] == "model.yml"
    assert {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == {
        "model.yml": b"m", "net.bin": b"weights", "a.yml": b"a",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "told"), [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "No space left"), OutputError)]
)
def test_after_a_failure_or_an_interruption_nothing_is_left(
    error: BaseException, told: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(place, "copy_and_hash", fail)
    folder = tmp_path / "zoo/public/net"
    with pytest.raises(told):
        place.write_all({folder / "model.yml": b"m", folder / "net.bin": tmp_path / "weights"})
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_stays_after_a_failure(tmp_path: Path) -> None:
    path = write_model(tmp_path, "net")
    before = path.read_bytes()
    with pytest.raises(OutputError):
        place.write_all({path: b"m", path.parent / "net.bin": tmp_path / "missing"})
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["model.yml"]


def test_texts_of_others_stay_on_their_line() -> None:
    assert scalar("a\nframework: dldt") == '"a\\nframework: dldt"'
    assert scalar("plain") == "plain"
    assert scalar("yes") == "'yes'"
    assert comment("a\nframework: dldt \x1b[2J") == ["# a\\nframework: dldt \\x1b[2J"]
