"""The short run of one target: always the same examples."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.runner import Runner
from tests.fuzz.tally import Tally
from tests.fuzz.target import Files, Target


def check(target: Target, runner: Runner, folder: Path) -> None:
    """Fail where an example is a finding, and keep that below ``folder``."""
    tally = Tally(target)

    @settings(
        max_examples=target.examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.strategy())
    def examples(files: Files) -> None:
        tally.add(files, runner.run(target, files))

    examples()
    assert tally.counts.total() > target.examples // 2
    if tally.findings:
        tally.keep(folder)
        details = "\n\n".join(f"{finding}\n{answer.detail}" for finding, (_, answer) in tally.findings.items())
        pytest.fail(f"{target.name}: the examples are kept in {folder}\n\n{details}", pytrace=False)
