"""The names that mixnet_tools exports, and that importing it costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mixnet_tools

FUNCTIONS = {"convert", "download", "evaluate", "find_model"}
VALUES = {
    "AccuracyReport",
    "ConversionOptions",
    "DownloadOptions",
    "DownloadedFile",
    "DownloadedModel",
    "IRModel",
    "ModelDescriptor",
}
PROGRESS = {"BarProgress", "JsonProgress", "LineProgress", "Progress"}


def test_the_exported_names() -> None:
    errors = {name for name in mixnet_tools.__all__ if isinstance(getattr(mixnet_tools, name), type)}
    errors = {name for name in errors if issubclass(getattr(mixnet_tools, name), mixnet_tools.MixnetToolsError)}
    assert set(mixnet_tools.__all__) == FUNCTIONS | VALUES | PROGRESS | errors | {"__version__"}
    assert len(errors) == 16
    assert set(mixnet_tools.__all__) <= set(dir(mixnet_tools))
    assert all(callable(getattr(mixnet_tools, name)) for name in FUNCTIONS)


def test_every_error_of_the_tree_is_exported() -> None:
    def below(error: type[Exception]) -> set[str]:
        return {error.__name__}.union(*(below(child) for child in error.__subclasses__()))

    own = {name for name in below(mixnet_tools.MixnetToolsError) if not name.startswith("_")}
    assert own <= set(mixnet_tools.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'downlod'"):
        mixnet_tools.downlod  # noqa: B018


def test_importing_the_package_imports_nothing_else() -> None:
    program = "import sys, mixnet_tools; print(sorted(m for m in sys.modules if m.startswith(('mixnet', 'pydantic'))))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['mixnet_tools']"
