"""Checks a zoo: whether every description of a model can be read, is complete, and fits the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import REFERENCE_SETS, AccuracyConfig, load_accuracy_config
from mixnet_tools.accuracy.preprocessing.plan import make_plan
from mixnet_tools.accuracy.preprocessing.profiles import PROFILES_FILE
from mixnet_tools.api.authoring.model_text import LICENSE
from mixnet_tools.api.models import PathLike
from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.descriptors import strict_yaml, zoo
from mixnet_tools.descriptors.card import CARD_FILE, read_card
from mixnet_tools.descriptors.composite_yml import COMPOSITE_FILE
from mixnet_tools.descriptors.labels import LABELS_FILE, find_labels, read_classes
from mixnet_tools.descriptors.model_yml import ACCURACY_FILE, MODEL_FILE, ModelDescriptor
from mixnet_tools.downloading.sources import LocalSource, sources_of
from mixnet_tools.errors import DescriptorError, EvaluationError, MissingDependency, MixnetToolsError, UnsupportedOption
from mixnet_tools.files.digest import digest_of
from mixnet_tools.ir.image_input import COLOUR, GREY, classes_of
from mixnet_tools.ir.locate import existing_irs

_FILES = (MODEL_FILE, ACCURACY_FILE, LABELS_FILE, PROFILES_FILE, CARD_FILE, COMPOSITE_FILE)
_ALIKE = 0.9
_NO_LICENSE = frozenset({"", LICENSE, "todo", "tbd", "none", "unknown", "n/a", "fixme"})


@dataclass(frozen=True)
class ZooProblem:
    """Something that is wrong with the description of ``model``. ``text`` names the file, and the key in it."""

    model: str
    text: str


@dataclass(frozen=True)
class ZooCheck:
    """What was found in a zoo: the names of its ``models``, and its ``problems`` in the models' order."""

    models: tuple[str, ...]
    problems: tuple[ZooProblem, ...]


def lint_zoo(models_dir: PathLike, *, ir_dir: PathLike | None = None) -> ZooCheck:
    """Check every model below ``models_dir``.

    Looked for are descriptors that cannot be read, keys that are unknown, with the nearest known one, files without
    source on this machine or with another digest, arguments that are not converted, licences that are not named,
    accuracy-check.yml that cannot be read or has no entry for the converted model, files that are nearly called as they
    should, and labels that are not as many as the model's classes: the data set's name tells them, or an IR below
    ``ir_dir``.

    Raises :class:`DescriptorError` where ``models_dir`` is no folder, has no model, or two of one name.
    """
    root = Path(models_dir)
    if not root.is_dir():
        raise DescriptorError(
            f"{root}: {'is a file, not a folder' if root.exists() else 'no such folder'}",
            hint=f"give the folder of a zoo, which holds public/<name>/{MODEL_FILE}",
        )
    problems = list(_without_descriptor(root))
    try:
        entries = zoo.find_models([root])
    except DescriptorError:
        if not problems or any(root.rglob(MODEL_FILE)):
            raise
        entries = ()
    for entry in entries:
        problems += [
            ZooProblem(entry.name, text) for text in _problems(entry, None if ir_dir is None else Path(ir_dir))
        ]
    for listed in zoo.with_composites(entries):
        if isinstance(listed, zoo.CompositeEntry):
            problems += [ZooProblem(listed.name, text) for text in _composite_problems(listed)]
    return ZooCheck(tuple(entry.name for entry in entries), tuple(problems))


def _composite_problems(entry: zoo.CompositeEntry) -> Iterator[str]:
    try:
        yield from entry.load().warnings
    except DescriptorError as error:
        yield from str(error).splitlines()


def _problems(entry: zoo.ZooEntry, ir_dir: Path | None) -> Iterator[str]:
    for path, name in _nearly_named(entry.path.parent):
        yield _misnamed(path, name)
    try:
        model = entry.load()
    except DescriptorError as error:
        yield from str(error).splitlines()
        return
    yield from model.warnings
    yield from _file_problems(model)
    yield from _conversion_problems(model)
    if model.license.strip().casefold() in _NO_LICENSE:
        yield f"{model.path}: license: names no licence, got {model.license!r}"
    try:
        read_card(model.directory)
    except DescriptorError as error:
        yield str(error)
    config: AccuracyConfig | None = None
    if model.accuracy_path.is_file():
        try:
            config = _accuracy_config(model)
        except DescriptorError as error:
            yield from str(error).splitlines()
    if config is not None:
        yield from _accuracy_problems(model, config)
    yield from _label_problems(model, config, ir_dir)


