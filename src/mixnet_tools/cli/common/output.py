"""Prints results on stdout, as one JSON document or as a table, and defines the exit code of a missed accuracy."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mixnet_tools.cli.common.streams import plain
from mixnet_tools.files import strict_json

MISSED = 3
"""Exit code: the work was done, and its accuracy is below a reference, a baseline, or the drop that is allowed."""


def print_json(document: object) -> None:
    """Print ``document``, the one JSON document of this run. It is ASCII, and its texts have lost their secrets."""
    print(strict_json.dumps(document), file=plain(sys.stdout))


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out ``rows`` under ``headers`` as text. Numbers are not formatted: give them as text."""
    from tabulate import tabulate

    return str(tabulate(rows, headers=headers, disable_numparse=True))
