"""TFRecord files of labelled images, read without TensorFlow: a walk over the records that skips the images' bytes.

A record is its length (8 bytes, little-endian), a checksum of the length (masked CRC-32C), its data, and a checksum of
the data. The last is not verified here: a damaged image does not decode. The data is a tf.train.Example. The features
``image/encoded`` and ``image/class/label`` (TensorFlow's ImageNet scripts) or ``image`` and ``label`` (TensorFlow
Datasets) are used, ``image/class/synset`` for labels by name, and the file name where there is one. Only the few pages
that hold them are read.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mixnet_tools.accuracy.datasets.account import FileAccount
from mixnet_tools.accuracy.datasets.forms.base import ClassNames, FoundImages, Wanted
from mixnet_tools.accuracy.datasets.image import LabelledImage, Span
from mixnet_tools.accuracy.datasets.labels.annotations import label_numbers
from mixnet_tools.accuracy.datasets.labels.class_names import ModelClasses
from mixnet_tools.accuracy.datasets.labels.name_lists import PLAIN_LISTS, find_name_list
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

_IMAGE = ("image/encoded", "image")
_FIRST_LABEL = {"image/class/label": 1, "label": 0}
"""The features that may hold the label, with the number of the first class: TensorFlow's ImageNet scripts keep 0 for
the background, TensorFlow Datasets counts from 0.
"""
_SYNSET = "image/class/synset"
"""The WordNet id of the class."""

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
        records = tfrecords(files, wanted.first_label)
        by_name = _synsets(records, wanted.classes)
        account = FileAccount("records", len(records), len(records))
        if by_name is not None:
            synsets, remark = by_name
            numbers, ids = label_numbers({str(number): synset for number, synset in enumerate(synsets)})
            images = tuple(one.with_label(label) for one, label in zip(records, numbers.values(), strict=True))
            return FoundImages(
                "tfrecord",
                images,
                class_names=ClassNames(ids, "labels"),
                accounts=(account,),
                remarks=(remark,) if remark else (),
            )
        unlabelled = next((one.label for one in records if isinstance(one.label, DatasetError)), None)
        if unlabelled is not None:
            raise unlabelled
        images = tuple(one.with_label(one.label) for one in records if isinstance(one.label, int))
        listed = find_name_list(files[0], PLAIN_LISTS[:1])
        names = ClassNames(listed.names, "list", listed.file) if listed else None
        return FoundImages("tfrecord", images, class_names=names, accounts=(account,))


@dataclass(frozen=True)
class LabelledRecord:
    """The image called ``name`` in a record of ``file``.

    ``label`` is its number, from 0, or what is wrong with it. ``synset`` is the WordNet id of its class, where the
    record has one.
    """

    name: str
    file: Location
    image: Span
    label: int | DatasetError
    synset: str | None

    def with_label(self, label: int) -> LabelledImage:
        """The image, with the label that counts."""
        return LabelledImage(self.name, self.file, label, self.image)


def tfrecords(files: Sequence[Location], first_label: int | None) -> tuple[LabelledRecord, ...]:
    """The images of ``files``, in order.

    ``first_label`` is the number of the first class, 0 or 1; None stands for what the writers of the feature do: 1 for
    ``image/class/label``, 0 for ``label``.

    Raises :class:`DatasetError` that names file and record where a record is broken, has no image, or neither a label
    nor a synset.
    """
    found: list[LabelledRecord] = []
    for file in files:
        for number, record in enumerate(_records(file)):
            one = _features(record)
            if one.image is None:
                raise DatasetError(f"{file}: record {number} has no feature 'image/encoded'")
            label = _label(f"{file}: record {number}", one.labels, first_label)
            if one.synset is None and isinstance(label, DatasetError):
                raise label
            name = f"{file.name}/{one.name or f'{number:06}'}"
            found.append(LabelledRecord(name, file, one.image, label, one.synset))
    return tuple(found)


def _label(record: str, labels: Mapping[str, int], first_label: int | None) -> int | DatasetError:
    """The label, from 0, of ``record``, whose features ``labels`` are; or what is wrong with them."""
    if not labels:
        return DatasetError(f"{record} has no feature 'image/class/label'")
    if len(labels) > 1:
        return DatasetError(
            f"{record} has the features {' and '.join(map(repr, sorted(labels)))}: one of them must hold the label",
            hint="write the records anew with one of the two",
        )
    ((feature, label),) = labels.items()
    first = _FIRST_LABEL[feature] if first_label is None else first_label
    if label < first:
        return DatasetError(
            f"{record} has label {label}, but the classes of {feature!r} count from {first}",
            hint="`first_label=0` where these labels count from 0" if label == 0 else None,
        )
    return label - first


def _synsets(records: Sequence[LabelledRecord], model: ModelClasses | None) -> tuple[list[str], str | None] | None:
    """The synset of each record, and a remark, where these are to count as labels; None where the numbers are.

    They count where numbers cannot be used, and where the model knows all of them and they say something else.
    """
    synsets = [one.synset for one in records if one.synset is not None]
    if not synsets or len(synsets) < len(records):
        return None
    if any(isinstance(one.label, DatasetError) for one in records):
        return synsets, None
    meant = [model.labels(synset) if model else frozenset[int]() for synset in synsets]
    other = next((one for one, labels in zip(records, meant, strict=True) if one.label not in labels), None)
    if other is None or not all(meant):
        return None
    remark = f"{other.name} is of {other.synset}, and its number {other.label} (from 0) is that of another class"
    return synsets, f"{remark}: the features {_SYNSET} count, not the numbers"


@dataclass
class _Found:
    image: Span | None = None
    labels: dict[str, int] = field(default_factory=dict)
    name: str | None = None
    synset: str | None = None


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
                found.name = _text(value).replace("/", "_") or None
            elif name == _SYNSET:
                found.synset = _text(value) or None
    return found


def _text(feature: _Bytes) -> str:
    inside = _first_bytes(feature)
    return bytes(inside.data[inside.start : inside.stop]).decode("utf-8", "replace").strip() if inside else ""


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
