"""The one way to ``openvino.Core``, behind a check that its threads and memory are there."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools import headroom

if TYPE_CHECKING:
    import openvino

MAPS_FILES = platform.system() != "Windows"
"""Whether OpenVINO may map files into memory. Windows neither renames nor removes a file that is mapped."""


def openvino_core(xml: Path | None = None) -> openvino.Core:
    """A core to load an IR with: the one at ``xml``, or a small one. Raises :class:`ResourceError`."""
    weights = xml.with_suffix(".bin") if xml else None
    size = weights.stat().st_size if weights and weights.is_file() else 0
    import openvino

    headroom.require(f"running {xml} in OpenVINO" if xml else "OpenVINO", size)
    core = openvino.Core()
    if not MAPS_FILES:
        core.set_property({"ENABLE_MMAP": False})
    return core
