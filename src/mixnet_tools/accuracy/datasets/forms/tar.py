"""Uncompressed tars of images: their members, found by one walk over the headers, and ImageNet's validation tar.

A tar with label files beside its images is a WebDataset (:mod:`.webdataset`). ImageNet's holds images only. Their
labels come from its devkit or from an annotation file.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mixnet_tools.accuracy.datasets.account import settle
from mixnet_tools.accuracy.datasets.folder import parent_folder
from mixnet_tools.accuracy.datasets.forms import webdataset
from mixnet_tools.accuracy.datasets.forms.base import ClassNames, FoundImages, Wanted
from mixnet_tools.accuracy.datasets.image import LabelledImage, Span, is_image, looks_like_image
from mixnet_tools.accuracy.datasets.labels.annotations import ANNOTATION_FILE, label_numbers, listed_labels
from mixnet_tools.accuracy.datasets.labels.imagenet_devkit import find_devkit, is_devkit, labels_by_number
from mixnet_tools.accuracy.datasets.remote import open_in_blocks, size_of
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location


@dataclass(frozen=True)
class Member:
    """A file in a tar: its ``name`` (POSIX), and where its bytes are. ``text`` is the beginning of a label file."""

    name: str
    span: Span
    text: bytes = b""


class TarFiles:
    """Uncompressed tars: a WebDataset, or ImageNet's ILSVRC2012_img_val.tar."""

    def matches(self, name: str) -> bool:
        """See :class:`PackedForm`."""
        return name.endswith(".tar")

    def read(self, source: Location, files: Sequence[Location], wanted: Wanted) -> FoundImages:
        """See :class:`PackedForm`."""
        found = {tar: members(tar) for tar in files}
        if any(webdataset.is_label(member.name) for one in found.values() for member in one):
            wanted.refuse_annotations(source)
            return webdataset.read(source, found, wanted)
        annotations = wanted.annotations or _labels_beside(files[0])
        if annotations is None or len(files) != 1:
            raise DatasetError(
                f"{source}: images without labels: neither .cls members in the tar, nor ImageNet's "
                f"devkit or {ANNOTATION_FILE} beside it",
                hint="give ILSVRC2012_devkit_t12.tar.gz, or a file of 'name label' lines, as `annotations`",
            )
        tar, inside = files[0], found[files[0]]
        label_of, names = _label_function(tar, inside, annotations, wanted)
        images = imagenet_images(tar, inside, label_of)
        account = settle(
            "members",
            str(tar),
            [member.name for member in inside],
            used={image.name for image in images},
            known=webdataset.hidden(inside),
            exclusions=wanted.exclusions,
        )
        class_names = ClassNames(names, "labels") if names else None
        return FoundImages("imagenet_tar", images, annotations, class_names, (account,))


def members(tar: Location) -> list[Member]:
    """The files in ``tar``.

    Raises :class:`DatasetError` where it is broken or compressed, and where two members have one name: unpacking would
    keep the last, reading in place both.
    """
    try:
        with open_in_blocks(tar) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            found: list[Member] = []
            spans: dict[str, Span] = {}
            last = 0
            for entry in archive:
                if entry.size < 0:
                    raise tarfile.ReadError(f"{entry.name} has {entry.size} bytes")
                last = max(last, entry.offset_data + (entry.size if entry.isreg() else 0))
                # A hard link is another name of a member before it.
                span = Span(entry.offset_data, entry.size) if entry.isreg() else spans.get(entry.linkname)
                if entry.isreg() or entry.islnk() or (entry.issym() and looks_like_image(entry.name)):
                    if span is None or entry.issym():
                        raise tarfile.ReadError(f"{entry.name} is a link to {entry.linkname}, not a file")
                    spans[entry.name] = span
                    text = b""
                    if webdataset.is_label(entry.name):
                        stream.seek(span.offset)
                        text = stream.read(min(span.size, 64))
                    found.append(Member(entry.name.removeprefix("./"), span, text))
            end = -(-last // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            stream.seek(end)
            behind = stream.read(tarfile.BLOCKSIZE)
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:  # the last two: of PAX headers
        raise DatasetError(
            f"{tar}: cannot be read as an uncompressed tar: {error}",
            hint="a compressed tar cannot be read in place: unpack it once (gunzip, unzstd)",
        ) from error
    size = size_of(tar) if tar.is_remote else tar.path.stat().st_size
    cut = next((one for one in found if size is not None and one.span.offset + one.span.size > size), None)
    if cut is not None:
        raise DatasetError(f"{tar}: ends in the middle of {cut.name}", hint="fetch the file again")
    # After the last member, padded to whole blocks, a tar has a block of zeros. tarfile takes anything else there for
    # the end as well, so that a tar cut between members would seem whole.
    if behind != bytes(tarfile.BLOCKSIZE):
        raise DatasetError(f"{tar}: is cut or damaged at byte {end}", hint="fetch the file again")
    names: set[str] = set()
    for one in found:
        if one.name in names:
            raise DatasetError(f"{tar}: holds {one.name} twice", hint="pack the files anew")
        names.add(one.name)
    return found


def imagenet_images(
    tar: Location, found: Sequence[Member], label_of: Callable[[str], int]
) -> tuple[LabelledImage, ...]:
    """The images among the members ``found`` of ``tar``, by name, each with the label that ``label_of`` gives its name.

    Raises :class:`DatasetError` where there are none.
    """
    left_out = frozenset(name for name, _ in webdataset.hidden(found))
    chosen = [one for one in found if is_image(one.name) and one.name not in left_out]
    images = [LabelledImage(one.name, tar, label_of(one.name), one.span) for one in chosen]
    if not images:
        raise DatasetError(f"{tar}: holds no images")
    return tuple(sorted(images, key=lambda image: image.name))


def _labels_beside(tar: Location) -> Location | None:
    folder = parent_folder(tar)
    if folder is None:
        return None
    listed = folder.location / ANNOTATION_FILE if folder.has_file(ANNOTATION_FILE) else None
    return find_devkit(folder) or listed


def _label_function(
    tar: Location, found: Sequence[Member], annotations: Location, wanted: Wanted
) -> tuple[Callable[[str], int], tuple[str, ...]]:
    """(the label of a member, the names that labels stand for)."""
    if is_devkit(annotations):
        return labels_by_number(annotations), ()
    members = frozenset(member.name for member in found)
    labels, names = label_numbers(listed_labels(tar, annotations, wanted.first_label or 0, members.__contains__))

    def label_of(name: str) -> int:
        if name not in labels:
            raise DatasetError(f"{annotations}: has no line for {name}, which is in {tar}")
        return labels[name]

    return label_of, names
