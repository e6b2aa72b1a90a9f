"""TFRecord files of labelled images, read without TensorFlow: a walk over the records that skips the images' bytes.

A record is its length (8 bytes, little-endian), a checksum of the length (masked CRC-32C), its data, and a checksum of
the data. The last is not verified here: a damaged image does not decode. The data is a tf.train.Example. The features
``image/encoded`` and ``image/class/label`` (TensorFlow's ImageNet scripts) or ``image`` and ``label`` (TensorFlow
Datasets) are used, and the file name where there is one. Only the few pages that hold them are read.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mixnet_tools.accuracy.datasets.account import FileAccount
from mixnet_tools.accuracy.datasets.forms.base import ClassNames, FoundImages, Wanted
from mixnet_tools.accuracy.datasets.image import LabelledImage, Span
from mixnet_tools.accuracy.datasets.labels.name_lists import PLAIN_LISTS, find_name_list
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

_IMAGE = ("image/encoded", "image")
_FIRST_LABEL = {"image/class/label": 1, "label": 0}
"""The features that may hold the label, with the number of the first class: TensorFlow's ImageNet scripts keep 0 for
the background, TensorFlow Datasets counts from 0.
"""
_NAME = ("image/filename", "file_name")
_NUMBERED = re.compile(r".+-\d{5}-of-\d{5}")
_LENGTH_DELIMITED, _VARINT = 2, 0
_FIXED = {1: 8, 5: 4}
_AGAIN = "fetch the file again"


class TfRecordFiles:
    """TFRecord files, called ``*.tfrecord*`` or ``NAME-00000-of-00004``."""

    def matches(self, name: str) -> bool:
        """See :class:`PackedForm`."""
        return ".tfrecord" in name or bool(_NUMBERED.fullmatch(name))

    def read(self, source: Location, files: Sequence[Location], wanted: Wanted) -> FoundImages:
        """See :class:`PackedForm`. Files behind a URL are refused: they are mapped into memory."""
        wanted.refuse_annotations(source)
        if files[0].is_remote:
            raise DatasetError(
                f"{files[0]}: TFRecords are read from files only, not through URLs",
                hint="copy them to a folder that all workers see, or take another form: tar, Parquet, images",
            )
        images = tfrecords(files, wanted.first_label)
        listed = find_name_list(files[0], PLAIN_LISTS[:1])
        names = ClassNames(listed.names, "list", listed.file) if listed else None
        account = FileAccount("records", len(images), len(images))
        return FoundImages("tfrecord", images, class_names=names, accounts=(account,))


def tfrecords(files: Sequence[Location], first_label: int | None) -> tuple[LabelledImage, ...]:
    """The images of ``files``, in order.

    ``first_label`` is the number of the first class, 0 or 1; None stands for what the writers of the feature do: 1 for
    ``image/class/label``, 0 for ``label``.

    Raises :class:`DatasetError` that names file and record where a record is broken, has no image or no label, or has
    both features and so two labels.
    """
    images: list[LabelledImage] = []
    for file in files:
        for number, record in enumerate(_records(file)):
            found = _features(record)
            if found.image is None or not found.labels:
                lacking = "image/encoded" if found.image is None else "image/class/label"
                raise DatasetError(f"{file}: record {number} has no feature {lacking!r}")
            if len(found.labels) > 1:
                raise DatasetError(
                    f"{file}: record {number} has the features {' and '.join(map(repr, sorted(found.labels)))}: "
                    "one of them must hold the label",
                    hint="write the records anew with one of the two",
                )
            ((feature, label),) = found.labels.items()
            first = _FIRST_LABEL[feature] if first_label is None else first_label
            if label < first:
                raise DatasetError(
                    f"{file}: record {number} has label {label}, but the classes of {feature!r} count from {first}",
                    hint="`first_label=0` where these labels count from 0" if label == 0 else None,
                )
            name = f"{file.name}/{found.name or f'{number:06}'}"
            images.append(LabelledImage(name, file, label - first, found.image))
    return tuple(images)


@dataclass
class _Found:
    image: Span | None = None
    labels: dict[str, int] = field(default_factory=dict)
    name: str | None = None


@dataclass(frozen=True)
class _Bytes:
    """Bytes ``start`` to ``stop`` of a mapped file. ``where`` names the record in messages."""

    data: mmap.mmap
    start: int
    stop: int
    where: str


def _records(file: Location) -> Iterator[_Bytes]:
    size = file.path.stat().st_size
    if size == 0:
        raise DatasetError(f"{file}: is empty", hint=_AGAIN)
    with file.path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = number = 0
        while place < size:
            where = f"{file}: record {number}"
            if place + 12 > size:
                raise DatasetError(f"{where}: the file ends in its header", hint=_AGAIN)
            header = data[place : place + 8]
            length, checksum = struct.unpack("<QI", data[place : place + 12])
            if _masked_crc32c(header) != checksum:
                raise DatasetError(f"{where}: no TFRecord (the checksum of its length is wrong)")
            if place + 16 + length > size:
                raise DatasetError(f"{where}: the file ends in its data", hint=_AGAIN)
            yield _Bytes(data, place + 12, place + 12 + length, where)
            place += 16 + length
            number += 1


def _features(record: _Bytes) -> _Found:
    """Example { Features features = 1 { map<string, Feature> feature = 1 } }."""
    found = _Found()
    for example in _fields(record, 1):
        for entry in _fields(example, 1):
            key = next(iter(_fields(entry, 1)), None)
            value = next(iter(_fields(entry, 2)), None)
            if key is None or value is None:
                continue
            name = bytes(key.data[key.start : key.stop]).decode("utf-8", "replace")
            if name in _IMAGE:
                inside = _first_bytes(value)
                found.image = Span(inside.start, inside.stop - inside.start) if inside else None
            elif name in _FIRST_LABEL:
                label = _first_integer(value)
                if label is not None:
                    found.labels[name] = label
            elif name in _NAME:
                inside = _first_bytes(value)
                text = bytes(inside.data[inside.start : inside.stop]).decode("utf-8", "replace") if inside else ""
                found.name = text.replace("/", "_") or None
    return found


def _first_bytes(feature: _Bytes) -> _Bytes | None:
    """Feature { BytesList bytes_list = 1 { repeated bytes value = 1 } }."""
    return next((value for listed in _fields(feature, 1) for value in _fields(listed, 1)), None)


def _first_integer(feature: _Bytes) -> int | None:
    """Feature { Int64List int64_list = 3 { repeated int64 value = 1 [packed] } }; negative ones are no labels."""
    for listed in _fields(feature, 3):
        place, stop = listed.start, listed.stop
        while place < stop:
            tag, place = _varint(listed, place)
            value, after = _varint(listed, place)
            if tag >> 3 == 1:
                # Packed: a length, then the values; else the value itself.
                number = _varint(listed, after)[0] if tag & 7 == _LENGTH_DELIMITED else value
                return number if number < 1 << 63 else -1
            place = after + (value if tag & 7 == _LENGTH_DELIMITED else 0)
    return None


def _fields(message: _Bytes, wanted: int) -> Iterator[_Bytes]:
    """The length-delimited fields number ``wanted`` of ``message``."""
    place = message.start
    while place < message.stop:
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == _LENGTH_DELIMITED:
            length, place = _varint(message, place)
            if place + length > message.stop:
                raise DatasetError(f"{message.where}: no tf.train.Example (a field is longer than its message)")
            if tag >> 3 == wanted:
                yield _Bytes(message.data, place, place + length, message.where)
            place += length
        elif kind == _VARINT:
            _, place = _varint(message, place)
        elif kind in _FIXED:
            place += _FIXED[kind]
        else:
            raise DatasetError(f"{message.where}: no tf.train.Example (wire type {kind})")


def _varint(message: _Bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < message.stop and shift < 70:
        byte = message.data[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
        shift += 7
    raise DatasetError(f"{message.where}: no tf.train.Example (a number without end)")


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC_TABLE = _table()


def _masked_crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
