"""What runs on a worker: the roll call, taking in models, measuring a shard. Called by Dask, in its threads.

A worker knows the assignments of the last few runs, and keeps loaded models as long as they are asked for. However many
threads Dask gives it, it measures one shard after another, with as many processors as it has threads.
"""

from __future__ import annotations

import pickle
import threading
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from mixnet_tools.accuracy.cluster import parcels
from mixnet_tools.accuracy.cluster.parcels import Parcel
from mixnet_tools.accuracy.cluster.shards import ShardAnswers, packed
from mixnet_tools.accuracy.datasets import parquet
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.image_bytes import readers, sample_size
from mixnet_tools.accuracy.evaluation.loop import measured
from mixnet_tools.accuracy.evaluation.model_under_test import ModelUnderTest
from mixnet_tools.accuracy.evaluation.timing import Clock
from mixnet_tools.accuracy.launchers.base import Runner
from mixnet_tools.accuracy.launchers.openvino import require_device
from mixnet_tools.errors import DatasetError, MixnetToolsError, first_line
from mixnet_tools.files.location import Location

_RUNS = 4
"""Assignments that are kept."""

_KEPT = 8
"""Loaded models that are kept, beyond those of the shard at hand."""


@dataclass(frozen=True)
class GroupModels:
    """The models of a group: for each of its evaluations the models, and for each tested its parcel."""

    models: tuple[tuple[ModelUnderTest, ...], ...]
    parcels: tuple[tuple[Parcel, ...], ...]


@dataclass(frozen=True)
class Sample:
    """An image that every worker must see: the file at ``location``, of ``size`` bytes (None: not known)."""

    location: Location
    size: int | None


@dataclass(frozen=True)
class Assignment:
    """What a run wants of its workers."""

    groups: tuple[GroupModels, ...]
    samples: tuple[Sample, ...]

    @property
    def parcels(self) -> dict[str, Parcel]:
        """Every model, by its key."""
        return {one.key: one for group in self.groups for part in group.parcels for one in part}


@dataclass(frozen=True)
class Measured:
    """A shard's answers, for each evaluation of its group; which worker had it, and where its time went.

    ``error`` is a known failure instead of answers: trying again would give the same. ``failure`` is an unknown one.
    """

    worker: str
    clock: Clock
    answers: tuple[ShardAnswers, ...] = ()
    error: MixnetToolsError | None = None
    failure: str | None = None

    @property
    def problems(self) -> dict[tuple[int, int], str]:
        """What is wrong with bad images, by the number of the evaluation and that of the image in the shard."""
        return {(number, one.index): one.message for number, part in enumerate(self.answers) for one in part.problems}


class Unprepared(Exception):
    """The worker (its address) has not answered this run's roll call: it was started anew under a known address."""


_assignments: OrderedDict[str, Assignment] = OrderedDict()
_places: dict[str, tuple[Path, ...]] = {}
_loaded: OrderedDict[str, Runner] = OrderedDict()
_measuring = threading.Lock()


def software(packages: Sequence[str]) -> dict[str, str | None]:
    """The installed version of each of ``packages``, None where it is not installed."""
    return {name: _version(name) for name in packages}


def roll_call(run: str, expected: Mapping[str, str | None], payload: bytes) -> dict[str, Any]:
    """Whether this worker can take part in ``run``: plain values, which other versions understand too.

    ``payload`` is a pickled :class:`Assignment`. The answer has ``problem`` (None: it can), ``missing`` (keys of the
    parcels that have to be sent) and ``processors`` (names of what computes).
    """
    found = software(list(expected))
    differing = [name for name, version in expected.items() if found[name] != version]
    if differing:
        pairs = [f"{name} {expected[name] or 'not installed'}" for name in differing]
        here = [f"{name} {found[name] or 'not installed'}" for name in differing]
        return {"problem": f"expected {', '.join(pairs)}, got {', '.join(here)}", "missing": [], "processors": []}
    # Pillow's remarks on odd metadata name no file and change no pixel.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    parquet.forget()
    assignment: Assignment = pickle.loads(payload)  # noqa: S301 - from our own client, through Dask, which pickles itself
    try:
        for sample in assignment.samples:
            _check(sample)
        devices = {one.info.device for one in assignment.parcels.values() if one.info.launcher == "openvino"}
        names = [require_device(device) for device in sorted(devices)]
    except MixnetToolsError as error:
        return {"problem": str(error), "missing": [], "processors": []}
    for parcel in assignment.parcels.values():
        if parcel.contents not in _places or not parcels.intact(parcel, _places[parcel.contents]):
            _places.pop(parcel.contents, None)
            if paths := parcels.found_at_client_path(parcel):
                _places[parcel.contents] = paths
    _assignments[run] = assignment
    while len(_assignments) > _RUNS:
        _assignments.popitem(last=False)
    missing = [key for key, parcel in assignment.parcels.items() if parcel.contents not in _places]
    return {"problem": None, "missing": missing, "processors": names}


