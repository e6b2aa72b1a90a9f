"""The names of a model's classes, in every form that people have them in."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixnet_tools.descriptors.imagenet import imagenet_classes
from mixnet_tools.descriptors.labels import (
    ClassLabel,
    as_token,
    find_labels,
    read_classes,
    read_labels,
    short_label,
    tokens,
)
from mixnet_tools.errors import DescriptorError

ZOO = Path(__file__).parents[3] / "models" / "public"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "labels.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_name_a_line_without_empty_lines(tmp_path: Path) -> None:
    assert find_labels(tmp_path) is None
    path = written(tmp_path, "tench, Tinca tinca\n\n great  white\tshark \r\nhen\n")
    assert find_labels(tmp_path) == path
    labels = read_labels(path)
    assert labels == ("tench, Tinca tinca", "great white shark", "hen")
    assert [as_token(label) for label in labels] == ["tench,_Tinca_tinca", "great_white_shark", "hen"]
    assert [short_label(label) for label in labels] == ["tench", "great white shark", "hen"]
    assert tokens(read_classes(path)) == ("tench", "great_white_shark", "hen")


CATS = (ClassLabel("tabby, tabby cat", "n02123045"), ClassLabel("tiger cat", "n02123159"))
FORMS: dict[str, tuple[str | bytes, tuple[ClassLabel, ...]]] = {
    "Open Model Zoo": ("n02123045 tabby, tabby cat\nn02123159 tiger cat\n", CATS),
    "no line end at the end": ("n02123045 tabby, tabby cat\nn02123159 tiger cat", CATS),
    "tabs": ("n02123045\ttabby, tabby cat\nn02123159\ttiger cat\n", CATS),
    "colons": ("n02123045: tabby, tabby cat\nn02123159: tiger cat\n", CATS),
    "Windows": ("n02123045 tabby, tabby cat\r\nn02123159 tiger cat\r\n", CATS),
    "old Macintosh": ("n02123045 tabby, tabby cat\rn02123159 tiger cat\r", CATS),
    "byte order mark": (b"\xef\xbb\xbfn02123045 tabby, tabby cat\nn02123159 tiger cat\n", CATS),
    "ids alone": ("n02123045\nn02123159\n", (CATS[0], ClassLabel("tiger cat", "n02123159"))),
    "an id that is not ImageNet's": ("n99999999\n", (ClassLabel("n99999999", "n99999999"),)),
    "with a background": ("background\nn02123045 tabby, tabby cat\n", (ClassLabel("background"), CATS[0])),
    "numbers": ("0 tabby\n1 tiger cat\n", (ClassLabel("tabby"), ClassLabel("tiger cat"))),
    "numbers with colons": ("0: tabby\n1: tiger cat\n", (ClassLabel("tabby"), ClassLabel("tiger cat"))),
    "numbers and ids": ("0 n02123045 tabby, tabby cat\n1 n02123159 tiger cat\n", CATS),
    "numbers that are names": ("1 cent\n2 cent\n", (ClassLabel("1 cent"), ClassLabel("2 cent"))),
    "digits": ("0\n1\n2\n", (ClassLabel("0"), ClassLabel("1"), ClassLabel("2"))),
    "digits in a name": ("0 tabby\n2 tabbies\n", (ClassLabel("0 tabby"), ClassLabel("2 tabbies"))),
    "what is nearly an id": ("n0212304 cat\nn021230455 cat\nnan\n",
                             (ClassLabel("n0212304 cat"), ClassLabel("n021230455 cat"), ClassLabel("nan"))),
    "other letters": ("猫\nn02123159 kočka, 虎猫\n", (ClassLabel("猫"), ClassLabel("kočka, 虎猫", "n02123159"))),
    "nothing but a comma": (",\n", (ClassLabel(","),)),
    "nothing": ("\n\n", ()),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path: Path, form: str) -> None:
    text, expected = FORMS[form]
    found = read_classes(written(tmp_path, text))
    assert found == expected
    assert all(
        label.name and label.names and " " not in token for label, token in zip(found, tokens(found), strict=True)
    )


def test_labels_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    for text in (b"t\xe9nch\n", "tench\n".encode("utf-16")):
        with pytest.raises(DescriptorError, match=r"labels\.txt: cannot read the labels"):
            read_labels(written(tmp_path, text))


def test_an_id_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DescriptorError, match=r"labels\.txt: the WordNet id n02123045 stands 2 times, expected once"):
        read_labels(written(tmp_path, "n02123045 tabby\nhen\nn02123045 cat\n"))


def test_mixnet_l_has_the_words_that_people_know() -> None:
    labels = read_classes(ZOO / "mixnet-l" / "labels.txt")
    assert [(label.wordnet_id, label.names) for label in labels] == [
        (one.wordnet_id, one.words) for one in imagenet_classes()
    ]
    assert labels[281].name == "tabby"
    words = tokens(labels)
    assert len(" ".join(words).split()) == len(words) == 1000
    assert words.count("crane") == 2  # a bird and a machine, which have no other name
    assert len(set(words)) == 999


def open_model_zoos_reader(path: Path) -> list[str]:
    """What classification_demo.py takes from a line: from the first blank to the first comma, or to the line end."""
    labels = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            assert " " in line, line
            labels.append(line[line.find(" ") + 1 : line.find(",")])
    return labels


def test_the_demos_of_open_model_zoo_read_the_names_that_we_do() -> None:
    imagenet = ZOO / "mixnet-l" / "labels.txt"
    assert open_model_zoos_reader(imagenet) == [label.name for label in read_classes(imagenet)]
    nano = ZOO / "mixnet-nano" / "demo_labels.txt"
    assert open_model_zoos_reader(nano) == [label.name for label in read_classes(nano)]
    assert tokens(read_classes(nano)) == read_labels(ZOO / "mixnet-nano" / "labels.txt")
