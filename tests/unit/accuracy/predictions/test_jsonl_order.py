"""Predictions files whose images came in any order: gone on with, put in order, and not merged before that."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import stat
from pathlib import Path

import numpy as np
import pytest

from mixnet_tools.accuracy.datasets.dataset import fingerprint
from mixnet_tools.accuracy.metrics.topk import top_classes
from mixnet_tools.accuracy.predictions.jsonl import read_predictions
from mixnet_tools.accuracy.predictions.jsonl_writer import PredictionsWriter
from mixnet_tools.accuracy.predictions.merge import merge
from mixnet_tools.accuracy.predictions.values import Answers, BadImage, DatasetSummary, ModelSetup, Run, Setup, Versions
from mixnet_tools.errors import EvaluationError, UsageError
from mixnet_tools.inference.machine import Machine
from tests.support.systems import posix

NAMES = [f"image_{number:03}.png" for number in range(40)]
BAD = "image_007.png"
VERSIONS = Versions("1.2.3", "2026.4.1", None, "13.0.0", "2.4.6", "3.11.7")


def setup(*models: ModelSetup) -> Setup:
    named = fingerprint((name, [number % 6]) for number, name in enumerate(NAMES))
    data = DatasetSummary("colours", "set", "annotations", None, 40, 40, 0, None, chosen=40, chosen_fingerprint=named)
    default = ModelSetup("openvino", "FP32", "CPU", ("crop",), None, None, ())
    return Setup("net", "omz", 6, data, models or (default,), VERSIONS)


def write(path: Path, names: list[str]) -> Path:
    """A file as a run writes it that saw the images in the order of ``names``."""
    writer = PredictionsWriter(path, setup())
    add(writer, names)
    writer.close()
    return path


def add(writer: PredictionsWriter, names: list[str]) -> None:
    for name in names:
        number = NAMES.index(name)
        logits = np.random.default_rng(number).normal(size=(1, 6)).astype(np.float32)
        if name == BAD:
            writer.bad(BadImage(name, "cannot be decoded"), (number % 6,))
        else:
            writer.image(name, (number % 6,), [Answers(*top_classes(logits))], 0, ("grey",) if number % 9 == 0 else ())


def shuffled(seed: int) -> list[str]:
    names = list(NAMES)
    random.Random(seed).shuffle(names)
    return names


@pytest.mark.parametrize("seed", range(5))
def test_a_file_is_put_in_order_to_the_byte(tmp_path: Path, seed: int) -> None:
    plain = write(tmp_path / "plain.jsonl", NAMES).read_bytes()
    path = write(tmp_path / "other.jsonl", shuffled(seed)[:25])
    read = read_predictions(path)
    assert read is not None
    writer = PredictionsWriter(path, setup(), resumed=read)
    add(writer, shuffled(seed)[25:])
    inode = path.stat().st_ino
    writer.put_in_order(NAMES)
    writer.close()
    assert path.read_bytes() == plain
    assert path.stat().st_ino != inode  # written elsewhere, and renamed
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_runs_are_kept_in_front_of_the_images_whose_lines_they_leave_alone(tmp_path: Path) -> None:
    machine = Machine("EPYC", 2, ("AVX2",), "Linux 6.1")
    runs = [Run("measured", f"2026-11-26T02:20:0{second}Z", "mixnet-check -s x", machine) for second in range(3)]
    path = tmp_path / "runs.jsonl"
    for run, names in zip(runs, (NAMES[20:], NAMES[:20], []), strict=True):
        writer = PredictionsWriter(path, setup(), resumed=read_predictions(path) if path.exists() else None, run=run)
        add(writer, names)
        if not names:
            writer.put_in_order(NAMES)
        writer.close()
    found = read_predictions(path)
    assert found is not None
    assert found.runs == tuple(runs[:2])  # the third measured nothing
    assert found.order == tuple(NAMES)
    header, *lines = path.read_bytes().splitlines(keepends=True)
    assert [line.startswith(b'{"run":') for line in lines[:3]] == [True, True, False]
    assert header + b"".join(lines[2:]) == write(tmp_path / "plain.jsonl", NAMES).read_bytes()


def test_a_damaged_run_is_named(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    machine = Machine("EPYC", 2, ("AVX2",), "Linux 6.1")
    with contextlib.closing(PredictionsWriter(path, setup(), run=Run("measured", "now", None, machine))) as writer:
        add(writer, NAMES[:1])
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"EPYC", b"EPYX"))
    with pytest.raises(EvaluationError, match="line 2: was edited or damaged"):
        read_predictions(path)
    writer = PredictionsWriter(tmp_path / "new.jsonl", setup())
    writer._write({"run": {"work": "guessed"}})
    writer.close()
    with pytest.raises(EvaluationError, match="line 2: no record of an image: "):
        read_predictions(tmp_path / "new.jsonl")


@posix
def test_putting_in_order_keeps_the_mode_and_works_for_the_longest_names(tmp_path: Path) -> None:
    path = write(tmp_path / f"{'x' * 247}.jsonl", shuffled(2))
    path.chmod(0o640)
    writer = PredictionsWriter(path, setup(), resumed=read_predictions(path))
    writer.put_in_order(NAMES)
    writer.close()
    assert writer.disorder is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.read_bytes() == write(tmp_path / "plain.jsonl", NAMES).read_bytes()


def test_a_file_that_cannot_be_put_in_order_stands_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "other.jsonl", shuffled(2))
    before = path.read_bytes()
    writer = PredictionsWriter(path, setup(), resumed=read_predictions(path))

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    writer.put_in_order(NAMES)
    writer.close()
    assert writer.disorder is not None
    assert "other.jsonl: cannot be put in order: No space left on device" in writer.disorder
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_order_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "plain.jsonl", NAMES)
    read = read_predictions(path)
    inode = path.stat().st_ino
    writer = PredictionsWriter(path, setup(), resumed=read)
    writer.put_in_order(NAMES)
    writer.close()
    assert path.stat().st_ino == inode


@posix
def test_a_run_that_opened_the_file_before_it_was_put_in_order_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "other.jsonl", shuffled(1))
    read = read_predictions(path)
    first = PredictionsWriter(path, setup(), resumed=read)
    taken: list[int] = []

    def late(stream: object, place: Path) -> None:
        if not taken:  # the second run has opened the file, and now the first one ends
            taken.append(1)
            first.put_in_order(NAMES)
            first.close()

    monkeypatch.setattr("mixnet_tools.accuracy.predictions.jsonl_writer._lock", late)
    with pytest.raises(UsageError, match="another run wrote to it just now"):
        PredictionsWriter(path, setup(), resumed=read)


def test_a_file_in_another_order_is_not_merged(tmp_path: Path) -> None:
    found = merge([write(tmp_path / "plain.jsonl", NAMES)])
    assert found.predictions.names == tuple(name for name in NAMES if name != BAD)
    with pytest.raises(EvaluationError, match="do not stand in the data set's order") as caught:
        merge([write(tmp_path / "other.jsonl", shuffled(3))])
    assert caught.value.hint is not None
    assert "resume the runs" in caught.value.hint


def test_figures_are_computed_in_the_order_of_the_data_set(tmp_path: Path) -> None:
    read = [read_predictions(write(tmp_path / f"{seed}.jsonl", shuffled(seed))) for seed in (1, 2)]
    found = [one.predictions.in_order(NAMES) for one in read if one]
    assert found[0].names == found[1].names
    assert found[0].image_notes == found[1].image_notes != ()
    assert (found[0].answers[0].scores == found[1].answers[0].scores).all()
    assert found[0].accepted == found[1].accepted
    assert found[0].bad == found[1].bad


def test_an_answer_depends_on_no_other_row() -> None:
    rows = np.array([[0.25, 0.5, 0.125, 0.125, 0, 0], [1.0, -2.0, 0.5, 7.0, 3.0, 2.0]], dtype=np.float32)
    together, alone = top_classes(rows), [top_classes(rows[index : index + 1]) for index in (0, 1)]
    assert together[1].tolist() == [alone[0][1][0].tolist(), alone[1][1][0].tolist()]
    assert together[1][0].tolist() == [0.5, 0.25, 0.125, 0.125, 0.0]


def test_a_label_says_the_device_where_there_are_several() -> None:
    one = ModelSetup("openvino", "FP32", "GPU", ("crop",), None, None, ())
    assert one.label == "openvino FP32"
    assert ModelSetup("openvino", "FP32", "GPU", ("crop",), None, None, (), True).label == "openvino FP32 on GPU"
