"""Takes the digest of a file: to verify it, or to say later what something was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

_CHUNK = 1 << 20


def digest_of(path: Path, algorithm: str = "sha256", heartbeat: Callable[[], None] = lambda: None) -> str:
    """The digest of the file ``path``, in lower-case hex.

    ``heartbeat`` is called before each chunk, and may raise to stop. Raises OSError.
    """
    digest = hashlib.new(algorithm)
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK):
            heartbeat()
            digest.update(chunk)
    return digest.hexdigest()
