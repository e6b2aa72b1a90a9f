"""Counts what came of the examples of one target."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.runner import Answer
from tests.fuzz.target import Files, Target


@dataclass
class Tally:
    """What came of the examples of one target: counts, and the first example of each finding.

    ``times`` says how often each finding came, ``apart`` the same of those that are not promised against.
    """

    target: Target
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    findings: dict[str, tuple[Files, Answer]] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    apart: Counter[str] = field(default_factory=Counter)

    def add(self, files: Files, answer: Answer) -> None:
        """Count an example."""
        if answer.what == "finding" and answer.finding.startswith(self.target.not_promised):
            self.counts["not promised"] += 1
            self.apart[answer.finding] += 1
            return
        self.counts[answer.what] += 1
        if answer.what == "finding":
            self.times[answer.finding] += 1
            self.findings.setdefault(answer.finding, (files, answer))

    def keep(self, folder: Path) -> None:
        """Write the first example of each finding below ``folder``."""
        for finding, (files, answer) in self.findings.items():
            place = folder / re.sub(r"\W+", "_", f"{self.target.name} {finding}")[:120]
            for name, data in files.items():
                path = place / "given" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            (place / "finding.txt").write_text(f"{self.target.name}: {finding}\n{answer.detail}\n", errors="replace")
