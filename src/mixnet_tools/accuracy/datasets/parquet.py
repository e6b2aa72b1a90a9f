"""Labelled images in Parquet shards as the Hugging Face hub has them: columns ``image`` {bytes, path} and ``label``.

Labels and names are read at once, images as they are asked for: a row group is decompressed once and kept while its
neighbours are read.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from mixnet_tools.accuracy.datasets.image import Cell, LabelledImage
from mixnet_tools.accuracy.datasets.remote import open_stream, reason
from mixnet_tools.errors import DatasetError, MissingDependency
from mixnet_tools.files.location import Location

_KEPT = 2
"""Row groups in memory: images are asked for nearly in order."""

_groups: OrderedDict[tuple[Location, int, tuple[int, ...]], Any] = OrderedDict()
_lock = threading.Lock()


def parquet_images(paths: Sequence[Location], first_label: int) -> tuple[LabelledImage, ...]:
    """The images of the shards ``paths``, in order.

    Raises :class:`DatasetError` where a shard is broken or lacks a column, :class:`MissingDependency` where pyarrow is
    not installed.
    """
    images: list[LabelledImage] = []
    for path in paths:
        table = _open(path)
        names = {column.path for column in (table.schema.column(index) for index in range(len(table.schema)))}
        missing = [name for name in ("image.bytes", "label") if name not in names]
        if missing:
            raise DatasetError(f"{path}: has no column {missing[0]!r}; it has {', '.join(sorted(names))}")
        columns = ["label", *(["image.path"] if "image.path" in names else [])]
        for group in range(table.num_row_groups):
            for row, values in enumerate(_read(path, table, group, columns).to_pylist()):
                label = values["label"]
                number = len(images)
                if type(label) is not int or label < first_label:
                    raise DatasetError(f"{path}: row {row} of group {group}: expected a label, got {label!r}")
                bare = (values.get("image") or {}).get("path") or f"{number:06}"
                images.append(LabelledImage(f"{path.name}/{bare}", path, label - first_label, Cell(group, row)))
    return tuple(images)


def read_cell(path: Location, cell: Cell) -> bytes:
    """The bytes of one image. Safe to call from several threads."""
    with _lock:
        key = (path, cell.group, _stamp(path))
        if key not in _groups:
            _groups[key] = _read(path, _open(path), cell.group, ["image.bytes"]).column("image")
            while len(_groups) > _KEPT:
                _groups.popitem(last=False)
        _groups.move_to_end(key)
        value = _groups[key][cell.row].as_py()
    data = (value or {}).get("bytes")
    if not isinstance(data, bytes):
        raise DatasetError(f"{path}: row {cell.row} of group {cell.group}: holds no bytes of an image")
    return data


def forget() -> None:
    """Read anew what is asked for from now on: files behind URLs do not say when they change."""
    with _lock:
        _groups.clear()


def _stamp(path: Location) -> tuple[int, ...]:
    """What tells a file from another that took its place; nothing for URLs."""
    if path.is_remote:
        return ()
    try:
        found = path.path.stat()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    return found.st_ino, found.st_size, found.st_mtime_ns


def _open(path: Location) -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingDependency(
            f"{path}: Parquet files are read with pyarrow, which is not installed",
            hint="pip install 'mixnet-tools[datasets]'",
        ) from error
    try:
        return parquet.ParquetFile(open_stream(path) if path.is_remote else path.path)
    except Exception as error:  # of pyarrow and the file system, and of what reads URLs
        raise DatasetError(
            f"{path}: cannot be read as Parquet: {reason(error)}", hint="fetch the shard again"
        ) from error


def _read(path: Location, table: Any, group: int, columns: list[str]) -> Any:
    try:
        return table.read_row_group(group, columns=columns)
    except Exception as error:
        raise DatasetError(
            f"{path}: row group {group} cannot be read: {reason(error)}", hint="fetch the shard again"
        ) from error
