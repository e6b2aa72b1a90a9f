"""Results on stdout (one JSON document, or a table for people), and the exit code of one that is not good enough."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

MISSED = 3
"""Exit code: the work was done, and its accuracy is below a reference, a baseline, or the drop that is allowed."""


def print_json(document: object) -> None:
    """``document`` as the one JSON document of this run."""
    json.dump(document, sys.stdout, indent=2, allow_nan=False)
    print()


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows under headers, numbers as they are given (format them first)."""
    from tabulate import tabulate

    return str(tabulate(rows, headers=headers, disable_numparse=True))
