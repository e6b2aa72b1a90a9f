"""Tells of which type an output of a TensorFlow operation is: from the operation's definition, and its attributes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorboard.compat.proto.node_def_pb2 import NodeDef

DEFINITIONS = Path(__file__).with_name("output_types.json")
"""Written by scripts/list_output_types.py, which says what its texts mean."""

DT_FLOAT = 1  # of tensorflow/core/framework/types.proto
_USUAL = ("output_types", "Toutput_types", "component_types", "dtype", "DstT", "output_type", "out_type", "T")
"""Attributes that hold types of outputs in operations that the definitions lack: of contrib, of later versions."""


def output_type(node: NodeDef, port: int) -> int:
    """The DataType of output ``port`` of ``node``; DT_FLOAT where neither definition nor attributes tell."""
    described = _definitions().get(node.op)
    types = list(_types(node, described)) if described is not None else _guessed(node)
    return types[port] if port < len(types) else DT_FLOAT


def _types(node: NodeDef, described: list[str]) -> Iterator[int]:
    """The types of all outputs, one after the other."""
    for text in described:
        kind, star, number = text.partition("*")
        if star and not number:
            yield from map(int, node.attr[kind].list.type) if kind in node.attr else ()
        else:  # a node without the number is damaged, or has one
            yield from [_type(node, kind)] * (int(node.attr[number].i) if number in node.attr else 1)


def _type(node: NodeDef, kind: str) -> int:
    """The type that ``kind`` stands for: a number, or an attribute with or without a default."""
    if kind.isdigit():
        return int(kind)
    name, _, default = kind.partition("=")
    given = int(node.attr[name].type) if name in node.attr else 0
    return given or int(default or DT_FLOAT)


def _guessed(node: NodeDef) -> list[int]:
    """The types of the outputs of an operation whose outputs are all alike, or that has no definition."""
    for name in _USUAL:
        if name in node.attr and node.attr[name].list.type:
            return list(map(int, node.attr[name].list.type))
        if name in node.attr and node.attr[name].type:
            return [int(node.attr[name].type)] * _MANY
    return []


_MANY = 1 << 10
"""More outputs than an operation has."""


@cache
def _definitions() -> Mapping[str, list[str]]:
    found: Mapping[str, list[str]] = json.loads(DEFINITIONS.read_text(encoding="utf-8"))
    return found
