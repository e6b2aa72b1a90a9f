"""The functions of mixnet_tools on a stack, to keep the way from a command to the work short."""

from __future__ import annotations

from pathlib import Path
from types import FrameType

import mixnet_tools

PACKAGE = Path(mixnet_tools.__file__).parent


def own_frames(frame: FrameType | None) -> list[str]:
    """The functions of mixnet_tools on the stack of ``frame``, the outermost first, as ``cli/file.py:function``."""
    found: list[str] = []
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            found.insert(0, f"{path.relative_to(PACKAGE)}:{frame.f_code.co_name}")
        frame = frame.f_back
    return found
