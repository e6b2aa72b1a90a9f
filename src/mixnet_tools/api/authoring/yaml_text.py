"""Writes YAML as people write it, with comments. Texts of others stay on their line."""

from __future__ import annotations

import yaml

from mixnet_tools.files.shown import shown

WIDTH = 110


def scalar(value: object) -> str:
    """``value`` (a text, number or truth value, or a list of numbers) as it stands behind a key, on one line.

    >>> scalar("net: a"), scalar([1, 3]), scalar(0.5), scalar("a\\nb")
    ("'net: a'", '[1, 3]', '0.5', '"a\\\\nb"')
    """
    if isinstance(value, str) and not value.isprintable():
        return yaml.safe_dump(value, width=1 << 20, default_style='"').strip()
    text = yaml.safe_dump(value, width=1 << 20, default_flow_style=True, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def comment(text: str, indent: str = "") -> list[str]:
    """``text`` as lines of a comment. What steers a terminal or ends a line is written as escapes."""
    words, lines = shown(text, lines=False).split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) + len(indent) > WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return [f"{indent}# {line}" for line in lines]


def decide(text: str, indent: str = "") -> list[str]:
    """The comment at a place where a person must decide."""
    return comment(f"{MARK} {text}", indent)


MARK = "DECIDE:"
"""How such a comment begins."""
