"""The file of per-image answers, ``predictions.jsonl``: written as they come, read back to go on or to merge.

The first line says what was measured (a :class:`Setup`); each further line is an image: its name, its right classes
and each model's five best classes with their scores, or why it could not be measured. A file whose writer was killed
may end in a torn line, which is dropped. Images may come in any order; a finished file is put into the data set's.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from mixnet_tools.accuracy.metrics.topk import TOP
from mixnet_tools.accuracy.predictions.values import Answers, BadImage, Predictions, PredictionsBuilder, Setup
from mixnet_tools.errors import EvaluationError, OutputError, UsageError
from mixnet_tools.files import atomic
from mixnet_tools.files.lock import try_lock

SCHEMA = 1
_KIND = "mixnet_tools predictions"
HEADER_START = json.dumps({"kind": _KIND}, separators=(",", ":"))[:-1].encode()
"""How every predictions file begins."""
_SETUP = TypeAdapter(Setup)


@dataclass(frozen=True)
class RecordFile:
    """A file that was read: ``size`` bytes, of which the first ``whole_bytes`` are whole lines.

    ``order`` are the names of all images, the bad ones among them, as they stand in the file; ``accepted`` are the
    classes that are right for each (empty for bad ones in files of earlier versions).
    """

    path: Path
    setup: Setup
    predictions: Predictions
    order: tuple[str, ...]
    accepted: tuple[tuple[int, ...], ...]
    whole_bytes: int
    size: int

    @property
    def images(self) -> int:
        """Images that were measured or found bad."""
        return len(self.order)


class RecordWriter:
    """Appends images to a file. Every batch is handed to the operating system as it comes."""

    def __init__(self, path: Path, setup: Setup, *, resumed: RecordFile | None = None) -> None:
        """Begin ``path`` anew, or go on behind what was read of it.

        Raises :class:`UsageError` where it exists, where another run writes to it, and where it grew since it was read;
        :class:`EvaluationError` where it cannot be written.
        """
        self._path, self._labels = path, [tested.label for tested in setup.models]
        self._order = list(resumed.order) if resumed else []
        self.disorder: str | None = None
        """Why the images could not be put in order, for people; None where nothing went wrong."""
        expected = resumed.size if resumed else 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: IO[str] = path.open("a", encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise EvaluationError(f"{path}: cannot be written: {error.strerror or error}") from error
        try:
            _lock(self._stream, path)
            opened = os.fstat(self._stream.fileno())
            if opened.st_size != expected or not os.path.samestat(opened, path.stat()):
                if resumed is None:
                    raise UsageError(f"{path} exists already", hint="--resume goes on with it; or name another file")
                raise UsageError(f"{path}: another run wrote to it just now", hint="the same command again goes on")
            if resumed is None:
                self._write({"kind": _KIND, "schema": SCHEMA, **_SETUP.dump_python(setup, mode="json")})
            else:
                os.ftruncate(self._stream.fileno(), resumed.whole_bytes)
        except BaseException:
            self._stream.close()
            raise

    def image(
        self, name: str, accepted: tuple[int, ...], answers: Sequence[Answers], row: int, odd: tuple[str, ...]
    ) -> None:
        """One image: see :meth:`PredictionsBuilder.add`."""
        found = {
            label: [[int(one), float(score)] for one, score in zip(a.classes[row], a.scores[row], strict=True)]
            for label, a in zip(self._labels, answers, strict=True)
        }
        self._write({"image": name, "label": list(accepted), "answers": found, **({"odd": list(odd)} if odd else {})})
        self._order.append(name)

    def bad(self, image: BadImage, accepted: tuple[int, ...] = ()) -> None:
        """One image that could not be measured."""
        self._write({"image": image.name, **({"label": list(accepted)} if accepted else {}), "error": image.reason})
        self._order.append(image.name)

    def flush(self) -> None:
        """Hand everything to the operating system, so that a killed process loses nothing of it."""
        self._stream.flush()

    def put_in_order(self, names: Sequence[str]) -> None:
        """Put the images into the order of ``names``, which are all of the file's; at once, or not at all.

        Where the file cannot be written, it stands as it was, and :attr:`disorder` says so: no figure depends on it.
        """
        if self._order == list(names):
            return
        self.flush()
        try:
            self._rewrite(names)
        except OSError as error:
            self.disorder = (
                f"{self._path}: cannot be put in order: {error.strerror or error}; all answers are in it, and the same "
                "command with --resume puts it in order"
            )
            return
        self._order = list(names)

    def close(self) -> None:
        """Finish the file."""
        self._stream.close()

    def _rewrite(self, names: Sequence[str]) -> None:
        with atomic.replacing(self._path) as sorted_, self._path.open("rb") as stream:
            _lock(sorted_, self._path)  # before others can see it: they must not write to it either
            sorted_.write(stream.readline())
            places = dict(zip(self._order, _line_places(stream), strict=True))
            for one in names:
                stream.seek(places[one])
                sorted_.write(stream.readline())

    def _write(self, record: dict[str, Any]) -> None:
        self._stream.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")


def read_records(path: Path) -> RecordFile | None:
    """Read ``path``; None where it is empty or only begins with a torn first line.

    Raises :class:`EvaluationError` that names the line where it is no such file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read: {error.strerror or error}") from error
    *lines, torn = data.split(b"\n")
    if not lines:
        return None
    setup = _header(path, lines[0])
    builder = PredictionsBuilder(len(lines) - 1, len(setup.models))
    order: dict[str, int] = {}
    accepted: list[tuple[int, ...]] = []
    for number, line in enumerate(lines[1:], 2):
        try:
            name, right = _add(builder, json.loads(line.decode("utf-8", "surrogateescape")), setup)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise EvaluationError(f"{path}: line {number}: no record of an image: {error}") from error
        if name in order:
            raise EvaluationError(f"{path}: line {number}: {name} stands in line {order[name]} already")
        order[name] = number
        accepted.append(right)
    planned = setup.dataset.evaluated
    if len(order) > planned:
        raise EvaluationError(f"{path}: holds {len(order)} images, but {planned} were to be measured")
    found = builder.predictions()
    return RecordFile(path, setup, found, tuple(order), tuple(accepted), len(data) - len(torn), len(data))


