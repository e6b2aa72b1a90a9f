"""Takes the digest of a file: to verify it, or to say later what something was made from."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import BinaryIO

from mixnet_tools.threads import DaemonThreads, processors

_CHUNK = 1 << 20

_LARGE = 1 << 20
"""Bytes of a file after which a thread is worth its start."""

_AHEAD = 8
"""Chunks that may wait for the thread."""


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


class RunningDigest:
    """The digest of bytes as they come, for one thread. :meth:`close` it in the end.

    Of a large file it is computed in another thread, while the next bytes are read and written.
    """

    def __init__(self, algorithm: str) -> None:
        self._hash = hashlib.new(algorithm)
        self._count = 0
        self._thread: DaemonThreads | None = None
        self._ahead: deque[Future[None]] = deque()
        self._alone = False

    @property
    def algorithm(self) -> str:
        """Name of the algorithm."""
        return self._hash.name

    def update(self, chunk: bytes) -> None:
        """Add ``chunk``, which must not change any more."""
        self._count += len(chunk)
        if self._alone or self._count < _LARGE or processors() < 2:
            self._hash.update(chunk)
            return
        if len(self._ahead) >= _AHEAD:
            self._ahead.popleft().result()
        self._thread = self._thread or DaemonThreads(1, "digest")
        try:
            self._ahead.append(self._thread.submit(partial(self._hash.update, chunk)))
        except RuntimeError:  # no more threads are to be had, so nothing was begun
            self._alone, self._thread = True, None
            self._hash.update(chunk)

    def hexdigest(self) -> str:
        """The digest of all bytes so far, in lower-case hex."""
        while self._ahead:
            self._ahead.popleft().result()
        return self._hash.hexdigest()

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.close()
            self._thread = None
