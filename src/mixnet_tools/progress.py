"""Reports how far a stage is: to a terminal, to a log, to another program, or to nobody.

A stage gets a :class:`Progress` and calls it, in several threads at once if need be. It does not know who listens.

The download events have the names and fields that omz_downloader prints with ``--progress_format json``, so programs
that were written for it can read ours.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from typing import IO

from mixnet_tools.files.shown import shown


class Counter:
    """Counts the finished steps of a job. This base class is silent."""

    def advance(self, steps: int = 1, **figures: str) -> None:
        """Report ``steps`` more finished steps; ``figures`` are short values to show beside the count."""


class Progress:
    """Takes the reports of a stage. This base class is silent; the Python API uses it by default."""

    def note(self, text: str) -> None:
        """Show one line to people: what happened, or what comes next."""

    def model_begin(self, model: str, num_files: int) -> None:
        """The download of ``model``, with ``num_files`` files, begins."""

    def model_end(self, model: str, successful: bool) -> None:
        """The files of ``model`` are there, or one could not be had. They are unpacked after this."""

    def files_expected(self, model: str, num_files: int, size: int) -> None:
        """``num_files`` files of ``model``, of ``size`` bytes together, are going to be fetched."""

    def file_begin(self, model: str, file: str, size: int) -> None:
        """The transfer of a file of ``size`` bytes begins."""

    def file_progress(self, model: str, file: str, size: int) -> None:
        """``size`` bytes of the file are there now: a total, not an increment."""

    def file_end(self, model: str, file: str, successful: bool) -> None:
        """The file is in place, or has failed."""

    def postprocessing_begin(self, model: str) -> None:
        """Unpacking and patching of ``model`` begins."""

    def postprocessing_end(self, model: str) -> None:
        """Unpacking and patching of ``model`` is done."""

    @contextlib.contextmanager
    def counting(self, label: str, total: int, unit: str) -> Iterator[Counter]:
        """Count a job of ``total`` steps, named ``label``, while the block lasts. A step is one ``unit``."""
        yield Counter()

    @contextlib.contextmanager
    def stage(self, label: str) -> Iterator[None]:
        """Say what is being done, in a few words, while the block lasts."""
        yield


class LineProgress(Progress):
    """Prints plain lines, for logs and pipes: no control characters, and of transfers a line every few seconds at most.

    That line is about the file that is being transferred, or about all files where there are several.
    """

    seconds_between_lines = 5.0

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._lock = threading.Lock()
        self._files: dict[tuple[str, str], _Transfer] = {}
        self._all = _Transfer(0)
        self._expected = self._ended = 0
        self._last_line = float("-inf")

    def note(self, text: str) -> None:
        with self._lock:
            self._print(text)

    def _print(self, text: str) -> None:
        print(one_line(text), file=self._stream, flush=True)

    def model_begin(self, model: str, num_files: int) -> None:
        self.note(f"{model}: {num_files} file{'s' if num_files != 1 else ''}")

    def files_expected(self, model: str, num_files: int, size: int) -> None:
        with self._lock:
            if self._ended >= self._expected:  # those before are done
                self._all, self._expected, self._ended = _Transfer(0), 0, 0
            self._expected += num_files
            self._all.total += size

    def file_begin(self, model: str, file: str, size: int) -> None:
        with self._lock:
            self._files[model, file] = _Transfer(size)
            self._now_and_then(time.monotonic(), f"{model}/{file}", f"downloading {human_bytes(size)}")

    def file_progress(self, model: str, file: str, size: int) -> None:
        now = time.monotonic()
        with self._lock:
            transfer = self._files.get((model, file))
            if transfer is not None:
                self._all.reach(self._all.done + size - transfer.done, now)
                transfer.reach(size, now)
                self._now_and_then(now, f"{model}/{file}", transfer.describe())

    def _now_and_then(self, now: float, file: str, said_of_it: str) -> None:
        if now - self._last_line < self.seconds_between_lines:
            return
        self._last_line = now
        if self._expected > 1:
            self._print(f"{self._ended} of {self._expected} files, {self._all.describe()}; {file}")
        else:
            self._print(f"{file}: {said_of_it}")

    def file_end(self, model: str, file: str, successful: bool) -> None:
        with self._lock:
            self._files.pop((model, file), None)
            self._ended += 1

    def postprocessing_begin(self, model: str) -> None:
        self.note(f"{model}: unpacking")

    @contextlib.contextmanager
    def counting(self, label: str, total: int, unit: str) -> Iterator[Counter]:
        yield _LineCounter(self, label, total, unit)

    @contextlib.contextmanager
    def stage(self, label: str) -> Iterator[None]:
        """See :meth:`Progress.stage`. A line appears only where it takes long."""
        timer = threading.Timer(self.seconds_between_lines, self.note, [label])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


class _Transfer:
    """Bytes that are being transferred. Their speed is that since the first report: earlier bytes cost no time."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self._first: tuple[float, int] | None = None
        self._last = 0.0

    def reach(self, done: int, now: float) -> None:
        """``done`` bytes are there at the time ``now`` (seconds)."""
        if self._first is None or done < self._first[1]:
            self._first = now, done
        self.done, self._last = done, now

    def describe(self) -> str:
        """In words: how much is there, the speed, and how long the rest will take."""
        text = f"{human_bytes(self.done)} of {human_bytes(self.total)}"
        if self._first is None:
            return text
        seconds, came = self._last - self._first[0], self.done - self._first[1]
        if seconds <= 0 or came <= 0:
            return text
        rate = came / seconds
        return f"{text}, {human_bytes(int(rate))}/s, {max(0, self.total - self.done) / rate:.0f} s left"


