"""Writes a model's description: after its texts were read as every stage will read them, and all of it or nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import load_accuracy_config
from mixnet_tools.api.authoring.place import GROUP, refuse_existing, write_all
from mixnet_tools.api.authoring.yaml_text import MARK
from mixnet_tools.api.schemas import outdated_schemas
from mixnet_tools.conversion.arguments import plan_conversion
from mixnet_tools.descriptors.imagenet import imagenet_classes
from mixnet_tools.descriptors.model_yml import ACCURACY_FILE, MODEL_FILE, load_descriptor
from mixnet_tools.errors import ConversionError, DescriptorError


def check_texts(name: str, contents: Mapping[Path, bytes | Path], folder: Path, *, converts: bool) -> None:
    """Read what is to be written below ``folder`` as every stage will; ``converts`` plans the conversion, too.

    Raises :class:`DescriptorError` and :class:`ConversionError`, as the stages do.
    """
    with tempfile.TemporaryDirectory(prefix="mixnet-tools-") as scratch:
        place = Path(scratch) / GROUP / name
        place.mkdir(parents=True)
        for path, data in contents.items():
            if isinstance(data, bytes):
                (place / path.relative_to(folder)).write_bytes(data)
        try:
            descriptor = load_descriptor(place / MODEL_FILE, PurePosixPath(GROUP) / name)
            if converts:
                plan_conversion(descriptor, Path(scratch))
            if (place / ACCURACY_FILE).is_file():
                load_accuracy_config(place / ACCURACY_FILE)
        except (DescriptorError, ConversionError) as error:
            raise type(error)(str(error).replace(str(place), str(folder)), hint=error.hint) from error


def write_description(
    contents: Mapping[Path, bytes | Path], folder: Path, *, force: bool, dry_run: bool
) -> tuple[Path, ...]:
    """Write ``contents`` and the zoo's schemas, if those are old; ``dry_run`` writes nothing. Returns the paths.

    Raises :class:`OutputError` where something is there already, unless ``force`` is given, or cannot be written.
    """
    refuse_existing(contents, force=force)
    everything = {**contents, **outdated_schemas(folder.parents[1])}
    if not dry_run:
        write_all(everything)
    return tuple(everything)


def imagenet_labels(classes: int | None) -> bytes:
    """ImageNet's names of classes as labels.txt has them; for one class more, also the background."""
    lines = [f"{one.wordnet_id} {', '.join(one.words)}\n" for one in imagenet_classes()]
    return "".join(["background\n", *lines] if classes == len(lines) + 1 else lines).encode()


def decisions(text: str) -> tuple[str, ...]:
    """The comments at which a person must decide, each in one line."""
    found: list[str] = []
    is_open = False
    for line in text.splitlines():
        words = line.strip()
        if words.startswith(f"# {MARK}"):
            found.append(words.removeprefix(f"# {MARK}").strip())
            is_open = True
        elif is_open and words.startswith("# "):
            found[-1] += f" {words[2:]}"
        else:
            is_open = False
    return tuple(dict.fromkeys(found))
