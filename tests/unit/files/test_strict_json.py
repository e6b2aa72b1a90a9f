"""JSON within a budget."""

from __future__ import annotations

import pytest

from mixnet_tools.files import strict_json
from mixnet_tools.files.strict_json import MAX_DEPTH


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1e999]", "1e999 is no finite number"),
        ('{"a": NaN}', "NaN is no finite number"),
        ("[-Infinity]", "-Infinity is no finite number"),
        ("[" * 100_000, f"nested deeper than {MAX_DEPTH}"),
        ('{"a":' * 51 + "1" + "}" * 51, f"nested deeper than {MAX_DEPTH}"),
        ("9" * 5000, "Exceeds the limit"),
    ],
)
def test_json_beyond_its_budget_is_no_value(text: str, words: str) -> None:
    for given in (text, text.encode()):
        with pytest.raises(ValueError, match=words):
            strict_json.loads(given)


def test_json_within_its_budget_is_read() -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert strict_json.loads(deep)
    assert len(strict_json.loads("[" + "[]," * 1000 + "[]]")) == 1001
    assert strict_json.loads('["' + "[{" * 100 + '", "\\"' + "[" * 100 + '"]') == ["[{" * 100, '"' + "[" * 100]
