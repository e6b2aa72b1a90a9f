"""Files of results: predictions and baselines."""

from __future__ import annotations

import json
import re
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from mixnet_tools.accuracy.datasets.dataset import fingerprint
from mixnet_tools.accuracy.gate.baseline import compare, read_baseline, write_baseline
from mixnet_tools.accuracy.launchers.base import Digest
from mixnet_tools.accuracy.predictions.jsonl import read_predictions
from mixnet_tools.accuracy.predictions.jsonl_writer import PredictionsWriter
from mixnet_tools.accuracy.predictions.values import (
    Answers,
    BadImage,
    DatasetSummary,
    ModelSetup,
    Predictions,
    Setup,
    Versions,
)
from tests.fuzz.mutation import json_changes, json_line_changes
from tests.fuzz.target import Files, Finding, Place, Target, command

COUNT, CLASSES = 12, 10
_NAMES = tuple(f"{row:03}.jpg" for row in range(COUNT))


def _setup() -> Setup:
    mark = fingerprint((name, [row % CLASSES]) for row, name in enumerate(_NAMES))
    data = DatasetSummary(
        "set",
        "/images",
        "annotations",
        None,
        COUNT,
        COUNT,
        0,
        COUNT,
        fingerprint=mark,
        chosen=COUNT,
        chosen_fingerprint=mark,
    )
    tested = ModelSetup("openvino", "FP32", "CPU", ("crop",), 0.5, None, (Digest("net.xml", "ab" * 32),))
    return Setup("net", "omz", CLASSES, data, (tested,), Versions("1", "2", None, "3", "4", "5"))


def _answers(count: int = COUNT) -> Answers:
    first = np.arange(count) % CLASSES
    return Answers((first[:, None] + np.arange(5)) % CLASSES, np.tile(np.linspace(0.5, 0.1, 5), (count, 1)))


@cache
def _predictions() -> tuple[Files, ...]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.jsonl"
        writer = PredictionsWriter(path, _setup())
        for row, name in enumerate(_NAMES):
            if row == 3:
                writer.bad(BadImage(name, "broken"), (row % CLASSES,))
            else:
                writer.image(name, (row % CLASSES,), [_answers()], row, ("grey",) if row == 4 else ())
        writer.close()
        sealed = path.read_bytes()
        # A change of a sealed line is refused as such; files of earlier versions have no digests.
        unsealed = re.sub(rb',"digest":"[0-9a-f]{16}"}\n', b"}\n", sealed).replace(b'"schema":2', b'"schema":1', 1)
        return {"p.jsonl": sealed}, {"p.jsonl": unsealed}


def _merge(place: Place) -> None:
    path = place.given / "p.jsonl"
    reports = ("--junit", place.out / "j.xml", "--markdown", place.out / "m.md")
    try:
        _, out = command("check", "merge", path, "--json", *reports)
        if not out.strip():
            raise Finding("no result")
        lines, sealed = path.read_bytes().splitlines(), _predictions()[0]["p.jsonl"].splitlines()
        if b'"schema":2' in lines[0] and not set(lines) <= set(sealed):
            raise Finding("an edited line was accepted")
        json.loads(out)
    finally:
        read_predictions(path)


@cache
def _baselines() -> tuple[Files, ...]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "b.json"
        write_baseline(path, _setup(), _found())
        sealed = path.read_bytes()
        document = json.loads(sealed)
        del document["digest"]
        return {"b.json": sealed}, {"b.json": json.dumps({**document, "schema": 1}).encode()}


def _found() -> Predictions:
    return Predictions(_NAMES, tuple((row % CLASSES,) for row in range(COUNT)), (_answers(),))


def _compare(place: Place) -> None:
    path = place.given / "b.json"
    judgements, _ = compare(read_baseline(path), _setup(), _found())
    document = json.loads(path.read_bytes())
    if document["schema"] == 2 and document != json.loads(_baselines()[0]["b.json"]):
        raise Finding("an edited baseline was accepted")
    for one in judgements:
        one.summary()
        one.flips()


TARGETS = (
    Target("predictions", _predictions, {"*": json_line_changes}, _merge, examples=150),
    Target("baseline", _baselines, {"*": json_changes}, _compare, examples=150),
)
