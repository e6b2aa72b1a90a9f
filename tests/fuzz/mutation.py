"""Changes to bytes and to files of known structure, drawn by hypothesis.

A change of bytes mostly breaks a file's outermost layer: a checksum, a length, a quote. So most changes here are made
inside, and the layers around them are made right again.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree

import yaml
from hypothesis import strategies as st

Draw = st.DrawFn
Mutate = Callable[[Draw, bytes], bytes]

INTEGERS = (
    0, 1, -1, 2, 3, 7, 127, 128, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1,
    2**63, 2**64 - 1, -(2**31), -(2**63), 10**18, 10**30,
)  # fmt: skip
TEXTS = (
    "", " ", ".", "..", "../../escape", "/mixnet-fuzz-escape/file", "a/../../b", "a//b", "C:\\x", "a\\b", "x" * 300,
    "x" * 5000, "\x1b[31mred\x1b]0;title\x07", "\u202egnp", "a\nb", "a\rb", "a\x00b", "%s%n%d", "{0}{a}", "1e999",
    "nan", "-inf", "-1", "9" * 400, "0x10", "1_000", "true", "null", "~", "*", "[", "(((((", "(a+)+$",
    "\ud7ff\U0010ffff", "\ufeff", "é" * 200, "$dl_dir/../../x", "file:///etc/passwd",
    "http://user:secret@127.0.0.1:1/", "http://[", ":0", "a:b:c", "^a", "--",
)  # fmt: skip
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
FLOATS = (0.0, -0.0, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"), 0.1)


def byte_changes(draw: Draw, data: bytes) -> bytes:
    """``data`` with one change that knows nothing of its structure."""
    size = len(data)
    place = draw(st.integers(0, size))
    length = draw(st.sampled_from((1, 2, 4, 8, 16, 64, 512, 4096)))
    how = draw(st.sampled_from(_BYTE_CHANGES))
    if how == "flip":
        if not size:
            return b"\0"
        place = min(place, size - 1)
        return data[:place] + bytes([data[place] ^ 1 << draw(st.integers(0, 7))]) + data[place + 1 :]
    if how == "cut":
        return data[:place]
    if how == "remove":
        return data[:place] + data[place + length :]
    if how == "repeat":
        return data[:place] + data[place : place + length] * draw(st.integers(2, 20)) + data[place + length :]
    if how == "copy":
        other = draw(st.integers(0, size))
        return data[:other] + data[place : place + length] + data[other + length :]
    if how == "zeros":
        return data[:place] + bytes(min(length, size - place)) + data[place + length :]
    if how == "ones":
        return data[:place] + b"\xff" * min(length, size - place) + data[place + length :]
    if how == "insert":
        return data[:place] + draw(st.binary(min_size=1, max_size=16)) + data[place:]
    if how == "text":
        return data[:place] + draw(st.sampled_from(TEXTS)).encode() + data[place:]
    if how == "append":
        return data + draw(st.sampled_from((b"\0", b"\0" * 1024, b"\n", b"garbage", data[:200])))
    if how == "number":
        found = list(re.finditer(rb"\d+", data))
        if found:
            one = draw(st.sampled_from(found))
            new = draw(st.sampled_from((*map(str, INTEGERS), "1e999", "9" * 5000, "NaN", "0.1.2", "")))
            return data[: one.start()] + new.encode() + data[one.end() :]
    width, code = draw(st.sampled_from(((1, "B"), (2, "<H"), (2, ">H"), (4, "<I"), (4, ">I"), (8, "<Q"), (8, ">Q"))))
    value = draw(st.sampled_from(INTEGERS)) % (1 << 8 * width)
    return data[:place] + struct.pack(code, value) + data[place + width :]


_BYTE_CHANGES = (
    "flip", "flip", "cut", "remove", "repeat", "copy", "zeros", "ones", "insert", "text", "append", "number", "number",
    "integer", "integer",
)  # fmt: skip


def value_changes(draw: Draw, value: Any) -> Any:
    """Plain data (lists, mappings, scalars) with one place changed."""
    places = list(_places(value))
    container, key = draw(st.sampled_from(places)) if places else (None, None)
    if container is None:
        return _strange_value(draw)
    how = draw(st.sampled_from(("tweak",) * 6 + ("replace", "replace", "remove", "rename", "add", "copy", "wrap")))
    if how == "tweak":
        container[key] = _tweaked(draw, container[key])
    elif how == "remove":
        del container[key]
    elif how == "rename" and isinstance(container, dict):
        container[draw(st.sampled_from(TEXTS))] = container.pop(key)
    elif how == "add" and isinstance(container, dict):
        container[draw(st.sampled_from(TEXTS))] = _strange_value(draw)
    elif how == "add":
        container.insert(key, _strange_value(draw))
    elif how == "copy":
        source, other = draw(st.sampled_from(places))
        container[key] = json.loads(json.dumps(source[other]))
    elif how == "wrap":
        inner = container[key]
        for _ in range(draw(st.sampled_from((1, 2, 60, 400)))):
            inner = [inner] if draw(st.booleans()) else {"a": inner}
        container[key] = inner
    else:
        container[key] = _strange_value(draw)
    return value


def _tweaked(draw: Draw, value: Any) -> Any:
    """A value of the same type, near ``value``: one that is only a little wrong."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw(st.sampled_from((value + 1, value - 1, -value, value * 2, value * 1000)))
    if isinstance(value, float):
        return draw(st.sampled_from((-value, value * 1.5, value * 1e6, *FLOATS)))
    if isinstance(value, str):
        return byte_changes(draw, value.encode()).decode("utf-8", "replace")
    return value


