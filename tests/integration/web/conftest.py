"""The models that the page's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mixnet_tools.api.classification import Device, OpenedClassifier, open_model
from mixnet_tools.api.model_files import ModelChoice
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.progress import Progress
from tests.support.page_server import PageServer, serving


@pytest.fixture(scope="session")
def opened(nano: ModelDescriptor, nano_dir: Path) -> OpenedClassifier:
    """The original of mixnet-nano beside two of its IRs."""
    choice = ModelChoice(nano_dir, nano_dir, ("tf", "openvino"), ("FP32", "FP16"))
    return open_model(nano, choice, Device(), Progress(), one_by_one=True)


@pytest.fixture(scope="session")
def page(opened: OpenedClassifier) -> Iterator[PageServer]:
    """The page for these models, as users get it."""
    with serving(opened) as server:
        yield server
