"""The download stage: descriptors in, complete models out.

::

    download_models -> ModelJob.run -> Fetcher.fetch -> receive

What is there already is judged by :mod:`.stock`, single files come by way of :mod:`.fetch` or :mod:`.cache`, archives
are unpacked by :mod:`.postprocess`. Nothing here prints, exits or knows a command line.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.descriptors.model_yml import ModelDescriptor, ModelFile
from mixnet_tools.downloading import manifest as manifests
from mixnet_tools.downloading.cache import Cache
from mixnet_tools.downloading.fetch import Fetcher, FetchRules
from mixnet_tools.downloading.job import ModelJob, Workshop
from mixnet_tools.downloading.layout import STATE_FOLDER, Layout
from mixnet_tools.downloading.manifest import LinkRecord
from mixnet_tools.downloading.parallel import run_each
from mixnet_tools.errors import DescriptorError, DownloadError
from mixnet_tools.progress import Progress
from mixnet_tools.values import DownloadedFile, DownloadedModel


@dataclass(frozen=True)
class DownloadOptions:
    """How a download is done.

    ``num_attempts`` is for each source, ``timeout`` (seconds) for connecting and for a stall, ``backoff`` (seconds)
    the first pause between attempts. ``mirrors`` are base URLs or folders, tried first. ``offline`` uses no network,
    ``verify`` hashes everything that is there, ``force`` fetches everything anew. ``jobs`` transfers run at once, over
    all models. ``precisions`` leaves out files of other precisions of a model that is IR already.
    """

    num_attempts: int = 3
    timeout: float = 30.0
    backoff: float = 0.5
    cache_dir: Path | None = None
    mirrors: tuple[str, ...] = ()
    offline: bool = False
    verify: bool = False
    force: bool = False
    jobs: int = 1
    precisions: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ModelOutcome:
    """What came of one model: it, or the error that kept it away."""

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

    Raises :class:`DownloadError` (or one of its kinds) where a file cannot be had, and :class:`ArchiveError` where
    an archive is unsafe or broken.
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
    """Download each of ``descriptors``; one that fails does not stop the others. Outcomes are in their order."""
    options, progress = options or DownloadOptions(), progress or Progress()
    stop = threading.Event()
    rules = FetchRules(options.num_attempts, options.timeout, options.backoff, options.offline)
    fetcher = Fetcher(rules, stop)
    shop = Workshop(
        fetcher=fetcher,
        cache=Cache(options.cache_dir, progress.note) if options.cache_dir else None,
        mirrors=options.mirrors,
        slots=threading.Semaphore(options.jobs),
        jobs=options.jobs,
        stop=stop,
        progress=progress,
    )

    def work(model: ModelDescriptor) -> DownloadedModel:
        _check_names(model)
        files = wanted_files(model, options.precisions)
        job = ModelJob(model, files, model_folder(model, output_dir), shop)
        progress.model_begin(model.name, len(files))
        successful = False
        try:
            done = job.run(verify=options.verify, force=options.force)
            successful = True
            return done
        finally:
            progress.model_end(model.name, successful)

    try:
        outcomes = run_each(work, descriptors, options.jobs, stop)
    finally:
        fetcher.close()
    return tuple(
        ModelOutcome(model.name, None, outcome)
        if isinstance(outcome, Exception)
        else ModelOutcome(model.name, outcome, None)
        for model, outcome in zip(descriptors, outcomes, strict=True)
    )


def locate_downloaded(
    descriptor: ModelDescriptor, download_dir: Path, precisions: tuple[str, ...] | None = None
) -> DownloadedModel:
    """The model as an earlier download left it in ``download_dir``. Looks at names and sizes, and hashes nothing.

    Raises :class:`DownloadError` where it is missing or not complete.
    """
    folder = model_folder(descriptor, download_dir)
    files = wanted_files(descriptor, precisions)
    manifest = manifests.load(Layout.of(descriptor, folder), descriptor.name)
    problem = None
    if manifest.recipe != manifests.recipe_of(descriptor):
        problem = "was not unpacked" if folder.is_dir() else "is not there"
    sizes = {name: record.size for name, record in manifest.outputs.items() if not isinstance(record, LinkRecord)}
    consumed = {step.file for step in descriptor.postprocessing}
    sizes |= {file.name: file.size for file in files if file.name not in consumed}
    for name, size in sizes.items():
        if problem is None and _size_of(folder / name) != size:
            problem = f"{name} is missing or incomplete"
    if problem is not None:
        raise DownloadError(
            f"{descriptor.name}: not (completely) downloaded: {folder}: {problem}",
            hint=f"mixnet-download --name {descriptor.name} -o {download_dir}",
        )
    found = (DownloadedFile(file.name, folder / file.name, file.size, file.checksum, None) for file in files)
    return DownloadedModel(descriptor.name, folder, tuple(found), up_to_date=True)


def model_folder(descriptor: ModelDescriptor, output_dir: Path) -> Path:
    """Where the files of a model lie below ``output_dir``."""
    return output_dir / descriptor.subdirectory


def wanted_files(descriptor: ModelDescriptor, precisions: tuple[str, ...] | None) -> tuple[ModelFile, ...]:
    """The files of ``descriptor``, without those of precisions that are not asked for (``FP16/net.xml``)."""

    def is_wanted(file: ModelFile) -> bool:
        folder, _, rest = file.name.partition("/")
        is_of_a_precision = folder.startswith("FP") and rest != "" and "/" not in rest
        return precisions is None or not is_of_a_precision or folder in precisions

    return tuple(file for file in descriptor.files if is_wanted(file))


def _check_names(model: ModelDescriptor) -> None:
    for index, file in enumerate(model.files):
        if file.name.partition("/")[0].casefold() == STATE_FOLDER:
            raise DescriptorError(
                f"{model.path}: files[{index}].name: {STATE_FOLDER!r} is the folder of the downloader itself"
            )


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
