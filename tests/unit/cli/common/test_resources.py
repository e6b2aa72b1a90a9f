"""What is known of memory that runs out."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from mixnet_tools.cli.common import resources
from tests.support.systems import posix


@posix
def test_a_process_knows_whether_it_is_near_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def limited_to(size: int) -> Callable[[int], tuple[int, int]]:
        return lambda number: (size, size)

    own = resources.resource
    assert own is not None
    for size, expected in ((1 << 50, False), (own.RLIM_INFINITY, False), (1 << 20, True)):
        known = {name: getattr(own, name) for name in ("RLIMIT_AS", "RLIMIT_DATA", "RLIM_INFINITY")}
        monkeypatch.setattr(resources, "resource", SimpleNamespace(getrlimit=limited_to(size), **known))
        assert resources.near_limit() is expected
    monkeypatch.setattr(resources, "resource", None)
    assert not resources.near_limit()
