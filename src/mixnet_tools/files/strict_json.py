"""Writes JSON that every reader takes, which has no word for NaN and infinities."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping


def dumps(document: object) -> str:
    """``document`` as indented JSON. NaN and infinities, as a model with damaged weights has them, become null.

    >>> dumps([1.5, float("nan")])
    '[\\n  1.5,\\n  null\\n]'
    """
    return json.dumps(_plain(document), indent=2, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