class _LineCounter(Counter):
    def __init__(self, progress: LineProgress, label: str, total: int, unit: str) -> None:
        self._progress, self._label, self._total, self._unit = progress, label, total, unit
        self._done, self._last = 0, time.monotonic()

    def advance(self, steps: int = 1, **figures: str) -> None:
        self._done += steps
        now = time.monotonic()
        if now - self._last >= LineProgress.seconds_between_lines:
            self._last = now
            shown = "".join(f", {name} {value}" for name, value in figures.items())
            self._progress.note(f"{self._label}: {self._done} of {self._total} {self._unit}s{shown}")


class JsonProgress(Progress):
    """Prints one JSON object a line, with the event names of omz_downloader, for programs."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._lock = threading.Lock()

    def _emit(self, event: str, **fields: object) -> None:
        with self._lock:
            print(json.dumps({"$type": event, **fields}), file=self._stream, flush=True)

    def note(self, text: str) -> None:
        with self._lock:
            print(one_line(text), file=sys.stderr, flush=True)

    def model_begin(self, model: str, num_files: int) -> None:
        self._emit("model_download_begin", model=model, num_files=num_files)

    def model_end(self, model: str, successful: bool) -> None:
        self._emit("model_download_end", model=model, successful=successful)

    def file_begin(self, model: str, file: str, size: int) -> None:
        self._emit("model_file_download_begin", model=model, model_file=file, size=size)

    def file_progress(self, model: str, file: str, size: int) -> None:
        self._emit("model_file_download_progress", model=model, model_file=file, size=size)

    def file_end(self, model: str, file: str, successful: bool) -> None:
        self._emit("model_file_download_end", model=model, model_file=file, successful=successful)

    def postprocessing_begin(self, model: str) -> None:
        self._emit("model_postprocessing_begin", model=model)

    def postprocessing_end(self, model: str) -> None:
        self._emit("model_postprocessing_end", model=model)


def one_line(text: str) -> str:
    """``text`` as a line of a log or a label of a bar."""
    return shown(text, lines=False)


def human_bytes(size: int) -> str:
    """``size`` in bytes as text, in decimal units.

    >>> human_bytes(54302843), human_bytes(999), human_bytes(1_500)
    ('54.3 MB', '999 B', '1.5 kB')
    """
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
