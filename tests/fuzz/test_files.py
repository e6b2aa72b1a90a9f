"""A short run over everything that is no model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.runner import Runner
from tests.fuzz.short import check
from tests.fuzz.target import Target
from tests.fuzz.targets import MODELS, TARGETS

OTHERS = [target for target in TARGETS if target not in MODELS]


@pytest.mark.parametrize("target", OTHERS, ids=lambda target: target.name)
def test_changed_files_end_in_a_result_or_a_known_error(target: Target, runner: Runner, tmp_path: Path) -> None:
    check(target, runner, tmp_path)
