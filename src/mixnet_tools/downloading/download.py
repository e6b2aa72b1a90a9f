"""The download stage: downloads the models of descriptors, several at once.

::

    download_models -> FileQueue.work -> Fetcher.fetch -> HttpClient.open

:mod:`mixnet_tools.downloading.job` decides what has to be done for a model, :mod:`mixnet_tools.downloading.fetch`
fetches a file. Nothing here prints, exits or knows a command line.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.descriptors.file_entries import ModelFile
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.downloading import manifest as manifests
from mixnet_tools.downloading.cache.store import Cache
from mixnet_tools.downloading.context import DownloadContext, DownloadOptions
from mixnet_tools.downloading.fetch import Fetcher
from mixnet_tools.downloading.job import ModelJob
from mixnet_tools.downloading.layout import Layout
from mixnet_tools.downloading.manifest import LinkRecord
from mixnet_tools.downloading.parallel import FileQueue, threads_that_fit
from mixnet_tools.downloading.sources import parse_mirrors
from mixnet_tools.errors import DownloadError, MixnetToolsError, NextStep
from mixnet_tools.progress import Progress
from mixnet_tools.threads import run_each
from mixnet_tools.values import DownloadedFile, DownloadedModel, KnownFiles

if TYPE_CHECKING:
    from mixnet_tools.downloading.adopt import AdoptedModel

_PATIENCE = 1.0
"""Seconds to wait for the threads of an interrupted run. A thread that still reads from the network after that is left
behind: it holds only a partial file, as after a kill, and the lock of its model, which ends with the process.
"""


@dataclass(frozen=True)
class ModelOutcome:
    """What came of one model: the ``model``, or the ``error`` for which there is none."""

    name: str
    model: DownloadedModel | None
    error: Exception | None


def download_model(
    descriptor: ModelDescriptor,
    output_dir: Path,
    options: DownloadOptions | None = None,
    progress: Progress | None = None,
) -> DownloadedModel:
    """Bring ``descriptor``'s files to ``<output_dir>/<subdirectory>/``, verified, unpacked and patched.

    Raises :class:`DownloadError` (or one of its kinds) if a file cannot be fetched, :class:`ArchiveError` if an archive
    is unsafe or broken, :class:`DescriptorError` if a file has a name that is taken, :class:`OutputError` if the file
    system has no locks, and :class:`UsageError` for a mirror that cannot be downloaded from.
    """
    (outcome,) = download_models([descriptor], output_dir, options, progress)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.model is not None
    return outcome.model


def download_models(
    descriptors: Sequence[ModelDescriptor],
    output_dir: Path,
    options: DownloadOptions | None = None,
    progress: Progress | None = None,
) -> tuple[ModelOutcome, ...]:
    """Download each of ``descriptors``. One that fails does not stop the others. Returns the outcomes in their order.

    Raises :class:`UsageError` for a mirror that cannot be downloaded from.
    """
    options, progress, stop = options or DownloadOptions(), progress or Progress(), threading.Event()
    mirrors = parse_mirrors(options.mirrors)
    cache = Cache(options.cache_dir, progress.note) if options.cache_dir else None
    context = DownloadContext(options, mirrors, cache, progress, stop)
    models = [
        ModelJob(model, wanted_files(model, options.precisions), model_folder(model, output_dir), context).steps()
        for model in descriptors
    ]
    fetcher = Fetcher(context)
    queue = FileQueue(models, fetcher.fetch)
    wanted = max(1, min(options.jobs, sum(len(model.files) for model in descriptors)))
    if (threads := threads_that_fit(wanted)) < wanted:
        progress.note(f"{threads} at once, not {wanted}: this process may not open more files (ulimit -n)")
    try:
        run_each(queue.work, [stop] * threads, threads, stop, _PATIENCE)
    finally:
        queue.close()
        fetcher.close()
    return tuple(
        ModelOutcome(model.name, None, result)
        if isinstance(result, Exception)
        else ModelOutcome(model.name, result, None)
        for model, result in zip(descriptors, queue.results(), strict=True)
    )


def adopt_models(
    descriptors: Sequence[ModelDescriptor],
    output_dir: Path,
    progress: Progress | None = None,
    precisions: tuple[str, ...] | None = None,
    *,
    lock: bool = True,
) -> tuple[AdoptedModel | MixnetToolsError, ...]:
    """Take over the folders of ``descriptors`` below ``output_dir``, which another program filled. No network is used.

    Returns what came of each: one that fails does not stop the others. See
    :func:`mixnet_tools.downloading.adopt.adopt_model`.
    """
    from mixnet_tools.downloading.adopt import adopt_model

    outcomes: list[AdoptedModel | MixnetToolsError] = []
    for model in descriptors:
        try:
            files = wanted_files(model, precisions)
            outcomes.append(
                adopt_model(model, model_folder(model, output_dir), files, progress or Progress(), lock=lock)
            )
        except MixnetToolsError as error:
            outcomes.append(error)
    return tuple(outcomes)


def locate_downloaded(
    descriptor: ModelDescriptor, download_dir: Path, precisions: tuple[str, ...] | None = None
) -> DownloadedModel:
    """Find the model that an earlier download left in ``download_dir``, by names and sizes; nothing is hashed.

    A folder without a manifest was filled in another way (by omz_downloader, or by hand): what came out of archives is
    then not looked for. Raises :class:`DownloadError` if the model is missing or not complete.
    """
    folder = model_folder(descriptor, download_dir)
    files = wanted_files(descriptor, precisions)
    found = manifests.find(Layout.of(descriptor, folder), descriptor.name)
    manifest = found or manifests.Manifest(model=descriptor.name)
    problem = None
    if not folder.is_dir() and descriptor.postprocessing:
        problem = "is not there"
    elif found is not None and manifest.recipe != manifests.recipe_of(descriptor):
        problem = "was not unpacked"
    sizes = {name: record.size for name, record in manifest.outputs.items() if not isinstance(record, LinkRecord)}
    consumed = {step.file for step in descriptor.postprocessing}
    sizes |= {file.name: file.size for file in files if file.name not in consumed}
    for name, size in sizes.items():
        if problem is None and _size_of(folder / name) != size:
            problem = f"{name} is missing or incomplete"
    if problem is not None:
        raise DownloadError(
            f"{descriptor.name}: not (completely) downloaded: {folder}: {problem}",
            hint=NextStep("download", descriptor.name, {"output_dir": download_dir}),
        )
    present = (DownloadedFile(file.name, folder / file.name, file.size, file.checksum, None) for file in files)
    return DownloadedModel(descriptor.name, folder, tuple(present), up_to_date=True)


def known_files(descriptor: ModelDescriptor, download_dir: Path) -> KnownFiles:
    """What the files of a model below ``download_dir`` have to be, as far as descriptor and manifest say. Never raises.

    Nothing is hashed.
    """
    return manifests.known_files(descriptor, Layout.of(descriptor, model_folder(descriptor, download_dir)))


def model_folder(descriptor: ModelDescriptor, output_dir: Path) -> Path:
    """The folder of a model below ``output_dir``."""
    return output_dir / descriptor.subdirectory


def wanted_files(descriptor: ModelDescriptor, precisions: tuple[str, ...] | None) -> tuple[ModelFile, ...]:
    """The files of ``descriptor``. If ``precisions`` is given, files of other precisions are left out.

    A file is of a precision if it is directly in a folder of that name (``FP16/net.xml``).
    """

    def is_wanted(file: ModelFile) -> bool:
        folder, _, rest = file.name.partition("/")
        is_of_a_precision = folder.startswith("FP") and rest != "" and "/" not in rest
        return precisions is None or not is_of_a_precision or folder in precisions

    return tuple(file for file in descriptor.files if is_wanted(file))


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
