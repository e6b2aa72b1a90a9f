"""One child process for all targets of a module: it starts once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.runner import Runner


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner() as one:
        yield one