def same_setup(one: Setup, other: Setup) -> str | None:
    """None where both measure the same, else the first difference. Where the images lie, versions, and which shard it
    is, do not matter.
    """

    def plain(setup: Setup) -> Setup:
        data = replace(setup.dataset, source="", annotations=None, evaluated=0)
        return replace(setup, dataset=data, versions=other.versions, shard=None)

    first, second = (_SETUP.dump_python(plain(setup), mode="json") for setup in (one, other))
    for key, value in first.items():
        if value != second[key]:
            inside = value.items() if isinstance(value, dict) else [(key, value)]
            for name, part in inside:
                found = second[key][name] if isinstance(value, dict) else second[key]
                if part != found:
                    return f"{name}: {_short(part)} and {_short(found)}"
    return None


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _header(path: Path, line: bytes) -> Setup:
    try:
        header = json.loads(line.decode("utf-8", "surrogateescape"))
        if header.pop("kind") != _KIND or header.pop("schema") != SCHEMA:
            raise ValueError("another kind or schema of file")
        return _SETUP.validate_python(header)
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise EvaluationError(
            f"{path}: no file of predictions: {reason}", hint="expected what mixnet-check --predictions FILE wrote"
        ) from error


def _line_places(stream: IO[bytes]) -> Iterator[int]:
    """Where each of the lines that are left begins."""
    place = stream.tell()
    for line in stream:
        yield place
        place += len(line)


def _lock(stream: IO[Any], path: Path) -> None:
    """Keep other runs away until ``stream`` is closed. A file system without locks goes without."""
    with contextlib.suppress(OutputError):
        if not try_lock(stream.fileno(), path):
            raise UsageError(f"{path}: another run writes to it", hint="wait for it, or name another file")


def _add(builder: PredictionsBuilder, record: dict[str, Any], setup: Setup) -> tuple[str, tuple[int, ...]]:
    """Add what a line says; returns the image's name and right classes. ValueError and the like where it is none."""
    name = str(record["image"])
    if "error" in record:
        builder.add_bad(BadImage(name, str(record["error"])))
        return name, tuple(_class(label, setup) for label in record.get("label", ()))
    answers = []
    for tested in setup.models:
        pairs = record["answers"][tested.label]
        if len(pairs) != TOP:
            raise ValueError(f"expected {TOP} answers")
        if not all(math.isfinite(score) for _, score in pairs):
            raise ValueError("a score is not a finite number")
        classes = np.array([[_class(one, setup, least=-1) for one, _ in pairs]], dtype=np.int64)
        answers.append(Answers(classes, np.array([[score for _, score in pairs]], dtype=np.float64)))
    accepted = tuple(_class(label, setup) for label in record["label"])
    if not accepted:
        raise ValueError("no class is right")
    builder.add(name, accepted, answers, 0)
    builder.add_notes(name, [str(image_note) for image_note in record.get("odd", ())])
    return name, accepted


def _class(value: object, setup: Setup, least: int = 0) -> int:
    if type(value) is not int or not least <= value < setup.classes:
        raise ValueError(f"expected a class from {least} to {setup.classes - 1}, got {value!r}")
    return value
