"""The long run: new examples for each target, and a table of what came of them.

python -m tests.fuzz --seconds 60 [--seed 1] [--findings DIR] [TARGET ...]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.runner import Runner
from tests.fuzz.tally import Tally
from tests.fuzz.target import Files, Target
from tests.fuzz.targets import TARGETS

_BATCH = 50


def fuzz(target: Target, runner: Runner, seconds: float, first_seed: int) -> Tally:
    """Run new examples of ``target`` for so many seconds."""
    tally = Tally(target)
    began = time.monotonic()
    end = began + seconds
    number = first_seed
    while time.monotonic() < end:

        @seed(number)
        @settings(
            max_examples=_BATCH,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(target.strategy())
        def batch(files: Files) -> None:
            if time.monotonic() > end:
                return
            tally.add(files, runner.run(target, files))

        batch()
        number += 1
    tally.seconds = time.monotonic() - began
    return tally


def main() -> int:
    """Fuzz, print the table, and return 1 where there are findings."""
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="names of targets (default: all)")
    parser.add_argument("--seconds", type=float, default=30, help="for each target (default: 30)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other examples (default: 0)")
    parser.add_argument("--findings", type=Path, metavar="DIR", help="keep the first example of each finding here")
    args = parser.parse_args()
    unknown = set(args.targets) - {target.name for target in TARGETS}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(target.name for target in TARGETS)}")
    tallies = []
    for target in TARGETS:
        if args.targets and target.name not in args.targets:
            continue
        print(f"{target.name} ...", file=sys.stderr, flush=True)
        with Runner() as runner:
            tally = fuzz(target, runner, args.seconds, args.seed * 1_000_000)
        tallies.append(tally)
        for finding, count in tally.apart.most_common():
            print(f"  not promised ({count} times): {finding}", file=sys.stderr, flush=True)
        for finding, count in tally.times.most_common():
            detail = (tally.findings[finding][1].detail.strip().splitlines() or [""])[-1]
            print(f"  FINDING ({count} times): {finding}\n    {detail[:300]}", file=sys.stderr, flush=True)
        if args.findings:
            tally.keep(args.findings)
    columns = ("accepted", "refused", "not promised")
    rows = [
        (
            one.target.name,
            one.counts.total(),
            *(one.counts[name] for name in columns),
            f"{one.seconds:.0f}",
            len(one.findings),
        )
        for one in tallies
    ]
    headers = ("target", "examples", *columns, "seconds", "findings")
    for row in (headers, ["---"] * len(headers), *rows):
        print(f"| {' | '.join(map(str, row))} |")
    return 1 if any(one.findings for one in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
