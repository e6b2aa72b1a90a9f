"""Shows the results of the benchmarks: tables, and bars with quartiles where ``--plot`` names a file."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

from mixnet_tools.cli.common import tables
from mixnet_tools.cli.common.terminal import Terminal
from mixnet_tools.errors import MixnetToolsError
from mixnet_tools.files import atomic
from mixnet_tools.inference.machine import this_machine
from mixnet_tools.pages import plot
from mixnet_tools.pages.charts import Measured
from mixnet_tools.pages.plot import Bars


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out ``rows`` below ``headers``."""
    return tables.table([tables.Column(heading) for heading in headers], rows, Terminal())


def add_plot(parser: argparse.ArgumentParser) -> None:
    """The option ``--plot FILE``, whose file is known to be a good one before anything is measured."""
    parser.add_argument("--plot", type=_file, metavar="FILE", help="draw the result as .png or .svg as well")


def quartiles(label: str, values: Sequence[float]) -> Measured:
    """The median of ``values`` with their quartiles. A single value is all three."""
    if len(values) < 2:
        return Measured(label, values[0], values[0], values[0])
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Measured(label, middle, low, high)


def ratios(label: str, values: Sequence[float], base: Sequence[float]) -> Measured:
    """The quartiles of ``values`` as multiples of ``base``, run by run: runs that follow each other see one machine."""
    return quartiles(label, [value / other for value, other in zip(values, base, strict=True)])


def write(path: Path, title: str, groups: Sequence[Bars], note: str = "") -> None:
    """Draw ``groups`` to ``path``. The machine stands at the foot, and ``note`` behind it."""
    foot = f"bars: medians, lines: quartiles; {this_machine().describe()}"
    atomic.write_bytes(path, plot.bars(title, groups, path.suffix, f"{foot}; {note}" if note else foot))
    print(f"\n{path}: written")


def _file(text: str) -> Path:
    path = Path(text)
    try:
        plot.require(path)
    except MixnetToolsError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return path
