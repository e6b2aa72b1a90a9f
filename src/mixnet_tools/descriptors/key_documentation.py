"""What is documented of each key of a file: the strings below the fields of a :class:`.strict_yaml.StrictModel`.

Pydantic can read them as well, but only while it makes the class, for which every command would wait.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass

from pydantic import BaseModel

_EXAMPLE = re.compile(r"\s*Example: ``(?P<example>.+)``\.$", re.DOTALL)


@dataclass(frozen=True)
class KeyDocumentation:
    """The ``text`` on a key, in one line with code between double backquotes, and an ``example`` in YAML."""

    text: str
    example: str | None


def documented_keys(model: type[BaseModel]) -> dict[str, KeyDocumentation]:
    """The documentation of each field of ``model`` and of the classes it inherits from, by the key in YAML.

    Raises KeyError that names a field without documentation.
    """
    strings: dict[str, str] = {}
    for ancestor in reversed(model.__mro__):
        if issubclass(ancestor, BaseModel) and ancestor is not BaseModel:
            strings |= _strings_below_fields(ancestor)
    return {field.alias or name: _parsed(strings[name]) for name, field in model.model_fields.items()}


def _strings_below_fields(model: type[BaseModel]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[field.target.id] = below.value.value
    return found


def _parsed(string: str) -> KeyDocumentation:
    text = " ".join(string.split())
    if (match := _EXAMPLE.search(text)) is None:
        return KeyDocumentation(text, None)
    return KeyDocumentation(text[: match.start()], match["example"])
