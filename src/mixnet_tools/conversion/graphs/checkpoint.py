"""The index of a TensorFlow checkpoint (V2): which variables it holds, and their values, read without TensorFlow.

``<prefix>.index`` is a table in LevelDB's format (https://github.com/google/leveldb/blob/main/doc/table_format.md),
sorted by key, that TensorFlow writes uncompressed. The empty key holds a ``BundleHeaderProto``, every other key is a
variable's name and holds a ``BundleEntryProto`` (tensorflow/core/protobuf/tensor_bundle.proto): type, shape, and where
the bytes lie in ``<prefix>.data-?????-of-?????``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from mixnet_tools.conversion.graphs.message_class import Field, message_class
from mixnet_tools.conversion.graphs.variables import AVERAGE_SUFFIX
from mixnet_tools.errors import FreezeError, NextStep
from mixnet_tools.reference.tensorflow_library import TensorFlowFailure, dtype_of

Array = npt.NDArray[np.generic]

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48


@dataclass(frozen=True)
class AverageReport:
    """The moving averages of a checkpoint.

    ``averaged`` of the network's ``variables`` have one, ``different`` of these are not equal to the raw value, and
    ``largest_difference`` is the largest absolute difference of any element.
    """

    variables: int
    averaged: int
    different: int
    largest_difference: float


@dataclass(frozen=True)
class Entry:
    """A variable: TensorFlow's number of its ``dtype``, its ``shape``, and ``size`` bytes at ``offset`` of a ``shard``.

    ``partitioned`` variables have no bytes of their own: their slices stand under other keys.
    """

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    partitioned: bool


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of version 2 at ``prefix``, in ``shards`` data files. ``fetch_again`` is the hint for damage."""

    prefix: Path
    shards: int
    entries: Mapping[str, Entry]
    fetch_again: NextStep

    def value(self, name: str) -> Array:
        """The value of the variable ``name``. Raises :class:`FreezeError` where the files do not hold it."""
        entry = self.entries.get(name)
        if entry is None:
            whole = name.partition("/part_")[0]
            if whole in self.entries:
                raise self._partitioned(whole)
            raise FreezeError(
                f"{self.prefix}: the checkpoint lacks the variable {name!r} ({len(self.entries)} others are there): it "
                "does not belong to the meta graph, or is damaged",
                hint=self.fetch_again,
            )
        if entry.partitioned:
            raise self._partitioned(name)
        path = self.data_file(entry.shard)
        try:
            with path.open("rb") as stream:
                stream.seek(entry.offset)
                data = stream.read(entry.size)
        except OSError as error:
            message = f"{path}: cannot be read: {error.strerror or error}"
            raise FreezeError(message, hint=self.fetch_again) from error
        try:
            kind = dtype_of(entry.dtype)
        except TensorFlowFailure as error:
            raise FreezeError(f"{self.prefix}: {name!r}: {error}") from error
        expected = math.prod(entry.shape) * kind.itemsize
        if len(data) != entry.size or entry.size != expected:
            raise FreezeError(
                f"{path}: {name!r} has {len(data)} bytes at {entry.offset}, expected {expected} "
                f"for {kind} of shape {entry.shape}",
                hint=self.fetch_again,
            )
        return np.frombuffer(data, kind).reshape(entry.shape)

    def data_file(self, shard: int) -> Path:
        """Where the bytes of the variables of data file number ``shard`` are."""
        return self.prefix.with_name(f"{self.prefix.name}.data-{shard:05d}-of-{self.shards:05d}")

    def averages(self, names: Collection[str]) -> AverageReport:
        """Compare each of the variables ``names`` with its moving average, where both are there."""
        pairs = [(name, name + AVERAGE_SUFFIX) for name in sorted(names)]
        pairs = [pair for pair in pairs if pair[0] in self.entries and pair[1] in self.entries]
        gaps = [self._gap(raw, shadow) for raw, shadow in pairs]
        return AverageReport(len(names), len(pairs), sum(gap != 0 for gap in gaps), float(np.max(gaps, initial=0.0)))

    def _gap(self, raw: str, shadow: str) -> float:
        if self.entries[raw].shape != self.entries[shadow].shape:
            raise FreezeError(
                f"{self.prefix}: the moving average of {raw!r} has the shape {list(self.entries[shadow].shape)}, "
                f"expected {list(self.entries[raw].shape)}",
                hint=self.fetch_again,
            )
        return float(np.max(np.abs(np.subtract(self.value(raw), self.value(shadow), dtype=np.float64)), initial=0.0))

    def _partitioned(self, name: str) -> FreezeError:
        return FreezeError(f"{self.prefix}: the variable {name!r} is partitioned, which is not supported")


