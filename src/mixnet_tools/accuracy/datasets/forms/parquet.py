"""Parquet files of labelled images as on the Hugging Face hub: the columns ``image`` {bytes, path} and ``label``.

Labels and names are read at once, images when they are asked for. A row group is decompressed once, and kept while its
images are read.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mixnet_tools.accuracy.datasets.account import FileAccount
from mixnet_tools.accuracy.datasets.forms.base import ClassNames, FoundImages, Wanted
from mixnet_tools.accuracy.datasets.image import Cell, LabelledImage
from mixnet_tools.accuracy.datasets.labels.annotations import label_numbers
from mixnet_tools.accuracy.datasets.labels.name_lists import CARD, INFOS, find_name_list, label_names
from mixnet_tools.accuracy.datasets.remote import open_stream, reason
from mixnet_tools.errors import DatasetError, MissingDependency
from mixnet_tools.files import strict_json
from mixnet_tools.files.location import Location

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

_KEPT = 2
"""Row groups that stay in memory. Images are asked for nearly in order."""

_AGAIN = "fetch the file again"

_groups: OrderedDict[tuple[Location, int, tuple[int, ...]], pyarrow.ChunkedArray] = OrderedDict()
_lock = threading.Lock()


class ParquetFiles:
    """Parquet files, called ``*.parquet``."""

    def matches(self, name: str) -> bool:
        """See :class:`PackedForm`."""
        return name.endswith(".parquet")

    def read(self, source: Location, files: Sequence[Location], wanted: Wanted) -> FoundImages:
        """See :class:`PackedForm`."""
        wanted.refuse_annotations(source)
        images, texts = parquet_images(files, wanted.first_label or 0)
        names = ClassNames(texts, "labels") if texts else _class_names(files[0])
        account = FileAccount("rows", len(images), len(images))
        return FoundImages("parquet", images, class_names=names, accounts=(account,))


def parquet_images(files: Sequence[Location], first_label: int) -> tuple[tuple[LabelledImage, ...], tuple[str, ...]]:
    """The images of ``files``, in order; and the names that their labels stand for, where these are no numbers.

    Raises :class:`DatasetError` where a file is broken or lacks a column, :class:`MissingDependency` where pyarrow is
    not installed.
    """
    images: list[LabelledImage] = []
    labels: dict[str, int | str] = {}
    for file in files:
        table = _open(file)
        names = {column.path for column in (table.schema.column(index) for index in range(len(table.schema)))}
        missing = [name for name in ("image.bytes", "label") if name not in names]
        if missing:
            raise DatasetError(f"{file}: has no column {missing[0]!r}; it has {', '.join(sorted(names))}")
        columns = ["label", *(["image.path"] if "image.path" in names else [])]
        for group in range(table.num_row_groups):
            for row, values in enumerate(_rows(file, group, _read(file, table, group, columns))):
                label = values["label"]
                number = len(images)
                by_name = isinstance(label, str) and bool(label)
                if not by_name and (type(label) is not int or label < first_label):
                    raise DatasetError(
                        f"{file}: row {row} of group {group}: expected a label, got {label!r}",
                        hint="a test split often has no labels: `split=validation`" if label == -1 else None,
                    )
                image = values.get("image")
                bare = (image.get("path") if isinstance(image, dict) else None) or f"{number:06}"
                labels[str(number)] = str(label) if by_name else int(str(label)) - first_label
                images.append(LabelledImage(f"{file.name}/{bare}", file, 0, Cell(group, row)))
    numbers, texts = label_numbers(labels)
    found = (replace(image, label=label) for image, label in zip(images, numbers.values(), strict=True))
    return tuple(found), texts


def _class_names(file: Location) -> ClassNames | None:
    """What the hub calls the classes: in the file itself, or in a file beside it."""
    try:
        stored = (_open(file).schema_arrow.metadata or {}).get(b"huggingface")
        names = label_names(strict_json.loads(stored.decode("utf-8"))) if stored else ()
    except ValueError:  # of another tool
        names = ()
    if names:
        return ClassNames(names, "list")
    listed = find_name_list(file, (INFOS, CARD))
    return ClassNames(listed.names, "list", listed.file) if listed else None


def read_cell(file: Location, cell: Cell) -> bytes:
    """The bytes of one image. Safe to call from several threads."""
    with _lock:
        key = (file, cell.group, _stamp(file))
        if key not in _groups:
            _groups[key] = _read(file, _open(file), cell.group, ["image.bytes"]).column("image")
            while len(_groups) > _KEPT:
                _groups.popitem(last=False)
        _groups.move_to_end(key)
        column = _groups[key]
        # A damaged file may hold fewer images than labels.
        value = column[cell.row].as_py() if cell.row < len(column) else None
    data = (value or {}).get("bytes")
    if not isinstance(data, bytes):
        raise DatasetError(f"{file}: row {cell.row} of group {cell.group}: holds no bytes of an image")
    return data


def forget() -> None:
    """Drop the row groups in memory. Files behind URLs do not say when they change."""
    with _lock:
        _groups.clear()


def _stamp(file: Location) -> tuple[int, ...]:
    """Inode, size and time of a file, which change where another takes its place; nothing for URLs."""
    if file.is_remote:
        return ()
    try:
        found = file.path.stat()
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror or error}") from error
    return found.st_ino, found.st_size, found.st_mtime_ns


def _open(file: Location) -> ParquetFile:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingDependency(
            f"{file}: Parquet files are read with pyarrow, which is not installed",
            hint="pip install 'mixnet-tools[datasets]'",
        ) from error
    try:
        return parquet.ParquetFile(open_stream(file) if file.is_remote else file.path)
    except Exception as error:  # of pyarrow and the file system, and of what reads URLs
        raise DatasetError(f"{file}: cannot be read as Parquet: {reason(error)}", hint=_AGAIN) from error


def _rows(file: Location, group: int, table: pyarrow.Table) -> list[dict[str, object]]:
    """The values of each row. Text that is no UTF-8 shows only here."""
    try:
        rows: list[dict[str, object]] = table.to_pylist()
    except Exception as error:
        raise DatasetError(f"{file}: row group {group} cannot be read: {reason(error)}", hint=_AGAIN) from error
    return rows


def _read(file: Location, table: ParquetFile, group: int, columns: list[str]) -> pyarrow.Table:
    try:
        return table.read_row_group(group, columns=columns)
    except Exception as error:
        raise DatasetError(f"{file}: row group {group} cannot be read: {reason(error)}", hint=_AGAIN) from error
