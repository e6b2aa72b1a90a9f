"""Parses the notations in the Model Optimizer's arguments: lists of inputs, shapes, layouts, values per channel.

Every function raises ValueError that says what was expected. The caller adds the argument's name and the model's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_OPENING, _CLOSING = "[({", "])}"


@dataclass(frozen=True)
class InputText:
    """One entry of ``--input``: ``name[shape]{type}->value``, each part but the name optional."""

    name: str
    shape: tuple[int, ...] | None
    element_type: str | None
    value: str | None


def split(text: str) -> list[str]:
    """``text`` at its commas, brackets respected.

    >>> split("a[1,2],b(3,4)->[5,6],c")
    ['a[1,2]', 'b(3,4)->[5,6]', 'c']
    """
    parts, depth, start = [], 0, 0
    for index, char in enumerate(text):
        depth += (char in _OPENING) - (char in _CLOSING)
        if depth < 0:
            raise ValueError(f"a bracket closes that was not opened: {text!r}")
        if char == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    if depth:
        raise ValueError(f"a bracket is not closed: {text!r}")
    return [part.strip() for part in (*parts, text[start:])] if text.strip() else []


def joined(arguments: Iterable[str]) -> list[str]:
    """``arguments`` in which an option and its value are one, as they need not be for the Model Optimizer.

    >>> joined(["--scale", "2", "--output=logits", "--reverse_input_channels"])
    ['--scale=2', '--output=logits', '--reverse_input_channels']
    """
    found: list[str] = []
    for argument in arguments:
        if found and not argument.startswith("-") and found[-1].startswith("--") and "=" not in found[-1]:
            found[-1] += f"={argument}"
        else:
            found.append(argument)
    return found


def parse_shape(text: str) -> tuple[int, ...]:
    """A shape: sizes separated by commas or blanks, in round or square brackets or none.

    >>> parse_shape("[1,224,224,3]"), parse_shape("(1 3)"), parse_shape("1,3")
    ((1, 224, 224, 3), (1, 3), (1, 3))
    """
    inner = re.fullmatch(r"\[(.*)\]|\((.*)\)|([^\[\]()]*)", text.strip())
    words = re.split(r"[\s,]+", next(group for group in inner.groups() if group is not None).strip()) if inner else [""]
    if not all(re.fullmatch(r"\d+", word) for word in words):
        raise ValueError(f"expected sizes such as [1,224,224,3], got {text!r} (open sizes are not converted)")
    return tuple(int(word) for word in words)


def parse_input(text: str) -> InputText:
    """One entry of ``--input``.

    >>> parse_input("0:sub[1 224 224 3]{f32}")
    InputText(name='0:sub', shape=(1, 224, 224, 3), element_type='f32', value=None)
    >>> parse_input("is_training->False").value
    'False'
    """
    match = re.fullmatch(r"([^\[\](){}]+?)\s*(\[[^\]]*\]|\([^)]*\))?\s*(?:\{(\w+)\})?\s*(?:->\s*(.+))?", text)
    if not match:
        raise ValueError(f"expected name[shape]{{type}}->value, got {text!r}")
    name, shape, element_type, value = match.groups()
    return InputText(name.strip(), parse_shape(shape) if shape else None, element_type, value)


def parse_named(text: str) -> list[tuple[str | None, str]]:
    """Entries of ``--layout``, ``--mean_values``, ``--scale_values``: (input name or None, what is in the brackets).

    >>> parse_named("input[1,2,3],other(4)"), parse_named("[1,2],[3]"), parse_named("a(nhwc)"), parse_named("NHWC")
    ([('input', '1,2,3'), ('other', '4')], [(None, '1,2'), (None, '3')], [('a', 'nhwc')], [(None, 'NHWC')])
    """
    entries: list[tuple[str | None, str]] = []
    for part in split(text):
        match = re.fullmatch(r"([^\[\](){}]*)(?:\[([^\]]*)\]|\(([^)]*)\))", part)
        if match:
            entries.append((match[1].strip() or None, match[2] if match[2] is not None else match[3]))
        elif re.search(r"[\[\](){}]", part):
            raise ValueError(f"expected name[...] or [...], got {part!r}")
        else:
            entries.append((None, part))
    return entries


def parse_numbers(text: str) -> tuple[float, ...]:
    """Numbers separated by commas or blanks.

    >>> parse_numbers("123.68, 116.78 103.94")
    (123.68, 116.78, 103.94)
    """
    try:
        numbers = tuple(float(word) for word in re.split(r"[\s,]+", text.strip()))
    except ValueError:
        raise ValueError(f"expected numbers such as [123.68,116.78,103.94], got {text!r}") from None
    if not all(abs(number) < float("inf") for number in numbers):
        raise ValueError(f"expected finite numbers, got {text!r}")
    return numbers


def parse_layout(text: str) -> str:
    """A layout: the letter of each axis, upper case.

    >>> parse_layout("nhwc"), parse_layout("[N,C]")
    ('NHWC', 'NC')
    """
    if "->" in text:
        raise ValueError(f"changing a layout ({text!r}) is not supported; give the model's own layout")
    letters = re.sub(r"[\[\],\s]", "", text).upper()
    if not re.fullmatch(r"[A-Z?]+", letters) or len(set(letters.replace("?", ""))) != len(letters.replace("?", "")):
        raise ValueError(f"expected a layout such as NHWC, got {text!r}")
    return letters


def parse_tags(text: str) -> tuple[str, ...]:
    """The tags of a SavedModel's graph, with commas between them; empty for the graph without tags.

    >>> parse_tags("serve, gpu"), parse_tags("")
    (('serve', 'gpu'), ())
    """
    return tuple(part.strip() for part in text.split(",") if part.strip())
