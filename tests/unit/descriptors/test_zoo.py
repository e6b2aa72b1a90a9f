"""Finding models: roots, names, patterns, list files, and what an unknown name is answered with."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mixnet_tools.descriptors import zoo
from mixnet_tools.errors import DescriptorError, UnknownModelError
from tests.support.systems import posix
from tests.support.zoo_builder import write_composite, write_model


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("mixnet-l", "mixnet-m", "resnet-50"):
        write_model(tmp_path, name)
    return tmp_path


def names(entries: Sequence[zoo.ZooEntry | zoo.CompositeEntry]) -> list[str]:
    return [entry.name for entry in entries]


@posix
def test_models_are_found_and_sorted(root: Path) -> None:
    entries = zoo.find_models([root])
    assert names(entries) == ["mixnet-l", "mixnet-m", "resnet-50"]
    assert str(entries[0].subdirectory) == "public/mixnet-l"
    assert entries[0].load().name == "mixnet-l"


def test_finding_reads_no_descriptor(root: Path) -> None:
    write_model(root, "broken", "a: [")
    assert "broken" in names(zoo.find_models([root]))


@posix
def test_linked_folders_are_followed_each_once(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    write_model(other, "linked-1")
    write_model(other, "linked-2")
    (root / "public/linked-1").symlink_to(other / "public/linked-1")
    (root / "again").symlink_to(other / "public")
    (root / "public/loop").symlink_to(root)
    (root / "aaa").symlink_to(root / "public/mixnet-l")
    (root / "dangling").symlink_to(root / "absent")
    entries = zoo.find_models([root])
    assert names(entries) == ["linked-1", "linked-2", "mixnet-l", "mixnet-m", "resnet-50"]
    places = {entry.name: str(entry.subdirectory) for entry in entries}
    assert places["mixnet-l"] == "public/mixnet-l"  # its own place, not that of the link to it
    assert places["linked-2"] == "again/linked-2"
    assert all(entry.load().name == entry.name for entry in entries)


def test_a_folder_that_cannot_be_read_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Permissions do not stop root, under whom tests may run: the refusal is made where the system would make it.
    locked, scandir = root / "public/locked", os.scandir
    locked.mkdir()

    def refusing(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path) == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DescriptorError, match=r"public/locked: cannot be read: Permission denied"):
        zoo.find_models([root])


def test_several_roots_are_one_zoo(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    write_model(other, "own")
    assert names(zoo.find_models([root, other, root])) == ["mixnet-l", "mixnet-m", "own", "resnet-50"]


def test_two_models_of_one_name_are_refused_with_both_paths(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    path = write_model(other, "mixnet-l")
    with pytest.raises(DescriptorError) as caught:
        zoo.find_models([root, other])
    assert str(path) in str(caught.value)
    assert str(root / "public/mixnet-l/model.yml") in str(caught.value)


def test_a_root_that_is_a_models_own_folder_keeps_the_name_as_subdirectory(root: Path) -> None:
    (entry,) = zoo.find_models([root / "public/mixnet-l"])
    assert (entry.name, str(entry.subdirectory)) == ("mixnet-l", "mixnet-l")


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["mixnet-l"], ["mixnet-l"]),
        (["mixnet-*"], ["mixnet-l", "mixnet-m"]),
        (["resnet-50", "*"], ["resnet-50", "mixnet-l", "mixnet-m"]),
        (["mixnet-[m]", "mixnet-m"], ["mixnet-m"]),
    ],
)
def test_selection_by_name_and_pattern(root: Path, patterns: list[str], expected: list[str]) -> None:
    assert names(zoo.select(zoo.find_models([root]), patterns)) == expected


@posix
@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("mixnet-1", "unknown model 'mixnet-1'; did you mean 'mixnet-m' or 'mixnet-l'"),
        ("MIXNET-L", "did you mean 'mixnet-l'"),
        ("zzz", "available: mixnet-l, mixnet-m, resnet-50"),
        ("zzz*", "no model matches the pattern 'zzz*'"),
    ],
)
def test_an_unknown_name_offers_the_nearest(root: Path, pattern: str, words: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        zoo.select(zoo.find_models([root]), [pattern])
    assert words in str(caught.value)
    assert caught.value.hint == "mixnet_tools.list_models()"


def test_every_unknown_name_is_told(root: Path) -> None:
    with pytest.raises(UnknownModelError) as caught:
        zoo.select(zoo.find_models([root]), ["aaa", "mixnet-l", "bbb"])
    assert "'aaa'" in str(caught.value)
    assert "'bbb'" in str(caught.value)


def test_a_composite_model_stands_for_its_stages(root: Path) -> None:
    write_composite(root, "reader", ["reader-encoder", "reader-decoder"])
    entries = zoo.find_models([root])
    listed = zoo.with_composites(entries)
    assert names(listed) == ["mixnet-l", "mixnet-m", "reader", "resnet-50"]
    assert names(zoo.flat(listed)) == ["mixnet-l", "mixnet-m", "reader-decoder", "reader-encoder", "resnet-50"]
    (reader,) = zoo.select(entries, ["reader"])
    assert isinstance(reader, zoo.CompositeEntry)
    assert str(reader.subdirectory) == "public/reader"
    assert reader.load().stages_order == ("reader-encoder", "reader-decoder")


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["reader*"], ["reader"]),  # the whole, and not its stages once more
        (["*coder"], ["reader-decoder", "reader-encoder"]),
        (["reader-encoder", "reader"], ["reader-encoder", "reader"]),
    ],
)
def test_a_pattern_means_a_composite_model_or_else_its_stages(
    root: Path, patterns: list[str], expected: list[str]
) -> None:
    write_composite(root, "reader", ["reader-encoder", "reader-decoder"])
    chosen = zoo.select(zoo.find_models([root]), patterns)
    assert names(chosen) == expected
    assert len(zoo.flat(chosen)) == 2


def test_the_stages_of_a_composite_model_can_be_a_root_of_their_own(root: Path) -> None:
    folder = write_composite(root, "reader", ["reader-encoder"]).parent
    (reader,) = zoo.with_composites(zoo.find_models([folder]))
    assert (reader.name, str(reader.subdirectory)) == ("reader", "reader")


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (
            ["reader-encoder", "reader-decoder", "reader-3"],
            "stages_order[2] (line 7): expected a folder with",
        ),
        (["reader-encoder"], "stages_order (line 4): does not name the stage 'reader-decoder'"),
        (["reader-encoder", "reader-decoder", "reader-encoder"], "names 'reader-encoder' twice"),
        ([], "stages_order (line 4): expected at least 1 in the list"),
        ("reader-encoder", "stages_order (line 4): expected a list"),
    ],
)
def test_an_order_that_does_not_fit_the_stages_is_refused(root: Path, order: list[str], words: str) -> None:
    path = write_composite(root, "reader", ["reader-encoder", "reader-decoder"], stages_order=order)
    (reader,) = zoo.select(zoo.find_models([root]), ["reader"])
    with pytest.raises(DescriptorError) as caught:
        reader.load()
    assert str(caught.value).startswith(f"{path}: stages_order")
    assert words in str(caught.value)


def test_a_list_file_has_comments_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "models.lst"
    path.write_text("# all of them\nmixnet-*  # the family\n\n'resnet-50'\n")
    assert zoo.read_list(path) == ("mixnet-*", "resnet-50")


@pytest.mark.parametrize(
    ("text", "words"), [("a b\n", "one name or pattern a line"), ("'a\n", "line 1"), ("# x\n", "names no models")]
)
def test_a_list_file_that_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "models.lst"
    path.write_text(text)
    with pytest.raises(DescriptorError, match=words):
        zoo.read_list(path)
    with pytest.raises(DescriptorError, match="cannot read the list"):
        zoo.read_list(tmp_path / "absent.lst")


def test_roots_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DescriptorError, match="not a folder"):
        zoo.find_models([tmp_path / "absent"])
    with pytest.raises(DescriptorError, match=r"no model\.yml below"):
        zoo.find_models([tmp_path])


def test_the_environment_names_roots(tmp_path: Path) -> None:
    environment = {"MIXNET_TOOLS_MODELS": f"{tmp_path}:/second"}
    assert zoo.default_roots(environment) == (tmp_path, Path("/second"))
    assert zoo.default_roots({}) == (zoo.embedded_root(),)


def test_the_embedded_zoo_holds_the_flagship_and_the_default() -> None:
    entries = zoo.find_models([zoo.embedded_root()])
    assert {"mixnet-l", "mixnet-nano"} <= set(names(entries))
    for entry in entries:
        model = entry.load()
        assert model.accuracy_path.is_file()
        card = (model.directory / "README.md").read_text()
        assert not re.findall(r"@\w+@|\b[A-Z]+_TOP\d", card), "a placeholder was left in the card"
