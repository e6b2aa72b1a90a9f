"""How long a full-size MixNet-L takes to convert, stage by stage, and beside omz_converter.

    python -m benchmarks.convert [--runs N] [--omz PYTHON] [--plot FILE]

``--omz`` is the Python of an environment in which Open Model Zoo's tools still run, for the comparison:

    python3 -m venv omz && omz/bin/pip install 'openvino-dev==2024.6.0' 'tensorflow<2.18'

All convert the same checkpoint (random weights, the published form) to one FP16 IR, in turn, without sending usage
statistics; the table gives medians, and medians of the ratios run by run. Memory is that of all processes together.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from benchmarks import results
from mixnet_tools.pages.plot import Bars

BUILD = "import sys, pathlib; from tests.support import graphs; graphs.mixnet(pathlib.Path(sys.argv[1]), 'l')"
STAGES = ("read", "import", "convert", "averages", "save", "original", "verify")


@dataclass(frozen=True)
class Run:
    """A finished process: seconds from start to end, peak memory in MB with its children, and what it printed."""

    seconds: float
    megabytes: float
    out: str


def measure(command: list[str | Path]) -> Run:
    """Run ``command`` to its end."""
    with tempfile.TemporaryFile() as out:
        started, quiet = perf_counter(), {**os.environ, "CI": "true"}  # OpenVINO's statistics are not sent from CI
        process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=subprocess.DEVNULL, env=quiet)
        peaks, over = [0.0], threading.Event()
        sampler = threading.Thread(target=_watch, args=(process.pid, peaks, over))
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - started
        over.set()
        sampler.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"exit code {process.returncode} of: {' '.join(map(str, command))}")
        out.seek(0)
        return Run(seconds, max(*peaks, usage.ru_maxrss / 1000), out.read().decode())


def _watch(pid: int, peaks: list[float], over: threading.Event) -> None:
    """Sample the memory of ``pid`` and its children, in MB, until ``over``; a shared page counts once."""
    while not over.wait(0.05):
        peaks.append(sum(_proportional_kilobytes(one) for one in _tree(pid)) / 1000)


def _tree(pid: int) -> list[int]:
    try:
        lists = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it has ended
        return [pid]
    return [pid, *(one for found in lists for child in found for one in _tree(int(child)))]


def _proportional_kilobytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1.024


def ours(root: Path, output: Path, *options: str) -> list[str | Path]:
    """The command line of mixnet-convert."""
    return [
        sys.executable, "-m", "mixnet_tools.cli.main", "convert", "--name", "mixnet-l", "--models_dir", root / "models",
        "-d", root, "-o", output, "--json", *options,
    ]  # fmt: skip


def omz_converter(python: Path, root: Path, output: Path) -> list[str | Path]:
    """The command line of Open Model Zoo's converter; its own zoo has mixnet-l."""
    return [
        python.with_name("omz_converter"), "--mo", python.with_name("mo"), "--name", "mixnet-l", "-d", root,
        "-o", output, "--precisions", "FP16",
    ]  # fmt: skip


def stage_table(root: Path, scratch: Path, runs: int) -> tuple[str, Bars]:
    """Median seconds of each stage for several ways to convert; and the time of each way as bars."""
    ways = {
        "FP16, proved": ("--precisions", "FP16"),
        "FP32 and FP16, proved": (),
        "FP16, no proof": ("--precisions", "FP16", "--no_verify"),
        "FP32 and FP16, no proof": ("--no_verify",),
        "FP16, no proof, frozen by TensorFlow": ("--precisions", "FP16", "--no_verify", "--freezer", "tensorflow"),
    }
    rows, whole_runs = [], []
    for name, options in ways.items():
        done = [measure(ours(root, scratch / "stages", *options)) for _ in range(runs)]
        seconds = [json.loads(run.out)["models"][0]["seconds"] for run in done]
        stages = [statistics.median(one.get(stage, 0.0) for one in seconds) for stage in STAGES]
        whole = statistics.median(run.seconds for run in done)
        memory = statistics.median(run.megabytes for run in done)
        rows.append((name, *(f"{value:.2f}" for value in (*stages, whole)), f"{memory:.0f}"))
        whole_runs.append([run.seconds for run in done])
    bars = tuple(results.ratios(name, seconds, whole_runs[0]) for name, seconds in zip(ways, whole_runs, strict=True))
    table = results.table(("", *STAGES, "process s", "peak MB"), rows)
    return table, Bars("ways to convert", f"time of a process, times that of {next(iter(ways))}", bars, least=1.0)


def comparison(root: Path, scratch: Path, runs: int, python: Path) -> tuple[str, list[Bars]]:
    """mixnet-convert with its proof and without against omz_converter, in turn: a table, and bars."""
    ways = {
        "mixnet-convert (goal: 0.5, 1)": ours(root, scratch / "ours", "--precisions", "FP16"),
        "mixnet-convert --no_verify (goal: 0.2, 0.35)": ours(
            root, scratch / "ours", "--precisions", "FP16", "--no_verify"
        ),
        "omz_converter (Model Optimizer 2024.6)": omz_converter(python, root, scratch / "mo"),
    }
    rounds = [[measure(command) for command in ways.values()] for _ in range(runs)]
    rows = []
    for index, name in enumerate(ways):
        seconds = statistics.median(one[index].seconds for one in rounds)
        memory = statistics.median(one[index].megabytes for one in rounds)
        time_ratio = statistics.median(one[index].seconds / one[-1].seconds for one in rounds)
        memory_ratio = statistics.median(one[index].megabytes / one[-1].megabytes for one in rounds)
        rows.append((name, f"{seconds:.2f}", f"{memory:.0f}", f"{time_ratio:.2f}", f"{memory_ratio:.2f}"))
    headers = ("one FP16 IR", "process s", "peak MB", "time ratio", "memory ratio")
    groups = []
    for what in ("seconds", "megabytes"):
        columns = [[float(getattr(one[index], what)) for one in rounds] for index in range(len(ways))]
        bars = tuple(results.ratios(name, one, columns[-1]) for name, one in zip(ways, columns, strict=True))
        word = "time" if what == "seconds" else "peak memory"
        groups.append(Bars(f"one FP16 IR: {word}", "times omz_converter", bars, least=1.0))
    return results.table(headers, rows), groups


def main() -> None:
    """Build the checkpoint, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each (default: 5)")
    parser.add_argument("--omz", type=Path, metavar="PYTHON", help="Python of an environment with openvino-dev 2024.6")
    results.add_plot(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root, scratch = Path(place) / "model", Path(place) / "out"
        # In a process of its own: a child's peak memory counts from the size of the process that started it.
        measure([sys.executable, "-c", BUILD, str(root)])
        measure(ours(root, scratch / "warm"))
        if args.omz:
            table, groups = comparison(root, scratch, args.runs, args.omz)
            print(table, end="\n\n")
        else:
            groups = []
            print("no --omz given: not compared with omz_converter (see --help)", end="\n\n")
        table, ways = stage_table(root, scratch, args.runs)
        print(table)
    if args.plot:
        results.write(args.plot, "MixNet-L, conversion", [*groups, ways])


if __name__ == "__main__":
    main()
