"""The servers that are asked about timm's models: others than the usual ones where the environment names them."""

from __future__ import annotations

import os

from mixnet_tools.errors import UsageError
from mixnet_tools.files.location import Location


def endpoint(variable: str, usual: str) -> str:
    """The address that the environment's ``variable`` has, or the ``usual`` one, without a slash at its end.

    Raises :class:`UsageError` where it is not http(s).
    """
    address = (os.environ.get(variable) or usual).strip().rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise UsageError(f"{variable}: expected an http:// or https:// address, got {str(Location.parse(address))!r}")
    return address
