"""Checks the regular expression of a ``regex_replace`` while its descriptor is read, which must take no time."""

from __future__ import annotations

import re

MAX_PATTERN = 2000
"""Characters of the longest pattern and replacement. The longest of Open Model Zoo have 100."""

_IGNORES_CASE = re.compile(r"\(\?[a-zA-Z-]*i")


def compilable(text: str) -> str:
    """``text``, if it is a regular expression. Raises ValueError if not.

    Compiling one that ignores case can take minutes. Such a pattern is first compiled where it is used: by a child
    process with a limit of time.
    """
    if _IGNORES_CASE.search(text):
        return text
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"expected a regular expression ({error})") from None
    return text
