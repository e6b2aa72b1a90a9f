"""What tests need of the operating system that not every one has."""

from __future__ import annotations

import os
import platform

import pytest

posix = pytest.mark.skipif(
    not hasattr(os, "mkfifo"), reason="needs pipes with names, links, permissions or signals as POSIX has them"
)

linux = pytest.mark.skipif(platform.system() != "Linux" or not hasattr(os, "fork"), reason="needs Linux")
