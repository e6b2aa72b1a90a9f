"""What --cluster says: the address of a scheduler, or a cluster of processes on this machine. Touches no network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from mixnet_tools.errors import UsageError

SCHEMES = ("tcp", "tls", "ws", "wss")

_HINT = "--cluster tcp://HOST:8786 for a running scheduler, or --cluster local[:N] for N processes on this machine"


@dataclass(frozen=True)
class ClusterAddress:
    """``scheduler`` is the address of one that runs; without it, ``processes`` of this machine (None: one a core)."""

    scheduler: str | None
    processes: int | None

    def __str__(self) -> str:
        if self.scheduler is not None:
            return self.scheduler
        return "local" if self.processes is None else f"local:{self.processes}"


def parse_address(text: str) -> ClusterAddress:
    """Read ``text``. Raises :class:`UsageError` where it is no address.

    >>> parse_address("local:4").processes, str(parse_address("tcp://10.0.0.1:8786"))
    (4, 'tcp://10.0.0.1:8786')
    """
    if match := re.fullmatch(r"local(?::([0-9]{1,4}))?", text):
        processes = int(match[1]) if match[1] else None
        if processes == 0:
            raise UsageError("--cluster local:0: a cluster needs a process", hint=_HINT)
        return ClusterAddress(None, processes)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in SCHEMES or parts.path or parts.query:
        raise UsageError(f"--cluster: expected the address of a scheduler, or local[:N], got {text!r}", hint=_HINT)
    return ClusterAddress(text, None)
