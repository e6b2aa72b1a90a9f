"""Find the images to classify: files, folders, URLs, or bytes. Each is read when it is its turn."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mixnet_tools.accuracy.classification.web_image import fetch_image
from mixnet_tools.accuracy.datasets.folder import LocalFolder
from mixnet_tools.accuracy.datasets.image import is_image
from mixnet_tools.accuracy.datasets.image_bytes import MAX_BYTES, in_memory, local_file
from mixnet_tools.accuracy.datasets.remote import read
from mixnet_tools.errors import DatasetError, UsageError
from mixnet_tools.files.location import Location

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".m3u8"})
DATASET_SUFFIXES = frozenset({".tar", ".tgz", ".gz", ".zip", ".parquet", ".tfrecord", ".tfrecords", ".7z"})
_STREAMS = ("rtsp", "rtmp", "rtp", "udp")


@dataclass(frozen=True)
class ImageToClassify:
    """An image: its ``name`` in results, and its bytes, or where these are."""

    name: str
    source: Location | bytes

    def open(self) -> Path | io.BytesIO:
        """The path of the file, or its bytes in memory.

        Raises :class:`DatasetError` where it cannot be read, has more than
        :data:`~mixnet_tools.accuracy.datasets.image_bytes.MAX_BYTES`, or is no regular file.
        """
        if isinstance(self.source, bytes):
            return in_memory(self.source, self.name)
        if self.source.scheme in ("http", "https"):
            return io.BytesIO(fetch_image(self.source, MAX_BYTES))
        if self.source.is_remote:
            return in_memory(read(self.source), self.name)
        return local_file(self.source.path, str(self.source))


def find_images(places: Iterable[Location | bytes]) -> tuple[ImageToClassify, ...]:
    """The images at ``places``, in their order: an image file, a folder of them at any depth, a URL, or bytes.

    Files that a folder holds beside its images are left out. Raises :class:`DatasetError` where a place does not exist
    or a folder holds no image, :class:`UsageError` for a video, a camera, or a data set in one file.
    """
    found: list[ImageToClassify] = []
    for number, place in enumerate(places, start=1):
        if isinstance(place, bytes):
            found.append(ImageToClassify(f"image {number}", place))
        else:
            found += _images_at(place)
    return tuple(found)


def _images_at(place: Location) -> list[ImageToClassify]:
    _refuse_others(place)
    if place.is_remote:
        return [ImageToClassify(str(place), place)]
    path = place.path
    if path.is_dir():
        names = list(filter(is_image, LocalFolder(place).tree.files()))
        if not names:
            raise DatasetError(f"{path}: no image in this folder", hint="give images, or a folder with images in it")
        return [ImageToClassify(str(path / name), place / name) for name in names]
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder")
    return [ImageToClassify(str(path), place)]


def _refuse_others(place: Location) -> None:
    suffix = PurePosixPath(place.name).suffix.lower()
    text = str(place)
    camera = not place.is_remote and (text.startswith("/dev/video") or (text.isdigit() and not place.path.exists()))
    if camera or suffix in VIDEO_SUFFIXES or place.scheme in _STREAMS:
        what = "a camera" if camera else "a video"
        raise UsageError(
            f"{place}: {what}; only single images are classified",
            hint="save the frames that matter as images first",
        )
    if suffix in DATASET_SUFFIXES and not is_image(place.name):
        raise UsageError(
            f"{place}: holds many images; give image files or a folder of them",
            hint="labelled images in one file are measured by mixnet_tools.evaluate",
        )
