"""Downloading: from a descriptor to files that are verified, unpacked and patched. The stage is ``download.py``.

The package can be called: importing any module of it makes ``mixnet_tools.download`` this package instead of the
function of that name, and ``mixnet_tools.download("mixnet-l")`` has to mean :func:`mixnet_tools.api.download` anyway.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from mixnet_tools.api import download

        return download(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
