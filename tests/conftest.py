"""Fixtures that several test modules share. Everything expensive is made once a session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# OpenVINO's telemetry stays silent on CI machines; tests talk to nobody but loopback.
os.environ["CI"] = "true"
os.environ.pop("MIXNET_TOOLS_MODELS", None)

from mixnet_tools.descriptors import zoo
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from tests.support import browser as browsers
from tests.support import command_server, shared
from tests.support.commands import run_ok

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.standin import StandIn


def pytest_configure(config: pytest.Config) -> None:
    """Forget what this terminal is like, and start the servers of programs, once for all of xdist's workers."""
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
        os.environ.pop(name, None)
    if hasattr(os, "fork") and not hasattr(config, "workerinput"):  # elsewhere each command is a fresh process
        servers = ExitStack()
        for kind in command_server.PRELOADED:
            servers.enter_context(command_server.running(kind))
        config.add_cleanup(servers.close)


@pytest.fixture(scope="session")
def nano() -> ModelDescriptor:
    """The descriptor of mixnet-nano."""
    (entry,) = zoo.flat(zoo.select(zoo.find_models([zoo.embedded_root()]), ["mixnet-nano"]))
    return entry.load()


@pytest.fixture(scope="session")
def nano_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which mixnet-nano was downloaded and converted by the real commands. Treat it as read-only."""

    def fill(folder: Path) -> None:
        run_ok("download", "--name", "mixnet-nano", "-o", folder)
        run_ok("convert", "--name", "mixnet-nano", "-d", folder)

    return shared.folder(tmp_path_factory, "nano", fill)


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], StandIn]:
    """An archive of the published form and size of MixNet ``s``, ``m`` or ``l``, with random weights."""

    def made(variant: str) -> StandIn:
        from tests.support.standin import build_mixnet_archive, read_archive  # imports TensorFlow

        name = f"mixnet-{variant}.tar.gz"
        folder = shared.folder(
            tmp_path_factory, f"standin-{variant}", lambda folder: build_mixnet_archive(folder / name, variant)
        )
        return read_archive(folder / name, f"mixnet-{variant}")

    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium: see :mod:`tests.support.browser`. Tests are skipped where there is none, but not in CI."""
    with ExitStack() as stack:
        try:
            started = stack.enter_context(browsers.running())
        except browsers.NoBrowserError as error:
            if os.environ.get(browsers.REQUIRED) == "required":
                raise
            pytest.skip(f"no browser to look at the page with: {error}")
        yield started
