"""Changes inside of archives, checkpoints' indexes and TFRecord files, whose outer layers are made right again."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from functools import partial

from hypothesis import strategies as st

from mixnet_tools.accuracy.datasets.forms.tfrecord import _masked_crc32c
from tests.fuzz.mutation import INTEGERS, TEXTS, Draw, byte_changes, protobuf_changes, varint

_NAMES = tuple(text for text in TEXTS if text and "\0" not in text)
_TYPES = (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"L", b"K", b"x", b"g", b"Z", b"\0")
_PAX = ("path", "size", "linkpath", "mtime", "uid", "GNU.sparse.size", "GNU.sparse.map", "GNU.sparse.major")
_PACKING: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    ".gz": (partial(gzip.compress, mtime=0), gzip.decompress),
    ".bz2": (bz2.compress, bz2.decompress),
    ".xz": (lzma.compress, lzma.decompress),
}
_TABLE_MAGIC = 0xDB4775248B80FB57


def tar_changes(draw: Draw, data: bytes) -> bytes:
    """A plain tar with the header or body of one member changed, and its checksum right; or with one more member."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [(one, archive.extractfile(one)) for one in archive]
        found = [(one, stream.read() if stream else b"") for one, stream in members]
    index = draw(st.integers(0, len(found) - 1))
    member, body = found[index]
    how = draw(st.sampled_from(("name", "type", "link", "size", "mode", "body", "add", "double", "sparse", "pax")))
    if how == "name":
        member.name = draw(st.sampled_from(_NAMES))
    elif how == "type":
        member.type = draw(st.sampled_from(_TYPES))
    elif how == "link":
        member.type, member.linkname = draw(st.sampled_from(_TYPES[1:3])), draw(st.sampled_from(_NAMES))
        body = b""
    elif how == "size":
        member.size = draw(st.sampled_from([one for one in INTEGERS if -(2**62) < one < 2**62]))
    elif how == "mode":
        member.mode = draw(st.sampled_from((0, 0o777, 0o4755, 0o2755, 0o1777, 0o7777777)))
    elif how == "body":
        body = byte_changes(draw, body)
        member.size = len(body)
    elif how == "double":
        found.insert(index, found[index])
    elif how == "pax":
        member.pax_headers = {draw(st.sampled_from(_PAX)): draw(st.sampled_from(_NAMES))}
    elif how == "sparse":
        member.type = b"S"
    else:
        extra = tarfile.TarInfo(draw(st.sampled_from(_NAMES)))
        extra.type, extra.linkname = draw(st.sampled_from(_TYPES)), draw(st.sampled_from(_NAMES))
        found.insert(index, (extra, b""))
    if how not in ("add", "double"):
        found[index] = (member, body)
    written = b""
    for one, content in found:
        pax = how == "pax" and one is member
        header = one.tobuf(tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        written += header + content + bytes(-len(content) % 512)
    return written + bytes(1024)


def packed(draw: Draw, data: bytes, suffix: str) -> bytes:
    """A tar as ``suffix`` says. Half of the time only the packed bytes are changed, which have checksums."""
    pack, unpack = _PACKING[suffix]
    return pack(tar_changes(draw, unpack(data)))


def zip_changes(draw: Draw, data: bytes) -> bytes:
    """A zip with one member changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = [(one, archive.read(one)) for one in archive.infolist()]
    index = draw(st.integers(0, len(found) - 1))
    info, body = found[index]
    how = draw(st.sampled_from(("name", "mode", "method", "body", "double", "link", "folder")))
    if how == "name":
        info = zipfile.ZipInfo(draw(st.sampled_from(_NAMES)))
    elif how == "mode":
        info.create_system, info.external_attr = 3, draw(st.sampled_from((0o4755, 0o60644, 0o140755, 0xFFFF))) << 16
    elif how == "method":
        info.compress_type = draw(st.sampled_from((0, 8, 12, 14)))
    elif how == "body":
        body = byte_changes(draw, body)
    elif how == "link":
        info.create_system, info.external_attr = 3, 0o120777 << 16
        body = draw(st.sampled_from(_NAMES)).encode()
    elif how == "folder":
        info = zipfile.ZipInfo(f"{info.filename}/")
    found[index] = (info, body)
    if how == "double":
        found.insert(index, (zipfile.ZipInfo(info.filename), body))
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # of names that stand twice
        for one, content in found:
            archive.writestr(one, content)
    return stream.getvalue()


def table(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A table in LevelDB's format with ``pairs`` in one block: the index of a checkpoint."""

    def block(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
        body = b"".join(varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries)
        body += struct.pack("<II", 0, 1) + b"\0"  # a restart at 0; not compressed
        return body + struct.pack("<I", _masked_crc32c(body))

    data, behind = block(pairs), 5
    last = pairs[-1][0] if pairs else b""
    index = block([(last, varint(0) + varint(len(data) - behind))])
    footer = varint(0) + varint(0) + varint(len(data)) + varint(len(index) - behind)
    whole = data + index
    return whole + footer.ljust(40, b"\0") + struct.pack("<Q", _TABLE_MAGIC)


def table_changes(draw: Draw, data: bytes) -> bytes:
    """An index that :func:`table` made, with one key or value changed."""
    from mixnet_tools.conversion.graphs.checkpoint import _pairs

    pairs = list(_pairs(data))
    index = draw(st.integers(0, len(pairs) - 1))
    key, value = pairs[index]
    how = draw(st.sampled_from(("value",) * 6 + ("key", "remove", "double")))
    if how == "key":
        key = draw(st.sampled_from(TEXTS)).encode()
    elif how == "value":
        value = protobuf_changes(draw, value)
    pairs[index] = (key, value)
    if how == "remove":
        del pairs[index]
    elif how == "double":
        pairs.insert(index, (key, value))
    return table(pairs)


def records(messages: Sequence[bytes]) -> bytes:
    """A TFRecord file with ``messages``."""
    parts = []
    for message in messages:
        length = struct.pack("<Q", len(message))
        parts += [
            length,
            struct.pack("<I", _masked_crc32c(length)),
            message,
            struct.pack("<I", _masked_crc32c(message)),
        ]
    return b"".join(parts)


def record_changes(draw: Draw, data: bytes) -> bytes:
    """A TFRecord file with one record changed, its checksums right."""
    messages, place = [], 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        messages.append(data[place + 12 : place + 12 + length])
        place += length + 16
    index = draw(st.integers(0, len(messages) - 1))
    how = draw(st.sampled_from(("change",) * 6 + ("remove", "double")))
    if how == "remove":
        del messages[index]
    elif how == "double":
        messages.insert(index, messages[index])
    else:
        messages[index] = protobuf_changes(draw, messages[index])
    return records(messages)
