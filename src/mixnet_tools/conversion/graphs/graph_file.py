"""Reads TensorFlow's graph files, without TensorFlow, whose import takes seconds.

TensorBoard ships the same message classes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mixnet_tools.errors import FreezeError, NextStep

if TYPE_CHECKING:
    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")
TEXT = re.compile(rb"\s*(?:#[^\n]*\n\s*)*(?:node|versions|library|meta_info_def|graph_def)\s*[:{]")
"""The beginning of a graph that is written as text."""


def parse_graph(path: Path, message: M, what: str, fetch_again: NextStep) -> M:
    """Fill ``message`` (a MetaGraphDef or GraphDef) from the file at ``path``, binary or text.

    Raises :class:`FreezeError` where the file is truncated or no ``what``, with the hint ``fetch_again``.
    """
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError

    raw = path.read_bytes()
    try:
        if path.suffix == ".pbtxt" or TEXT.match(raw):
            text_format.Parse(raw.decode("utf-8"), message, allow_unknown_field=True)
        else:
            message.ParseFromString(raw)
    except (DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        problem = f"{path}: not a TensorFlow {what}, or truncated ({len(raw)} bytes)"
        raise FreezeError(problem, hint=fetch_again) from error
    return message
