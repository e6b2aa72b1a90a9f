"""The predictions file (JSON lines): writes the answers to each image as they come, and reads them back.

The first line says what was measured (a :class:`Setup`). Each further line is an image: its name, its right classes,
and each model's five best classes with their scores; or why it could not be measured. When the writer was killed, the
last line may be torn: it is dropped. Images may come in any order; a finished file is put into the data set's order.

Each line ends with a digest of itself and of the first line: so an edit is noticed in an unfinished file too, and lines
can change places. It is no signature: whoever wants to forge a line can compute its digest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from mixnet_tools.accuracy.metrics.topk import TOP
from mixnet_tools.accuracy.predictions.values import Answers, BadImage, Predictions, PredictionsBuilder, Setup
from mixnet_tools.errors import EvaluationError, OutputError, UsageError
from mixnet_tools.files import atomic, bounded, strict_json
from mixnet_tools.files.lock import try_lock

SCHEMA = 2
WITHOUT_DIGESTS = 1
"""The schema of earlier versions, whose lines have no digests."""

MAX_BYTES = 4 << 30
"""The largest file that is read: ten models on all training images of ImageNet."""

_KIND = "mixnet_tools predictions"
HEADER_START = json.dumps({"kind": _KIND}, separators=(",", ":"))[:-1].encode()
"""The first bytes of every predictions file."""
_SETUP = TypeAdapter(Setup)
_DIGITS = 16
_SEAL = re.compile(rb',"digest":"([0-9a-f]{%d})"}$' % _DIGITS)


@dataclass(frozen=True)
class PredictionsFile:
    """A predictions file that was read: ``size`` bytes, of which the first ``whole_bytes`` are whole lines.

    ``order`` has the names of all images as they stand in the file, bad ones among them. ``accepted`` has the classes
    that are right for each (none for bad images in files of earlier versions). ``seal`` is what the digests of lines
    begin with; None in files of earlier versions, which have none.
    """

    path: Path
    setup: Setup
    predictions: Predictions
    order: tuple[str, ...]
    accepted: tuple[tuple[int, ...], ...]
    whole_bytes: int
    size: int
    seal: bytes | None

    @property
    def images(self) -> int:
        """How many images were measured or found bad."""
        return len(self.order)


class PredictionsWriter:
    """Appends images to a predictions file, which is locked against other writers until it is closed."""

    def __init__(self, path: Path, setup: Setup, *, resumed: PredictionsFile | None = None) -> None:
        """Begin a new file ``path``, or go on behind the last whole line of the file that was read (``resumed``).

        Raises :class:`UsageError` where a new file exists already, where another run writes to the file, or where it
        has grown since it was read; :class:`OutputError` where it cannot be written.
        """
        self._path, self._labels = path, [tested.label for tested in setup.models]
        self._order = list(resumed.order) if resumed else []
        self.disorder: str | None = None
        """Why :meth:`put_in_order` failed, for people; None where it did not."""
        expected = resumed.size if resumed else 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: IO[str] = path.open("a", encoding="utf-8", errors="surrogateescape")
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
                header = self._write({"kind": _KIND, "schema": SCHEMA, **_SETUP.dump_python(setup, mode="json")})
                self._seal = header
            else:
                self._seal = resumed.seal
                os.ftruncate(self._stream.fileno(), resumed.whole_bytes)
        except BaseException:
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
        self._write({"image": name, "label": list(accepted), "answers": found, **notes})
        self._order.append(name)

    def bad(self, image: BadImage, accepted: tuple[int, ...] = ()) -> None:
        """Append an image that could not be measured."""
        self._write({"image": image.name, **({"label": list(accepted)} if accepted else {}), "error": image.reason})
        self._order.append(image.name)

    def flush(self) -> None:
        """Hand all lines to the operating system, so that they survive the end of this process."""
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
        self._stream.close()

    def _rewrite(self, names: Sequence[str]) -> None:
        with atomic.replacing(self._path) as sorted_, self._path.open("rb") as stream:
            _lock(sorted_, self._path)  # before others can see it: they must not write to it either
            sorted_.write(stream.readline())
            places = dict(zip(self._order, _line_places(stream), strict=True))
            for one in names:
                stream.seek(places[one])
                sorted_.write(stream.readline())

    def _write(self, record: dict[str, Any]) -> bytes:
        """Append a line with its digest. Returns what the digests of further lines begin with, if it is the first."""
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        if self._seal is None:
            self._stream.write(text + "\n")
            return b""
        digest = _digest(self._seal, text.encode("utf-8", "surrogateescape"))
        self._stream.write(f'{text[:-1]},"digest":"{digest}"}}\n')
        return digest.encode()


def read_predictions(path: Path) -> PredictionsFile | None:
    """Read the predictions file ``path``. Returns None where it is empty or has only a torn first line.

    Raises :class:`EvaluationError`, which names the line, where it is no such file.
    """
    try:
        data = bounded.read_bytes(path, MAX_BYTES)
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read: {error.strerror or error}") from error
    *lines, torn = data.split(b"\n")
    if not lines:
        return None
    setup, seal = _header(path, lines[0])
    builder = PredictionsBuilder(len(lines) - 1, len(setup.models))
    order: dict[str, int] = {}
    accepted: list[tuple[int, ...]] = []
    for number, line in enumerate(lines[1:], 2):
        if seal is not None:
            _require_seal(path, number, line, seal)
        try:
            name, right = _add(builder, strict_json.loads(line.decode("utf-8", "surrogateescape")), setup)
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
    return PredictionsFile(path, setup, found, tuple(order), tuple(accepted), len(data) - len(torn), len(data), seal)


def without_digests(file: PredictionsFile) -> str:
    """A remark for people on a file of an earlier version."""
    return f"{file.path}: an earlier version began it, without digests of its lines: edits go unnoticed"


def same_setup(one: Setup, other: Setup) -> str | None:
    """Name the first difference in what two evaluations measure; None where there is none.

    Places of images, versions of software and the shard may differ, and what reports beside the IRs say.
    """

    def plain(setup: Setup) -> Setup:
        data = replace(setup.dataset, source="", annotations=None, evaluated=0)
        models = tuple(replace(tested, integrity=None) for tested in setup.models)
        return replace(setup, dataset=data, models=models, versions=other.versions, shard=None)

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


def _digest(seal: bytes, line: bytes) -> str:
    return hashlib.sha256(seal + line).hexdigest()[:_DIGITS]


def _require_seal(path: Path, number: int, line: bytes, seal: bytes) -> None:
    """Raise :class:`EvaluationError` where a line does not end with its digest."""
    found = _SEAL.search(line)
    if found is None or _digest(seal, line[: found.start()] + b"}") != found[1].decode():
        raise EvaluationError(
            f"{path}: line {number}: was edited or damaged since a run wrote it: it does not fit its digest",
            hint="restore the file, or measure anew; a line that is taken out whole is measured again: `resume=True`",
        )


def _header(path: Path, line: bytes) -> tuple[Setup, bytes | None]:
    """What was measured, and what the digests of further lines begin with (None: they have none)."""
    try:
        header = strict_json.loads(line.decode("utf-8", "surrogateescape"))
        schema = header.pop("schema")
        if header.pop("kind") != _KIND or schema not in (SCHEMA, WITHOUT_DIGESTS):
            raise ValueError("another kind or schema of file")
        seal = None
        if schema == SCHEMA:
            _require_seal(path, 1, line, b"")
            seal = str(header.pop("digest")).encode()
        return _SETUP.validate_python(header), seal
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise EvaluationError(
            f"{path}: no file of predictions: {reason}", hint="expected a file that an evaluation wrote (`predictions`)"
        ) from error


def _line_places(stream: IO[bytes]) -> Iterator[int]:
    """The offset at which each of the lines that are left begins."""
    place = stream.tell()
    for line in stream:
        yield place
        place += len(line)


def _lock(stream: IO[Any], path: Path) -> None:
    """Lock ``stream`` against other runs until it is closed. Do without where the file system has no locks."""
    with contextlib.suppress(OutputError):
        if not try_lock(stream.fileno(), path):
            raise UsageError(f"{path}: another run writes to it", hint="wait for it, or name another file")


def _add(builder: PredictionsBuilder, record: dict[str, Any], setup: Setup) -> tuple[str, tuple[int, ...]]:
    """Add the image of a line; returns its name and right classes. Raises ValueError and the like where it is none."""
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
