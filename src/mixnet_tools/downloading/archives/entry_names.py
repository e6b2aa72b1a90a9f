"""The names of an archive's entries: which are dangerous, and which only some systems cannot have.

A name that leaves the folder, on this system or on another, is refused and never repaired. Any other name is unpacked
as it is, as long as this system can have it.
"""

from __future__ import annotations

import contextlib
import os
import re
import unicodedata
import zipfile

from mixnet_tools.descriptors.file_entries import is_special_on_windows

_DRIVE = re.compile(r"[A-Za-z]:($|[/\\])")
_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of writing: with these a name can look like another one."""

_UTF8_FLAG = 0x800
_BACKSLASHES = 0
"""The system that a zip file says it was made on: MS-DOS and Windows, whose programs may write backslashes."""


def readable(name: str) -> str:
    """``name`` as text. Bytes that are not UTF-8 came as surrogates: they are read as Windows-1252, which has latin-1.

    >>> readable("caf\\udce9"), readable("caf\u00e9")
    ('café', 'café')
    """
    try:
        name.encode()
        return name
    except UnicodeEncodeError:
        raw = name.encode("utf-8", "surrogateescape" if _is_escaped(name) else "replace")
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _is_escaped(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udc7f" or "\udd00" <= letter <= "\udfff" for letter in name)


def zip_name(info: zipfile.ZipInfo) -> str:
    """The name of an entry of a zip file. Many programs write UTF-8 and do not say so, or backslashes for slashes."""
    name = info.filename
    if not info.flag_bits & _UTF8_FLAG and not name.isascii():
        with contextlib.suppress(UnicodeError):  # then it is the code page of old MS-DOS, as the format says
            name = name.encode("cp437").decode("utf-8")
    if info.create_system == _BACKSLASHES and "/" not in name:
        name = name.replace("\\", "/")
    return name


def plain_path(name: str) -> str:
    """The relative path of the entry ``name``, without empty and ``.`` parts; "" for the folder itself.

    Raises ValueError that says why where the name is dangerous.

    >>> plain_path("./net//a::b"), plain_path("./")
    ('net/a::b', '')
    """
    if name.startswith("/"):
        raise ValueError("is an absolute path")
    if name.startswith("\\") or _DRIVE.match(name):
        raise ValueError("is an absolute path on Windows")
    if ".." in re.split(r"[/\\]", name):
        raise ValueError("leaves the folder by '..'")
    if is_steering(name):
        raise ValueError("has control characters in its name")
    path = "/".join(part for part in name.split("/") if part not in ("", "."))
    if os.name == "nt" and not is_portable(path):
        raise ValueError("has a name that Windows cannot have")
    return path


def is_steering(name: str) -> bool:
    """Whether ``name`` has characters that steer a terminal, or turn the direction of writing."""
    return any(unicodedata.category(letter) in ("Cc", "Cs") or letter in _TURNING for letter in name)


def is_portable(path: str) -> bool:
    r"""Whether Windows can have ``path`` as well.

    >>> [name for name in ("a::b", "net/aux.txt", "a.", "a b", "a\\b", "console") if is_portable(name)]
    ['a b', 'console']
    """
    return not any(map(is_special_on_windows, path.split("/")))
