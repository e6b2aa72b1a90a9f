"""Writes the predictions file (see :mod:`mixnet_tools.accuracy.predictions.jsonl`): appends answers as they come."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from mixnet_tools.accuracy.predictions.jsonl import KIND, RUN, RUN_START, SCHEMA, SETUP, PredictionsFile, line_digest
from mixnet_tools.accuracy.predictions.values import Answers, BadImage, Run, Setup
from mixnet_tools.errors import OutputError, UsageError
from mixnet_tools.files import atomic
from mixnet_tools.files.lock import try_lock


class PredictionsWriter:
    """Appends images to a predictions file, which is locked against other writers until it is closed."""

    def __init__(
        self, path: Path, setup: Setup, *, resumed: PredictionsFile | None = None, run: Run | None = None
    ) -> None:
        """Begin a new file ``path``, or go on behind the last whole line of the file that was read (``resumed``).

        ``run`` is written in front of the first image.

        Raises :class:`UsageError` where a new file exists already, where another run writes to the file, or where it
        has grown since it was read; :class:`OutputError` where it cannot be written.
        """
        self._path, self._labels = path, [tested.label for tested in setup.models]
        self._order, self._run = list(resumed.order) if resumed else [], run
        self._failed = False
        self.disorder: str | None = None
        """Why :meth:`put_in_order` failed, for people; None where it did not."""
        expected = resumed.size if resumed else 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: IO[str] = path.open("a", encoding="utf-8", errors="surrogateescape", newline="\n")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
        try:
            _lock(self._stream, path)
            opened = os.fstat(self._stream.fileno())
            if opened.st_size != expected or not os.path.samestat(opened, path.stat()):
                if resumed is None:
                    raise UsageError(
                        f"{path} exists already", hint="`resume=True` goes on with it; or name another file"
                    )
                raise UsageError(
                    f"{path}: another run wrote to it just now", hint="resume it again, when that run has ended"
                )
            if resumed is None:
                self._seal: bytes | None = b""
                header = self._write({"kind": KIND, "schema": SCHEMA, **SETUP.dump_python(setup, mode="json")})
                self._seal = header
                self.flush()
            else:
                self._seal = resumed.seal
                with self._writing():
                    os.ftruncate(self._stream.fileno(), resumed.whole_bytes)
        except BaseException:
            with contextlib.suppress(OSError):
                self._stream.close()
            raise

    def image(
        self, name: str, accepted: tuple[int, ...], answers: Sequence[Answers], row: int, image_notes: tuple[str, ...]
    ) -> None:
        """Append an image: see :meth:`PredictionsBuilder.add`."""
        found = {
            label: [[int(one), float(score)] for one, score in zip(a.classes[row], a.scores[row], strict=True)]
            for label, a in zip(self._labels, answers, strict=True)
        }
        notes = {"odd": list(image_notes)} if image_notes else {}
        self._introduce()
        self._write({"image": name, "label": list(accepted), "answers": found, **notes})
        self._order.append(name)

    def bad(self, image: BadImage, accepted: tuple[int, ...] = ()) -> None:
        """Append an image that could not be measured."""
        self._introduce()
        self._write({"image": image.name, **({"label": list(accepted)} if accepted else {}), "error": image.reason})
        self._order.append(image.name)

    def flush(self) -> None:
        """Hand all lines to the operating system, so that they survive the end of this process.

        Raises :class:`OutputError` that names the file where the disk is full; so do the other methods.
        """
        with self._writing():
            self._stream.flush()

    def put_in_order(self, names: Sequence[str]) -> None:
        """Put the images into the order of ``names``, which are all images of the file: whole, or not at all.

        Where the new file cannot be written, the old one stays, and :attr:`disorder` says why. No figure depends on the
        order.
        """
        if self._order == list(names):
            return
        self.flush()
        try:
            try:
                self._rewrite(names)
            except PermissionError:  # Windows replaces no open file
                self._stream.close()
                self._rewrite(names)
        except OSError as error:
            self.disorder = (
                f"{self._path}: cannot be put in order: {error.strerror or error}; all answers are in it, and "
                "resuming this run puts it in order"
            )
            return
        self._order = list(names)

    def close(self) -> None:
        """Close the file, and unlock it."""
        if self._failed:  # it was told already; what has not been written is measured again
            with contextlib.suppress(OSError):
                self._stream.close()
            return
        with self._writing():
            self._stream.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failed = True
            raise OutputError(
                f"{self._path}: cannot be written: {error.strerror or error}",
                hint="make room for it; then `resume=True` measures what is not in it yet",
            ) from error

    def _rewrite(self, names: Sequence[str]) -> None:
        with atomic.replacing(self._path) as sorted_, self._path.open("rb") as stream:
            _lock(sorted_, self._path)  # before others can see it: they must not write to it either
            sorted_.write(stream.readline())
            images = []
            for place, line in _lines(stream):
                if line.startswith(RUN_START):
                    sorted_.write(line)
                else:
                    images.append(place)
            places = dict(zip(self._order, images, strict=True))
            for one in names:
                stream.seek(places[one])
                sorted_.write(stream.readline())

    def _introduce(self) -> None:
        """Append the run that measures, in front of its first image."""
        if self._run is not None:
            self._write({"run": RUN.dump_python(self._run, mode="json")})
            self._run = None

    def _write(self, record: dict[str, Any]) -> bytes:
        """Append a line with its digest. Returns what the digests of further lines begin with, if it is the first."""
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        digest = ""
        if self._seal is not None:
            digest = line_digest(self._seal, text.encode("utf-8", "surrogateescape"))
            text = f'{text[:-1]},"digest":"{digest}"}}'
        with self._writing():
            self._stream.write(text + "\n")
        return digest.encode()


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each of the lines that are left, with the offset at which it begins."""
    place = stream.tell()
    for line in stream:
        yield place, line
        place += len(line)


def _lock(stream: IO[Any], path: Path) -> None:
    """Lock ``stream`` against other runs until it is closed. Do without where the file system has no locks."""
    with contextlib.suppress(OutputError):
        if not try_lock(stream.fileno(), path):
            raise UsageError(f"{path}: another run writes to it", hint="wait for it, or name another file")
