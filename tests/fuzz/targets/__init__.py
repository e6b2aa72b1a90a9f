"""Everything that is fuzzed."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets import archives, authoring, images, models, results, zoo

MODELS: tuple[Target, ...] = (*models.TARGETS, *authoring.TARGETS)
TARGETS: tuple[Target, ...] = (
    *zoo.TARGETS,
    *archives.TARGETS,
    *MODELS,
    *images.TARGETS,
    *results.TARGETS,
)
