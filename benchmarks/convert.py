"""How long a full-size MixNet-L takes to convert, stage by stage, and beside omz_converter.

    python -m benchmarks.convert [--runs N] [--omz PYTHON]

``--omz`` is the Python of an environment in which Open Model Zoo's tools still run, for the comparison:

    python3 -m venv omz && omz/bin/pip install 'openvino-dev==2024.6.0' 'tensorflow<2.18'

Both convert the same checkpoint (random weights, the published form) to one FP16 IR, each in a process of its own, in
turn; the table gives medians, and medians of the ratios pair by pair.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from tabulate import tabulate

BUILD = "import sys, pathlib; from tests.support import graphs; graphs.mixnet(pathlib.Path(sys.argv[1]), 'l')"
STAGES = ("import", "read", "convert", "original", "save", "verify")


@dataclass(frozen=True)
class Run:
    """A finished process: seconds from start to end, peak memory in MB, and what it printed."""

    seconds: float
    megabytes: float
    out: str


def measure(command: list[str | Path]) -> Run:
    """Run ``command`` to its end, with the operating system's own account of its memory."""
    with tempfile.TemporaryFile() as out:
        started = perf_counter()
        process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"exit code {process.returncode} of: {' '.join(map(str, command))}")
        out.seek(0)
        return Run(seconds, usage.ru_maxrss / 1000, out.read().decode())


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


def stage_table(root: Path, scratch: Path, runs: int) -> str:
    """Median seconds of each stage for several ways to convert."""
    ways = {
        "FP16, no proof": ("--precisions", "FP16", "--no_verify"),
        "FP32 and FP16, no proof": ("--no_verify",),
        "FP16, no proof, frozen by TensorFlow": ("--precisions", "FP16", "--no_verify", "--freezer", "tensorflow"),
        "FP32 and FP16, proved": (),
    }
    rows = []
    for name, options in ways.items():
        done = [measure(ours(root, scratch / "stages", *options)) for _ in range(runs)]
        seconds = [json.loads(run.out)["models"][0]["seconds"] for run in done]
        stages = [statistics.median(one.get(stage, 0.0) for one in seconds) for stage in STAGES]
        whole = statistics.median(run.seconds for run in done)
        memory = statistics.median(run.megabytes for run in done)
        rows.append((name, *(f"{value:.2f}" for value in (*stages, whole)), f"{memory:.0f}"))
    return str(tabulate(rows, headers=("", *STAGES, "process s", "peak MB"), disable_numparse=True))


def comparison(root: Path, scratch: Path, runs: int, python: Path) -> str:
    """mixnet-convert against omz_converter, in turn."""
    pairs = []
    for _ in range(runs):
        new = measure(ours(root, scratch / "ours", "--precisions", "FP16", "--no_verify"))
        pairs.append((new, measure(omz_converter(python, root, scratch / "mo"))))
    rows = []
    for name, index in (("mixnet-convert --no_verify", 0), ("omz_converter (Model Optimizer 2024.6)", 1)):
        seconds = statistics.median(pair[index].seconds for pair in pairs)
        memory = statistics.median(pair[index].megabytes for pair in pairs)
        rows.append((name, f"{seconds:.2f}", f"{memory:.0f}"))
    time_ratio = statistics.median(new.seconds / old.seconds for new, old in pairs)
    memory_ratio = statistics.median(new.megabytes / old.megabytes for new, old in pairs)
    rows.append(("ratio (goal: 0.20, 0.35)", f"{time_ratio:.2f}", f"{memory_ratio:.2f}"))
    return str(tabulate(rows, headers=("one FP16 IR", "process s", "peak MB"), disable_numparse=True))


def main() -> None:
    """Build the checkpoint, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each (default: 5)")
    parser.add_argument("--omz", type=Path, metavar="PYTHON", help="Python of an environment with openvino-dev 2024.6")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root, scratch = Path(place) / "model", Path(place) / "out"
        # In a process of its own: a child's peak memory counts from the size of the process that started it.
        measure([sys.executable, "-c", BUILD, str(root)])
        measure(ours(root, scratch / "warm"))
        print(stage_table(root, scratch, args.runs), end="\n\n")
        if args.omz:
            print(comparison(root, scratch, args.runs, args.omz))
        else:
            print("no --omz given: not compared with omz_converter (see --help)")


if __name__ == "__main__":
    main()
