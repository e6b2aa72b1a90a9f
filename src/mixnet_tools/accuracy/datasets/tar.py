"""Labelled images in uncompressed tars, found by one walk over their headers: WebDataset shards, ImageNet's own tar.

A WebDataset sample is the members that share a name up to the first dot of its last part: ``000.jpg``, ``000.cls``.
ImageNet's validation tar holds images only; their labels come from elsewhere (:mod:`.devkit`, an annotation file).
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from mixnet_tools.accuracy.datasets.image import LabelledImage, Span
from mixnet_tools.accuracy.datasets.remote import open_in_blocks, size_of
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
"""What counts as an image by its name, in folders and tars. An annotation file may name any file."""

LABEL_SUFFIX = ".cls"


@dataclass(frozen=True)
class Member:
    """A file in a tar: its ``name`` (POSIX), and where its bytes are; what begins a file of a label is ``text``."""

    name: str
    span: Span
    text: bytes = b""


@dataclass
class _Sample:
    image: Member | None = None
    label: int | None = None


def members(path: Location) -> list[Member]:
    """The files in the tar at ``path``.

    Raises :class:`DatasetError` where it is broken or compressed, and where two members have one name: unpacking would
    keep the last, reading in place both.
    """
    try:
        with open_in_blocks(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            found, last = [], 0
            for entry in archive:
                last = max(last, entry.offset_data + (entry.size if entry.isreg() else 0))
                if entry.isreg():
                    text = b""
                    if entry.name.lower().endswith(LABEL_SUFFIX):
                        stream.seek(entry.offset_data)
                        text = stream.read(min(entry.size, 64))
                    found.append(Member(entry.name.removeprefix("./"), Span(entry.offset_data, entry.size), text))
            end = -(-last // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            stream.seek(end)
            behind = stream.read(tarfile.BLOCKSIZE)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DatasetError(
            f"{path}: cannot be read as an uncompressed tar: {error}",
            hint="a compressed tar cannot be read in place: unpack it once (gunzip, unzstd)",
        ) from error
    size = size_of(path) if path.is_remote else path.path.stat().st_size
    cut = next((one for one in found if size is not None and one.span.offset + one.span.size > size), None)
    if cut is not None:
        raise DatasetError(f"{path}: ends in the middle of {cut.name}", hint="fetch the file again")
    # After the last member, padded to whole blocks, a tar has a block of zeros. tarfile takes anything else there for
    # the end as well, so that a tar cut between members would seem whole.
    if behind != bytes(tarfile.BLOCKSIZE):
        raise DatasetError(f"{path}: is cut or damaged at byte {end}", hint="fetch the file again")
    names: set[str] = set()
    for one in found:
        if one.name in names:
            raise DatasetError(f"{path}: holds {one.name} twice", hint="pack the files anew")
        names.add(one.name)
    return found


def is_webdataset(found: Sequence[Member]) -> bool:
    """Whether labels lie beside the images."""
    return any(member.name.lower().endswith(LABEL_SUFFIX) for member in found)


def webdataset(shards: Mapping[Location, Sequence[Member]], first_label: int) -> tuple[LabelledImage, ...]:
    """The samples of ``shards``, in order. Raises :class:`DatasetError` where one lacks its image or its label."""
    images: list[LabelledImage] = []
    for path, found in shards.items():
        prefix = f"{path.stem}/" if len(shards) > 1 else ""
        for key, sample in _samples(path, found).items():
            if sample.image is None and sample.label is None:
                continue  # neither: a README, or other annotations
            if sample.image is None or sample.label is None:
                lacking = "an image" if sample.image is None else f"a label ({key}{LABEL_SUFFIX})"
                raise DatasetError(
                    f"{path}: the sample {key!r} has no {lacking.removeprefix('an ').removeprefix('a ')}"
                )
            label = sample.label - first_label
            if label < 0:
                raise DatasetError(f"{path}: {key}{LABEL_SUFFIX}: label {sample.label} is below {first_label}")
            images.append(LabelledImage(prefix + sample.image.name, path, label, sample.image.span))
    return tuple(images)


def imagenet_tar(path: Location, found: Sequence[Member], label_of: Callable[[str], int]) -> tuple[LabelledImage, ...]:
    """The images of ``found`` by name, each with the label that ``label_of`` gives its name."""
    images = [LabelledImage(one.name, path, label_of(one.name), one.span) for one in found if is_image(one.name)]
    if not images:
        raise DatasetError(f"{path}: holds no images")
    return tuple(sorted(images, key=lambda image: image.name))


def is_image(name: str) -> bool:
    """Whether ``name`` is that of an image that is not hidden."""
    path = PurePosixPath(name)
    return not path.name.startswith(".") and path.suffix.lower() in IMAGE_SUFFIXES


def _samples(path: Location, found: Sequence[Member]) -> dict[str, _Sample]:
    samples: dict[str, _Sample] = {}
    for member, key, suffix in _keyed(found):
        sample = samples.setdefault(key, _Sample())
        if suffix == LABEL_SUFFIX:
            if sample.label is not None:  # a.cls and a.CLS
                raise DatasetError(f"{path}: the sample {key!r} has two labels: {member.name} is the second")
            sample.label = _label(path, member)
        elif suffix in IMAGE_SUFFIXES:
            if sample.image is not None:
                both = f"{sample.image.name} and {member.name}"
                raise DatasetError(f"{path}: two images are called {key!r}: {both}")
            sample.image = member
    return samples


def _keyed(found: Sequence[Member]) -> Iterator[tuple[Member, str, str]]:
    for member in found:
        folder, slash, bare = member.name.rpartition("/")
        stem, _, suffix = bare.partition(".")
        if stem:
            yield member, folder + slash + stem, f".{suffix.lower()}"


def _label(path: Location, member: Member) -> int:
    text = member.text.decode("ascii", "replace").strip()
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise DatasetError(f"{path}: {member.name}: expected a label of 0 or more, got {text!r}")
    return int(text)
