"""Describes a model file that has no descriptor yet, so that it can be downloaded, converted and measured."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mixnet_tools.api.authoring.accuracy_text import AccuracyText, accuracy_text
from mixnet_tools.api.authoring.model_text import FileText, ModelText, model_text
from mixnet_tools.api.authoring.place import copy_and_hash, place_of, refuse_existing
from mixnet_tools.api.authoring.presets import DEFAULT_CROP, Values
from mixnet_tools.api.authoring.values import NewModel, NewModelOptions
from mixnet_tools.api.authoring.write import check_texts, decisions, imagenet_labels, write_description
from mixnet_tools.api.models import PathLike
from mixnet_tools.conversion.sources.formats import archive_format
from mixnet_tools.conversion.survey.locate import IR, FoundModel, ModelFileHere, is_plain_name, locate, locate_below
from mixnet_tools.conversion.survey.survey import Survey, Wishes, survey
from mixnet_tools.descriptors.labels import LABELS_FILE, MAX_BYTES, read_classes
from mixnet_tools.descriptors.model_yml import ACCURACY_FILE, MODEL_FILE
from mixnet_tools.downloading.archives.unpack import unpack
from mixnet_tools.downloading.transport.unknown_file import fetch_unknown
from mixnet_tools.errors import (
    ArchiveError,
    ConversionError,
    DescriptorError,
    FreezeError,
    UnsafeModelError,
    UsageError,
)
from mixnet_tools.files import bounded
from mixnet_tools.files.location import Location
from mixnet_tools.progress import Progress

DEFAULT_ZOO = "my_zoo"
_UNPACKED = "unpacked"
"""The folder for what an archive holds, while it is looked at."""
IMAGENET = "imagenet"
"""The labels that stand for ImageNet's own names of classes."""


