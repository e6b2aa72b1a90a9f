"""The predictions file (JSON lines): writes the answers to each image as they come, and reads them back.

The first line says what was measured (a :class:`Setup`). Then each run that goes on with the file has a line (a
:class:`Run`). Each further line is an image: its name, its right classes, and each model's five best classes with their
scores; or why it could not be measured. Lines of images are the same whichever run writes them. When the writer was
killed, the last line may be torn: it is dropped. Images may come in any order; a finished file is put into the data
set's order.

Each line ends with a digest of itself and of the first line: so an edit is noticed in an unfinished file too, and lines
can change places. It is no signature: whoever wants to forge a line can compute its digest.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from mixnet_tools.accuracy.metrics.topk import TOP
from mixnet_tools.accuracy.predictions.values import Answers, BadImage, Predictions, PredictionsBuilder, Run, Setup
from mixnet_tools.errors import EvaluationError
from mixnet_tools.files import bounded, strict_json

SCHEMA = 2
WITHOUT_DIGESTS = 1
"""The schema of earlier versions, whose lines have no digests."""

MAX_BYTES = 4 << 30
"""The largest file that is read: ten models on all training images of ImageNet."""

KIND = "mixnet_tools predictions"
HEADER_START = json.dumps({"kind": KIND}, separators=(",", ":"))[:-1].encode()
"""The first bytes of every predictions file."""
SETUP = TypeAdapter(Setup)
RUN = TypeAdapter(Run)
RUN_START = b'{"run":'
"""The first bytes of each line that holds a run."""
_DIGITS = 16
_SEAL = re.compile(rb',"digest":"([0-9a-f]{%d})"}$' % _DIGITS)


@dataclass(frozen=True)
class PredictionsFile:
    """A predictions file that was read: ``size`` bytes, of which the first ``whole_bytes`` are whole lines.

    ``order`` has the names of all images as they stand in the file, bad ones among them. ``accepted`` has the classes
    that are right for each (none for bad images in files of earlier versions). ``runs`` wrote it, one after the other.
    ``seal`` is what the digests of lines begin with; None in files of earlier versions, which have none.
    """

    path: Path
    setup: Setup
    predictions: Predictions
    order: tuple[str, ...]
    accepted: tuple[tuple[int, ...], ...]
    whole_bytes: int
    size: int
    seal: bytes | None
    runs: tuple[Run, ...] = ()

    @property
    def images(self) -> int:
        """How many images were measured or found bad."""
        return len(self.order)

    @property
    def told_runs(self) -> tuple[Run, ...]:
        """:attr:`runs` with all that the first line tells of them, which those of earlier versions do not say."""
        runs = [replace(run, shard=run.shard or self.setup.shard) for run in self.runs]
        if runs and runs[0].versions is None:
            runs[0] = replace(runs[0], versions=self.setup.versions)
        return tuple(runs)


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
    runs: list[Run] = []
    for number, line in enumerate(lines[1:], 2):
        if seal is not None:
            _require_seal(path, number, line, seal)
        try:
            record = strict_json.loads(line.decode("utf-8", "surrogateescape"))
            if "run" in record:
                runs.append(RUN.validate_python(record["run"]))
                continue
            name, right = _add(builder, record, setup)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            raise EvaluationError(f"{path}: line {number}: no record of an image: {reason}") from error
        if name in order:
            raise EvaluationError(f"{path}: line {number}: {name} stands in line {order[name]} already")
        order[name] = number
        accepted.append(right)
    planned = setup.dataset.evaluated
    if len(order) > planned:
        raise EvaluationError(f"{path}: holds {len(order)} images, but {planned} were to be measured")
    found, whole = builder.predictions(), len(data) - len(torn)
    return PredictionsFile(path, setup, found, tuple(order), tuple(accepted), whole, len(data), seal, tuple(runs))


def without_digests(file: PredictionsFile) -> str:
    """A remark for people on a file of an earlier version."""
    return f"{file.path}: an earlier version began it, without digests of its lines: edits go unnoticed"


def same_setup(one: Setup, other: Setup, *, in_any_precision: bool = False) -> str | None:
    """Name the first difference in what two evaluations measure; None where there is none.

    With ``in_any_precision``, floats may be computed in different ones, where each IR was measured in one only.

    Places of images, versions of software and the shard may differ, and what reports beside the IRs say. Files of
    earlier versions do not say what was computed in.
    """
    told = all(any(tested.inference_precision for tested in setup.models) for setup in (one, other))
    alone = all(len({tested.plain_label for tested in setup.models}) == len(setup.models) for setup in (one, other))
    if in_any_precision and alone:
        told = False

    def plain(setup: Setup) -> Setup:
        data = replace(setup.dataset, source="", annotations=None, evaluated=0, split=None, accounts=(), remarks=())
        models = tuple(
            replace(tested, integrity=None, inference_precision=tested.inference_precision if told else None)
            for tested in setup.models
        )
        return replace(setup, dataset=data, models=models, versions=other.versions, shard=None)

    models = [", ".join(tested.label for tested in plain(setup).models) for setup in (one, other)]
    if models[0] != models[1]:
        return f"models: {models[0]}; and {models[1]}"
    first, second = (SETUP.dump_python(plain(setup), mode="json") for setup in (one, other))
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


def line_digest(seal: bytes, line: bytes) -> str:
    """The digest of the text ``line``, as it stands at its end. ``seal`` is the digest of the first line."""
    return hashlib.sha256(seal + line).hexdigest()[:_DIGITS]


def _require_seal(path: Path, number: int, line: bytes, seal: bytes) -> None:
    """Raise :class:`EvaluationError` where a line does not end with its digest."""
    found = _SEAL.search(line)
    if found is None or line_digest(seal, line[: found.start()] + b"}") != found[1].decode():
        raise EvaluationError(
            f"{path}: line {number}: was edited or damaged since a run wrote it: it does not fit its digest",
            hint="restore the file, or measure anew; a line that is taken out whole is measured again: `resume=True`",
        )


def _header(path: Path, line: bytes) -> tuple[Setup, bytes | None]:
    """What was measured, and what the digests of further lines begin with (None: they have none)."""
    try:
        header = strict_json.loads(line.decode("utf-8", "surrogateescape"))
        schema = header.pop("schema")
        if header.pop("kind") != KIND or schema not in (SCHEMA, WITHOUT_DIGESTS):
            raise ValueError("another kind or schema of file")
        seal = None
        if schema == SCHEMA:
            _require_seal(path, 1, line, b"")
            seal = str(header.pop("digest")).encode()
        return SETUP.validate_python(header), seal
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise EvaluationError(
            f"{path}: no file of predictions: {reason}", hint="expected a file that an evaluation wrote (`predictions`)"
        ) from error


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