def _strange_value(draw: Draw) -> Any:
    return draw(
        st.one_of(
            st.sampled_from(INTEGERS),
            st.sampled_from(TEXTS),
            st.sampled_from(FLOATS),
            st.sampled_from((None, True, False)),
            st.builds(list),
            st.builds(dict),
            st.builds(lambda: [[]]),
            st.builds(lambda: {"": None}),
            st.builds(lambda: [0] * 3000),
        )
    )


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    queue = [value]
    while queue:
        one = queue.pop()
        items = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, inner in items:
            found.append((one, key))
            queue.append(inner)
    return found


def json_changes(draw: Draw, data: bytes) -> bytes:
    """A JSON document, changed inside."""
    return json.dumps(value_changes(draw, json.loads(data))).encode()


def json_line_changes(draw: Draw, data: bytes) -> bytes:
    """A file of JSON lines: one line is changed inside, doubled, moved or dropped."""
    lines = data.split(b"\n")
    place = draw(st.integers(0, len(lines) - 1))
    how = draw(st.sampled_from(("change", "change", "change", "double", "drop", "first")))
    if how == "double":
        lines.insert(place, lines[place])
    elif how == "drop":
        del lines[place]
    elif how == "first":
        lines.insert(0, lines.pop(place))
    elif lines[place]:
        lines[place] = json_changes(draw, lines[place])
    return b"\n".join(lines)


def yaml_changes(draw: Draw, data: bytes) -> bytes:
    """A YAML document, changed inside."""
    value = value_changes(draw, yaml.load(data, _LOADER))
    return yaml.dump(value, Dumper=_DUMPER, sort_keys=False, allow_unicode=True).encode("utf-8", "replace")


def xml_changes(draw: Draw, data: bytes) -> bytes:
    """An XML document with one attribute, text or element changed."""
    root = ElementTree.fromstring(data)
    elements = list(root.iter())
    element = draw(st.sampled_from(elements))
    how = draw(st.sampled_from(("attribute",) * 6 + ("text", "remove", "double", "move")))
    children = list(element)
    if how == "attribute" and element.attrib:
        name = draw(st.sampled_from(sorted(element.attrib)))
        others = [other.attrib[name] for other in elements if name in other.attrib]
        element.attrib[name] = draw(st.sampled_from((*map(str, INTEGERS), *_XML_TEXTS, *others, *others)))
    elif how == "text":
        element.text = draw(st.sampled_from((*map(str, INTEGERS), *_XML_TEXTS)))
    elif children:
        child = draw(st.sampled_from(children))
        if how == "double":
            element.append(child)
        else:
            element.remove(child)
            if how == "move":
                draw(st.sampled_from(elements)).append(child)
    return bytes(ElementTree.tostring(root))


_XML_TEXTS = (
    "", "x", "-", "1,2", "1,-1", "?,3", "0", "f16", "i64", "u4", "string", "dynamic", "boolean", "opset1", "opset15",
    "Const", "Result", "Parameter", "If", "Loop", "TensorIterator", "ReadValue", "NonMaxSuppression", "valid",
    "same_upper", "numpy", "9" * 40, "x" * 5000,
)  # fmt: skip


# Protocol buffers, by their wire format: no schema is needed.

