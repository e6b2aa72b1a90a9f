"""Everything that is fuzzed."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets import archives, images, models, results, zoo

TARGETS: tuple[Target, ...] = (
    *zoo.TARGETS,
    *archives.TARGETS,
    *models.TARGETS,
    *images.TARGETS,
    *results.TARGETS,
)
