"""Files to download, and what is done with them: entries of model.yml's lists ``files`` and ``postprocessing``."""

from __future__ import annotations

import platform
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from mixnet_tools.descriptors.regular_expression import MAX_PATTERN, compilable
from mixnet_tools.descriptors.strict_yaml import StrictModel
from mixnet_tools.files.shown import redact

DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_CHECKSUM_SCHEMA = {
    "type": "string",
    "pattern": "^(sha384:)?[0-9a-fA-F]{96}$|^sha256:[0-9a-fA-F]{64}$|^sha512:[0-9a-fA-F]{128}$",
}
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])[ .]*(\..*)?", re.IGNORECASE)
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*\\]|[. ]$')


def safe_relative_path(text: str) -> str:
    """``text``, if it is a relative path to a place inside a folder on every platform. Raises ValueError if not.

    >>> safe_relative_path("FP16/net.xml")
    'FP16/net.xml'
    >>> safe_relative_path("../net.xml")
    Traceback (most recent call last):
    ValueError: expected a path inside the model's folder
    """
    parts = text.split("/")
    if text.startswith("/") or "\\" in text or ":" in parts[0] or ".." in parts:
        raise ValueError("expected a path inside the model's folder")
    if any(part in ("", ".") or len(part.encode()) > 255 or not part.isprintable() for part in parts):
        raise ValueError("expected a plain relative path (no empty or '.' parts, no control characters)")
    if platform.system() == "Windows" and (part := next(filter(is_special_on_windows, parts), None)):
        raise ValueError(f"{part!r} is no name that a file may have on Windows")
    return text


def is_special_on_windows(name: str) -> bool:
    """Whether Windows takes ``name`` for a device or another file, or refuses it.

    >>> [name for name in ("con", "Aux.txt", "a:b", "a.", "what?", "console", "net.xml") if is_special_on_windows(name)]
    ['con', 'Aux.txt', 'a:b', 'a.', 'what?']
    """
    return bool(_NOT_ON_WINDOWS.search(name) or _DEVICE.fullmatch(name))


def _check_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        # Only reading the port parses it: "http://host:x/" is refused here.
        usable = parts.scheme in ("http", "https", "file") and (parts.scheme == "file" or bool(parts.hostname))
        _ = parts.port
    except ValueError:
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise ValueError("expected an http://, https:// or file:// URL")
    return text


def _check_checksum(text: str) -> str:
    algorithm, _, digest = text.rpartition(":")
    algorithm = algorithm.lower() or "sha384"
    if algorithm not in DIGEST_LENGTHS:
        raise ValueError(f"expected a digest algorithm of {', '.join(DIGEST_LENGTHS)}")
    if not re.fullmatch(rf"[0-9a-fA-F]{{{DIGEST_LENGTHS[algorithm]}}}", digest):
        raise ValueError(
            f"expected {DIGEST_LENGTHS[algorithm]} hex digits ({algorithm}), found {len(digest)} characters"
        )
    return f"{algorithm}:{digest.lower()}"


def _source_from_string(value: object) -> object:
    return {"$type": "http", "url": value} if isinstance(value, str) else value


RelativePath = Annotated[str, AfterValidator(safe_relative_path)]


class HttpSource(StrictModel):
    """A file behind a URL (http, https or file)."""

    type: Literal["http"] = Field(alias="$type")
    """``http``. A plain string instead of the mapping means the same."""
    url: Annotated[str, AfterValidator(_check_url)]
    """The URL, with ``http://``, ``https://`` or ``file://``. Example: ``https://example.org/models/net.onnx``."""

    def __str__(self) -> str:
        return redact(self.url)


class GoogleDriveSource(StrictModel):
    """A file on Google Drive, by its id."""

    type: Literal["google_drive"] = Field(alias="$type")
    """``google_drive``."""
    id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]+$")]
    """The file's id, as in its link. Example: ``1AbC_d-9``."""

    def __str__(self) -> str:
        return f"google_drive:{self.id}"


class FileSource(StrictModel):
    """A file beside the descriptor: ``path`` is relative to the folder of model.yml. OMZ does not have this kind."""

    type: Literal["file"] = Field(alias="$type")
    """``file``."""
    path: RelativePath
    """The path from the folder of model.yml. Example: ``archive/net.tar.gz``."""

    def __str__(self) -> str:
        return f"file beside model.yml: {self.path}"


_SourceMapping = Annotated[HttpSource | GoogleDriveSource | FileSource, Field(discriminator="type")]
Source = Annotated[
    _SourceMapping,
    BeforeValidator(_source_from_string, json_schema_input_type=str | _SourceMapping),
]


class ModelFile(StrictModel):
    """A file to download."""

    name: RelativePath
    """Where the file is put, as a path inside the model's folder. Example: ``ckpt/model.ckpt.meta``."""
    size: Annotated[int, Field(ge=0, le=1 << 50)]
    """Its size in bytes. Example: ``54302843``."""
    checksum: Annotated[str, AfterValidator(_check_checksum), WithJsonSchema(_CHECKSUM_SCHEMA)]
    """Its digest in hex digits: SHA-384, or any with the algorithm before it (``sha256:``, ``sha512:``).
    OMZ: SHA-384 only, without its name.
    """
    source: Source
    """Where the file is: a URL, or a mapping with the key ``$type`` (below). OMZ: URLs and ``google_drive``."""
    original_source: Source | None = None
    """Where it was published first. It is tried when ``source`` fails. OMZ: the same, as a record only."""

    @property
    def algorithm(self) -> str:
        """Name of the digest algorithm, as :mod:`hashlib` knows it."""
        return self.checksum.partition(":")[0]

    @property
    def digest(self) -> str:
        """The expected digest in lower-case hex."""
        return self.checksum.partition(":")[2]

    @property
    def sources(self) -> tuple[HttpSource | GoogleDriveSource | FileSource, ...]:
        """The sources of the file, in the order to try."""
        return (self.source,) if self.original_source is None else (self.source, self.original_source)


class UnpackArchive(StrictModel):
    """Unpack ``file`` into the folder that holds it."""

    type: Literal["unpack_archive"] = Field(alias="$type")
    """``unpack_archive``."""
    format: Literal["zip", "tar", "gztar", "bztar", "xztar", "zst"]
    """What kind of archive it is. ``zst`` needs Python 3.14. OMZ: no ``zst``."""
    file: RelativePath
    """The archive: one of the names in ``files``. Example: ``mixnet-l.tar.gz``."""


class RegexReplace(StrictModel):
    """Replace ``pattern`` in the text file ``file``, ``count`` times (0: everywhere)."""

    type: Literal["regex_replace"] = Field(alias="$type")
    """``regex_replace``."""
    file: RelativePath
    """A text file in UTF-8. Example: ``model.prototxt``."""
    pattern: Annotated[str, Field(max_length=MAX_PATTERN), AfterValidator(compilable)]
    """A regular expression of Python's ``re``. It must match. Example: ``'batch: [0-9]+'``."""
    replacement: Annotated[str, Field(max_length=MAX_PATTERN)]
    """What is put there; ``\\1`` stands for the first group. Example: ``'batch: 1'``."""
    count: Annotated[int, Field(ge=0)] = 0
    """How many matches are replaced; 0 means all."""


Postprocessing = Annotated[UnpackArchive | RegexReplace, Field(discriminator="type")]
