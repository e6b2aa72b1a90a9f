"""Downloading: from a descriptor to files that are verified, unpacked and patched. The stage is ``download.py``.

The package itself can be called, so that ``mixnet_tools.download("mixnet-l")`` means :func:`.api.download` whether or
not a module of the package was imported before: importing one makes ``mixnet_tools.download`` this package.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from mixnet_tools.download.api import download

        return download(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
