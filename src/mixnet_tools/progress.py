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
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, NoReturn

from mixnet_tools.files.shown import shown

if TYPE_CHECKING:
    from tqdm import tqdm


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
    """Prints plain lines, for logs and pipes: no control characters, and a line every few seconds at most."""

    seconds_between_lines = 5.0

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._lock = threading.Lock()
        self._transfers: dict[tuple[str, str], _Transfer] = {}

    def note(self, text: str) -> None:
        with self._lock:
            print(_one_line(text), file=self._stream, flush=True)

    def model_begin(self, model: str, num_files: int) -> None:
        self.note(f"{model}: {num_files} file{'s' if num_files != 1 else ''}")

    def file_begin(self, model: str, file: str, size: int) -> None:
        self._transfers[model, file] = _Transfer(size, last_line=time.monotonic())
        self.note(f"{model}/{file}: downloading {human_bytes(size)}")

    def file_progress(self, model: str, file: str, size: int) -> None:
        now = time.monotonic()
        transfer = self._transfers.get((model, file))
        if transfer is None:
            return
        shown = transfer.describe(size, now)
        if now - transfer.last_line >= self.seconds_between_lines:
            transfer.last_line = now
            self.note(f"{model}/{file}: {shown}")

    def file_end(self, model: str, file: str, successful: bool) -> None:
        self._transfers.pop((model, file), None)

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
    """A file that is being transferred. Its speed is measured from the first report on: earlier bytes cost no time."""

    def __init__(self, total: int, last_line: float) -> None:
        self.total, self.last_line = total, last_line
        self._first: tuple[float, int] | None = None

    def describe(self, size: int, now: float) -> str:
        """In words: ``size`` bytes at the time ``now`` (seconds), the speed, and how long the rest will take."""
        if self._first is None or size < self._first[1]:
            self._first = now, size
        text = f"{human_bytes(size)} of {human_bytes(self.total)}"
        seconds, came = now - self._first[0], size - self._first[1]
        if seconds <= 0 or came <= 0:
            return text
        rate = came / seconds
        return f"{text}, {human_bytes(int(rate))}/s, {max(0, self.total - size) / rate:.0f} s left"


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


class BarProgress(Progress):
    """Draws tqdm bars on a terminal: one for each file, one for all files, and one for each counted job.

    ``fold`` breaks the text of a note into lines that are not too wide.
    """

    def __init__(self, stream: IO[str] | None = None, fold: Callable[[str], str] = str) -> None:
        from tqdm import tqdm

        self._fold = fold
        self._tqdm = tqdm
        self._stream = stream if stream is not None else sys.stderr
        self._lock = threading.Lock()
        self._bars: dict[tuple[str, str], tqdm[NoReturn]] = {}
        self._overall: tqdm[NoReturn] | None = None
        self._files_left = 0

    def note(self, text: str) -> None:
        with self._lock:
            self._tqdm.write(self._fold(_one_line(text)), file=self._stream)

    def model_begin(self, model: str, num_files: int) -> None:
        self.note(f"{model}: {num_files} file{'s' if num_files != 1 else ''}")

    def files_expected(self, model: str, num_files: int, size: int) -> None:
        with self._lock:
            self._files_left += num_files
            if self._overall is not None:
                self._overall.total = (self._overall.total or 0) + size
            elif self._files_left > 1:
                self._overall = self._bar("all files", size)

    def file_begin(self, model: str, file: str, size: int) -> None:
        with self._lock:
            self._bars[model, file] = self._bar(file, size)

    def file_progress(self, model: str, file: str, size: int) -> None:
        with self._lock:
            bar = self._bars.get((model, file))
            if bar is not None:
                came = size - bar.n
                self._advance(bar, came)
                if self._overall is not None:
                    self._advance(self._overall, came)

    def file_end(self, model: str, file: str, successful: bool) -> None:
        with self._lock:
            bar = self._bars.pop((model, file), None)
            if bar is not None:
                bar.close()
            self._files_left -= 1
            if self._files_left <= 0 and self._overall is not None:
                self._overall.close()
                self._overall = None

    def _bar(self, label: str, size: int) -> tqdm[NoReturn]:
        return self._tqdm(
            total=size,
            desc=_one_line(label),
            unit="B",
            unit_scale=True,
            file=self._stream,
            leave=False,
            dynamic_ncols=True,
        )

    @staticmethod
    def _advance(bar: tqdm[NoReturn], came: float) -> None:
        if came < 0:  # a file that begins again: that is no speed
            bar.n += came
            bar.refresh()
        else:
            if bar.n == bar.initial == 0:
                bar.initial = came  # bytes of an earlier run
            bar.update(came)

    def postprocessing_begin(self, model: str) -> None:
        self.note(f"{model}: unpacking")

    @contextlib.contextmanager
    def counting(self, label: str, total: int, unit: str) -> Iterator[Counter]:
        with self._tqdm(
            total=total, desc=_one_line(label), unit=unit, file=self._stream, leave=False, dynamic_ncols=True
        ) as bar:
            yield _BarCounter(bar)

    @contextlib.contextmanager
    def stage(self, label: str) -> Iterator[None]:
        """See :meth:`Progress.stage`. The line is gone when the block ends, so that the next one takes its place."""
        with self._lock:
            line = self._tqdm(desc=label, bar_format="{desc}", file=self._stream, leave=False, dynamic_ncols=True)
        try:
            yield
        finally:
            with self._lock:
                line.close()


class _BarCounter(Counter):
    def __init__(self, bar: tqdm[NoReturn]) -> None:
        self._bar = bar

    def advance(self, steps: int = 1, **figures: str) -> None:
        if figures:
            self._bar.set_postfix(figures, refresh=False)
        self._bar.update(steps)


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
            print(_one_line(text), file=sys.stderr, flush=True)

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


def _one_line(text: str) -> str:
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
