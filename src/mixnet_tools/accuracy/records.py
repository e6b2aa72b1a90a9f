"""The file of per-image answers, ``predictions.jsonl``: written as they come, read back to go on or to merge.

The first line says what was measured (a :class:`Setup`); each further line is an image: its name, its right classes
and each model's five best classes with their scores, or why it could not be measured. A file whose writer was killed
may end in a torn line, which is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from mixnet_tools.accuracy.metrics import TOP
from mixnet_tools.accuracy.predictions import Answers, BadImage, Gathering, Predictions, Setup
from mixnet_tools.errors import EvaluationError, UsageError

SCHEMA = 1
_KIND = "mixnet_tools predictions"
HEADER_START = json.dumps({"kind": _KIND}, separators=(",", ":"))[:-1].encode()
"""How every predictions file begins."""
_SETUP = TypeAdapter(Setup)


@dataclass(frozen=True)
class RecordFile:
    """A file that was read: ``whole_bytes`` is its length without a torn last line."""

    path: Path
    setup: Setup
    predictions: Predictions
    whole_bytes: int

    @property
    def images(self) -> int:
        """Images that were measured or found bad."""
        return len(self.predictions.names) + len(self.predictions.bad)


class RecordWriter:
    """Appends images to a file. Every batch is handed to the operating system as it comes."""

    def __init__(self, path: Path, setup: Setup, *, resumed: RecordFile | None = None) -> None:
        """Begin ``path`` anew, or go on behind what was read of it. Raises :class:`UsageError` where it exists."""
        self._labels = [lane.label for lane in setup.lanes]
        path.parent.mkdir(parents=True, exist_ok=True)
        if resumed is None:
            if path.exists() and path.stat().st_size:
                raise UsageError(f"{path} exists already", hint="--resume goes on with it; or name another file")
            self._stream: IO[str] = path.open("w", encoding="utf-8")
            self._write({"kind": _KIND, "schema": SCHEMA, **_SETUP.dump_python(setup, mode="json")})
        else:
            os.truncate(path, resumed.whole_bytes)
            self._stream = path.open("a", encoding="utf-8")

    def image(
        self, name: str, accepted: tuple[int, ...], answers: Sequence[Answers], row: int, odd: tuple[str, ...]
    ) -> None:
        """One image: see :meth:`Gathering.add`."""
        found = {
            label: [[int(one), float(score)] for one, score in zip(a.classes[row], a.scores[row], strict=True)]
            for label, a in zip(self._labels, answers, strict=True)
        }
        self._write({"image": name, "label": list(accepted), "answers": found, **({"odd": list(odd)} if odd else {})})

    def bad(self, image: BadImage) -> None:
        """One image that could not be measured."""
        self._write({"image": image.name, "error": image.reason})

    def flush(self) -> None:
        """Hand everything to the operating system, so that a killed process loses nothing of it."""
        self._stream.flush()

    def close(self) -> None:
        """Finish the file."""
        self._stream.close()

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
    gathered = Gathering(len(lines) - 1, len(setup.lanes))
    for number, line in enumerate(lines[1:], 2):
        try:
            _add(gathered, json.loads(line), setup)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise EvaluationError(f"{path}: line {number}: no record of an image: {error}") from error
    return RecordFile(path, setup, gathered.predictions(), len(data) - len(torn))


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
        header = json.loads(line)
        if header.pop("kind") != _KIND or header.pop("schema") != SCHEMA:
            raise ValueError("another kind or schema of file")
        return _SETUP.validate_python(header)
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise EvaluationError(
            f"{path}: no file of predictions: {reason}", hint="expected what mixnet-check --predictions FILE wrote"
        ) from error


def _add(gathered: Gathering, record: dict[str, Any], setup: Setup) -> None:
    name = str(record["image"])
    if "error" in record:
        gathered.add_bad(BadImage(name, str(record["error"])))
        return
    answers = []
    for lane in setup.lanes:
        pairs = record["answers"][lane.label]
        if len(pairs) != TOP:
            raise ValueError(f"expected {TOP} answers")
        classes = np.array([[pair[0] for pair in pairs]], dtype=np.int64)
        answers.append(Answers(classes, np.array([[pair[1] for pair in pairs]], dtype=np.float64)))
    gathered.add(name, tuple(int(label) for label in record["label"]), answers, 0)
    gathered.add_odd(name, record.get("odd", ()))
