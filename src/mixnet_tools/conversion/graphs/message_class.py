"""Makes the classes of protobuf messages that TensorBoard does not ship, from those of their fields that are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.message import Message


@dataclass(frozen=True)
class Field:
    """A field of a message. ``kind`` is a scalar type by protobuf's name (``int32``), or the class of a message."""

    name: str
    number: int
    kind: str | type[Message]
    repeated: bool = False


def message_class(name: str, fields: Sequence[Field]) -> type[Message]:
    """The class of the message ``name`` (proto3) with ``fields``. Call it once for each name."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    proto = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name=f"mixnet_tools/{name}.proto", package="mixnet_tools", syntax="proto3"
    )
    described = file.message_type.add(name=name)
    for field in fields:
        added = described.field.add(name=field.name, number=field.number)
        added.label = proto.LABEL_REPEATED if field.repeated else proto.LABEL_OPTIONAL
        if isinstance(field.kind, str):
            added.type = proto.Type.Value(f"TYPE_{field.kind.upper()}")
        else:
            added.type, added.type_name = proto.TYPE_MESSAGE, f".{field.kind.DESCRIPTOR.full_name}"
            file.dependency.append(field.kind.DESCRIPTOR.file.name)
    pool = descriptor_pool.Default()
    pool.Add(file)
    made: type[Message] = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"mixnet_tools.{name}"))
    return made
