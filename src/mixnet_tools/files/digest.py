"""Takes the digest of a file: to verify it, or to say later what something was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

_CHUNK = 1 << 20


def digest_of(path: Path, algorithm: str = "sha256", heartbeat: Callable[[], None] = lambda: None) -> str:
    """The digest of the file ``path``, in lower-case hex.

    ``heartbeat`` is called before each chunk, and may raise to stop. Raises OSError.
    """
    with path.open("rb", buffering=0) as stream:
        return digests_of(stream, (algorithm,), heartbeat)[algorithm]


def digests_of(
    stream: BinaryIO, algorithms: Iterable[str], heartbeat: Callable[[], None] = lambda: None
) -> dict[str, str]:
    """The digests of what is left of ``stream``, by algorithm, in lower-case hex. The bytes are read once.

    ``heartbeat`` is called before each chunk, and may raise to stop. Raises OSError.
    """
    digests = {algorithm: hashlib.new(algorithm) for algorithm in algorithms}
    while chunk := stream.read(_CHUNK):
        heartbeat()
        for digest in digests.values():
            digest.update(chunk)
    return {algorithm: digest.hexdigest() for algorithm, digest in digests.items()}
