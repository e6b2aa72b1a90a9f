"""The code that runs on a worker: prepare for a run, measure the images of a task.

Dask calls these functions in threads of the worker. Whatever the number of these threads, one task is measured at a
time, with as many processors as the worker has threads.
"""

from __future__ import annotations

import pickle
import shutil
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.accuracy.cluster.failure_policy import Failure
from mixnet_tools.accuracy.cluster.transfer import load
from mixnet_tools.accuracy.datasets.forms import parquet
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.image_bytes import readers, sample_size
from mixnet_tools.accuracy.evaluation.loop import MeasuredBatch, measured
from mixnet_tools.accuracy.evaluation.model_under_test import ModelUnderTest
from mixnet_tools.accuracy.evaluation.timing import Clock
from mixnet_tools.accuracy.launchers.base import Runner
from mixnet_tools.accuracy.launchers.openvino import require_device
from mixnet_tools.accuracy.preprocessing.decode import silence_pillow
from mixnet_tools.errors import DatasetError, EvaluationError, MixnetToolsError, first_line

if TYPE_CHECKING:
    from distributed import Worker

_RUNS = 8
"""Runs whose models are kept on the disk."""

_LOADED = 2
"""Evaluations whose models are kept loaded."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task on ``worker`` (empty: not known which): all images in order with the models' answers, or a
    ``failure`` with its ``error``, or both where images are unreadable.
    """

    worker: str
    clock: Clock
    batches: tuple[MeasuredBatch, ...] = ()
    failure: Failure | None = None
    error: MixnetToolsError | None = None

    @property
    def unreadable(self) -> list[DatasetError]:
        """What is wrong with each image that could not be read or decoded."""
        problems = (one.problem for batch in self.batches for one in batch.images)
        return [problem for problem in problems if isinstance(problem, DatasetError)]


_runs: dict[str, Path] = {}
_loaded: dict[tuple[str, int], tuple[list[ModelUnderTest], list[Runner]]] = {}
_measuring = threading.Lock()


def prepare(
    run: str, versions: dict[str, str | None], devices: list[str], samples: bytes, *models: bytes, dask_worker: Worker
) -> str | list[str]:
    """Prepare this worker for ``run``: returns the names of the processors behind ``devices``, or why it takes no part.

    ``versions`` are those of the client's packages. The rest is pickled, and only the same versions can read it: images
    that a worker must see, with their sizes in bytes (None: not known), and the ``models`` of each evaluation.
    """
    from distributed.versions import get_package_info

    here = get_package_info(versions)
    if differing := [name for name in versions if here[name] != versions[name]]:
        expected, found = (
            ", ".join(f"{name} {one[name] or 'not installed'}" for name in differing) for one in (versions, here)
        )
        return f"expected {expected}, got {found}"
    silence_pillow()
    parquet.forget()
    try:
        for location, size in pickle.loads(samples).items():  # noqa: S301 - from our own client, through Dask
            if (size_here := sample_size(location)) != size:
                return f"{location}: expected a file of {size} bytes, got one of {size_here}"
        processors = [require_device(device) for device in devices]
    except MixnetToolsError as error:
        return str(error)
    if run not in _runs:
        folder = Path(dask_worker.local_directory) / f"mixnet-{run}"
        folder.mkdir(exist_ok=True)
        for number, packed in enumerate(models):
            (folder / str(number)).write_bytes(packed)
        _runs[run] = folder
    for old in list(_runs)[:-_RUNS]:
        shutil.rmtree(_runs.pop(old), ignore_errors=True)
    return processors


def measure(run: str, number: int, payload: bytes) -> Outcome:
    """Measure the images that are pickled in ``payload`` on all models of evaluation ``number``."""
    from distributed import get_worker

    worker, clock = get_worker(), Clock()
    threads = worker.state.nthreads
    images: tuple[LabelledImage, ...] = pickle.loads(payload)  # noqa: S301 - as above
    known = unknown = Failure.CANNOT_LOAD
    with _measuring:
        try:
            if (run, number) not in _loaded:
                models, transfers = pickle.loads((_runs[run] / str(number)).read_bytes())  # noqa: S301 - as above
                _loaded[run, number] = models, [load(one, threads) for one in transfers]
                for old in list(_loaded)[:-_LOADED]:
                    del _loaded[old]
            known, unknown = Failure.MODEL_ERROR, Failure.UNKNOWN_ERROR
            with closing(measured(*_loaded[run, number], images, readers(images, threads), clock)) as batches:
                outcome = Outcome(worker.address, clock, tuple(batches))
        except MixnetToolsError as error:
            return Outcome(worker.address, clock, (), known, error)
        except Exception as error:  # whatever decoders, devices and memory raise
            text = f"{type(error).__name__}: {first_line(error)}"
            return Outcome(worker.address, clock, (), unknown, EvaluationError(text))
    if unreadable := outcome.unreadable:
        return replace(outcome, failure=Failure.UNREADABLE, error=unreadable[0])
    return outcome
