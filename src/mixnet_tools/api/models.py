"""Functions of the Python API that find, download and convert a model by its name."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mixnet_tools.conversion.convert import convert as convert_descriptor
from mixnet_tools.conversion.options import ConversionOptions
from mixnet_tools.descriptors import zoo
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.downloading.context import DownloadOptions
from mixnet_tools.downloading.download import download_model, known_files, locate_downloaded
from mixnet_tools.errors import UnknownModelError
from mixnet_tools.progress import Progress
from mixnet_tools.values import DownloadedModel, IRModel

PathLike = str | os.PathLike[str]


def list_models(models_dir: PathLike | Iterable[PathLike] | None = None) -> tuple[str, ...]:
    """List the names of all models below ``models_dir``, sorted; no descriptor is read.

    ``models_dir`` is one folder or several (default: the folders in the environment variable ``MIXNET_TOOLS_MODELS``,
    else the zoo that comes with mixnet_tools). Raises :class:`DescriptorError` where a folder holds no model, or where
    two models have one name.
    """
    return tuple(entry.name for entry in zoo.find_models(_roots(models_dir)))


def find_model(name: str, models_dir: PathLike | Iterable[PathLike] | None = None) -> ModelDescriptor:
    """Read the descriptor of the model ``name`` (no pattern) below ``models_dir`` (default: see :func:`list_models`).

    Warns (:mod:`warnings`) of keys that are unknown, and ignored. Raises :class:`DescriptorError` where the descriptor
    is broken, :class:`UnknownModelError` where no model has this name.
    """
    entries = zoo.flat(zoo.select(zoo.find_models(_roots(models_dir)), [name]))
    if len(entries) != 1 or entries[0].name != name:
        found = ", ".join(entry.name for entry in entries)
        raise UnknownModelError(f"expected the name of one model, got {name!r}, which stands for {found}")
    descriptor = entries[0].load()
    for text in descriptor.warnings:
        warnings.warn(text, stacklevel=2)
    return descriptor


def download(
    name: str,
    *,
    output_dir: PathLike = ".",
    models_dir: PathLike | Iterable[PathLike] | None = None,
    options: DownloadOptions | None = None,
    progress: Progress | None = None,
) -> DownloadedModel:
    """Fetch, verify and unpack the files of the model ``name`` into ``<output_dir>/public/<name>``.

    Files that are there already are not fetched again. Raises :class:`DownloadError` and its kinds where a file cannot
    be had, :class:`ArchiveError` where an archive is broken or unsafe, and what :func:`find_model` raises.
    """
    return download_model(find_model(name, models_dir), Path(output_dir), options, progress)


def convert(
    name: str,
    *,
    precision: str = "FP16",
    download_dir: PathLike = ".",
    output_dir: PathLike | None = None,
    models_dir: PathLike | Iterable[PathLike] | None = None,
    options: ConversionOptions | None = None,
    progress: Progress | None = None,
) -> IRModel:
    """Convert the model ``name`` below ``download_dir`` to an IR of ``precision`` (``FP32``, ``FP16``).

    The IR is compared with the original before it is written to ``<output_dir>/public/<name>/<precision>`` (default of
    ``output_dir``: ``download_dir``). ``precision`` takes the place of ``options.precisions``.

    Raises :class:`DownloadError` where files are missing, :class:`IntegrityError` where one is not the file that was
    verified, :class:`ConversionError` and its kinds where the model cannot be converted, :class:`OutputError` where the
    IR cannot be written, and what :func:`find_model` raises. Then no IR was written.
    """
    descriptor = find_model(name, models_dir)
    locate_downloaded(descriptor, Path(download_dir))
    chosen = replace(options or ConversionOptions(), precisions=(precision,))
    target = Path(download_dir if output_dir is None else output_dir)
    known = known_files(descriptor, Path(download_dir))
    return convert_descriptor(descriptor, Path(download_dir), target, chosen, progress, known).irs[0].ir


def _roots(models_dir: PathLike | Iterable[PathLike] | None) -> tuple[Path, ...]:
    if models_dir is None:
        return zoo.default_roots()
    if isinstance(models_dir, (str, os.PathLike)):
        return (Path(models_dir),)
    return tuple(Path(root) for root in models_dir)