def _without_descriptor(root: Path) -> Iterator[ZooProblem]:
    """Folders with files of a model that has no descriptor, so that no command finds it."""
    for folder, folders, files in os.walk(root):
        if MODEL_FILE in files:
            folders.clear()
        elif COMPOSITE_FILE not in files:
            here = Path(folder)
            side = next((name for name in (ACCURACY_FILE, PROFILES_FILE) if name in files), None)
            meant = next((path for path, name in _nearly_named(here) if name == MODEL_FILE), None)
            if meant is not None:
                yield ZooProblem(here.name, _misnamed(meant, MODEL_FILE))
            elif side is not None:
                yield ZooProblem(here.name, f"{here}: has {side} and no {MODEL_FILE}, so no command finds this model")


def _nearly_named(folder: Path) -> Iterator[tuple[Path, str]]:
    """Files that are nearly called as one that is read, and how that is called."""
    known = {name.casefold(): name for name in _FILES}
    for path in sorted(folder.iterdir()):
        near = get_close_matches(path.name.casefold(), known, n=1, cutoff=_ALIKE)
        if near and path.name != (name := known[near[0]]) and not (folder / name).exists():
            yield path, name


def _misnamed(path: Path, name: str) -> str:
    return f"{path}: nothing reads a file of this name (did you mean {name!r}?)"


def _file_problems(model: ModelDescriptor) -> Iterator[str]:
    if not model.files:
        yield f"{model.path}: files: names no file"
    for index, file in enumerate(model.files):
        where = f"{model.path}: files[{index}]"
        for source in sources_of(model, file, ()):
            if not isinstance(source, LocalSource):
                continue
            try:
                size = source.path.stat().st_size
                if not source.path.is_file():
                    yield f"{where}.source: {source.path}: is no regular file"
                elif size != file.size:
                    yield f"{where}.size: expected {file.size} bytes, and {source.path} has {size}"
                elif (digest := digest_of(source.path, file.algorithm)) != file.digest:
                    yield f"{where}.checksum: expected {file.digest}, and {source.path} has {digest}"
            except OSError as error:
                yield f"{where}.source: {source.path}: cannot be read: {error.strerror or error}"


def _conversion_problems(model: ModelDescriptor) -> Iterator[str]:
    if model.framework in ("dldt", "pytorch"):
        return
    downloads = Path("downloads")
    try:
        plan = plan_conversion(model, downloads, Path("converted"))
    except UnsupportedOption as error:
        yield from str(error).splitlines()
        return
    if model.postprocessing:
        return
    try:
        place = plan.source.path.relative_to(downloads / model.subdirectory).as_posix()
    except ValueError:  # $conv_dir, $config_dir, or an absolute path
        return
    if not any(file.name == place or file.name.startswith(f"{place}/") for file in model.files):
        yield f"{model.path}: model_optimizer_args: names {place}, which is none of the files"


def _accuracy_config(model: ModelDescriptor) -> AccuracyConfig | None:
    """The model's accuracy-check.yml; None for one that is not measured, which only has to be YAML."""
    if model.task_type != "classification":
        strict_yaml.read(model.accuracy_path)
        return None
    return load_accuracy_config(model.accuracy_path)


def _accuracy_problems(model: ModelDescriptor, config: AccuracyConfig) -> Iterator[str]:
    original = {"onnx": "onnx", "tf": "tf"}.get(model.framework)
    for launcher in ("openvino", original):
        if launcher is None:
            continue
        try:
            make_plan(config.measurement(launcher), _channels(model))
        except DescriptorError as error:
            if launcher == "openvino":  # the original need not be measured
                yield str(error)
        except MissingDependency:
            continue
        except EvaluationError as error:
            yield str(error)


def _channels(model: ModelDescriptor) -> int | None:
    """The channels of the model's one image, as far as input_info says them."""
    if len(model.input_info) != 1:
        return None
    shape, layout = model.input_info[0].shape, model.input_info[0].layout
    if shape is None or layout not in ("NHWC", "NCHW") or len(shape) != len(layout):
        return None
    channels = shape[layout.index("C")]
    return channels if channels in (COLOUR, GREY) else None


def _label_problems(model: ModelDescriptor, config: AccuracyConfig | None, ir_dir: Path | None) -> Iterator[str]:
    path = find_labels(model.directory)
    if path is None:
        return
    try:
        count = len(read_classes(path))
    except MixnetToolsError as error:
        yield str(error)
        return
    sets = {name: REFERENCE_SETS[name] for name in _data_sets(config) if name in REFERENCE_SETS}
    known = {f"{name} of accuracy-check.yml": one.classes for name, one in sets.items()}
    for ir in existing_irs(model, ir_dir) if ir_dir is not None else ():
        if (classes := classes_of(ir.xml)) is not None:
            known[str(ir.xml)] = classes
    for source, classes in known.items():
        if classes != count:
            yield f"{path}: {count} labels, and {source} has {classes} classes"


def _data_sets(config: AccuracyConfig | None) -> list[str]:
    return [] if config is None else [dataset.name for entry in config.entries for dataset in entry.datasets]
