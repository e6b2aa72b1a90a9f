"""Read YAML files as strict, typed values, with one error that names the file and every wrong key in it.

PyYAML parses and pydantic validates. This module refuses what both let pass: duplicate keys, tags, files that are too
large or expand without bound. A problem is named by file, key and line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from mixnet_tools.descriptors.known_keys import nearest_key
from mixnet_tools.errors import DescriptorError
from mixnet_tools.files import bounded, shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MAX_BYTES = 1 << 20
"""The largest file that is read. The largest descriptor of Open Model Zoo has 46 kB."""

MAX_NODES = 50_000
"""The most values a file may expand to, aliases followed (a "billion laughs" file expands to 10^9)."""

MAX_DEPTH = 50
"""The deepest nesting of lists and mappings that is read. PyYAML's C code recurses without a bound."""

_LONGEST_WORD = 100
"""Characters of a wrong word that are compared with the known ones: the comparison takes the square of their number."""

_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
}
_MERGE_TAG = "tag:yaml.org,2002:merge"
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is several times as fast

_EXPECTED = {
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
}
"""What a file should hold, in the words of YAML, by pydantic's kind of error."""

KeyPath = tuple[str | int, ...]
ModelT = TypeVar("ModelT", bound=BaseModel)


class StrictModel(BaseModel):
    """Base of every value read from YAML: frozen, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True, defer_build=True)


@dataclass(frozen=True)
class Document:
    """A parsed file: plain data, and the line of each key."""

    path: Path
    data: dict[str, object]
    lines: dict[KeyPath, int]

    def problem(self, key: KeyPath, text: str) -> str:
        """The message ``text`` with file, ``key`` and line before it."""
        line = next((self.lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.lines), None)
        where = f"{self.path}: {format_key(key)}" if key else str(self.path)
        return f"{where}{f' (line {line})' if line else ''}: {text}"


def read(path: Path) -> Document:
    """Parse the YAML file ``path`` into plain dicts, lists and scalars.

    Raises :class:`DescriptorError` where the file cannot be read, is not one plain YAML mapping, or holds duplicate
    keys, tags, or more than :data:`MAX_NODES` values.
    """
    try:
        raw = bounded.read_bytes(path, MAX_BYTES)
    except OSError as error:
        raise DescriptorError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DescriptorError(f"{path}: not UTF-8 text (byte {error.start})") from error
    loader = None
    try:
        _check_nesting(path, text)
        loader = _Loader(text)
        node = loader.get_single_node()
        lines = _check_nodes(path, node)
        data = None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise DescriptorError(f"{path}: not valid YAML: {_one_line(error)}") from error
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(data, dict):
        found = "an empty file" if data is None else f"a {type(data).__name__}"
        raise DescriptorError(f"{path}: expected a mapping of keys to values, got {found}")
    return Document(path, data, lines)


def validate(
    document: Document, model: type[ModelT], cross_check: Callable[[ModelT], list[tuple[KeyPath, str]]] | None = None
) -> ModelT:
    """``document`` as a ``model``.

    ``cross_check`` is given the finished value, and returns a (key, problem) pair for each broken rule that concerns
    several keys. Raises one :class:`DescriptorError` with all problems.
    """
    try:
        value = model.model_validate(document.data)
    except ValidationError as error:
        raise _joined([_describe(document, item, model) for item in error.errors(include_url=False)]) from None
    if broken := cross_check(value) if cross_check else []:
        raise _joined([document.problem(key, text) for key, text in broken])
    return value


def validate_known(
    document: Document, model: type[ModelT], cross_check: Callable[[ModelT], list[tuple[KeyPath, str]]] | None = None
) -> tuple[ModelT, tuple[str, ...]]:
    """As :func:`validate`, with unknown keys left out: each is a warning in the second value, not an error.

    Where something else is wrong as well, the error names the unknown keys too: one of them may be a misspelt key that
    is required.
    """
    try:
        value = model.model_validate(document.data)
    except ValidationError as error:
        found = error.errors(include_url=False)
        if all(item["type"] == "extra_forbidden" for item in found):
            keys = {_real_key(document.data, item["loc"]) for item in found}
            known = replace(document, data=_without(document.data, keys))
            warnings = (_describe(document, item, model) + "; it is ignored" for item in found)
            return validate(known, model, cross_check), tuple(dict.fromkeys(warnings))
        return validate(document, model), ()  # raises, with all problems
    if broken := cross_check(value) if cross_check else []:
        raise _joined([document.problem(key, text) for key, text in broken])
    return value, ()


def _without(value: Any, keys: set[KeyPath], here: KeyPath = ()) -> Any:
    """A copy of plain data, without the mappings' entries at ``keys``."""
    if isinstance(value, dict):
        return {name: _without(one, keys, (*here, name)) for name, one in value.items() if (*here, name) not in keys}
    if isinstance(value, list):
        return [_without(one, keys, (*here, index)) for index, one in enumerate(value)]
    return value


def format_key(key: KeyPath) -> str:
    """A path of keys as people write it.

    >>> format_key(("files", 0, "checksum"))
    'files[0].checksum'
    """
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _named(key: KeyPath) -> str:
    return format_key(key) or "top level"