Field = tuple[int, int, "int | bytes"]
"""(number, wire type, value): an int for types 0, 1 and 5, bytes for type 2."""


def protobuf_changes(draw: Draw, data: bytes) -> bytes:
    """A protobuf message, changed at any depth; the lengths around the change are made right."""
    return _changed_message(draw, data, 0)


def _changed_message(draw: Draw, data: bytes, depth: int) -> bytes:
    fields = fields_of(data)
    if not fields:
        return byte_changes(draw, data)
    place = draw(st.integers(0, len(fields) - 1))
    number, kind, value = fields[place]
    how = draw(st.sampled_from(("inside",) * 8 + ("remove", "double", "swap", "number")))
    if how == "remove":
        del fields[place]
    elif how == "double":
        fields.insert(place, fields[place])
    elif how == "swap":
        other = draw(st.integers(0, len(fields) - 1))
        fields[place], fields[other] = fields[other], fields[place]
    elif how == "number":
        fields[place] = (draw(st.sampled_from((1, 2, 3, 4, 5, 8, 15, 100))), kind, value)
    elif isinstance(value, bytes):
        fields[place] = (number, kind, _changed_bytes(draw, value, depth))
    else:
        fields[place] = (number, kind, draw(st.sampled_from(INTEGERS)) % 2**64)
    return message_of(fields)


def _changed_bytes(draw: Draw, value: bytes, depth: int) -> bytes:
    is_message = depth < 12 and len(value) > 1 and fields_of(value) is not None
    how = draw(st.integers(0, 9))
    if is_message and how:
        return _changed_message(draw, value, depth + 1)
    if how < 4:
        return draw(st.sampled_from(TEXTS)).encode("utf-8", "replace")
    return byte_changes(draw, value)


def fields_of(data: bytes) -> list[Field] | None:
    """The fields of a message, or None where ``data`` is none."""
    fields: list[Field] = []
    place = 0
    try:
        while place < len(data):
            tag, place = _read_varint(data, place)
            number, kind = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:
                return None
            if kind == 0:
                value, place = _read_varint(data, place)
                fields.append((number, kind, value))
            elif kind in (1, 5):
                width = 8 if kind == 1 else 4
                if place + width > len(data):
                    return None
                fields.append((number, kind, int.from_bytes(data[place : place + width], "little")))
                place += width
            elif kind == 2:
                length, place = _read_varint(data, place)
                if place + length > len(data):
                    return None
                fields.append((number, kind, data[place : place + length]))
                place += length
            else:
                return None
    except IndexError:
        return None
    return fields


def message_of(fields: Sequence[Field]) -> bytes:
    """The message that has ``fields``."""
    parts = []
    for number, kind, value in fields:
        parts.append(varint(number << 3 | kind))
        if isinstance(value, bytes):
            parts += [varint(len(value)), value]
        elif kind == 0:
            parts.append(varint(value))
        else:
            width = 8 if kind == 1 else 4
            parts.append((value % (1 << 8 * width)).to_bytes(width, "little"))
    return b"".join(parts)


def varint(value: int) -> bytes:
    """``value`` in protobuf's and LevelDB's notation, seven bits a byte."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise IndexError


def png_changes(draw: Draw, data: bytes) -> bytes:
    """A PNG with one chunk changed, its checksum right."""
    chunks, place = [], 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    index = draw(st.integers(0, len(chunks) - 1))
    name, body = chunks[index]
    how = draw(st.sampled_from(("body",) * 5 + ("remove", "double", "name")))
    if how == "remove":
        del chunks[index]
    elif how == "double":
        chunks.insert(index, chunks[index])
    elif how == "name":
        chunks[index] = (draw(st.sampled_from((b"tEXt", b"iCCP", b"eXIf", b"PLTE", b"tRNS", b"acTL", b"fdAT"))), body)
    else:
        chunks[index] = (name, byte_changes(draw, body))
    packed = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    ]
    return data[:8] + b"".join(packed)


def some(draw: Draw, data: bytes, inside: Mutate | None) -> bytes:
    """``data`` with one to four changes: of bytes, or ``inside`` the structure as long as it holds."""
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3, 4)))):
        if inside is not None and draw(st.integers(0, 9)) < 7:
            try:
                data = inside(draw, data)
                continue
            except Exception:  # an earlier change broke the structure: every parser has its own error for that
                pass
        data = byte_changes(draw, data)
    return data