def read_checkpoint(prefix: Path, fetch_again: NextStep) -> Checkpoint:
    """Read the index of the checkpoint at ``prefix``.

    Raises :class:`FreezeError` where it is missing, truncated or in another format, and where a data file is missing or
    shorter than the index says.
    """
    path = prefix.with_name(f"{prefix.name}.index")
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror or error}"
        raise FreezeError(message, hint=fetch_again) from error
    try:
        header, entries = None, {}
        for key, value in _pairs(data):
            if not key:
                header = _header_class().FromString(value)
                continue
            entry = _entry_class().FromString(value)
            shape = tuple(int(dim.size) for dim in entry.shape.dim)
            entries[key.decode("utf-8", "surrogateescape")] = Entry(
                entry.dtype, shape, entry.shard_id, entry.offset, entry.size, bool(entry.slices)
            )
    except (IndexError, ValueError, struct.error) as error:
        raise FreezeError(
            f"{path}: not the index of a TensorFlow checkpoint, or truncated ({error})", hint=fetch_again
        ) from error
    except Exception as error:  # protobuf's DecodeError has no public base class in every implementation
        raise FreezeError(f"{path}: not the index of a TensorFlow checkpoint ({error})", hint=fetch_again) from error
    if header is None or header.endianness != 0:
        raise FreezeError(f"{path}: the index has no header, or is of a big-endian machine")
    checkpoint = Checkpoint(prefix, header.num_shards, entries, fetch_again)
    _check_places(checkpoint)
    return checkpoint


def _check_places(checkpoint: Checkpoint) -> None:
    """Check that the bytes of each variable lie in a data file. Who reads a checkpoint by C++ may not check that."""
    prefix, hint = checkpoint.prefix, checkpoint.fetch_again
    if checkpoint.shards < 1:
        raise FreezeError(f"{prefix}.index: expected 1 data file or more, got {checkpoint.shards}", hint=hint)
    sizes: list[int] = []
    while len(sizes) < checkpoint.shards:  # may be millions: the first that is missing ends this
        path = checkpoint.data_file(len(sizes))
        try:
            sizes.append(path.stat().st_size)
        except OSError as error:
            raise FreezeError(f"{path}: cannot be read: {error.strerror or error}", hint=hint) from error
    for name, entry in checkpoint.entries.items():
        inside = 0 <= entry.shard < len(sizes) and 0 <= entry.offset <= entry.offset + entry.size <= sizes[entry.shard]
        if not inside or min(entry.shape, default=0) < 0:
            raise FreezeError(
                f"{prefix}.index: {name!r}: expected a shape, and bytes inside a data file, got {list(entry.shape)}, "
                f"{entry.size} bytes at {entry.offset} of data file {entry.shard}",
                hint=hint,
            )


def _pairs(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of a table, in its order."""
    if len(data) < _FOOTER or struct.unpack("<Q", data[-8:])[0] != _MAGIC:
        raise ValueError("the table's end is not there")
    footer = data[-_FOOTER:]
    _, _, place = _handle(footer, 0)
    offset, size, _ = _handle(footer, place)
    for _, handle in _block(data, offset, size):
        start, length, _ = _handle(handle, 0)
        yield from _block(data, start, length)


def _block(data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    if data[offset + size] != 0:
        raise ValueError("its blocks are compressed")
    block = data[offset : offset + size]
    restarts = struct.unpack("<I", block[-4:])[0]
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise ValueError("a block is damaged")
    place, key = 0, b""
    while place < end:
        shared, place = _varint(block, place)
        unshared, place = _varint(block, place)
        length, place = _varint(block, place)
        if shared > len(key) or place + unshared + length > end:
            raise ValueError("an entry is damaged")
        key = key[:shared] + block[place : place + unshared]
        place += unshared
        yield key, block[place : place + length]
        place += length


def _handle(data: bytes, place: int) -> tuple[int, int, int]:
    """(offset, size) of a block, and the place behind them."""
    offset, place = _varint(data, place)
    size, place = _varint(data, place)
    return offset, size, place


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
        shift += 7
    raise ValueError("a number without end")


class _Message(Protocol):
    def FromString(self, data: bytes) -> _Fields: ...  # noqa: N802 - protobuf's name


class _Dim(Protocol):
    size: int


class _Shape(Protocol):
    dim: list[_Dim]


class _Fields(Protocol):
    num_shards: int
    endianness: int
    dtype: int
    shape: _Shape
    shard_id: int
    offset: int
    size: int
    slices: list[object]


@cache
def _header_class() -> _Message:
    fields = [Field("num_shards", 1, "int32"), Field("endianness", 2, "int32")]
    return cast(_Message, message_class("BundleHeaderProto", fields))


@cache
def _entry_class() -> _Message:
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    fields = [
        Field("dtype", 1, "int32"),
        Field("shape", 2, TensorShapeProto),
        Field("shard_id", 3, "int32"),
        Field("offset", 4, "int64"),
        Field("size", 5, "int64"),
        Field("slices", 7, "bytes", repeated=True),
    ]
    return cast(_Message, message_class("BundleEntryProto", fields))
