"""Tasks of a cluster run: every image is in one."""

from __future__ import annotations

import pytest

from mixnet_tools.accuracy.cluster.tasks import PARTS, Task


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_every_image_is_in_one_part(size: int) -> None:
    parts = list(Task(3, 10, 60).cut(size))
    assert [place for part in parts for place in range(part.start, part.stop)] == list(range(10, 60))
    assert {part.evaluation for part in parts} == {3}
    assert all(part.stop - part.start == size for part in parts[:-1])


def test_two_cuts_lead_from_a_shard_of_the_default_size_to_single_images() -> None:
    parts = [single for part in Task(0, 0, 128).cut(128 // PARTS, alone=True) for single in part.cut(1, alone=True)]
    assert [(part.start, part.stop) for part in parts] == [(start, start + 1) for start in range(128)]
    assert all(part.alone for part in parts)