def shorten(value: object, limit: int = 80) -> str:
    """``repr(value)`` in at most ``limit`` characters."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _joined(problems: list[str]) -> DescriptorError:
    unique = list(dict.fromkeys(problems))
    return DescriptorError("\n".join(unique))


def _one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem or error.context} (line {error.problem_mark.line + 1})"
    return " ".join(str(error).split())[:200] or type(error).__name__


def _check_nesting(path: Path, text: str) -> None:
    """Refuse a file that is too deep or too long. Parsing it into events does not recurse; composing nodes does."""
    depth = seen = 0
    loader = _Loader(text)
    try:
        while (event := loader.get_event()) is not None:  # type: ignore[no-untyped-call]
            if isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
                continue
            seen += 1
            depth += isinstance(event, yaml.CollectionStartEvent)
            if depth > MAX_DEPTH:
                place = f"{path} (line {event.start_mark.line + 1})"
                raise DescriptorError(f"{place}: nested deeper than {MAX_DEPTH}, which no descriptor is")
            if seen > MAX_NODES:
                raise DescriptorError(f"{path}: holds more than {MAX_NODES} values, which no descriptor does")
    except yaml.MarkedYAMLError as error:
        # PyYAML 6.0.4 reads ahead of its events, and has a limit of its own, far above ours.
        if "nesting depth" not in str(error.problem):
            raise
        place = f"{path} (line {error.problem_mark.line + 1})" if error.problem_mark else str(path)
        raise DescriptorError(f"{place}: nested deeper than {MAX_DEPTH}, which no descriptor is") from error
    finally:
        loader.dispose()


def _check_nodes(path: Path, root: yaml.Node | None) -> dict[KeyPath, int]:
    """The line of each key in the tree of nodes, aliases followed. Raises one error with all problems."""
    lines: dict[KeyPath, int] = {}
    problems: list[str] = []
    seen = 0

    def visit(node: yaml.Node, key: KeyPath, ancestors: frozenset[int]) -> None:
        nonlocal seen
        seen += 1
        if seen > MAX_NODES:
            raise DescriptorError(f"{path}: expands to more than {MAX_NODES} values (aliases that multiply?)")
        if id(node) in ancestors or len(ancestors) > MAX_DEPTH:
            raise DescriptorError(f"{path}: {_named(key)}: contains itself or is nested deeper than {MAX_DEPTH}")
        line = node.start_mark.line + 1
        lines.setdefault(key, line)
        if node.tag not in _PLAIN_TAGS:
            problems.append(f"{path}: {_named(key)} (line {line}): the tag {node.tag} is not allowed")
            return
        inside = ancestors | {id(node)}
        if isinstance(node, yaml.SequenceNode):
            for index, child in enumerate(node.value):
                visit(child, (*key, index), inside)
        elif isinstance(node, yaml.MappingNode):
            names: set[str] = set()
            for name_node, child in node.value:
                name_line = name_node.start_mark.line + 1
                if name_node.tag == _MERGE_TAG:
                    visit(child, (*key, "<<"), inside)
                    continue
                if name_node.tag != "tag:yaml.org,2002:str":
                    found = shorten(name_node.value) if isinstance(name_node, yaml.ScalarNode) else "a list or mapping"
                    place = f"{path}: {_named(key)} (line {name_line})"
                    problems.append(f"{place}: keys must be plain strings, got {found} without quotes")
                    continue
                name = name_node.value
                if name in names:
                    problems.append(f"{path}: {format_key((*key, name))} (line {name_line}): the key stands here twice")
                names.add(name)
                lines[(*key, name)] = name_line
                visit(child, (*key, name), inside)

    if root is not None:
        visit(root, (), frozenset())
    if problems:
        raise _joined(problems)
    return lines


def _describe(document: Document, item: ErrorDetails, model: type[BaseModel]) -> str:
    """One of pydantic's errors as a line for people."""
    key = _real_key(document.data, item["loc"])
    kind, context = item["type"], item.get("ctx", {})
    got = shorten(shown.without_secrets(item["input"]))
    if kind == "missing":
        return document.problem(key, "is required, and missing")
    if kind == "extra_forbidden":
        return document.problem(key, f"unknown key{_offer(nearest_key(str(key[-1]), model))}")
    if kind == "union_tag_invalid":
        expected, tag = str(context["expected_tags"]), str(context["tag"])
        return document.problem(key, f"expected $type to be one of {expected}, got {tag!r}{_nearest(tag, expected)}")
    if kind == "literal_error":
        expected = str(context["expected"])
        if key[-1:] == ("[key]",):  # pydantic's mark of a problem with the key itself
            found = str(item["input"])
            return document.problem(key[:-1], f"unknown key: expected {expected}{_nearest(found, expected)}")
        return document.problem(key, f"expected {expected}, got {got}{_nearest(item['input'], expected)}")
    if kind == "union_tag_not_found":
        return document.problem(key, f"expected a mapping with the key $type, got {got}")
    if kind == "value_error":
        return document.problem(key, f"{context['error']}, got {got}")
    if kind == "too_short":
        return document.problem(key, f"expected at least {context['min_length']} in the list, got {got}")
    if kind in _EXPECTED:
        return document.problem(key, f"expected {_EXPECTED[kind]}, got {got}")
    message = item["msg"]
    message = message.replace("Input should be", "expected", 1) if message.startswith("Input") else message
    return document.problem(key, f"{message}, got {got}")


def _nearest(found: object, expected: str) -> str:
    """The words that offer the nearest of the quoted words in ``expected``; "" where none is like ``found``."""
    near = get_close_matches(str(found)[:_LONGEST_WORD], re.findall(r"'([^']*)'", expected), n=1)
    return _offer(near[0] if near else None)


def _offer(near: str | None) -> str:
    return "" if near is None else f" (did you mean {near!r}?)"


def _real_key(data: object, loc: KeyPath) -> KeyPath:
    """The path of keys of pydantic's ``loc``, which has tags of unions between the keys that exist in ``data``."""
    key: list[str | int] = []
    for position, part in enumerate(loc):
        inside = dict(enumerate(data)) if isinstance(data, list) else data
        if isinstance(inside, dict) and part in inside:
            data = inside[part]
        elif position < len(loc) - 1 or not isinstance(data, dict):
            continue
        key.append(part)
    return tuple(key)
