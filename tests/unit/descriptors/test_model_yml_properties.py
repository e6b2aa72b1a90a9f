"""Whatever stands in a model.yml: a descriptor whose files stay in their folder, or one error that names the file."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mixnet_tools.descriptors.file_entries import DIGEST_LENGTHS
from mixnet_tools.descriptors.model_yml import load_descriptor
from mixnet_tools.errors import DescriptorError
from tests.support.zoo_builder import descriptor_data, write_model

ODD_TEXT = st.one_of(
    st.text(max_size=20),
    st.text(alphabet="./\\:~ab\0\n%", max_size=12),
    st.sampled_from(
        ["..", "../x", "/etc/passwd", "C:x", "a//b", "file:///x", "http://", "$type", "null", "1e400", "0x1"]
    ),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), ODD_TEXT)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ODD_TEXT, inner, max_size=3)),
    max_leaves=8,
)
FILE_ENTRIES = st.fixed_dictionaries(
    {
        "name": st.one_of(
            ODD_TEXT, st.lists(st.sampled_from(["a", "A", "b", "..", "x.bin"]), min_size=1, max_size=3).map("/".join)
        ),
        "size": st.one_of(SCALARS, st.integers(0, 1 << 40)),
        "checksum": st.one_of(SCALARS, st.text(alphabet="0123456789abcdefABCDEF", min_size=96, max_size=96)),
        "source": st.one_of(ANYTHING, st.just("https://host.example/x")),
    }
)


def load(text: str | dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = write_model(Path(scratch), "net", text)
        try:
            model = load_descriptor(path, PurePosixPath("public/net"))
        except DescriptorError as error:
            assert str(path) in str(error)  # noqa: PT017 - an error is as good as a descriptor, if it names the file
            return
    folded = [file.name.casefold() for file in model.files]
    assert len(set(folded)) == len(folded)
    for file in model.files:
        steps = PurePosixPath(file.name).parts
        assert not PurePosixPath(file.name).is_absolute()
        assert ".." not in steps
        assert file.name.isprintable()
        assert file.size >= 0
        assert len(file.digest) == DIGEST_LENGTHS[file.algorithm]


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text(text: str) -> None:
    load(text.encode("utf-8", "replace").decode())


@given(st.dictionaries(st.sampled_from(sorted(descriptor_data())), ANYTHING, max_size=3))
@settings(max_examples=150, deadline=None)
def test_a_descriptor_with_anything_under_its_keys(changes: dict[str, Any]) -> None:
    load({**descriptor_data(), **changes})


@given(st.lists(FILE_ENTRIES, max_size=4))
@settings(max_examples=150, deadline=None)
def test_a_descriptor_with_any_files(entries: list[dict[str, Any]]) -> None:
    load(descriptor_data(files=entries))


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_descriptor_with_a_piece_of_its_text_replaced(data: st.DataObject) -> None:
    text = yaml.safe_dump(descriptor_data())
    start = data.draw(st.integers(0, len(text)))
    piece = data.draw(st.text(max_size=10).map(lambda one: one.encode("utf-8", "replace").decode()))
    load(text[:start] + piece + text[start + data.draw(st.integers(0, 20)) :])