def new_model(
    name: str,
    source: PathLike,
    *,
    models_dir: PathLike = DEFAULT_ZOO,
    options: NewModelOptions | None = None,
    force: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> NewModel:
    """Write ``<models_dir>/public/<name>/model.yml`` for the model ``source``, and accuracy-check.yml for a classifier.

    Their JSON Schemas for editors are written into ``<models_dir>/schemas``, where they are missing or old.
    ``source`` is a file or folder that can be converted, an archive with one, or an OpenVINO IR; or the http(s) address
    of a file, which is fetched and hashed. What the file does not say is assumed, and has a comment. The model is
    converted once, so what is written can be converted as it stands. ``force`` replaces what is there, ``dry_run``
    writes nothing.

    Raises :class:`UsageError` for a bad name or option, :class:`ConversionError` and its kinds where the model cannot
    be converted, :class:`UnsafeModelError` where it would do more than compute, :class:`DownloadError` where ``source``
    cannot be fetched, :class:`ArchiveError` for a broken archive, :class:`DescriptorError` where labels do not fit,
    :class:`OutputError` where something is there already or cannot be written. Then nothing was written.
    """
    options, progress = options or NewModelOptions(), progress or Progress()
    options.mean_and_std()  # wrong options are told before any work
    folder = place_of(name, Path(models_dir))
    refuse_existing({folder / MODEL_FILE: None}, force=force)
    with contextlib.ExitStack() as stack:
        location = Location.parse(source)
        path = None if location.is_remote else location.path
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mixnet-tools-")))
        if path is None:
            if options.copy:
                raise UsageError("`copy`: the model has an address, which is its source")
            if "@" in urlsplit(location.url).netloc:
                raise UsageError(
                    f"{location}: an address with a password has no place in a descriptor",
                    hint="leave it out: the downloader reads .netrc",
                )
            with progress.stage(f"fetching {location}"):
                path = fetch_unknown(location, scratch)
        return _describe(name, path, location, folder, options, scratch, force, dry_run, progress)


@dataclass(frozen=True)
class _Delivered:
    """A model as it is delivered: the ``files`` of the descriptor, one of which may be an ``archive`` (its format)."""

    found: FoundModel
    files: tuple[ModelFileHere, ...]
    archive: str | None = None


def _delivered(
    path: Path, location: Location, options: NewModelOptions, scratch: Path, progress: Progress
) -> _Delivered:
    """Find the model at ``path``, or in the archive that it is; that is unpacked into ``scratch``."""
    try:
        archive = archive_format(path) if path.is_file() else None
        if archive is None:
            if options.inside is not None:
                raise UsageError(f"`inside` is for archives, and {path} is none")
            found = locate(path)
            delivered = _Delivered(found, found.files)
        else:
            folder = scratch / _UNPACKED
            folder.mkdir()
            try:
                for remark in unpack(path, archive, folder):
                    progress.note(remark)
            except ArchiveError as error:
                raise ArchiveError(str(error), hint="fetch it again, or give the model's own file") from error
            name = path.name if is_plain_name(path.name) else "model.archive"
            delivered = _Delivered(locate_below(folder, path, options.inside), (ModelFileHere(name, path),), archive)
    except OSError as error:
        raise FreezeError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from error
    if location.is_remote and len(delivered.files) > 1:
        raise ConversionError(
            f"{location}: this model has {len(delivered.files)} files, and an address has one",
            hint="give the address of an archive, or fetch them all and give the folder",
        )
    return delivered


@contextlib.contextmanager
def _naming(source: Location, path: Path, scratch: Path) -> Iterator[None]:
    """Errors about files in ``scratch``, which were fetched or unpacked, name them by the ``source``."""
    try:
        yield
    except (ConversionError, UnsafeModelError) as error:
        text = str(error).replace(str(scratch / _UNPACKED), str(source))
        if source.is_remote:
            text = text.replace(str(path), str(source)).replace(f"{scratch}{os.sep}", "")
        raise type(error)(text, hint=error.hint) from error


def _describe(
    name: str,
    path: Path,
    location: Location,
    folder: Path,
    options: NewModelOptions,
    scratch: Path,
    force: bool,
    dry_run: bool,
    progress: Progress,
) -> NewModel:
    with _naming(location, path, scratch):
        delivered = _delivered(path, location, options, scratch, progress)
    found = delivered.found
    mean, std = options.mean_and_std()
    with progress.stage(f"looking at {path.name}, and converting it once"), _naming(location, path, scratch):
        seen = survey(name, found, _wishes(options, mean, std))
    labels = _labels(options, seen)
    with progress.stage("hashing its files"):
        files = _files(name, seen, delivered.files, location, options)
    text = model_text(
        ModelText(
            name,
            seen,
            [one for one, _ in files],
            options.license,
            options.description,
            options.signature,
            options.tags,
            delivered.archive,
            options.values_known,
            only_here=not location.is_remote,
        )
    )
    accuracy = _accuracy(name, seen, options, mean, std)
    contents: dict[Path, bytes | Path] = {folder / MODEL_FILE: text.encode()}
    if accuracy is not None:
        contents[folder / ACCURACY_FILE] = accuracy.encode()
    if labels is not None:
        contents[folder / LABELS_FILE] = labels
    if options.copy:
        contents |= {folder / one.name: here.path for one, here in files}
    try:
        check_texts(name, contents, folder, converts=found.kind != IR)
    except (DescriptorError, ConversionError) as error:
        raise ConversionError(
            f"no descriptor can say what this model needs: {error}", hint="`inputs` and `outputs` choose other names"
        ) from error
    written = write_description(contents, folder, force=force, dry_run=dry_run)
    return NewModel(
        name,
        found.kind,
        folder,
        written,
        text,
        accuracy,
        seen.classes,
        seen.has_measured_original,
        decisions(text + (accuracy or "")),
        not dry_run,
    )


def _wishes(options: NewModelOptions, mean: Values | None, std: Values | None) -> Wishes:
    return Wishes(
        size=options.size,
        layout=options.layout,
        inputs=options.inputs,
        outputs=options.outputs,
        signature=options.signature,
        tags=options.tags,
        rgb=options.channels != "BGR",
        mean=mean,
        std=std,
    )


def _files(
    name: str, seen: Survey, files: Sequence[ModelFileHere], location: Location, options: NewModelOptions
) -> list[tuple[FileText, ModelFileHere]]:
    """Each file of the model as the descriptor has it, and where it is now."""
    found = []
    for here in files:
        named = f"{seen.precision}/{name}{here.path.suffix}" if seen.found.kind == IR else here.name
        try:
            size, digest = copy_and_hash(here.path)
            source = location.url if location.is_remote else here.path.resolve().as_uri()
        except OSError as error:
            raise FreezeError(f"{here.path}: cannot be read: {error.strerror or error}") from error
        text = FileText(named, size, digest, named if options.copy else source, options.copy)
        found.append((text, here))
    return found


def _accuracy(name: str, seen: Survey, options: NewModelOptions, mean: Values | None, std: Values | None) -> str | None:
    if not seen.is_classifier:
        return None
    crop_pct = DEFAULT_CROP if options.crop_pct is None else options.crop_pct
    if seen.inputs[0].settled.channels == 1:
        mean, std = (values and (sum(values) / 3,) * 3 for values in (mean, std))
    preset = options.checked_preset()
    is_rgb = options.channels == "RGB" or (options.channels is None and not seen.says_bgr)
    return accuracy_text(AccuracyText(name, seen, preset, options.preset, crop_pct, mean, std, is_rgb))


def _labels(options: NewModelOptions, seen: Survey) -> bytes | None:
    """The contents of labels.txt. Raises :class:`DescriptorError` where they are not those of the model."""
    if options.labels is None:
        return None
    if options.labels == IMAGENET:
        data, place = imagenet_labels(seen.classes), "ImageNet's labels"
        count = data.count(b"\n")
    else:
        path = Path(options.labels)
        count, place = len(read_classes(path)), str(path)
        try:
            data = bounded.read_bytes(path, MAX_BYTES)
        except OSError as error:
            raise DescriptorError(f"{path}: cannot be read: {error.strerror or error}") from error
    if seen.classes is not None and count != seen.classes:
        raise DescriptorError(f"{place}: {count} labels, but the model has {seen.classes} classes")
    return data
