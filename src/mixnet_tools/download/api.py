"""Downloading from Python: a model by its name, without a command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mixnet_tools import zoo
from mixnet_tools.download.download import DownloadOptions, download_model
from mixnet_tools.errors import UsageError
from mixnet_tools.progress import Progress
from mixnet_tools.values import DownloadedModel


def download(
    name: str,
    output_dir: str | os.PathLike[str] = ".",
    *,
    models_dir: Sequence[str | os.PathLike[str]] = (),
    options: DownloadOptions | None = None,
    progress: Progress | None = None,
) -> DownloadedModel:
    """Bring the model ``name`` to ``output_dir``, verified, unpacked and patched, and say what is where.

    ``models_dir`` are folders of descriptors, instead of the embedded zoo (or of those that the environment variable
    ``MIXNET_TOOLS_MODELS`` names). ``progress`` is told how far it is; by default nobody is.

    Raises :class:`~mixnet_tools.errors.UnknownModelError` for a name that no model has, ``DescriptorError`` for a
    broken descriptor, ``DownloadError`` (or one of its kinds) where a file cannot be had, and ``ArchiveError`` where
    an archive is unsafe or broken.
    """
    roots = tuple(Path(root) for root in models_dir) or zoo.default_roots()
    entries = zoo.select(zoo.find_models(roots), [name])
    if len(entries) != 1:
        raise UsageError(
            f"{name!r} matches {len(entries)} models: {', '.join(entry.name for entry in entries)}",
            hint="give the name of one model",
        )
    return download_model(entries[0].load(), Path(output_dir), options, progress)