def take_in(run: str, keys: Sequence[str], *data: Sequence[bytes]) -> None:
    """Keep the files of the parcels ``keys``. Raises :class:`EvaluationError` where they are damaged."""
    known = _assignment(run).parcels
    for key, files in zip(keys, data, strict=True):
        parcel = known[key]
        _places[parcel.contents] = parcels.unpack(parcel, files, Path(_dask_worker().local_directory) / "mixnet_tools")


def measure(run: str, group: int, payload: bytes) -> Measured:
    """Measure the images in ``payload`` on all models of ``group``.

    Raises :class:`Unprepared`.
    """
    models = _assignment(run).groups[group]
    images: tuple[LabelledImage, ...] = pickle.loads(payload)  # noqa: S301 - as above
    worker = _dask_worker()
    threads = max(1, int(worker.state.nthreads))
    with _measuring:
        clock = Clock()
        try:
            answers = _measure(models, _runners(models, threads), images, threads, clock)
        except MixnetToolsError as error:
            return Measured(worker.address, clock, error=error)
        except Exception as error:  # of a decoder, of a device, of memory: perhaps another worker does better
            text = f"{type(error).__name__}: {first_line(error)}"
            return Measured(worker.address, clock, failure=text)
        return Measured(worker.address, clock, answers)


def _measure(
    group: GroupModels,
    runners: Sequence[Sequence[Runner]],
    images: Sequence[LabelledImage],
    threads: int,
    clock: Clock,
) -> tuple[ShardAnswers, ...]:
    every = [tested for models in group.models for tested in models]
    threads = readers(images, threads)
    with closing(measured(every, [one for part in runners for one in part], images, threads, clock)) as found:
        together = packed(found, len(every))
    if len(group.models) > 1 and any(not one.of_data for one in together.problems):
        # What one model's preprocessing cannot do with an image is no fault of the others: each by itself.
        apart = []
        for models, part in zip(group.models, runners, strict=True):
            with closing(measured(models, part, images, threads, clock)) as found:
                apart.append(packed(found, len(models)))
        return tuple(apart)
    answers, first = [], 0
    for models in group.models:
        part_of = together.answers[first : first + len(models)]
        answers.append(ShardAnswers(together.problems, together.odd, part_of))
        first += len(models)
    return tuple(answers)


def _runners(group: GroupModels, threads: int) -> list[list[Runner]]:
    """The loaded models of ``group``: compiled once, then kept."""
    wanted = [[f"{parcel.key}-{threads}" for parcel in part] for part in group.parcels]
    for keys, part in zip(wanted, group.parcels, strict=True):
        for key, parcel in zip(keys, part, strict=True):
            if key not in _loaded:
                _loaded[key] = parcels.load(parcel, _places[parcel.contents], threads)
            _loaded.move_to_end(key)
    needed = len({key for keys in wanted for key in keys})
    while len(_loaded) > max(_KEPT, needed):
        _loaded.popitem(last=False)
    return [[_loaded[key] for key in keys] for keys in wanted]


def _assignment(run: str) -> Assignment:
    if run not in _assignments:
        raise Unprepared(_dask_worker().address)
    _assignments.move_to_end(run)
    return _assignments[run]


def _check(sample: Sample) -> None:
    """That the image is here, and is the client's. Raises :class:`DatasetError` where not."""
    size = sample_size(sample.location)
    if sample.size and size and size != sample.size:
        raise DatasetError(f"{sample.location}: expected a file of {sample.size} bytes, got one of {size}")


def _version(name: str) -> str | None:
    if name == "mixnet_tools":
        import mixnet_tools

        return mixnet_tools.__version__
    for package in ("opencv-python-headless", "opencv-python") if name == "opencv" else (name,):
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return None


def _dask_worker() -> Any:
    from distributed import get_worker

    return get_worker()
