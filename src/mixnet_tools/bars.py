"""Draws progress as bars on a terminal, of any width: always with a number, however long the names are."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, NoReturn

from mixnet_tools.progress import Counter, Progress, one_line

if TYPE_CHECKING:
    from tqdm import tqdm

_FORMS = (
    "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]",
    "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}",
    "{desc}{percentage:3.0f}%|{bar}|",
    "{desc}{percentage:3.0f}%",
)
"""What a line shows, the fullest first: the first one that leaves room for a name and a bar is taken."""

_LEAST_BAR = 4
_LEAST_NAME = 12
_USUAL_WIDTH = 80
"""The width of a terminal that does not tell its own."""

_LEAST_ROWS, _USUAL_ROWS = 3, 20

_MANY_FILES = 20
_SMALL = 1 << 20
"""Of many files, those that are smaller have no bar of their own: it would be gone before it is seen."""


class BarProgress(Progress):
    """Draws tqdm bars on a terminal: one for each file, one for all files, and one for each counted job.

    ``fold`` breaks the text of a note into lines that are not too wide.
    """

    def __init__(self, stream: IO[str] | None = None, fold: Callable[[str], str] = str) -> None:
        from tqdm import tqdm

        self._fold = fold
        self._tqdm = tqdm
        self._line, self._fitting = _kinds_of_bars()
        self._stream = stream if stream is not None else sys.stderr
        self._lock = threading.Lock()
        self._sizes: dict[tuple[str, str], int] = {}
        self._bars: dict[tuple[str, str], tqdm[NoReturn]] = {}
        self._overall: tqdm[NoReturn] | None = None
        self._files_left = 0

    def note(self, text: str) -> None:
        with self._lock:
            self._tqdm.write(self._fold(one_line(text)), file=self._stream)

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
            self._sizes[model, file] = 0
            if size >= _SMALL or self._files_left <= _MANY_FILES:
                self._bars[model, file] = self._bar(file, size)

    def file_progress(self, model: str, file: str, size: int) -> None:
        with self._lock:
            before = self._sizes.get((model, file))
            if before is None:
                return
            self._sizes[model, file] = size
            for bar in (self._bars.get((model, file)), self._overall):
                if bar is not None:
                    self._advance(bar, size - before)

    def file_end(self, model: str, file: str, successful: bool) -> None:
        with self._lock:
            self._sizes.pop((model, file), None)
            bar = self._bars.pop((model, file), None)
            if bar is not None:
                bar.close()
            self._files_left -= 1
            if self._files_left <= 0 and self._overall is not None:
                self._overall.close()
                self._overall = None

    def _bar(self, label: str, size: int) -> tqdm[NoReturn]:
        return self._fitting(
            total=size,
            desc=one_line(label),
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
        with self._fitting(
            total=total, desc=one_line(label), unit=unit, file=self._stream, leave=False, dynamic_ncols=True
        ) as bar:
            yield _BarCounter(bar)

    @contextlib.contextmanager
    def stage(self, label: str) -> Iterator[None]:
        """See :meth:`Progress.stage`. The line is gone when the block ends, so that the next one takes its place."""
        with self._lock:
            line = self._line(desc=label, bar_format="{desc}", file=self._stream, leave=False, dynamic_ncols=True)
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


def _kinds_of_bars() -> tuple[type[tqdm[NoReturn]], type[tqdm[NoReturn]]]:
    """tqdm bars that are shown on a terminal of any height, and those of them that also choose what they show by the
    width that there is now. tqdm is only imported here.
    """
    from tqdm import tqdm

    class Line(tqdm):  # type: ignore[type-arg]
        def display(self, msg: str | None = None, pos: int | None = None) -> bool:  # type: ignore[override]
            if (self.nrows or 0) < _LEAST_ROWS:  # 0 where nobody told the terminal its size
                self.nrows = _USUAL_ROWS
            return bool(super().display(msg, pos))

    class FittingBar(Line):
        @property
        def format_dict(self) -> dict[str, Any]:
            return fitted(dict(super().format_dict))

    return Line, FittingBar


def fitted(values: dict[str, Any]) -> dict[str, Any]:
    """``values`` of a tqdm bar with a ``bar_format`` and a name (``prefix``) that fit into the width (``ncols``).

    A width of 0 or less is that of a terminal that does not tell its own.
    """
    from tqdm import tqdm
    from tqdm.utils import disp_len, disp_trim

    told = os.environ.get("COLUMNS", "")
    width = max(values["ncols"] or 0, 0) or (int(told) if told.isdecimal() else 0) or _USUAL_WIDTH
    name = values["prefix"] or ""
    for form in _FORMS:
        plain = {**values, "prefix": "", "ncols": None, "bar_format": form.replace("{bar}", "")}
        room = width - disp_len(tqdm.format_meter(**plain)) - (_LEAST_BAR if "{bar}" in form else 0) - len(": ")
        if room >= min(disp_len(name), _LEAST_NAME):
            break
    if disp_len(name) > room:
        name = disp_trim(name, room - 2) + ".." if room > 2 else ""
    return {**values, "prefix": f"{name}: " if name else "", "ncols": width, "bar_format": form}
