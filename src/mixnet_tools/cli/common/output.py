"""Prints results on stdout: one JSON document, or a table for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence


def print_json(document: object) -> None:
    """Print ``document``, the one JSON document of this run."""
    json.dump(document, sys.stdout, indent=2, allow_nan=False)
    print()


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out ``rows`` under ``headers`` as text. Numbers are not formatted: give them as text."""
    from tabulate import tabulate

    return str(tabulate(rows, headers=headers, disable_numparse=True))
