"""Writes JSON that every reader takes, which has no word for NaN and infinities, and reads no other."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from mixnet_tools.files.shown import redact_within

MAX_DEPTH = 50
"""The deepest nesting of a JSON file that is read."""

_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def dumps(document: object) -> str:
    """``document`` as indented JSON, in ASCII, without secrets of URLs. NaN and infinities, as a model with damaged
    weights has them, become null.

    >>> dumps([1.5, float("nan")])
    '[\\n  1.5,\\n  null\\n]'
    """
    return json.dumps(_plain(document), indent=2, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return redact_within(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def loads(text: str | bytes) -> Any:
    """What the JSON document ``text`` holds. Raises ValueError, also for numbers that are not finite and deep nesting.

    >>> loads('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    text = text.decode("utf-8") if isinstance(text, bytes) else text
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    return json.loads(text, parse_float=_finite, parse_constant=_not_finite)


def _check_depth(text: str) -> None:
    depth = 0
    for part in _STRING_OR_BRACKET.findall(text):
        depth += 1 if part in "[{" else -1 if part in "]}" else 0
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is no finite number")
    return value


def _not_finite(text: str) -> NoReturn:
    raise ValueError(f"{text} is no finite number")
